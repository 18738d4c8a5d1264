#include "ingress/table/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/limits.h"
#include "ingress/table/table_format.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct table {
    unsigned refs;
    size_t size;
    const struct table_header *header; /* the start of the mapping */
    const struct table_bucket *buckets;
    const struct table_route *routes;
    const struct table_instance *instances;
    const char *texts;
    uint64_t n_looked; /* buckets, then routes, then instances */
    uint32_t n_names;  /* among them */
};

static bool is_text(const struct table *table, struct table_text text, size_t max) {
    return text.n <= max && text.at <= table->header->n_texts && text.n <= table->header->n_texts - text.at;
}

static struct slice text_of(const struct table *table, struct table_text text) {
    return slice_of(table->texts + text.at, text.n);
}

/* Where each part starts follows from the sizes of those before it; their sum must be the file's. */
static bool lay_out(struct table *table) {
    const struct table_header *header = table->header;
    const char *at = (const char *)(header + 1);
    uint64_t size = sizeof(*header);

    size += (uint64_t)header->n_buckets * sizeof(*table->buckets) +
            (uint64_t)header->n_routes * sizeof(*table->routes) +
            (uint64_t)header->n_instances * sizeof(*table->instances) + header->n_texts;
    if (header->magic != TABLE_MAGIC || size != table->size)
        return false;
    if (header->n_buckets == 0 || (header->n_buckets & (header->n_buckets - 1)) != 0)
        return false;
    table->buckets = (const void *)at;
    at += (size_t)header->n_buckets * sizeof(*table->buckets);
    table->routes = (const void *)at;
    at += (size_t)header->n_routes * sizeof(*table->routes);
    table->instances = (const void *)at;
    table->texts = at + (size_t)header->n_instances * sizeof(*table->instances);
    return true;
}

static bool is_bucket_sound(struct table *table, const struct table_bucket *bucket) {
    if (bucket->n_routes == 0)
        return true;
    table->n_names++;
    return bucket->name_length > 0 &&
           is_text(table, (struct table_text){bucket->name, bucket->name_length}, LIMIT_PERSON) &&
           bucket->route <= table->header->n_routes && bucket->n_routes <= table->header->n_routes - bucket->route;
}

static bool is_route_sound(const struct table *table, const struct table_route *route) {
    return route->instance < table->header->n_instances && is_text(table, route->host, LIMIT_HOST) &&
           is_text(table, route->prefix, LIMIT_BASE_PATH);
}

/* A path goes into a struct sockaddr_un with the NUL that stands behind it, which is one of the texts too. */
static bool is_path(const struct table *table, struct table_text text) {
    struct slice path;

    if (text.n == 0 || !is_text(table, text, sizeof(((struct sockaddr_un *)0)->sun_path) - 1) ||
        text.n == table->header->n_texts - text.at)
        return false;
    path = text_of(table, text);
    return !slice_has(path, '\0') && path.p[path.n] == '\0';
}

static bool is_place(const struct table *table, const struct table_instance *instance) {
    switch (instance->kind) {
    case INSTANCE_ADDRESS:
        return instance->port > 0 && (instance->address_length == 4 || instance->address_length == 16);
    case INSTANCE_UNIX:
        return is_path(table, instance->place);
    case INSTANCE_NAME:
        return instance->port > 0 && instance->place.n > 0 && is_text(table, instance->place, LIMIT_HOST);
    default:
        return false;
    }
}

static bool is_instance_sound(const struct table *table, const struct table_instance *instance) {
    return is_text(table, instance->key, LIMIT_INSTANCE_KEY) && is_text(table, instance->name, LIMIT_PERSON) &&
           is_text(table, instance->os_user, LIMIT_OS_USER) && is_text(table, instance->unit, 2 * LIMIT_NAME) &&
           is_text(table, instance->prefix, LIMIT_BASE_PATH) && is_place(table, instance);
}

/* The n-th of all rows, one kind behind the other. */
static bool is_row_sound(struct table *table, uint64_t n) {
    const struct table_header *header = table->header;

    if (n < header->n_buckets)
        return is_bucket_sound(table, &table->buckets[n]);
    n -= header->n_buckets;
    if (n < header->n_routes)
        return is_route_sound(table, &table->routes[n]);
    return is_instance_sound(table, &table->instances[n - header->n_routes]);
}

static uint64_t count_rows(const struct table *table) {
    return (uint64_t)table->header->n_buckets + table->header->n_routes + table->header->n_instances;
}

/* Sealed, so that what was looked at once cannot be changed afterwards, nor the file be cut under the mapping. */
static int map(int fd, struct table *table) {
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    void *memory;

    if (seals < 0 || (seals & SEALS) != SEALS)
        return -EPROTO;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size < (off_t)sizeof(*table->header) || status.st_size > LIMIT_TABLE_MEMORY)
        return -EPROTO;
    memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    table->size = (size_t)status.st_size;
    table->header = memory;
    return 0;
}

static void unmap(const struct table *table) {
    union {
        const void *from;
        void *to;
    } memory = {table->header};

    if (memory.to)
        (void)munmap(memory.to, table->size);
}

int table_begin(int fd, struct table **ret) {
    _cleanup_close_ int owned = fd;
    struct table *table = calloc(1, sizeof(*table));
    int r;

    if (!table)
        return -ENOMEM;
    table->refs = 1;
    r = map(owned, table);
    if (r == 0 && !lay_out(table))
        r = -EPROTO;
    if (r != 0)
        table_unref(table);
    else
        *ret = table;
    return r;
}

int table_look(struct table *table, uint64_t rows) {
    uint64_t n_rows = count_rows(table), end = rows < n_rows - table->n_looked ? table->n_looked + rows : n_rows;

    for (; table->n_looked < end; table->n_looked++)
        if (!is_row_sound(table, table->n_looked))
            return -EPROTO;
    if (end < n_rows)
        return 1;
    return table->n_names == table->header->n_names ? 0 : -EPROTO;
}

int table_open(int fd, struct table **ret) {
    struct table *table;
    int r = table_begin(fd, &table);

    if (r != 0)
        return r;
    r = table_look(table, UINT64_MAX);
    if (r < 0)
        table_unref(table);
    else
        *ret = table;
    return r;
}

struct table *table_ref(struct table *table) {
    table->refs++;
    return table;
}

void table_unref(struct table *table) {
    if (!table || --table->refs > 0)
        return;
    unmap(table);
    free(table);
}

uint64_t table_number(const struct table *table) {
    return table->header->number;
}

uint32_t table_count(const struct table *table) {
    return table->header->n_instances;
}

uint32_t table_names(const struct table *table) {
    return table->header->n_names;
}

/* At most once around: a table without an empty bucket would otherwise be searched for ever. */
static const struct table_bucket *find_bucket(const struct table *table, struct slice name) {
    uint32_t mask = table->header->n_buckets - 1, hash;

    if (name.n == 0 || name.n > LIMIT_PERSON)
        return NULL;
    hash = table_hash(table->header->seed, name);
    for (uint32_t i = 0; i <= mask; i++) {
        const struct table_bucket *bucket = &table->buckets[(hash + i) & mask];

        if (bucket->n_routes == 0)
            return NULL;
        if (bucket->hash == hash && bucket->name_length == name.n &&
            memcmp(table->texts + bucket->name, name.p, name.n) == 0)
            return bucket;
    }
    return NULL;
}

/* A Host field's value without port, brackets and a trailing dot. */
static struct slice bare_host(struct slice host) {
    if (slice_starts_with(host, SLICE("[")))
        host = slice_first(slice_from(host, 1), slice_index(slice_from(host, 1), ']'));
    else
        host = slice_first(host, slice_index(host, ':'));
    return slice_ends_with(host, SLICE(".")) ? slice_first(host, host.n - 1) : host;
}

static bool is_below(struct slice path, struct slice prefix) {
    return slice_starts_with(path, prefix) && (prefix.n == 0 || path.n == prefix.n || path.p[prefix.n] == '/');
}

static void fill(const struct table *table, uint32_t number, struct instance *ret) {
    const struct table_instance *from = &table->instances[number];

    *ret = (struct instance){.number = number,
                             .key = text_of(table, from->key),
                             .name = text_of(table, from->name),
                             .os_user = text_of(table, from->os_user),
                             .place = (enum instance_place)from->kind,
                             .path = SLICE_EMPTY,
                             .host = SLICE_EMPTY,
                             .port = from->port,
                             .recipe = from->recipe,
                             .unit = text_of(table, from->unit),
                             .prefix = text_of(table, from->prefix)};
    if (ret->place == INSTANCE_ADDRESS)
        (void)address_from_bytes(slice_of(from->address, from->address_length), from->port, &ret->address);
    else if (ret->place == INSTANCE_UNIX)
        ret->path = text_of(table, from->place);
    else
        ret->host = text_of(table, from->place);
}

bool table_find(const struct table *table, struct slice name, struct slice host, struct slice path,
                struct instance *ret) {
    const struct table_bucket *bucket = find_bucket(table, name);

    if (!bucket)
        return false;
    for (uint32_t i = 0; i < bucket->n_routes; i++) {
        const struct table_route *route = &table->routes[bucket->route + i];
        struct slice prefix = text_of(table, route->prefix);

        if (route->host.n > 0 && !slice_equals_nocase(text_of(table, route->host), bare_host(host)))
            continue;
        if (!is_below(path, prefix))
            continue;
        fill(table, route->instance, ret);
        ret->prefix = prefix;
        return true;
    }
    return false;
}

bool table_has(const struct table *table, struct slice name) {
    return find_bucket(table, name) != NULL;
}

bool table_instance(const struct table *table, uint32_t number, struct instance *ret) {
    if (number >= table->header->n_instances)
        return false;
    fill(table, number, ret);
    return true;
}
