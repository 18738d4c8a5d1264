/*
 * What roles are told: at their start all of it, later what has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/desk/dispatch_state.h"
#include "ingress/desk/of_settings.h"
#include "ingress/front/front_codec.h"
#include "ingress/pairing/recipe_codec.h"
#include "names/trust.h"

static int say(struct seat *seat, const struct ipc_writer *w, int fd) {
    return channel_send(&seat->standing.child.channel, w, fd);
}

static int say_alone(struct seat *seat, enum ipc_type type, int fd) {
    struct ipc_writer w = ipc_begin(type);

    return say(seat, &w, fd);
}

/* The digest comes behind each front that asks for one: until it is there, such a front believes nobody. */
int tell_front(struct seat *seat) {
    struct dispatch *dispatch = seat->dispatch;
    struct ipc_writer w;
    struct front front;
    int r;

    front_of_settings(dispatch->settings, &front);
    w = front_encode(&front);
    r = say(seat, &w, -EBADF);
    if (r == 0 && dispatch->settings->trust.shared_secret.header && dispatch->proofs.digest >= 0)
        r = say_alone(seat, IPC_DIGEST, dispatch->proofs.digest);
    return r;
}

static int tell_recipes(struct seat *seat) {
    const struct recipes *recipes = &seat->dispatch->recipes;
    int r = 0;

    for (size_t i = 0; r == 0 && i < recipes->n; i++) {
        struct ipc_writer w = recipe_encode(&recipes->items[i]);

        r = say(seat, &w, -EBADF);
    }
    return r;
}

/* Recipes first: the table names them by number. */
static int tell_recipes_and_table(struct seat *seat) {
    int r = tell_recipes(seat);

    return r == 0 ? say_alone(seat, IPC_TABLE, seat->dispatch->table.fd) : r;
}

int tell_access_log(struct seat *seat) {
    return say_alone(seat, IPC_ACCESS_LOG, seat->dispatch->access_log);
}

static int tell_pairer_rules(struct seat *seat) {
    const struct dispatch_settings *settings = seat->dispatch->settings;
    struct ipc_writer w = ipc_begin(IPC_PAIRER);

    ipc_put_u32(&w, (uint32_t)settings->mint.rate_count);
    ipc_put_u64(&w, settings->mint.rate_ms);
    ipc_put_u64(&w, settings->mint.command.timeout_ms);
    ipc_put_u64(&w, settings->timeouts.connect_ms);
    ipc_put_u64(&w, settings->timeouts.response_ms);
    return say(seat, &w, -EBADF);
}

static int tell_steward_rules(struct seat *seat) {
    struct steward_rules rules;
    struct ipc_writer w;

    steward_rules_of_settings(seat->dispatch->settings, &rules);
    w = steward_rules_encode(&rules);
    return say(seat, &w, -EBADF);
}

/* The role reads it through this descriptor; here nobody does. */
static int open_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        log_error("%s: %s; what was there before stays in force", path, strerror(errno));
    return fd;
}

/* Without it the rules behind it still say that there is one: the system's certificates do not count then. */
static int tell_ca_file(struct seat *seat) {
    const char *path = seat->dispatch->settings->trust.jwt.ca_file;
    struct ipc_writer w = ipc_begin(IPC_CA_FILE);
    _cleanup_close_ int fd = -EBADF;
    int r = path ? trust_copy(path, &fd) : 0;

    if (r < 0)
        log_error("%s: %s; what was there before stays in force", path, strerror(-r));
    ipc_put_u32(&w, 0);
    return fd < 0 ? 0 : say(seat, &w, fd);
}

/* $SSL_CERT_FILE, beside the system's. */
static int tell_bundle(struct seat *seat) {
    _cleanup_free_ char *error = NULL;
    _cleanup_close_ int fd = -EBADF;

    if (trust_copy_named(&fd, &error) < 0)
        log_error("%s", error ? error : "out of memory");
    return fd < 0 ? 0 : say_alone(seat, IPC_TRUST, fd);
}

static int tell_keys(struct seat *seat) {
    const char *jwks = seat->dispatch->settings->trust.jwt.jwks;
    _cleanup_close_ int fd = jwks[0] == '/' ? open_file(jwks) : -EBADF;

    return fd < 0 ? 0 : say_alone(seat, IPC_KEYS, fd);
}

int tell_assertions(struct seat *seat) {
    struct assertion_rules rules;
    struct ipc_writer w;
    int r;

    if (!seat->dispatch->settings->trust.jwt.header)
        return 0;
    r = tell_bundle(seat);
    if (r == 0)
        r = tell_ca_file(seat);
    if (r < 0)
        return r;
    assertion_rules_of_settings(seat->dispatch->settings, &rules);
    w = assertion_rules_encode(&rules);
    r = say(seat, &w, -EBADF);
    return r == 0 ? tell_keys(seat) : r;
}

static int tell_names(struct seat *seat) {
    const struct trust_settings *trust = &seat->dispatch->settings->trust;
    struct ipc_writer w = ipc_begin(IPC_NAMES);

    ipc_put_u8(&w, (uint8_t)trust->mtls.n_names);
    for (size_t i = 0; i < trust->mtls.n_names; i++)
        ipc_put_bytes(&w, slice_of_string(trust->mtls.names[i]));
    return say(seat, &w, -EBADF);
}

/* All three, or none: a certificate goes with its key. */
int tell_doorman(struct seat *seat) {
    const struct trust_settings *trust = &seat->dispatch->settings->trust;
    const char *const paths[TLS_PARTS] = {trust->mtls.certificate, trust->mtls.key, trust->mtls.ca};
    int fds[TLS_PARTS], r = 0;
    bool is_whole = true;

    if (!trust->mtls.certificate) /* not any more: the places that need it stay as they are until a restart */
        return 0;
    for (size_t i = 0; i < TLS_PARTS; i++) {
        fds[i] = open_file(paths[i]);
        is_whole = is_whole && fds[i] >= 0;
    }
    for (size_t i = 0; is_whole && r == 0 && i < TLS_PARTS; i++) {
        struct ipc_writer w = ipc_begin(IPC_DOORMAN);

        ipc_put_u8(&w, (uint8_t)i);
        r = say(seat, &w, fds[i]);
    }
    for (size_t i = 0; i < TLS_PARTS; i++)
        fd_close(&fds[i]);
    return r == 0 ? tell_names(seat) : r;
}

static int tell_dispatcher(struct seat *seat) {
    int r = tell_front(seat);

    if (r == 0)
        r = tell_recipes_and_table(seat);
    return r == 0 ? tell_access_log(seat) : r;
}

static int tell_pairer(struct seat *seat) {
    int r = tell_pairer_rules(seat);

    return r == 0 ? tell_recipes_and_table(seat) : r;
}

static int tell_steward(struct seat *seat) {
    int r = tell_steward_rules(seat);

    return r == 0 ? tell_recipes_and_table(seat) : r;
}

static int tell_nothing(struct seat *seat) {
    (void)seat;
    return 0;
}

int tell_seat(struct seat *seat) {
    static int (*const tell[PEER_ROLES])(struct seat * seat) = {
        [PEER_DISPATCHER] = tell_dispatcher, [PEER_PAIRER] = tell_pairer,   [PEER_STEWARD] = tell_steward,
        [PEER_VERIFIER] = tell_assertions,   [PEER_DOORMAN] = tell_doorman, [PEER_RESOLVER] = tell_nothing,
    };

    return tell[seat->role](seat);
}

static bool is_listener_of(const struct seat *seat, const struct listener *listener) {
    if (seat->role == PEER_DISPATCHER)
        return listener_is_for(listener, seat->number);
    return seat->role == PEER_DOORMAN && listener->is_tls;
}

int tell_listeners(struct seat *seat) {
    const struct listeners *listeners = &seat->dispatch->listeners;
    int r = 0;

    for (size_t i = 0; r == 0 && i < listeners->n; i++) {
        const struct listener *listener = &listeners->items[i];
        struct ipc_writer w;

        if (!is_listener_of(seat, listener))
            continue;
        w = ipc_begin(IPC_LISTEN);
        ipc_put_u32(&w, listener->place);
        ipc_put_u8(&w, (uint8_t)listener->kind);
        r = say(seat, &w, listener->fd);
    }
    return r;
}

static void tell_each(struct dispatch *dispatch, int (*tell)(struct seat *seat)) {
    seats_tell(dispatch, PEER_PAIRER, tell);
    seats_tell(dispatch, PEER_STEWARD, tell);
    seats_tell(dispatch, PEER_DISPATCHER, tell);
}

void tell_table(struct dispatch *dispatch) {
    tell_each(dispatch, tell_recipes_and_table);
}

/* The table, with its recipes, is told when it has been read again. */
void tell_settings(struct dispatch *dispatch) {
    seats_tell(dispatch, PEER_PAIRER, tell_pairer_rules);
    seats_tell(dispatch, PEER_STEWARD, tell_steward_rules);
    seats_tell(dispatch, PEER_VERIFIER, tell_assertions);
    seats_tell(dispatch, PEER_DOORMAN, tell_doorman);
    seats_tell(dispatch, PEER_DISPATCHER, tell_front);
    seats_tell(dispatch, PEER_DISPATCHER, tell_access_log);
    tell_each(dispatch, tell_recipes);
}

static int open_access_log(const char *path) {
    int fd = strcmp(path, "-") == 0
                 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

    return fd < 0 ? -errno : fd;
}

int access_log_open(struct dispatch *dispatch, char **ret_error) {
    const char *path = dispatch->settings->access_log;
    int fd = path ? open_access_log(path) : -EBADF;

    if (path && fd < 0) {
        if (asprintf(ret_error, "%s: dispatch.access_log.file: %s: %s; let this user write there, or name another",
                     dispatch->settings->path, path, strerror(-fd)) < 0)
            *ret_error = NULL;
        return fd;
    }
    fd_close(&dispatch->access_log);
    dispatch->access_log = fd;
    return 0;
}
