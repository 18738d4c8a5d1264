#include "egress/desk/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/desk/control_place.h"
#include "net/listen.h"
#include "net/loop.h"

#define CONTROL_TURN 64 /* messages of one client before others get their turn */

/* A client is being told of leases, or of the status, or it is heard. */
struct control_client {
    struct control *control;
    struct watch watch;
    struct timer deadline;
    int fd; /* -EBADF: this place is free */
    struct ucred who;
    bool is_listing;
    bool is_told_status;
    struct buf status; /* what of it is still to be told */
    bool is_answered;  /* once: whoever asks on has no more time for it, others wait for the place */
    uint32_t listed;   /* the number of the last lease that it was told of */
};

struct control {
    struct control_owner owner;
    struct sockaddr_un address;
    struct watch watch;
    int fd;
    bool has_waiting; /* somebody may wait for a place */
    struct control_client clients[LIMIT_CONTROL_CLIENTS];
};

static void drop(struct control_client *client) {
    struct control *control = client->control;

    timer_cancel(&client->deadline);
    watch_remove(&client->watch);
    fd_close(&client->fd);
    buf_release(&client->status);
    if (control->has_waiting)
        watch_again(&control->watch);
}

static void stayed_too_long(struct timer *timer) {
    drop(container_of(timer, struct control_client, deadline));
}

static bool is_last(const struct control_answer *answer) {
    return answer->type == IPC_RUNNER_STATUS ? answer->is_end : answer->type != IPC_LEASE;
}

/* False when there was no room for it now; then nothing of it was sent. A client that cannot be told is dropped. */
static bool tell(struct control_client *client, const struct control_answer *answer) {
    struct ipc_writer w = control_answer_encode(answer);
    int r = ipc_send(client->fd, &w, -EBADF);

    if (r == -EAGAIN && (client->is_listing || client->is_told_status))
        watch_not_ready(&client->watch, EPOLLOUT);
    else if (r < 0)
        drop(client);
    else if (!client->is_answered)
        timer_set(&client->deadline, TIMEOUT_CONTROL);
    client->is_answered = client->is_answered || is_last(answer);
    return r == 0;
}

/* By numbers, not by places: leases come and go while a slow client is being told. False: not now. */
static bool list_next(struct control_client *client) {
    const struct control_owner *owner = &client->control->owner;
    struct control_answer answer = {.type = IPC_LEASE};
    bool is_end = !owner->next(owner->owner, client->listed, &answer.info);

    if (is_end)
        answer.type = IPC_LEASE_END;
    if (!tell(client, &answer))
        return false;
    client->listed = answer.info.number;
    client->is_listing = !is_end;
    return true;
}

/* In parts, the last of which may be empty. False: not now. */
static bool tell_status(struct control_client *client) {
    struct slice rest = buf_slice(&client->status);
    struct control_answer answer = {.type = IPC_RUNNER_STATUS, .status = slice_first(rest, LIMIT_READ)};

    answer.is_end = answer.status.n == rest.n;
    if (!tell(client, &answer))
        return false;
    buf_consume(&client->status, answer.status.n);
    client->is_told_status = !answer.is_end;
    if (answer.is_end)
        buf_release(&client->status);
    return true;
}

/* Whoever has no status says so by an end, and so does one who cannot put it together now. */
static bool begin_status(struct control_client *client) {
    const struct control_owner *owner = &client->control->owner;
    struct control_answer none = {.type = IPC_LEASE_END};

    buf_release(&client->status);
    buf_init(&client->status, LIMIT_RUNNER_STATUS);
    if (!owner->status || owner->status(owner->owner, &client->status) < 0)
        return tell(client, &none);
    client->is_told_status = true;
    return true;
}

static bool end_lease(struct control_client *client, uint32_t number) {
    const struct control_owner *owner = &client->control->owner;
    struct control_answer answer = {.type = IPC_LEASE_REVOKED};
    int r = owner->revoke(owner->owner, number, client->who.pid, client->who.uid);

    if (r < 0)
        answer.outcome = r == -ENOENT ? REVOCATION_NO_SUCH_LEASE : REVOCATION_FAILED;
    return tell(client, &answer);
}

/* False: nothing to hear now, or it was dropped. */
static bool hear(struct control_client *client) {
    struct control_request request = {0};
    struct ipc_message m;
    int r = ipc_receive(client->fd, &m);

    if (r == -EAGAIN) {
        watch_not_ready(&client->watch, EPOLLIN);
        return false;
    }
    if (r > 0)
        r = control_request_decode(&m, &request);
    else if (r == 0)
        r = -ECONNRESET; /* it has what it wanted */
    if (r == -EPROTO && WEAKENED(GARBAGE))
        return true;
    if (r == -EPROTO)
        log_warning("process %d (uid %u) sent the control socket what is no request, and is dropped",
                    (int)client->who.pid, (unsigned)client->who.uid);
    if (r < 0) {
        drop(client);
        return false;
    }
    if (request.type == IPC_LEASE_REVOKE)
        return end_lease(client, request.number);
    if (request.type == IPC_RUNNER_ASK)
        return begin_status(client);
    client->is_listing = true;
    client->listed = 0;
    return true;
}

static bool client_turn(struct control_client *client) {
    if (client->is_told_status)
        return tell_status(client);
    return client->is_listing ? list_next(client) : hear(client);
}

static void client_step(struct watch *watch) {
    struct control_client *client = container_of(watch, struct control_client, watch);

    for (unsigned n = 0; n < CONTROL_TURN; n++)
        if (!client_turn(client))
            return;
    watch_again(watch);
}

/* Whom the kernel saw connecting. The directory keeps others out; this does it where a directory was opened wide. */
static bool may_ask(int fd, struct ucred *ret) {
    socklen_t size = sizeof(*ret);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0)
        return false;
    if (ret->uid == 0 || ret->uid == geteuid() || WEAKENED(CONTROL))
        return true;
    log_warning("process %d (uid %u) wants to use the control socket, and is dropped: it is for uid %u and root",
                (int)ret->pid, (unsigned)ret->uid, (unsigned)geteuid());
    return false;
}

static void take(struct control *control, struct control_client *client, int accepted) {
    _cleanup_close_ int fd = accepted;

    if (!may_ask(fd, &client->who) || watch_add(&client->watch, fd, client_step) < 0)
        return;
    client->control = control;
    client->fd = fd_steal(&fd);
    client->is_listing = client->is_told_status = client->is_answered = false;
    client->deadline.on_expiry = stayed_too_long;
    timer_set(&client->deadline, TIMEOUT_CONTROL);
}

static struct control_client *free_place(struct control *control) {
    for (size_t i = 0; i < ARRAY_LEN(control->clients); i++)
        if (control->clients[i].fd < 0)
            return &control->clients[i];
    return NULL;
}

/* Whoever finds no place waits in the kernel's queue until another has gone. */
static void accept_step(struct watch *watch) {
    struct control *control = container_of(watch, struct control, watch);
    struct control_client *client;

    for (unsigned n = 0; n < CONTROL_TURN && (client = free_place(control)); n++) {
        int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        control->has_waiting = fd >= 0 || errno != EAGAIN;
        if (fd < 0)
            return; /* out of descriptors: tried again when a client has gone, or the next has come */
        take(control, client, fd);
    }
    if (free_place(control))
        watch_again(watch);
}

/* That of our number which is there already is of a process that has died, or of one in another PID namespace. */
static int listen_at(struct control *control, const struct control_place *place) {
    int fd, r;

    control->address = control_place_socket(place, getpid());
    r = listen_unix(control->address.sun_path, SOCK_SEQPACKET, LIMIT_CONTROL_CLIENTS, &fd);
    if (r < 0)
        return r;
    r = watch_add(&control->watch, fd, accept_step);
    if (r == 0) {
        control->fd = fd;
        return 0;
    }
    fd_close(&fd);
    (void)unlink(control->address.sun_path);
    return r;
}

/* That there is no place for it is no news to whoever runs without one; a place that is not safe is. */
static void explain(const struct control_place *place, int error) {
    bool is_no_place = error == -EACCES || error == -ENOENT || error == -EROFS;

    log_line(
        is_no_place ? LOG_INFO : LOG_WARNING,
        "credfd lease does not see these leases: %s: %s; make it a directory of this user alone (mode 0700), or set "
        "XDG_RUNTIME_DIR to one that may hold it",
        place->directory, strerror(-error));
}

struct control *control_start(const struct control_owner *owner) {
    struct control *control = calloc(1, sizeof(*control));
    struct control_place place;
    int r = control_place_make(&place);

    if (control && r == 0) {
        control->owner = *owner;
        for (size_t i = 0; i < ARRAY_LEN(control->clients); i++)
            control->clients[i].fd = -EBADF;
        r = listen_at(control, &place);
    }
    if (control && r == 0)
        return control;
    explain(&place, control ? r : -ENOMEM);
    free(control);
    return NULL;
}

void control_stop(struct control *control) {
    if (!control)
        return;
    control->has_waiting = false;
    for (size_t i = 0; i < ARRAY_LEN(control->clients); i++)
        if (control->clients[i].fd >= 0)
            drop(&control->clients[i]);
    watch_remove(&control->watch);
    fd_close(&control->fd);
    (void)unlink(control->address.sun_path);
    free(control);
}
