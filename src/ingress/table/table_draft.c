#include "ingress/table/table_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/num.h"
#include "ingress/table/table_format.h"
#include "ingress/table/table_map.h"

#define NAMES_AT_ONCE 256

#define NONE TABLE_MAP_NONE
#define FIRST_ROOM 64 /* of every list, which then doubles */

struct name {
    struct table_text text;
    uint32_t hash;
    uint32_t owner;
    uint32_t first_route; /* in the order in which they are tried */
    uint32_t n_routes;
    size_t line;
};

struct route {
    struct table_route route;
    uint32_t next; /* of the same name, or NONE */
    size_t line;
};

struct drawn_instance {
    struct table_instance instance;
    size_t line;
};

/* A key on its way: LIMIT_INSTANCE_KEY holds the longest that the limits of its parts leave. */
struct key {
    size_t n;
    char p[LIMIT_INSTANCE_KEY];
};

struct draft {
    uint64_t seed[2];
    struct key key; /* of the instance that is being added */
    struct table_map names_by_text, instances_by_key;
    struct name *names;
    size_t names_room, n_names;
    struct route *routes;
    size_t routes_room, n_routes;
    struct drawn_instance *instances;
    size_t instances_room, n_instances;
    char *texts;
    size_t texts_room, n_texts;
};

/* Room for `more` items of `size` behind the `n` that are there. */
static int grow(void *items_pointer, size_t *room, size_t n, size_t more, size_t size) {
    size_t wanted = *room > 0 ? *room : FIRST_ROOM;
    void *items, *grown;

    if (n + more <= *room)
        return 0;
    while (wanted < n + more)
        wanted *= 2;
    memcpy(&items, items_pointer, sizeof(items));
    grown = reallocarray(items, wanted, size);
    if (!grown)
        return -ENOMEM;
    memcpy(items_pointer, &grown, sizeof(grown));
    *room = wanted;
    return 0;
}

int draft_new(struct draft **ret) {
    _cleanup_draft_ struct draft *draft = calloc(1, sizeof(*draft));

    if (!draft)
        return -ENOMEM;
    if (getrandom(draft->seed, sizeof(draft->seed), 0) != (ssize_t)sizeof(draft->seed))
        return -EIO;
    *ret = steal_pointer(&draft);
    return 0;
}

void draft_free(struct draft *draft) {
    if (!draft)
        return;
    table_map_done(&draft->names_by_text);
    table_map_done(&draft->instances_by_key);
    free(draft->names);
    free(draft->routes);
    free(draft->instances);
    free(draft->texts);
    free(draft);
}

void draft_free_pointer(struct draft **draft) {
    draft_free(*draft);
}

static bool is_text(const struct draft *draft, struct table_text a, struct slice b) {
    return a.n == b.n && (b.n == 0 || memcmp(draft->texts + a.at, b.p, b.n) == 0);
}

/* A NUL stands behind each: a path is handed to the kernel as it is. */
static int add_text(struct draft *draft, struct slice text, struct table_text *ret) {
    int r;

    if (draft->n_texts + text.n + 1 > LIMIT_TABLE_MEMORY / 2)
        return -E2BIG;
    r = grow(&draft->texts, &draft->texts_room, draft->n_texts, text.n + 1, 1);
    if (r < 0)
        return r;
    memcpy(draft->texts + draft->n_texts, text.p, text.n);
    draft->texts[draft->n_texts + text.n] = '\0';
    *ret = (struct table_text){(uint32_t)draft->n_texts, (uint32_t)text.n};
    draft->n_texts += text.n + 1;
    return 0;
}

/* The same, where an empty one needs no place. */
static int add_optional_text(struct draft *draft, struct slice text, struct table_text *ret) {
    *ret = (struct table_text){0, 0};
    return text.n > 0 ? add_text(draft, text, ret) : 0;
}

static void key_put(struct key *key, struct slice text) {
    size_t n = MIN_OF(text.n, sizeof(key->p) - key->n);

    memcpy(key->p + key->n, text.p, n);
    key->n += n;
}

static bool is_ipv6(const struct draft_instance *from) {
    return from->place == INSTANCE_ADDRESS && from->address.any.sa_family == AF_INET6;
}

/* "alice 127.0.0.1:3773 t3": what stays the same as long as it is the same instance. */
static struct slice write_key(const struct draft_instance *from, struct key *key) {
    char digits[NUM_DIGITS];

    key->n = 0;
    key_put(key, from->os_user);
    if (from->place == INSTANCE_UNIX) {
        key_put(key, SLICE(" unix:"));
        key_put(key, from->path);
    } else {
        key_put(key, is_ipv6(from) ? SLICE(" [") : SLICE(" "));
        key_put(key, from->host);
        key_put(key, is_ipv6(from) ? SLICE("]:") : SLICE(":"));
        key_put(key, num_format(from->port, digits));
    }
    key_put(key, SLICE(" "));
    key_put(key, from->recipe_name);
    return slice_of(key->p, key->n);
}

static void set_address(struct table_instance *instance, const struct address *address) {
    bool is_ipv4 = address->any.sa_family == AF_INET;

    instance->address_length = is_ipv4 ? 4 : 16;
    if (is_ipv4)
        memcpy(instance->address, &address->in.sin_addr, 4);
    else
        memcpy(instance->address, &address->in6.sin6_addr, 16);
}

static int draw_instance(struct draft *draft, const struct draft_instance *from, struct slice key,
                         struct table_instance *ret) {
    struct slice place = from->place == INSTANCE_UNIX   ? from->path
                         : from->place == INSTANCE_NAME ? from->host
                                                        : SLICE_EMPTY;
    int r = add_text(draft, key, &ret->key);

    if (r == 0)
        r = add_optional_text(draft, place, &ret->place);
    if (r == 0)
        r = add_optional_text(draft, from->unit, &ret->unit);
    if (r < 0)
        return r;
    ret->os_user = (struct table_text){ret->key.at, (uint32_t)from->os_user.n}; /* the key begins with it */
    ret->port = from->port;
    ret->kind = (uint8_t)from->place;
    ret->recipe = from->recipe;
    if (from->place == INSTANCE_ADDRESS)
        set_address(ret, &from->address);
    return 0;
}

static uint32_t find_instance(const struct draft *draft, uint32_t hash, struct slice key) {
    uint32_t at = 0, number;

    do
        number = table_map_next(&draft->instances_by_key, hash, &at);
    while (number != NONE && !is_text(draft, draft->instances[number].instance.key, key));
    return number;
}

int draft_add_instance(struct draft *draft, const struct draft_instance *from, uint32_t *ret, size_t *ret_line) {
    struct slice key = write_key(from, &draft->key);
    uint32_t hash = table_hash(draft->seed, key);
    uint32_t number = find_instance(draft, hash, key);
    struct drawn_instance drawn = {.line = from->line};
    int r;

    if (number != NONE) {
        struct table_text unit = draft->instances[number].instance.unit;

        *ret_line = draft->instances[number].line;
        *ret = number;
        return is_text(draft, unit, from->unit) ? 0 : -EEXIST;
    }
    if (draft->n_instances == LIMIT_TABLE_NAMES)
        return -E2BIG;
    r = draw_instance(draft, from, key, &drawn.instance);
    if (r == 0)
        r = grow(&draft->instances, &draft->instances_room, draft->n_instances, 1, sizeof(*draft->instances));
    if (r == 0)
        r = table_map_add(&draft->instances_by_key, hash, (uint32_t)draft->n_instances);
    if (r < 0)
        return r;
    *ret = (uint32_t)draft->n_instances;
    draft->instances[draft->n_instances++] = drawn;
    return 0;
}

static uint32_t find_name(const struct draft *draft, uint32_t hash, struct slice name) {
    uint32_t at = 0, number;

    do
        number = table_map_next(&draft->names_by_text, hash, &at);
    while (number != NONE && !is_text(draft, draft->names[number].text, name));
    return number;
}

/* The number of the name, a new one if need be. */
static int take_name(struct draft *draft, const struct draft_route *from, uint32_t *ret) {
    uint32_t hash = table_hash(draft->seed, from->name);
    struct name name = {.hash = hash, .owner = from->owner, .first_route = NONE, .line = from->line};
    int r;

    *ret = find_name(draft, hash, from->name);
    if (*ret != NONE)
        return 0;
    if (draft->n_names == LIMIT_TABLE_NAMES)
        return -E2BIG;
    r = add_text(draft, from->name, &name.text);
    if (r == 0)
        r = grow(&draft->names, &draft->names_room, draft->n_names, 1, sizeof(*draft->names));
    if (r == 0)
        r = table_map_add(&draft->names_by_text, hash, (uint32_t)draft->n_names);
    if (r < 0)
        return r;
    *ret = (uint32_t)draft->n_names;
    draft->names[draft->n_names++] = name;
    return 0;
}

/* Those that ask for a host first, then the longer prefix: the first that matches is the right one. */
static bool is_tried_before(const struct table_route *a, const struct table_route *b) {
    if ((a->host.n > 0) != (b->host.n > 0))
        return a->host.n > 0;
    return a->prefix.n > b->prefix.n;
}

static bool is_same_route(const struct draft *draft, const struct table_route *a, const struct draft_route *b) {
    return is_text(draft, a->host, b->host) && is_text(draft, a->prefix, b->prefix);
}

/* Whether the name may have that route too. */
static int check_clash(const struct draft *draft, const struct name *name, const struct draft_route *from,
                       size_t *ret_line) {
    *ret_line = name->line;
    if (name->owner != from->owner)
        return -EEXIST;
    for (uint32_t i = name->first_route; i != NONE; i = draft->routes[i].next) {
        *ret_line = draft->routes[i].line;
        if (is_same_route(draft, &draft->routes[i].route, from))
            return -EALREADY;
    }
    return name->n_routes < LIMIT_TABLE_ROUTES ? 0 : -E2BIG;
}

static void link_route(struct draft *draft, struct name *name, uint32_t number) {
    uint32_t *at = &name->first_route;

    while (*at != NONE && !is_tried_before(&draft->routes[number].route, &draft->routes[*at].route))
        at = &draft->routes[*at].next;
    draft->routes[number].next = *at;
    *at = number;
    name->n_routes++;
}

int draft_add_route(struct draft *draft, const struct draft_route *from, size_t *ret_line) {
    struct route route = {.route.instance = from->instance, .line = from->line};
    struct table_instance *instance = &draft->instances[from->instance].instance;
    uint32_t number;
    int r = take_name(draft, from, &number);

    if (r == 0)
        r = check_clash(draft, &draft->names[number], from, ret_line);
    if (r == 0)
        r = add_optional_text(draft, from->host, &route.route.host);
    if (r == 0)
        r = add_optional_text(draft, from->prefix, &route.route.prefix);
    if (r == 0)
        r = grow(&draft->routes, &draft->routes_room, draft->n_routes, 1, sizeof(*draft->routes));
    if (r < 0)
        return r;
    draft->routes[draft->n_routes] = route;
    link_route(draft, &draft->names[number], (uint32_t)draft->n_routes++);
    if (instance->name.n == 0) {
        instance->name = draft->names[number].text;
        instance->prefix = route.route.prefix;
    }
    return 0;
}

static uint32_t count_buckets(size_t n_names) {
    uint32_t n = 2;

    while (n < 2 * n_names)
        n *= 2;
    return n;
}

static void write_name(struct table_bucket *buckets, uint32_t mask, const struct name *name, uint32_t first_route) {
    uint32_t i = name->hash & mask;

    while (buckets[i].n_routes > 0)
        i = (i + 1) & mask;
    buckets[i] = (struct table_bucket){.hash = name->hash,
                                       .name = name->text.at,
                                       .name_length = (uint16_t)name->text.n,
                                       .n_routes = (uint16_t)name->n_routes,
                                       .route = first_route};
}

/* Into memory that is all zero. */
static void write_table(const struct draft *draft, const struct table_header *header, void *memory) {
    struct table_bucket *buckets = (void *)((struct table_header *)memory + 1);
    struct table_route *routes = (void *)(buckets + header->n_buckets);
    struct table_instance *instances = (void *)(routes + header->n_routes);
    uint32_t n_routes = 0;

    memcpy(memory, header, sizeof(*header));
    for (size_t i = 0; i < draft->n_names; i++) {
        write_name(buckets, header->n_buckets - 1, &draft->names[i], n_routes);
        for (uint32_t k = draft->names[i].first_route; k != NONE; k = draft->routes[k].next)
            routes[n_routes++] = draft->routes[k].route;
        if (i % NAMES_AT_ONCE == 0)
            (void)sched_yield(); /* as table_read */
    }
    for (size_t i = 0; i < draft->n_instances; i++)
        instances[i] = draft->instances[i].instance;
    if (draft->n_texts > 0)
        memcpy(instances + draft->n_instances, draft->texts, draft->n_texts);
}

static int write_memory(const struct draft *draft, const struct table_header *header, size_t size, int fd) {
    void *memory;

    if (ftruncate(fd, (off_t)size) < 0)
        return -errno;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0); /* all of it is written */
    if (memory == MAP_FAILED)
        return -errno;
    write_table(draft, header, memory);
    (void)munmap(memory, size);
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ? -errno : 0;
}

int draft_seal(const struct draft *draft, uint64_t number, int *ret_fd) {
    struct table_header header = {.magic = TABLE_MAGIC,
                                  .number = number,
                                  .seed = {draft->seed[0], draft->seed[1]},
                                  .n_buckets = count_buckets(draft->n_names),
                                  .n_names = (uint32_t)draft->n_names,
                                  .n_routes = (uint32_t)draft->n_routes,
                                  .n_instances = (uint32_t)draft->n_instances,
                                  .n_texts = (uint32_t)draft->n_texts};
    uint64_t size = sizeof(header) + header.n_buckets * sizeof(struct table_bucket) +
                    header.n_routes * sizeof(struct table_route) + header.n_instances * sizeof(struct table_instance) +
                    header.n_texts;
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (size > LIMIT_TABLE_MEMORY)
        return -E2BIG;
    fd = memfd_create("credfd-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    r = write_memory(draft, &header, size, fd);
    if (r == 0)
        *ret_fd = fd_steal(&fd);
    return r;
}
