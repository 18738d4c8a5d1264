/*
 * The exporter: serves the metrics over HTTP, on a socket that the supervisor has made. It reads whatever anybody
 * sends there, and it has nothing: no secret, no file, no way out; not even the numbers, for which it asks the
 * supervisor each time that it is asked. Requests are judged by the same strict engine as a workload's.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "proc/role.h"
#include "relay/connection.h"

#define GRACE 1000 /* ms without a request, before another may take the place */

/* What one who asks is waiting for. */
enum scraper_state {
    WAIT_NOTHING, /* for nothing: no request is under way */
    WAIT_TURN,    /* for the supervisor to be asked again: what it is saying was asked for before */
    WAIT_TEXT,    /* for the end of the text */
    WAIT_TAKEN,   /* for the client to take the answer */
};

struct scraper {
    struct connection connection;
    struct upstream upstream; /* this role itself */
    enum scraper_state state;
    bool is_used, is_begun;
    unsigned status;
    struct buf text;
    struct slice left; /* of the answer's body */
    uint64_t since_ms; /* it has been quiet */
};

static struct scraper scrapers[LIMIT_SCRAPERS];
static struct watch listening;
static int listener = -EBADF;
static bool is_asking;   /* the supervisor has been asked, and is not at the end of its answer */
static bool has_waiting; /* somebody may wait to be accepted */
static struct timer retry;

static struct scraper *scraper_of(struct upstream *upstream) {
    return container_of(upstream, struct scraper, upstream);
}

/* One text for all who wait for it; who comes later waits for the next, which counts what was before his request. */
static void ask_for_text(void) {
    struct ipc_writer w;
    bool is_wanted = false;

    for (size_t i = 0; !is_asking && i < ARRAY_LEN(scrapers); i++)
        if (scrapers[i].state == WAIT_TURN) {
            scrapers[i].state = WAIT_TEXT;
            is_wanted = true;
        }
    if (!is_wanted)
        return;
    is_asking = true;
    w = ipc_begin(IPC_SCRAPE);
    role_send(&w, -EBADF);
}

static void answer(struct scraper *s, unsigned status, struct slice body) {
    s->status = status;
    s->left = body;
    s->is_begun = false;
    s->state = WAIT_TAKEN;
}

static int scraper_begin(struct upstream *upstream, const struct request_head *request, struct slice data,
                         bool is_end) {
    struct scraper *s = scraper_of(upstream);

    (void)data;
    (void)is_end;
    buf_release(&s->text);
    if (!slice_equals(request->path, SLICE("/metrics"))) {
        answer(s, 404, SLICE("not here: GET /metrics\n"));
    } else if (!slice_equals(request->method, SLICE("GET")) && !slice_equals(request->method, SLICE("HEAD"))) {
        answer(s, 405, SLICE("GET or HEAD\n"));
    } else {
        s->state = WAIT_TURN;
        ask_for_text();
    }
    return 0;
}

/* A body says nothing here. */
static int scraper_send(struct upstream *upstream, struct slice data, bool is_end) {
    (void)upstream;
    (void)data;
    (void)is_end;
    return 0;
}

static struct response_head head_of(const struct scraper *s) {
    static const struct http_field text[] = {
        {SLICE("Content-Type"), SLICE("text/plain; version=0.0.4; charset=utf-8")}};
    static const struct http_field other[] = {{SLICE("Content-Type"), SLICE("text/plain; charset=utf-8")},
                                              {SLICE("Allow"), SLICE("GET, HEAD")}};
    const struct http_framing whole = {HTTP_BODY_LENGTH, s->left.n};
    struct response_head head = {.status = s->status, .fields = other, .n_fields = 1, .body = whole, .declared = whole};

    if (s->status == 200)
        head.fields = text;
    else if (s->status == 405)
        head.n_fields = 2; /* S 15.5.6 */
    return head;
}

static int scraper_receive(struct upstream *upstream, struct upstream_event *ret) {
    struct scraper *s = scraper_of(upstream);
    struct slice part = slice_first(s->left, LIMIT_READ);

    if (s->state != WAIT_TAKEN)
        return -EAGAIN;
    *ret = (struct upstream_event){.type = s->is_begun ? UPSTREAM_DATA : UPSTREAM_RESPONSE, .data = part};
    if (!s->is_begun)
        ret->response = head_of(s);
    s->is_begun = true;
    s->left = slice_from(s->left, part.n);
    ret->is_end = s->left.n == 0;
    if (ret->is_end) {
        s->state = WAIT_NOTHING; /* the text stays till the next call: `part` looks into it */
        s->since_ms = loop_now_ms();
    }
    return 1;
}

static void scraper_abandon(struct upstream *upstream, unsigned status, const char *reason) {
    struct scraper *s = scraper_of(upstream);

    (void)status;
    (void)reason;
    s->state = WAIT_NOTHING;
    buf_release(&s->text);
}

static const struct upstream_ops ops = {
    .begin = scraper_begin, .send = scraper_send, .receive = scraper_receive, .abandon = scraper_abandon};

static void give_up(struct scraper *s) {
    buf_release(&s->text);
    answer(s, 503, SLICE("not now\n"));
}

static int on_metrics(void *owner, struct ipc_message *m) {
    uint8_t is_end = ipc_get_u8(m);
    struct slice text = ipc_get_bytes(m, LIMIT_READ);

    (void)owner;
    if (ipc_end(m) < 0 || !is_asking)
        return -EPROTO;
    for (size_t i = 0; i < ARRAY_LEN(scrapers); i++) {
        struct scraper *s = &scrapers[i];

        if (s->state == WAIT_TEXT && buf_append(&s->text, text) < 0)
            give_up(s);
        else if (s->state == WAIT_TEXT && is_end && buf_is_empty(&s->text))
            give_up(s);
        else if (s->state == WAIT_TEXT && is_end)
            answer(s, 200, buf_slice(&s->text));
    }
    is_asking = !is_end;
    /* only now: a step may begin the next request, and so the next text */
    for (size_t i = 0; i < ARRAY_LEN(scrapers); i++)
        if (scrapers[i].state == WAIT_TAKEN)
            scrapers[i].upstream.wake(scrapers[i].upstream.owner);
    ask_for_text();
    return 0;
}

static void refused(struct connection *c, unsigned status, struct slice reason) {
    (void)c;
    (void)status;
    (void)reason;
}

static void forget(struct scraper *s) {
    buf_release(&s->text);
    s->state = WAIT_NOTHING;
    s->is_used = false;
}

static void closed(struct connection *c) {
    forget(container_of(c, struct scraper, connection));
    if (has_waiting)
        watch_again(&listening);
}

/* A free place; or that of the one who has been quiet for longest, so that the quiet ones do not keep others out. */
static struct scraper *find_place(void) {
    uint64_t newest = loop_now_ms() - GRACE;
    struct scraper *quiet = NULL;

    for (size_t i = 0; i < ARRAY_LEN(scrapers); i++) {
        struct scraper *s = &scrapers[i];

        if (!s->is_used)
            return s;
        if (s->connection.state == WAIT_REQUEST && s->since_ms <= newest) {
            newest = s->since_ms;
            quiet = s;
        }
    }
    return quiet;
}

static void take(struct scraper *s, int fd) {
    static const struct exchange_rules rules = {.lease = "metrics"};
    static const struct connection_timeouts timeouts = {
        .head_ms = TIMEOUT_SCRAPE, .idle_ms = TIMEOUT_IDLE, .body_ms = TIMEOUT_SCRAPE, .write_ms = TIMEOUT_SCRAPE};
    static const struct connection_owner owner = {
        .rules = &rules, .timeouts = &timeouts, .refused = refused, .closed = closed};

    if (s->is_used) {
        connection_done(&s->connection);
        forget(s);
    }
    *s = (struct scraper){.upstream.ops = &ops, .since_ms = loop_now_ms()};
    buf_init(&s->text, LIMIT_METRICS);
    s->is_used = connection_init(&s->connection, fd, &s->upstream, &owner) == 0;
}

/* Whoever finds no place waits in the kernel's queue until somebody has gone, or has been quiet for long enough. */
static void accept_step(struct watch *watch) {
    for (unsigned n = 0; n < LIMIT_SCRAPERS; n++) {
        struct scraper *s = find_place();
        int fd;

        if (!s) {
            has_waiting = true;
            timer_set(&retry, GRACE);
            return;
        }
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        has_waiting = fd >= 0 || errno != EAGAIN;
        if (fd < 0)
            return;
        take(s, fd);
    }
    watch_again(watch);
}

static void look_again(struct timer *timer) {
    (void)timer;
    accept_step(&listening);
}

static int on_listener(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || listener >= 0)
        return -EPROTO;
    listener = fd_steal(&fd);
    retry.on_expiry = look_again;
    return watch_add(&listening, listener, accept_step);
}

static const struct ipc_permit permits[] = {{IPC_LISTENER, 1, on_listener}, {IPC_METRICS, 1, on_metrics}};

int main(void) {
    static const struct role exporter = {.name = "credfd-exporter",
                                         .seccomp = SECCOMP_EXPORTER,
                                         .permits = permits,
                                         .n_permits = ARRAY_LEN(permits),
                                         .phase = 1};

    return role_main(&exporter);
}
