#include "egress/door/proxy_tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "egress/door/house.h"
#include "egress/door/listener.h"
#include "egress/door/proxy_tell.h"
#include "relay/tunnel.h"

/* All there is of a way that is a tunnel. */
struct proxy_tunnel {
    uint64_t way;
    struct tunnel *tunnel;
};

/* Nothing of a tunnel's end is a refusal: who broke off is said, and no more is known. */
static const char *const endings[][2] = {
    [TUNNEL_CAUSE_CLOSED] = {"", ""},
    [TUNNEL_CAUSE_RESET] = {"the client broke off", "the host broke off"},
    [TUNNEL_CAUSE_TIMEOUT] = {"nothing moved for too long", "the host took nothing for too long"},
    [TUNNEL_CAUSE_ENDED] = {"", ""},
};

static void tell(uint64_t way, const struct tunnel_report *report) {
    const struct proxy_use use = {.status = 200,
                                  .bytes_in = report->bytes_up,
                                  .bytes_out = report->bytes_down,
                                  .method = SLICE("CONNECT"),
                                  .path = SLICE_EMPTY,
                                  .reason = slice_of_string(endings[report->cause][report->side])};

    proxy_tell_used(way, &use);
    proxy_tell_closed(way);
    listener_left();
}

static void ended(void *owner, const struct tunnel_report *report) {
    struct proxy_tunnel *t = owner;

    tell(t->way, report);
    free(t);
}

/* What the host says first waits in the kernel for the tunnel. */
static void host_waits(struct watch *watch) {
    (void)watch;
}

static int open_tunnel(struct proxy_tunnel *t, struct stream *client, struct slice hello, int upstream) {
    static struct tunnel_owner class = {.ended = ended, .is_opaque = true, .idle_timeout_ms = TIMEOUT_STREAM};
    struct stream host = {.fd = -EBADF};
    int r;

    class.write_timeout_ms = house_timeouts()->write_ms;
    (void)setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    r = stream_init(&host, upstream, host_waits);
    if (r < 0)
        stream_done(client);
    else
        r = tunnel_new(client, hello, &host, SLICE_EMPTY, &class, t, &t->tunnel);
    return r;
}

int proxy_tunnel_open(uint64_t way, struct stream *client, struct slice hello, int upstream) {
    struct proxy_tunnel *t = calloc(1, sizeof(*t));
    int r = -ENOMEM;

    if (t) {
        t->way = way;
        r = open_tunnel(t, client, hello, upstream);
    } else {
        stream_done(client);
        fd_close(&upstream);
    }
    if (r < 0) {
        tell(way, &(struct tunnel_report){.cause = TUNNEL_CAUSE_RESET, .side = TUNNEL_SIDE_UPSTREAM});
        free(t);
    }
    return r;
}
