#include "proc/standing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "ipc/message.h"

static void exited(struct child *child, int wait_status) {
    struct standing *standing = child->owner;

    standing->plan->on_exited(standing, wait_status);
}

static int start(struct standing *standing) {
    const struct standing_plan *plan = standing->plan;

    standing->began_ms = loop_now_ms();
    return child_start(&standing->child, plan->name, standing->argument, plan->permits, plan->n_permits, 1, exited,
                       standing);
}

static void wait_longer(struct standing *standing) {
    if (loop_now_ms() - standing->began_ms >= RESTART_SETTLED)
        standing->delay_ms = 0;
    timer_set(&standing->again, standing->delay_ms);
    standing->delay_ms = MIN_OF(MAX_OF(2 * standing->delay_ms, (uint64_t)RESTART_DELAY), (uint64_t)RESTART_DELAY_MAX);
}

static void start_again(struct timer *timer) {
    struct standing *standing = container_of(timer, struct standing, again);
    int r = start(standing);

    if (r < 0) {
        log_error("%s cannot be started again: %s", standing->plan->name, strerror(-r));
        wait_longer(standing);
    }
}

int standing_start(struct standing *standing, const struct standing_plan *plan, const char *argument, void *owner) {
    *standing = (struct standing){.plan = plan, .argument = argument, .owner = owner};
    standing->again.on_expiry = start_again;
    return start(standing);
}

void standing_again(struct standing *standing) {
    wait_longer(standing);
}

void standing_fail(struct standing *standing, int error) {
    if (!ipc_is_gone(error))
        log_error("%s cannot be told what it needs, and is ended: %s", standing->plan->name, strerror(-error));
    child_kill(&standing->child);
}

int standing_introduce(struct standing *standing, struct channel *asker, const struct ipc_writer *w) {
    _cleanup_close_ int end_of_asker = -EBADF, end_of_standing = -EBADF;
    int ends[2], r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);

    if (r < 0)
        return r;
    end_of_asker = ends[0];
    end_of_standing = ends[1];
    r = channel_send(asker, w, end_of_asker);
    if (r < 0)
        return ipc_is_gone(r) ? 0 : r;
    r = channel_send(&standing->child.channel, w, end_of_standing);
    if (r < 0)
        standing_fail(standing, r);
    return 0;
}

void standing_stop(struct standing *standing) {
    timer_cancel(&standing->again);
    child_stop(&standing->child);
}

int standing_on_hello(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct standing *standing = child->owner;
    int r = child_on_hello(owner, m);

    if (r < 0)
        return r;
    standing->was_ready = true;
    standing->plan->on_ready(standing);
    return 0;
}
