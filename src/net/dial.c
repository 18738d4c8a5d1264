#include "net/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"

struct attempt {
    struct dial *dial;
    struct watch watch;
    int fd;
};

struct dial {
    dial_done *done;
    void *owner;
    struct address addresses[LIMIT_ADDRESSES];
    struct attempt attempts[LIMIT_ADDRESSES];
    size_t n, started, failed;
    struct timer next_attempt; /* also used, with no delay, to report a failure from the loop */
    int last_error;
};

static void attempt_close(struct attempt *attempt) {
    watch_remove(&attempt->watch);
    fd_close(&attempt->fd);
}

void dial_cancel(struct dial *dial) {
    if (!dial)
        return;
    for (size_t i = 0; i < dial->started; i++)
        attempt_close(&dial->attempts[i]);
    timer_cancel(&dial->next_attempt);
    free(dial);
}

static void finish(struct dial *dial, int fd) {
    dial_done *done = dial->done;
    void *owner = dial->owner;

    dial_cancel(dial);
    done(owner, fd);
}

static void attempt_failed(struct attempt *attempt, int error) {
    attempt_close(attempt);
    attempt->dial->last_error = error;
    attempt->dial->failed++;
    timer_set(&attempt->dial->next_attempt, 0);
}

static void attempt_ready(struct watch *watch) {
    struct attempt *attempt = container_of(watch, struct attempt, watch);
    int error = 0;
    socklen_t size = sizeof(error);

    if (!(watch->ready & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        return;
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0) {
        attempt_failed(attempt, -error);
        return;
    }
    if (!(watch->ready & EPOLLOUT))
        return;
    watch_remove(watch);
    finish(attempt->dial, fd_steal(&attempt->fd));
}

/* Starts to connect; a failure that the kernel knows at once is reported like one that comes later. */
static void attempt_start(struct dial *dial) {
    const struct address *address = &dial->addresses[dial->started];
    struct attempt *attempt = &dial->attempts[dial->started++];
    int one = 1, r;

    attempt->dial = dial;
    attempt->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (attempt->fd < 0) {
        attempt_failed(attempt, -errno);
        return;
    }
    (void)setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* heads and bodies come whole */
    r = watch_add(&attempt->watch, attempt->fd, attempt_ready);
    if (r == 0)
        watch_not_ready(&attempt->watch, EPOLLOUT); /* it becomes writable when it is connected (connect(2)) */
    if (r == 0 && connect(attempt->fd, &address->any, address->n) < 0 && errno != EINPROGRESS)
        r = -errno;
    if (r < 0)
        attempt_failed(attempt, r);
}

static void next_attempt(struct timer *timer) {
    struct dial *dial = container_of(timer, struct dial, next_attempt);

    if (dial->failed == dial->n) {
        finish(dial, dial->last_error);
        return;
    }
    if (dial->started == dial->n)
        return;
    attempt_start(dial);
    if (!timer_is_set(&dial->next_attempt))
        timer_set(&dial->next_attempt, TIMEOUT_ATTEMPT_DELAY);
}

/* RFC 8305 §4: the families take turns, each in the order it came, IPv6 first. */
static void interleave(struct dial *dial, const struct address *addresses, size_t n) {
    size_t at[2] = {0, 0};
    const sa_family_t families[2] = {AF_INET6, AF_INET};

    for (size_t turn = 0; dial->n < n; turn++) {
        size_t *i = &at[turn % 2];

        while (*i < n && addresses[*i].any.sa_family != families[turn % 2])
            (*i)++;
        if (*i < n)
            dial->addresses[dial->n++] = addresses[(*i)++];
    }
}

int dial_start(const struct address *addresses, size_t n, dial_done *done, void *owner, struct dial **ret) {
    struct dial *dial;

    if (n == 0 || n > LIMIT_ADDRESSES)
        return -EINVAL;
    dial = calloc(1, sizeof(*dial));
    if (!dial)
        return -ENOMEM;
    dial->done = done;
    dial->owner = owner;
    dial->next_attempt.on_expiry = next_attempt;
    interleave(dial, addresses, n);
    attempt_start(dial);
    if (!timer_is_set(&dial->next_attempt))
        timer_set(&dial->next_attempt, TIMEOUT_ATTEMPT_DELAY);
    *ret = dial;
    return 0;
}
