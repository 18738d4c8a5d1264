/*
 * The roles: which there are, who knows whom, and what happens when one dies. A role that is started again is told
 * everything anew, and the channels that it had to the others are made anew.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/desk/dispatch_state.h"
#include "names/trust.h"

/* Who speaks with whom, without us: each such pair gets a channel of its own. */
static const struct {
    enum peer_role one, other;
} acquaintances[] = {
    {PEER_DISPATCHER, PEER_PAIRER},  {PEER_DISPATCHER, PEER_STEWARD},  {PEER_DISPATCHER, PEER_VERIFIER},
    {PEER_DISPATCHER, PEER_DOORMAN}, {PEER_DISPATCHER, PEER_RESOLVER}, {PEER_PAIRER, PEER_RESOLVER},
    {PEER_STEWARD, PEER_RESOLVER},   {PEER_VERIFIER, PEER_RESOLVER},
};

static bool are_acquainted(enum peer_role a, enum peer_role b) {
    for (size_t i = 0; i < ARRAY_LEN(acquaintances); i++)
        if ((acquaintances[i].one == a && acquaintances[i].other == b) ||
            (acquaintances[i].one == b && acquaintances[i].other == a))
            return true;
    return false;
}

struct seat *seat_of(void *owner) {
    struct child *child = owner;

    return container_of((struct standing *)child->owner, struct seat, standing);
}

void seat_send(struct seat *seat, const struct ipc_writer *w, int fd) {
    if (seat->is_told)
        (void)channel_send(&seat->standing.child.channel, w, fd);
}

void seats_send(struct dispatch *dispatch, enum peer_role role, const struct ipc_writer *w, int fd) {
    for (size_t i = 0; i < dispatch->n_seats; i++)
        if (dispatch->seats[i].role == role)
            seat_send(&dispatch->seats[i], w, fd);
}

void seats_tell(struct dispatch *dispatch, enum peer_role role, int (*tell)(struct seat *seat)) {
    for (size_t i = 0; i < dispatch->n_seats; i++)
        if (dispatch->seats[i].role == role && dispatch->seats[i].is_told)
            (void)tell(&dispatch->seats[i]);
}

/* The resolver does not care who asks: it has a message of its own, older than the others. */
static int give_end(struct seat *to, const struct seat *of, int end) {
    struct ipc_writer w = ipc_begin(to->role == PEER_RESOLVER ? IPC_RESOLVER : IPC_PEER);

    if (to->role != PEER_RESOLVER) {
        ipc_put_u8(&w, (uint8_t)of->role);
        ipc_put_u32(&w, of->number);
    }
    return channel_send(&to->standing.child.channel, &w, end);
}

/* An `other` that cannot be told is no fault of the seat's: they are introduced when it has been started again. */
static int introduce(struct seat *seat, struct seat *other) {
    _cleanup_close_ int end_of_seat = -EBADF, end_of_other = -EBADF;
    int ends[2], r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);

    if (r < 0)
        return r;
    end_of_seat = ends[0];
    end_of_other = ends[1];
    r = give_end(seat, other, end_of_seat);
    if (r < 0)
        return r;
    r = give_end(other, seat, end_of_other);
    if (r < 0)
        standing_fail(&other->standing, r);
    return 0;
}

static int introduce_to_all(struct seat *seat) {
    struct dispatch *dispatch = seat->dispatch;
    int r = 0;

    for (size_t i = 0; r == 0 && i < dispatch->n_seats; i++) {
        struct seat *other = &dispatch->seats[i];

        if (other != seat && other->is_told && are_acquainted(seat->role, other->role))
            r = introduce(seat, other);
    }
    return r;
}

/* In this order: by the time that somebody can connect, everything is there that a request may need. */
static int serve(struct seat *seat) {
    int r = tell_seat(seat);

    if (r == 0)
        r = introduce_to_all(seat);
    if (r == 0 && !seat->dispatch->is_draining)
        r = tell_listeners(seat);
    seat->is_told = r == 0;
    return r;
}

int seats_serve(struct dispatch *dispatch) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < dispatch->n_seats; i++)
        if (dispatch->seats[i].is_used)
            r = serve(&dispatch->seats[i]);
    return r;
}

/* Where people come in. */
static bool listens(const struct seat *seat) {
    return seat->role == PEER_DISPATCHER || seat->role == PEER_DOORMAN;
}

static void seat_ready(struct standing *standing) {
    struct seat *seat = container_of(standing, struct seat, standing);
    int r = 0;

    if (seat->dispatch->is_draining && listens(seat))
        standing_stop(standing); /* it died before the drain, and nobody comes any more */
    else if (seat->dispatch->is_ready)
        r = serve(seat);
    else
        dispatch_go_on(seat->dispatch);
    if (r < 0)
        standing_fail(standing, r);
}

/* What was known of its process is known no more. */
static void forget_process(struct seat *seat) {
    struct dispatch *dispatch = seat->dispatch;

    seat->is_told = false;
    switch (seat->role) {
    case PEER_DISPATCHER:
        people_dispatcher_ended(dispatch->people, seat->number);
        dispatch_metrics_ended(&dispatch->metrics, seat->number);
        break;
    case PEER_PAIRER:
        errands_drop_kind(&dispatch->errands, ERRAND_MINT);
        break;
    case PEER_STEWARD:
        errands_drop_kind(&dispatch->errands, ERRAND_STEWARD);
        break;
    case PEER_VERIFIER:
    case PEER_DOORMAN:
    case PEER_RESOLVER:
    case PEER_ROLES:
        break;
    }
}

/* Who listens is not started again in a drain: nobody new would come to it. */
static bool is_wanted(const struct seat *seat) {
    const struct dispatch *dispatch = seat->dispatch;

    return seat->is_used && !dispatch->is_stopping && !(dispatch->is_draining && listens(seat));
}

static void seat_exited(struct standing *standing, int wait_status) {
    struct seat *seat = container_of(standing, struct seat, standing);
    struct dispatch *dispatch = seat->dispatch;
    char what[CHILD_END_TEXT];

    forget_process(seat);
    seat->is_drained = true;
    (void)child_describe_end(&standing->child, wait_status, what);
    if (is_wanted(seat) && dispatch->is_ready) {
        log_error("%s: it is started again", what);
        dispatch_metrics_restarted(&dispatch->metrics, seat->role);
        seat->is_drained = false;
        standing_again(standing);
    } else if (is_wanted(seat)) {
        dispatch_fail(dispatch, what);
    }
    dispatch_go_on(dispatch);
}

static const char *const programs[PEER_ROLES] = {
    [PEER_DISPATCHER] = "credfd-dispatcher", [PEER_PAIRER] = "credfd-pairer",   [PEER_STEWARD] = "credfd-steward",
    [PEER_VERIFIER] = "credfd-verifier",     [PEER_DOORMAN] = "credfd-doorman", [PEER_RESOLVER] = "credfd-resolver",
};

static struct standing_plan plans[PEER_ROLES];

static void make_plans(void) {
    for (unsigned role = 0; role < PEER_ROLES; role++) {
        struct permits permits = hear_permits(role);

        plans[role] = (struct standing_plan){.name = programs[role],
                                             .permits = permits.items,
                                             .n_permits = permits.n,
                                             .on_ready = seat_ready,
                                             .on_exited = seat_exited};
    }
}

static bool is_asked_for(const struct dispatch *dispatch, enum peer_role role) {
    switch (role) {
    case PEER_VERIFIER:
        return dispatch->settings->trust.jwt.header != NULL;
    case PEER_DOORMAN:
        for (size_t i = 0; i < dispatch->listeners.n; i++)
            if (dispatch->listeners.items[i].is_tls)
                return true;
        return false;
    case PEER_DISPATCHER:
    case PEER_PAIRER:
    case PEER_STEWARD:
    case PEER_RESOLVER:
        return true;
    case PEER_ROLES:
        break;
    }
    return false;
}

static void add_seat(struct dispatch *dispatch, enum peer_role role, uint32_t number) {
    dispatch->seats[dispatch->n_seats++] = (struct seat){.dispatch = dispatch, .role = role, .number = number};
}

static int start_seat(struct seat *seat, char **ret_error) {
    const char *argument = seat->role == PEER_VERIFIER ? trust_named_directory() : NULL;
    char path[PATH_MAX];
    int r = child_program_path(programs[seat->role], path, sizeof(path));

    if (r == 0 && access(path, X_OK) < 0)
        r = -errno;
    if (r == 0)
        r = standing_start(&seat->standing, &plans[seat->role], argument, seat);
    seat->is_used = r == 0;
    if (r < 0 && asprintf(ret_error, "%s cannot be started: %s; install all of credfd's programs beside each other",
                          path, strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

int seats_start(struct dispatch *dispatch, char **ret_error) {
    static const enum peer_role first[] = {PEER_RESOLVER, PEER_PAIRER, PEER_STEWARD, PEER_VERIFIER};
    int r = 0;

    make_plans();
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        add_seat(dispatch, first[i], 0);
    for (uint32_t i = 0; i < dispatch->n_workers; i++)
        add_seat(dispatch, PEER_DISPATCHER, i);
    add_seat(dispatch, PEER_DOORMAN, 0);
    for (size_t i = 0; r == 0 && i < dispatch->n_seats; i++)
        if (is_asked_for(dispatch, dispatch->seats[i].role))
            r = start_seat(&dispatch->seats[i], ret_error);
    return r;
}

void seats_adjust(struct dispatch *dispatch) {
    for (size_t i = 0; i < dispatch->n_seats; i++) {
        struct seat *seat = &dispatch->seats[i];
        bool is_asked = is_asked_for(dispatch, seat->role);
        _cleanup_free_ char *error = NULL;

        if (seat->is_used && !is_asked) {
            seat->is_used = seat->is_told = false;
            standing_stop(&seat->standing);
        } else if (!seat->is_used && is_asked && child_is_running(&seat->standing.child)) {
            seat->is_used = true; /* it is on its way out: the next comes when it has gone */
        } else if (!seat->is_used && is_asked && start_seat(seat, &error) < 0) {
            log_error("%s", error ? error : "out of memory");
        }
    }
}

bool seats_are_ready(const struct dispatch *dispatch) {
    for (size_t i = 0; i < dispatch->n_seats; i++)
        if (dispatch->seats[i].is_used && !standing_is_ready(&dispatch->seats[i].standing))
            return false;
    return true;
}

bool seats_are_drained(const struct dispatch *dispatch) {
    for (size_t i = 0; i < dispatch->n_seats; i++) {
        const struct seat *seat = &dispatch->seats[i];

        if (listens(seat) && seat->is_used && seat->is_told && !seat->is_drained)
            return false;
    }
    return true;
}

bool seats_are_quiet(const struct dispatch *dispatch) {
    for (size_t i = 0; i < dispatch->n_seats; i++)
        if (child_is_running(&dispatch->seats[i].standing.child))
            return false;
    return true;
}

void seats_stop(struct dispatch *dispatch) {
    for (size_t i = 0; i < dispatch->n_seats; i++)
        standing_stop(&dispatch->seats[i].standing);
}
