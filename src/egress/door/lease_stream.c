#include "egress/door/lease_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/door/keeper_link.h"
#include "egress/door/socket_stream.h"
#include "proc/rest.h"
#include "proc/role.h"

struct lease_stream {
    struct lease_stream_plan plan;
    uint32_t number;
    void (*answered)(struct lease_stream *s, void *owner, uint32_t number, bool is_accepted);
    struct keeper_link link;
    struct stream waiting; /* the client's, until the keeper has answered; with what was read of it */
    struct buf early;
    struct connection connection;
    struct connection_owner owner;
    struct socket_stream socket; /* what the connection has become; all zero until then */
};

void lease_stream_forgo(uint64_t id) {
    struct ipc_writer w = ipc_begin(IPC_STREAM_ENDED);

    ipc_put_u64(&w, id);
    role_send(&w, -EBADF);
}

void lease_stream_end(struct lease_stream *s) {
    lease_stream_forgo(s->plan.id);
    keeper_link_done(&s->link);
    stream_done(&s->waiting);
    connection_done(&s->connection);
    socket_stream_done(&s->socket);
    buf_release(&s->early);
    free(s);
    rest_soon();
}

static void end_and_tell(struct lease_stream *s) {
    void (*closed)(void *owner) = s->plan.closed;
    void *owner = s->plan.owner;

    lease_stream_end(s);
    closed(owner);
}

static void connection_closed(struct connection *c) {
    end_and_tell(container_of(c, struct lease_stream, connection));
}

/* Once for each exchange. */
static void report(struct lease_stream *s, unsigned status, struct slice reason) {
    struct ipc_writer w = ipc_begin(IPC_REFUSAL);

    ipc_put_u64(&w, s->plan.id);
    ipc_put_u16(&w, (uint16_t)status);
    ipc_put_u32(&w, s->link.method_n > 0 ? s->link.number : 0);
    ipc_put_u8(&w, s->link.is_active);
    ipc_put_bytes(&w, slice_of(s->link.method, s->link.method_n));
    ipc_put_bytes(&w, buf_slice(&s->link.path));
    ipc_put_bytes(&w, reason);
    role_send(&w, -EBADF);
    keeper_link_forget(&s->link);
}

static void connection_refused(struct connection *c, unsigned status, struct slice reason) {
    struct lease_stream *s = container_of(c, struct lease_stream, connection);

    /* what the keeper knows of, the keeper accounts for: unless it is gone */
    if (s->connection.state != WAIT_EXCHANGE || s->link.is_gone)
        report(s, status, reason);
}

/* The keeper will account for it; or, should it die before it does, this will. */
static void stream_abandoned(struct keeper_link *link, unsigned status, struct slice reason) {
    report(container_of(link, struct lease_stream, link), status, reason);
}

static void socket_closed(struct socket_stream *socket) {
    end_and_tell(container_of(socket, struct lease_stream, socket));
}

static void connection_switched(struct connection *c) {
    struct lease_stream *s = container_of(c, struct lease_stream, connection);

    if (socket_stream_begin(&s->socket, c, &s->link, s->plan.timeouts->write_ms, socket_closed) < 0)
        end_and_tell(s);
}

static int begin(struct lease_stream *s, struct stream *client, struct slice early) {
    return connection_init_stream(&s->connection, client, early, &s->link.upstream, &s->owner);
}

/* The client is there already: a keeper that will not serve is as good as none, and it is told so in HTTP. */
static void answer_waiting(struct lease_stream *s, bool is_accepted) {
    if (!is_accepted) {
        keeper_link_done(&s->link);
        keeper_link_init_gone(&s->link);
    }
    if (begin(s, &s->waiting, buf_slice(&s->early)) < 0)
        end_and_tell(s);
    else
        buf_release(&s->early);
}

static void link_answered(struct keeper_link *link, bool is_accepted) {
    struct lease_stream *s = container_of(link, struct lease_stream, link);

    if (s->answered)
        s->answered(s, s->plan.owner, s->number, is_accepted);
    else
        answer_waiting(s, is_accepted);
}

/* What the client says before the keeper has answered stays in the kernel. */
static void client_waits(struct watch *watch) {
    (void)watch;
}

static int stream_new(const struct lease_stream_plan *plan, struct lease_stream **ret) {
    struct lease_stream *s = calloc(1, sizeof(*s));
    int pair = plan->pair, r = 0;

    if (!s) {
        fd_close(&pair);
        lease_stream_forgo(plan->id);
        return -ENOMEM;
    }
    s->plan = *plan;
    s->owner = (struct connection_owner){.rules = plan->rules,
                                         .timeouts = plan->timeouts,
                                         .refused = connection_refused,
                                         .closed = connection_closed,
                                         .switched = connection_switched};
    buf_init(&s->early, LIMIT_HEAD);
    if (pair < 0)
        keeper_link_init_gone(&s->link);
    else
        r = keeper_link_init(&s->link, pair, link_answered, stream_abandoned);
    if (r < 0)
        lease_stream_end(s);
    else
        *ret = s;
    return r;
}

int lease_stream_serve(const struct lease_stream_plan *plan, struct stream *client, struct slice early,
                       struct lease_stream **ret) {
    struct lease_stream *s;
    int r = stream_new(plan, &s);

    if (r < 0) {
        stream_done(client);
        return r;
    }
    if (plan->pair < 0) {
        r = begin(s, client, early);
    } else {
        r = buf_append(&s->early, early);
        if (r == 0)
            r = stream_move(client, &s->waiting, client_waits);
        else
            stream_done(client);
    }
    if (r < 0)
        lease_stream_end(s);
    else
        *ret = s;
    return r;
}

int lease_stream_open(const struct lease_stream_plan *plan, uint32_t number,
                      void (*answered)(struct lease_stream *s, void *owner, uint32_t number, bool is_accepted)) {
    struct lease_stream *s;
    int r = stream_new(plan, &s);

    if (r < 0)
        return r;
    s->number = number;
    s->answered = answered;
    if (plan->pair < 0)
        answered(s, plan->owner, number, true);
    return 0;
}

int lease_stream_attach(struct lease_stream *s, int fd) {
    return connection_init(&s->connection, fd, &s->link.upstream, &s->owner);
}
