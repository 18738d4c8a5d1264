#include "ingress/settings_listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "wire/authority.h"

#define MEND "write ADDRESS:PORT, :PORT for all addresses, unix:/PATH, tls:ADDRESS:PORT or systemd"

const struct listen_place *settings_find_listen(const struct dispatch_settings *settings, int kind) {
    for (size_t i = 0; i < settings->n_listen; i++)
        if ((int)settings->listen[i].kind == kind)
            return &settings->listen[i];
    return NULL;
}

void listen_place_done(struct listen_place *place) {
    free(place->path);
    free(place->text);
    free(place->where);
}

static struct listen_place *add(struct dispatch_settings *settings, enum listen_kind kind, struct slice text,
                                const struct node *node) {
    struct listen_place *place = &settings->listen[settings->n_listen];

    *place = (struct listen_place){.kind = kind};
    if (settings_copy(text, &place->text) < 0 || node_where(node, &place->where) < 0) {
        listen_place_done(place);
        return NULL;
    }
    settings->n_listen++;
    return place;
}

/* IPv6 sockets are for IPv6 alone, so that an IPv4 address is never seen in disguise: ":PORT" is two places. */
static int add_every_address(struct dispatch_settings *settings, enum listen_kind kind, uint16_t port,
                             struct slice text, const struct node *node) {
    static const char *const all[] = {"0.0.0.0", "::"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(all); i++) {
        struct listen_place *place = add(settings, kind, text, node);

        if (!place)
            return -ENOMEM;
        place->is_half = true;
        r = address_parse(slice_of_string(all[i]), port, &place->address);
    }
    return r;
}

/* A name other than localhost would have to be looked up. 0, -EINVAL or -ENOMEM. */
static int add_address(struct dispatch_settings *settings, enum listen_kind kind, struct slice at, struct slice text,
                       const struct node *node) {
    struct authority authority;
    struct listen_place *place;
    struct address address;
    uint64_t port;

    if (slice_starts_with(at, SLICE(":"))) {
        if (num_parse(slice_from(at, 1), UINT16_MAX, &port) < 0 || port == 0)
            return -EINVAL;
        return add_every_address(settings, kind, (uint16_t)port, text, node);
    }
    if (!authority_parse(at, &authority) || !authority.has_port || authority.port == 0)
        return -EINVAL;
    if (slice_equals(authority.host, SLICE("localhost")))
        authority.host = SLICE("127.0.0.1");
    if (address_parse(authority.host, authority.port, &address) < 0)
        return -EINVAL;
    place = add(settings, kind, text, node);
    if (!place)
        return -ENOMEM;
    place->address = address;
    return 0;
}

static int add_path(struct dispatch_settings *settings, struct slice path, struct slice text, const struct node *node) {
    struct listen_place *place;

    if (!slice_starts_with(path, SLICE("/")) || path.n >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return -EINVAL;
    place = add(settings, LISTEN_UNIX, text, node);
    return place ? settings_copy(path, &place->path) : -ENOMEM;
}

static int add_place(struct dispatch_settings *settings, struct slice text, const struct node *node) {
    static const struct slice unix_prefix = SLICE("unix:"), tls_prefix = SLICE("tls:");

    if (slice_equals(text, SLICE("systemd")))
        return add(settings, LISTEN_SYSTEMD, text, node) ? 0 : -ENOMEM;
    if (slice_starts_with(text, unix_prefix))
        return add_path(settings, slice_from(text, unix_prefix.n), text, node);
    if (slice_starts_with(text, tls_prefix))
        return add_address(settings, LISTEN_TLS, slice_from(text, tls_prefix.n), text, node);
    return add_address(settings, LISTEN_TCP, text, text, node);
}

static bool is_same_place(const struct listen_place *a, const struct listen_place *b) {
    if (a->kind == LISTEN_SYSTEMD || b->kind == LISTEN_SYSTEMD)
        return a->kind == b->kind;
    if (a->kind == LISTEN_UNIX || b->kind == LISTEN_UNIX)
        return a->kind == b->kind && strcmp(a->path, b->path) == 0;
    return a->address.n == b->address.n && memcmp(&a->address.any, &b->address.any, a->address.n) == 0;
}

/* Whether one of those behind the first `n` stands among them. */
static bool is_twice(const struct dispatch_settings *settings, size_t n) {
    for (size_t i = n; i < settings->n_listen; i++)
        for (size_t j = 0; j < n; j++)
            if (is_same_place(&settings->listen[i], &settings->listen[j]))
                return true;
    return false;
}

static int read_place(const struct node *node, struct dispatch_settings *settings) {
    struct slice text = SLICE_EMPTY;
    size_t n = settings->n_listen;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    r = add_place(settings, text, node);
    if (r == -EINVAL)
        return node_fail(node, "is no place to listen at; " MEND);
    if (r == 0 && is_twice(settings, n))
        return node_fail(node, "is listened at already; remove one of the two");
    return r;
}

int settings_read_listen(const struct node *node, void *field) {
    struct dispatch_settings *settings = field;
    size_t n;
    int r = value_list(node, 1, LIMIT_LISTENERS, &n);

    if (r < 0)
        return r;
    settings->listen = calloc(2 * n, sizeof(settings->listen[0]));
    if (!settings->listen)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_place(item, settings);
    return r;
}

int settings_default_listen(struct dispatch_settings *settings, const struct node *node) {
    settings->listen = calloc(2, sizeof(settings->listen[0]));
    if (!settings->listen)
        return -ENOMEM;
    settings->listens_by_default = true;
    return add_every_address(settings, LISTEN_TCP, DISPATCH_PORT, SLICE(":3780"), node);
}
