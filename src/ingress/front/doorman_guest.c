#include "ingress/front/doorman_guest.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "net/tls.h"

static void handshake_ready(struct guest *guest);
static void bytes_ready(struct guest *guest);

static void (*const handlers[])(struct guest *guest) = {
    [WAIT_HANDSHAKE] = handshake_ready,
    [WAIT_END] = bytes_ready,
};

static void outer_ready(struct watch *watch) {
    struct guest *guest = container_of(watch, struct guest, outer.watch);

    handlers[guest->state](guest);
}

static void inner_ready(struct watch *watch) {
    struct guest *guest = container_of(watch, struct guest, inner.watch);

    handlers[guest->state](guest);
}

static void bytes_ready(struct guest *guest) {
    pump_step(&guest->pump);
}

static void guest_free(struct guest *guest) {
    timer_cancel(&guest->deadline);
    pump_done(&guest->pump);
    stream_done(&guest->inner);
    stream_done(&guest->outer);
    free(guest);
}

void guest_end(struct guest *guest, const char *reason) {
    if (guest->state == WAIT_HANDSHAKE && reason)
        guest->host->refused(guest, reason);
    guest->host->gone(guest);
    guest_free(guest);
}

static void handshake_late(struct timer *timer) {
    guest_end(container_of(timer, struct guest, deadline), "the handshake took too long");
}

static void pump_ended(struct pump *pump) {
    guest_end(container_of(pump, struct guest, pump), NULL);
}

static void set_state(struct guest *guest, enum guest_state state) {
    guest->state = state;
}

static void handshake_ready(struct guest *guest) {
    const char *reason = "out of memory or descriptors";
    int fd = -EBADF, r = tls_handshake(&guest->outer);

    if (r == -EAGAIN)
        return;
    if (r < 0) {
        guest_end(guest, tls_failure(&guest->outer));
        return;
    }
    r = guest->host->admit(guest, &fd, &reason);
    if (r == 0)
        r = stream_init(&guest->inner, fd, inner_ready);
    if (r < 0) {
        guest_end(guest, reason);
        return;
    }
    timer_cancel(&guest->deadline);
    set_state(guest, WAIT_END);
    pump_init(&guest->pump, &guest->outer, &guest->inner, pump_ended);
    guest->host->entered(guest);
    pump_step(&guest->pump); /* what came with the last of the handshake is not told again */
}

int guest_new(int fd, const struct address *address, uint32_t listener, struct tls_server *tls,
              const struct guest_host *host, struct guest **ret) {
    struct guest *guest = calloc(1, sizeof(*guest));
    int r;

    if (!guest) {
        fd_close(&fd);
        return -ENOMEM;
    }
    *guest = (struct guest){.listener = listener,
                            .address = *address,
                            .came_ms = loop_now_ms(),
                            .host = host,
                            .deadline.on_expiry = handshake_late};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* a record leaves when it is whole */
    r = stream_init(&guest->outer, fd, outer_ready);
    if (r == 0)
        r = tls_server_accept(&guest->outer, tls);
    if (r < 0) {
        guest_free(guest);
        return r;
    }
    timer_set(&guest->deadline, TIMEOUT_HANDSHAKE);
    *ret = guest;
    return 0;
}
