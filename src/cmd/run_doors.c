#include "cmd/run_doors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/door_files.h"
#include "wire/uri.h"

/* By host and port, as a CONNECT names them. */
static bool is_one_authority(const struct credential *a, const struct credential *b) {
    return a->authority.port == b->authority.port && slice_equals_nocase(a->authority.host, b->authority.host);
}

static int check_apart(const struct credential *const *credentials, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (is_one_authority(credentials[i], credentials[j])) {
                log_error("run: %s and %s are for one host, and the proxy cannot tell whose key a request wants; name "
                          "one of them with --lease, or give one of them a {base_url} in a run without the proxy",
                          credentials[j]->name, credentials[i]->name);
                return -EINVAL;
            }
    return 0;
}

int run_doors_plan(struct doors *doors, const struct settings *settings, const char *const *names, size_t n) {
    const struct credential *credentials[LIMIT_LEASES] = {NULL};

    for (size_t i = 0; i < n; i++)
        credentials[i] = settings_credential(settings, names[i]);
    doors_plan(doors, credentials, n, settings->egress.is_there);
    return doors->has_proxy ? check_apart(credentials, n) : 0;
}

bool run_doors_need_place(const struct doors *doors, const struct run_options *options) {
    return doors_are_wanted(doors) || options->isolation != ISOLATION_NONE;
}

/* Whoever could read them would need no lease. */
static size_t list_secrets(const struct settings *settings, const char *ret[static LIMIT_LEASES]) {
    size_t n = 0;

    for (size_t i = 0; i < settings->n_credentials; i++)
        if (settings->credentials[i].secret.path)
            ret[n++] = settings->credentials[i].secret.path;
    return n;
}

#define KEPT 2

/* What is not the command's to write: its own rules, and what is said of it. */
static size_t list_kept(const struct settings *settings, bool has_file, const char *ret[static KEPT]) {
    const char *audit = settings->audit.file;
    size_t n = 0;

    if (has_file)
        ret[n++] = settings->path;
    if (audit && strcmp(audit, "-") != 0)
        ret[n++] = audit;
    return n;
}

/* Whoever wants doors wants no other way out, unless somebody says so. */
static enum isolation choose_isolation(const struct doors *doors, const struct run_options *options) {
    if (options->has_isolation)
        return options->isolation;
    return doors_are_wanted(doors) ? ISOLATION_NETWORK : ISOLATION_NONE;
}

/* What others could guess by trying they must not find: a path of 128 bits. */
static int make_prefix(char to[static LIMIT_PREFIX + 1]) {
    unsigned char bytes[LIMIT_PREFIX / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(to + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

/* The listeners were made in this order: the proxy's, then one for each base URL. */
static int take_listeners(struct doors *doors, struct workload_place *place) {
    size_t at = 0;
    int r = 0;

    if (doors->has_proxy) {
        doors->proxy = fd_steal(&place->listeners[at]);
        doors->proxy_port = place->ports[at++];
    }
    for (size_t i = 0; r == 0 && i < doors->n_leases; i++) {
        struct lease_doors *lease = &doors->lease[i];

        if (!lease->has_base_url)
            continue;
        lease->base_url = fd_steal(&place->listeners[at]);
        lease->port = place->ports[at++];
        r = doors->is_isolated ? 0 : make_prefix(lease->prefix);
    }
    return r;
}

static int prepare(struct doors *doors, const struct run_options *options, const struct settings *settings,
                   struct workload *workload, struct workload_place *ret, char **ret_error) {
    const char *hidden[LIMIT_LEASES], *kept[KEPT];
    struct workload_isolation isolation = {
        .wanted = choose_isolation(doors, options),
        .is_best = options->is_best,
        .readable = options->readable,
        .n_readable = options->n_readable,
        .writable = options->writable,
        .n_writable = options->n_writable,
        .hidden = hidden,
        .n_hidden = list_secrets(settings, hidden),
        .kept = kept,
        .n_kept = list_kept(settings, options->n_profiles == 0, kept),
        .doors = doors->directory,
    };

    return workload_prepare(workload, &isolation, doors_count_tcp(doors), ret, ret_error);
}

int run_doors_make(struct doors *doors, const struct run_options *options, const struct settings *settings,
                   struct workload *workload) {
    _cleanup_free_ char *error = NULL;
    struct workload_place place = {.diag = -EBADF};
    int r = doors_are_wanted(doors) ? door_files_make(doors, &error) : 0;

    if (r == 0)
        r = prepare(doors, options, settings, workload, &place, &error);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return r;
    }
    doors->is_isolated = place.isolation != ISOLATION_NONE;
    doors->diag = place.diag;
    r = take_listeners(doors, &place);
    if (r < 0)
        log_error("run: no random path for a door: %s", strerror(-r));
    return r;
}
