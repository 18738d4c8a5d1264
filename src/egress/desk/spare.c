/*
 * The spare relay of a broker that lends: started and hardened ahead, so that the next loan need not wait for it. It is
 * exec'd afresh as every relay is, and serves one holder; until then it was told nothing, and holds nothing but its
 * channel. One is kept: of loans that come at once, the others start relays of their own.
 */
#include <poll.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/desk/broker_state.h"

static bool is_lender(const struct broker *broker) {
    return broker->n_configured == 0 && !broker->ways;
}

/* Without one the next loan starts its own, and says what keeps it from starting. */
static void start(struct timer *timer) {
    struct broker *broker = container_of(timer, struct broker, spare_due);

    if (holder_start_spare(broker, &broker->spare) < 0)
        log_debug("no relay could be started ahead of the next loan");
}

void spare_want(struct broker *broker) {
    broker->spare_due.on_expiry = start;
    if (is_lender(broker) && !broker->spare && !broker->is_stopping && !timer_is_set(&broker->spare_due))
        timer_set(&broker->spare_due, SPARE_AFTER);
}

/* It may have ended in this turn, and the loop has not told yet; or it has told of the channel's end, and not of its. */
static bool is_there(const struct holder *holder) {
    struct pollfd channel = {.fd = holder->relay.channel.fd, .events = POLLRDHUP};

    return child_is_running(&holder->relay) && channel.fd >= 0 && poll(&channel, 1, 0) == 0;
}

struct holder *spare_take(struct broker *broker) {
    struct holder *holder = broker->spare;

    if (!holder || !is_there(holder))
        return NULL;
    broker->spare = NULL;
    return holder;
}

void spare_give_back(struct broker *broker, struct holder *holder) {
    if (holder && child_is_running(&holder->relay))
        broker->spare = holder;
    else
        free(holder);
}

void spare_gone(struct holder *holder) {
    struct broker *broker = holder->broker;

    if (!broker->is_stopping)
        log_warning("%s ended before it was needed", holder->relay.name);
    broker->spare = NULL;
    holder_free(holder);
    broker_go_on(broker);
}

void spare_stop(struct broker *broker) {
    timer_cancel(&broker->spare_due);
    if (broker->spare)
        child_stop(&broker->spare->relay);
}
