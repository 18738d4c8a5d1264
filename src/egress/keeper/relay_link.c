#include "egress/keeper/relay_link.h"

#include <errno.h>

#include "base/fd.h"
#include "base/limits.h"
#include "egress/exchange_codec.h"

int relay_link_init(struct relay_link *link, int fd, void (*on_ready)(struct watch *watch)) {
    struct ipc_writer w;
    int r;

    *link = (struct relay_link){.fd = fd};
    buf_init(&link->held_back, LIMIT_DATAGRAM);
    r = watch_add(&link->watch, fd, on_ready);
    if (r < 0)
        return r;
    w = ipc_begin(IPC_ACCEPTED);
    return ipc_send(fd, &w, -EBADF);
}

void relay_link_done(struct relay_link *link) {
    watch_remove(&link->watch);
    fd_close(&link->fd);
    buf_release(&link->held_back);
}

int relay_link_tell(struct relay_link *link, const struct upstream_event *event) {
    struct ipc_writer w = event_encode(event);
    int r = relay_link_is_clear(link) ? ipc_send(link->fd, &w, -EBADF) : -EPIPE; /* nothing overtakes, nothing joins */

    if (r != -EAGAIN)
        return r;
    watch_not_ready(&link->watch, EPOLLOUT);
    r = buf_append(&link->held_back, ipc_writer_bytes(&w));
    return r == 0 ? buf_append(&link->held_back, event->data) : r;
}

int relay_link_interrupt(struct relay_link *link, const struct upstream_event *event) {
    buf_release(&link->held_back);
    return relay_link_tell(link, event);
}

int relay_link_flush(struct relay_link *link) {
    struct slice bytes = buf_slice(&link->held_back);
    struct ipc_writer w;
    int r;

    if (bytes.n == 0)
        return 0;
    if (!(link->watch.ready & EPOLLOUT))
        return -EAGAIN;
    w = ipc_begin((enum ipc_type)bytes.p[0]);
    ipc_put_raw(&w, slice_from(bytes, 1));
    r = ipc_send(link->fd, &w, -EBADF);
    if (r == 0)
        buf_release(&link->held_back);
    else if (r == -EAGAIN)
        watch_not_ready(&link->watch, EPOLLOUT);
    return r;
}

int relay_link_receive(struct relay_link *link, struct ipc_message *ret) {
    int r;

    if (!(link->watch.ready & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)))
        return 0;
    r = ipc_receive(link->fd, ret);
    if (r == -EAGAIN) {
        watch_not_ready(&link->watch, EPOLLIN | EPOLLRDHUP);
        return 0;
    }
    return r == 1 ? 1 : -EPIPE;
}
