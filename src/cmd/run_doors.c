#include "cmd/run_doors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/run_kept.h"
#include "egress/credential.h"
#include "egress/desk/door_files.h"

static int check_apart(const struct credential *const *credentials, size_t n) {
    size_t first, second;

    if (!credential_find_twins(credentials, n, &first, &second))
        return 0;
    log_error("run: " CREDENTIAL_TWINS, credentials[first]->name, credentials[second]->name);
    return -EINVAL;
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
                   const struct run_kept *kept, struct workload *workload, struct workload_place *ret,
                   char **ret_error) {
    const char *hidden[LIMIT_LEASES];
    struct workload_isolation isolation = {
        .wanted = choose_isolation(doors, options),
        .is_best = options->is_best,
        .readable = options->readable,
        .n_readable = options->n_readable,
        .writable = options->writable,
        .n_writable = options->n_writable,
        .hidden = hidden,
        .n_hidden = list_secrets(settings, hidden),
        .kept = (const char *const *)kept->paths,
        .n_kept = kept->n,
        .doors = doors->directory,
    };

    return workload_prepare(workload, &isolation, doors_count_tcp(doors), ret, ret_error);
}

int run_doors_make(struct doors *doors, const struct run_options *options, const struct settings *settings,
                   const char *const *rules, size_t n_rules, struct workload *workload) {
    _cleanup_free_ char *error = NULL;
    _cleanup_run_kept_ struct run_kept kept = {.n = 0};
    struct workload_place place = {.diag = -EBADF};
    int r = doors_are_wanted(doors) ? door_files_make(doors, &error) : 0;

    if (r == 0)
        r = run_kept_list(settings, rules, n_rules, &kept);
    if (r == 0)
        r = prepare(doors, options, settings, &kept, workload, &place, &error);
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
