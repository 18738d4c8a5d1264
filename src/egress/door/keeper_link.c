#include "egress/door/keeper_link.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/exchange_codec.h"

static struct keeper_link *link_of(struct upstream *u) {
    return container_of(u, struct keeper_link, upstream);
}

static int send_message(struct keeper_link *link, const struct ipc_writer *w) {
    int r = link->is_gone ? -EPIPE : ipc_send(link->fd, w, -EBADF);

    if (r == -EAGAIN)
        watch_not_ready(&link->watch, EPOLLOUT);
    return r;
}

static int link_begin(struct upstream *u, const struct request_head *request, struct slice data, bool is_end) {
    struct keeper_link *link = link_of(u);
    struct ipc_writer w;
    int r;

    link->number++;
    link->method_n = MIN_OF(request->method.n, sizeof(link->method));
    memcpy(link->method, request->method.p, link->method_n);
    buf_release(&link->path);
    r = buf_append(&link->path, request->path);
    if (r < 0)
        return r;
    w = request_encode(request, data, is_end);
    r = send_message(link, &w);
    link->is_active = r == 0;
    link->is_gone = link->is_gone || (r < 0 && r != -EAGAIN);
    return r;
}

void keeper_link_forget(struct keeper_link *link) {
    link->is_active = false;
    link->method_n = 0;
    buf_release(&link->path);
}

static int link_send(struct upstream *u, struct slice data, bool is_end) {
    struct ipc_writer w = data_encode(data, is_end);

    return send_message(link_of(u), &w);
}

static int gone(struct keeper_link *link, struct upstream_event *ret) {
    link->is_gone = true;
    *ret = (struct upstream_event){.type = UPSTREAM_ABORT,
                                   .status = 503,
                                   .reason = SLICE("the keeper ended before the response"),
                                   .is_gone = true};
    return 1;
}

static int link_receive(struct upstream *u, struct upstream_event *ret) {
    struct keeper_link *link = link_of(u);
    struct ipc_message m;
    int r;

    if (link->is_gone)
        return gone(link, ret);
    if (!(link->watch.ready & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)))
        return -EAGAIN;
    r = ipc_receive(link->fd, &m);
    if (r == -EAGAIN) {
        watch_not_ready(&link->watch, EPOLLIN);
        return r;
    }
    if (r != 1 || event_decode(&m, &link->fields, ret) < 0)
        return gone(link, ret);
    if (ret->is_end || ret->type == UPSTREAM_ABORT) {
        keeper_link_forget(link);
        watch_not_ready(&link->watch,
                        EPOLLIN); /* the keeper says no more before it is asked again: that is a new edge */
    }
    return 1;
}

static void link_abandon(struct upstream *u, unsigned status, const char *reason) {
    struct keeper_link *link = link_of(u);
    struct ipc_writer w;

    if (!link->is_active)
        return;
    if (link->on_abandon)
        link->on_abandon(link, status, slice_of_string(reason));
    keeper_link_forget(link);
    w = abort_encode(status, slice_of_string(reason));
    /* should there be no room for it: the connection ends, and the keeper sees the pair close */
    (void)send_message(link, &w);
}

static const struct upstream_ops link_ops = {
    .begin = link_begin, .send = link_send, .receive = link_receive, .abandon = link_abandon};

static void wait_answer(struct keeper_link *link) {
    struct ipc_message m;
    int r = ipc_receive(link->fd, &m);

    if (r == -EAGAIN)
        return;
    link->is_accepted = r == 1 && m.type == IPC_ACCEPTED && ipc_end(&m) == 0;
    link->on_answer(link, link->is_accepted);
}

static void link_ready(struct watch *watch) {
    struct keeper_link *link = container_of(watch, struct keeper_link, watch);

    if (!link->is_accepted)
        wait_answer(link);
    else
        link->upstream.wake(link->upstream.owner);
}

int keeper_link_init(struct keeper_link *link, int fd, void (*on_answer)(struct keeper_link *link, bool is_accepted),
                     void (*on_abandon)(struct keeper_link *link, unsigned status, struct slice reason)) {
    int r;

    *link = (struct keeper_link){.fd = fd, .on_answer = on_answer, .on_abandon = on_abandon, .upstream.ops = &link_ops};
    buf_init(&link->path, LIMIT_TARGET);
    r = watch_add(&link->watch, fd, link_ready);
    if (r < 0)
        keeper_link_done(link);
    return r;
}

void keeper_link_init_gone(struct keeper_link *link) {
    *link = (struct keeper_link){.fd = -EBADF, .upstream.ops = &link_ops, .is_gone = true};
    buf_init(&link->path, LIMIT_TARGET);
}

void keeper_link_done(struct keeper_link *link) {
    buf_release(&link->path);
    watch_remove(&link->watch);
    fd_close(&link->fd);
}
