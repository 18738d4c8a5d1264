#include "ingress/table/table_read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "ingress/table/table_entry.h"

#define MEMBERS_AT_ONCE 64

#define EXAMPLE "write NAME: { os_user: USER, port: PORT }"
#define NO_ITEM SIZE_MAX

/* Numbers that were asked for before: most entries are of one kind. */
struct known_recipe {
    char name[LIMIT_NAME];
    size_t n;
    uint8_t number;
};

struct reader {
    const char *path;
    struct events *events;
    const struct table_recipes *recipes;
    struct draft *draft;
    char *error;

    char name[LIMIT_PERSON + 1]; /* whose entry is read; empty before the first */
    size_t name_line;
    size_t item; /* of a list of instances, or NO_ITEM */
    uint32_t owner;
    struct entry entry;
    struct known_recipe known[LIMIT_RECIPES];
    size_t n_known;
};

/* What others wrote is shown as it is only where it is printable. */
static char *escape(const char *text) {
    char *escaped = malloc(4 * strlen(text) + 1);
    size_t n = 0;

    for (; escaped && *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c < 0x7f)
            escaped[n++] = (char)c;
        else
            n += (size_t)snprintf(escaped + n, 5, "\\x%02x", c);
    }
    if (escaped)
        escaped[n] = '\0';
    return escaped;
}

/* "FILE:LINE: NAME[ITEM].KEY: what is wrong; how to mend it". `key` may be NULL. */
static _printf_(4, 5) int reader_fail(struct reader *reader, size_t line, const char *key, const char *format, ...) {
    _cleanup_free_ char *raw = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&raw, &n);
    va_list args;

    if (!out)
        return -ENOMEM;
    fprintf(out, "%s:%zu: ", reader->path, line);
    if (reader->name[0]) {
        fputs(reader->name, out);
        if (reader->item != NO_ITEM)
            fprintf(out, "[%zu]", reader->item);
        fprintf(out, "%s%s: ", key ? "." : "", key ? key : "");
    }
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    if (fclose(out) != 0)
        return -ENOMEM;
    free(reader->error);
    reader->error = escape(raw);
    return reader->error ? -EINVAL : -ENOMEM;
}

static int next(struct reader *reader, struct event *ret) {
    size_t line;
    int r = events_next(reader->events, ret);
    const char *fault;

    if (r != -EINVAL)
        return r;
    fault = events_fault(reader->events, &line);
    reader->name[0] = '\0'; /* it may lie anywhere before or behind */
    return reader_fail(reader, line, NULL, "%s", fault);
}

static int find_recipe(struct reader *reader, struct slice name, size_t line, uint8_t *ret) {
    _cleanup_free_ char *error = NULL;
    char text[LIMIT_NAME + 1];
    int number;

    for (size_t i = 0; i < reader->n_known; i++)
        if (slice_equals(name, slice_of(reader->known[i].name, reader->known[i].n))) {
            *ret = reader->known[i].number;
            return 0;
        }
    if (name.n > LIMIT_NAME)
        return reader_fail(reader, line, "profile", "its name is too long");
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    number = reader->recipes->number(reader->recipes->owner, text, &error);
    if (number < 0 || number > UINT8_MAX)
        return reader_fail(reader, line, "profile", "%s", error ? error : "there is no such profile");
    *ret = (uint8_t)number;
    if (reader->n_known < LIMIT_RECIPES) {
        struct known_recipe *known = &reader->known[reader->n_known++];

        memcpy(known->name, text, name.n);
        known->n = name.n;
        known->number = *ret;
    }
    return 0;
}

/* The entry's own, or that of entries that name none. */
static int choose_recipe(struct reader *reader, struct draft_instance *to) {
    size_t line = reader->entry.line[ENTRY_PROFILE];

    if (line == 0 && !reader->recipes->fallback)
        return reader_fail(reader, reader->name_line, "profile", "is missing; add it, or `profile` to the dispatcher");
    to->recipe_name = line > 0 ? reader->entry.text[ENTRY_PROFILE] : slice_of_string(reader->recipes->fallback);
    return find_recipe(reader, to->recipe_name, line > 0 ? line : reader->name_line, &to->recipe);
}

/* The one way to write an address, so that it is one place however it was written. */
static void choose_address(const struct address *address, char text[static INET6_ADDRSTRLEN],
                           struct draft_instance *to) {
    bool is_ipv4 = address->any.sa_family == AF_INET;
    const void *bytes = is_ipv4 ? (const void *)&address->in.sin_addr : &address->in6.sin6_addr;

    to->place = INSTANCE_ADDRESS;
    to->address = *address;
    to->host =
        inet_ntop(is_ipv4 ? AF_INET : AF_INET6, bytes, text, INET6_ADDRSTRLEN) ? slice_of_string(text) : SLICE_EMPTY;
}

/* Loopback where nothing is written; `localhost` need not be asked for. */
static void choose_place(const struct entry *entry, char text[static INET6_ADDRSTRLEN], struct draft_instance *to) {
    struct slice host = entry->text[ENTRY_HOST];
    struct address address;

    to->port = entry->port;
    to->path = entry->text[ENTRY_UNIX];
    if (to->path.n > 0) {
        to->place = INSTANCE_UNIX;
    } else if (host.n == 0 || slice_equals_nocase(host, SLICE("localhost"))) {
        to->place = INSTANCE_ADDRESS;
        to->address.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        to->address.n = sizeof(to->address.in);
        to->host = SLICE("127.0.0.1");
    } else if (address_parse(host, entry->port, &address) == 0) {
        choose_address(&address, text, to);
    } else {
        to->place = INSTANCE_NAME;
        to->host = host;
    }
}

static int add_instance(struct reader *reader, size_t line, uint32_t *ret) {
    const struct entry *entry = &reader->entry;
    struct draft_instance instance = {
        .os_user = entry->text[ENTRY_OS_USER], .unit = entry->text[ENTRY_START], .line = line};
    char host[INET6_ADDRSTRLEN];
    size_t other = 0;
    int r = choose_recipe(reader, &instance);

    if (r < 0)
        return r;
    choose_place(entry, host, &instance);
    r = draft_add_instance(reader->draft, &instance, ret, &other);
    if (r == -EEXIST)
        return reader_fail(reader, line, "start", "is not what line %zu says of the same instance; make them equal",
                           other);
    if (r == -E2BIG)
        return reader_fail(reader, line, NULL, "more than %d instances", LIMIT_TABLE_NAMES);
    return r;
}

static int add_route(struct reader *reader, struct slice name, size_t line, uint32_t instance) {
    struct draft_route route = {.name = name,
                                .owner = reader->owner,
                                .instance = instance,
                                .host = reader->entry.at_host,
                                .prefix = reader->entry.at_prefix,
                                .line = line};
    size_t other = 0;
    int r = draft_add_route(reader->draft, &route, &other);

    if (r == -EEXIST)
        return reader_fail(reader, line, NULL, "the name %.*s is there twice, first on line %zu; remove one",
                           SLICE_ARG(name), other);
    if (r == -EALREADY)
        return reader_fail(reader, line, "at", "%.*s is led there by line %zu already; remove one, or write another",
                           SLICE_ARG(name), other);
    if (r == -E2BIG)
        return reader_fail(reader, line, NULL, "more than %d instances for one name, or than %d names",
                           LIMIT_TABLE_ROUTES, LIMIT_TABLE_NAMES);
    return r;
}

/* The entry has been read: it becomes an instance, and routes to it from each of its names. */
static int add_entry(struct reader *reader, size_t line) {
    const struct entry *entry = &reader->entry;
    enum entry_key key;
    const char *fault = entry_check(entry, &key);
    uint32_t instance;
    int r;

    if (fault)
        return reader_fail(reader, entry->line[key] > 0 ? entry->line[key] : line, entry_key_names[key], "%s", fault);
    r = add_instance(reader, line, &instance);
    if (r == 0)
        r = add_route(reader, slice_of_string(reader->name), line, instance);
    for (size_t i = 0; r == 0 && i < entry->n_names; i++)
        r = add_route(reader, entry->names[i].text, entry->names[i].line, instance);
    return r;
}

static int read_names(struct reader *reader) {
    struct event event;
    int r = next(reader, &event);

    if (r == 0 && event.type != EVENT_LIST)
        return reader_fail(reader, event.line, "names", "must be a list; write [ NAME, NAME ]");
    while (r == 0) {
        const char *fault;

        r = next(reader, &event);
        if (r < 0 || event.type == EVENT_CLOSE)
            return r;
        fault = entry_take_name(&reader->entry, &event);
        if (fault)
            r = reader_fail(reader, event.line, "names", "%s", fault);
    }
    return r;
}

static int read_key(struct reader *reader, const struct event *word) {
    enum entry_key key = word->type == EVENT_SCALAR ? entry_key_find(word->text) : ENTRY_KEYS;
    struct event value;
    const char *fault;
    int r;

    if (key == ENTRY_KEYS)
        return reader_fail(reader, word->line, NULL, "%.*s is no key; use " ENTRY_KEYS_LIST,
                           SLICE_ARG(slice_first(word->text, LIMIT_NAME)));
    if (reader->entry.line[key] > 0)
        return reader_fail(reader, word->line, entry_key_names[key], "is written twice, first on line %zu; remove one",
                           reader->entry.line[key]);
    reader->entry.line[key] = word->line;
    if (key == ENTRY_NAMES)
        return read_names(reader);
    r = next(reader, &value);
    if (r < 0)
        return r;
    fault = entry_take(&reader->entry, key, &value);
    return fault ? reader_fail(reader, value.line, entry_key_names[key], "%s", fault) : 0;
}

/* Its opening has been read, on that line. */
static int read_entry(struct reader *reader, size_t line) {
    struct event event;
    int r;

    entry_reset(&reader->entry);
    for (;;) {
        r = next(reader, &event);
        if (r < 0)
            return r;
        if (event.type == EVENT_CLOSE)
            return add_entry(reader, line);
        r = read_key(reader, &event);
        if (r < 0)
            return r;
    }
}

static int read_list(struct reader *reader) {
    struct event event;
    int r;

    for (reader->item = 0;; reader->item++) {
        r = next(reader, &event);
        if (r < 0)
            return r;
        if (event.type == EVENT_CLOSE)
            return reader->item > 0 ? 0 : reader_fail(reader, event.line, NULL, "holds nothing; " EXAMPLE);
        if (event.type != EVENT_MAPPING)
            return reader_fail(reader, event.line, NULL,
                               "must be keys and values; write { os_user: USER, port: PORT }");
        r = read_entry(reader, event.line);
        if (r < 0)
            return r;
    }
}

static int read_name(struct reader *reader, const struct event *event) {
    const char *fault;

    reader->name[0] = '\0';
    reader->item = NO_ITEM;
    if (event->type != EVENT_SCALAR)
        return reader_fail(reader, event->line, NULL, "a name must be a word; " EXAMPLE);
    fault = entry_check_name(event->text);
    if (fault)
        return reader_fail(reader, event->line, NULL, "\"%.*s\": %s", SLICE_ARG(slice_first(event->text, LIMIT_NAME)),
                           fault);
    memcpy(reader->name, event->text.p, event->text.n);
    reader->name[event->text.n] = '\0';
    reader->name_line = event->line;
    reader->owner++;
    return 0;
}

/* A name and all that it leads to. */
static int read_member(struct reader *reader, const struct event *name) {
    struct event event;
    int r = read_name(reader, name);

    if (r == 0)
        r = next(reader, &event);
    if (r != 0)
        return r;
    if (event.type == EVENT_MAPPING)
        return read_entry(reader, reader->name_line);
    if (event.type == EVENT_LIST)
        return read_list(reader);
    return reader_fail(reader, event.line, NULL, "must be keys and values; write { os_user: USER, port: PORT }");
}

static int read_root(struct reader *reader) {
    struct event event;
    int r = next(reader, &event);

    if (r == 0 && event.type == EVENT_END)
        return reader_fail(reader, event.line, NULL, "holds nothing; " EXAMPLE);
    if (r == 0 && event.type != EVENT_MAPPING)
        return reader_fail(reader, event.line, NULL, "must hold names and what they lead to; " EXAMPLE);
    while (r == 0) {
        r = next(reader, &event);
        if (r < 0 || event.type == EVENT_CLOSE)
            break;
        r = read_member(reader, &event);
        if (reader->owner % MEMBERS_AT_ONCE == 0)
            (void)sched_yield(); /* dispatchers on this processor have requests, and a large table takes a while */
    }
    reader->name[0] = '\0';
    return r == 0 ? next(reader, &event) : r; /* the end, and nothing but it */
}

int table_read(const char *path, struct events *events, const struct table_recipes *recipes, struct draft *draft,
               char **ret_error) {
    _cleanup_free_ struct reader *reader = calloc(1, sizeof(*reader));
    int r;

    if (!reader)
        return -ENOMEM;
    reader->path = path;
    reader->events = events;
    reader->recipes = recipes;
    reader->draft = draft;
    reader->item = NO_ITEM;
    r = read_root(reader);
    *ret_error = reader->error;
    return r;
}
