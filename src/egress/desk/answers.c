/*
 * Who asks the broker, and is answered: `credfd lease` and `credfd runner status` on the control socket, and whoever
 * scrapes the metrics.
 */
#include <errno.h>
#include <stdio.h>

#include "egress/desk/broker_state.h"

static int write_metrics(void *owner, struct buf *to) {
    struct broker *broker = owner;
    int r = metrics_write(&broker->metrics, to);

    return r == 0 && broker->owner.metrics ? broker->owner.metrics(broker->owner.owner, to) : r;
}

static void exporter_restarted(void *owner) {
    struct broker *broker = owner;

    metrics_restarted(&broker->metrics, METRICS_EXPORTER);
}

static void metrics_quiet(void *owner) {
    broker_go_on(owner);
}

static struct holder *find_oldest(const struct broker *broker) {
    struct holder *holder = broker->holders;

    while (holder && holder->next)
        holder = holder->next;
    return holder;
}

static struct holder *find_newer(struct broker *broker, struct holder *holder) {
    return holder->at == &broker->holders ? NULL : container_of(holder->at, struct holder, next);
}

/* Holders are in the order of their leases' numbers, the newest first: whoever asks for all goes through them once. */
static bool next_lease(void *owner, uint32_t after, struct lease_info *ret) {
    struct broker *broker = owner;
    struct holder *holder = broker->listed;

    if (!holder || holder->grants[0].number > after)
        holder = find_oldest(broker);
    for (; holder; holder = find_newer(broker, holder))
        if (holder_find_lease(holder, after, ret)) {
            broker->listed = holder;
            return true;
        }
    return false;
}

static int revoke_lease(void *owner, uint32_t number, pid_t by, uid_t by_uid) {
    struct broker *broker = owner;
    struct lease_info info;
    char cause[96];

    (void)snprintf(cause, sizeof(cause), "revoked by process %d of user %u", (int)by, (unsigned)by_uid);
    for (struct holder *holder = broker->holders; holder; holder = holder->next) {
        struct grant *grant = holder_find_lease(holder, number - 1, &info);

        if (grant && grant->number == number) {
            holder_revoke(holder, grant, REFUSAL_REVOKED, cause);
            return 0;
        }
    }
    return -ENOENT;
}

static int write_status(void *owner, struct buf *to) {
    struct broker *broker = owner;

    return broker->owner.status(broker->owner.owner, to);
}

void answers_start(struct broker *broker) {
    const struct control_owner control = {.next = next_lease,
                                          .revoke = revoke_lease,
                                          .status = broker->owner.status ? write_status : NULL,
                                          .owner = broker};
    const struct metrics_owner metrics = {
        .write = write_metrics, .restarted = exporter_restarted, .quiet = metrics_quiet, .owner = broker};

    broker->control = control_start(&control);
    broker->metrics_server = metrics_server_start(&broker->settings->metrics, &metrics);
}

void answers_stop(struct broker *broker) {
    control_stop(broker->control);
    broker->control = NULL;
    metrics_server_stop(broker->metrics_server);
}
