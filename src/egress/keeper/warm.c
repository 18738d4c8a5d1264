#include "egress/keeper/warm.h"

#include "base/macros.h"
#include "proc/rest.h"

/* Whatever an idle connection may be ready for but writing. */
#define ANYTHING (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* Whoever has waited for long enough sleeps. False while some have not. */
static bool put_to_sleep(struct warm_shelf *shelf) {
    for (struct warm *warm = shelf->newest; warm && !warm->is_asleep; warm = warm->older)
        if (loop_now_ms() - warm->since_ms >= shelf->sleep_ms) {
            client_sleep(&warm->client);
            warm->is_asleep = true;
        }
    return !shelf->newest || shelf->newest->is_asleep;
}

static void look_after(struct timer *timer) {
    struct warm_shelf *shelf = container_of(timer, struct warm_shelf, timer);

    while (shelf->oldest && loop_now_ms() - shelf->oldest->since_ms >= shelf->close_ms)
        shelf->give_up(shelf->oldest);
    if (!put_to_sleep(shelf)) {
        timer_set(timer, shelf->sleep_ms);
        return;
    }
    shelf->has_awake = false;
    rest_soon();
    if (shelf->oldest)
        timer_set(timer, shelf->close_ms - (loop_now_ms() - shelf->oldest->since_ms));
}

static void watch_over(struct warm_shelf *shelf) {
    shelf->timer.on_expiry = look_after;
    if (!shelf->has_awake)
        timer_set(&shelf->timer, shelf->sleep_ms);
    shelf->has_awake = true;
}

/* Session tickets are fine; the end or any byte means that it must not be used. */
static void ready(struct watch *watch) {
    struct warm *warm = container_of(watch, struct warm, client.stream.watch);

    if (!(watch->ready & ANYTHING))
        return;
    if (client_is_stale(&warm->client))
        warm->shelf->give_up(warm);
    else if (warm->is_asleep)
        client_sleep(&warm->client);
}

int warm_init(struct warm *warm, struct warm_shelf *shelf, struct stream *stream) {
    *warm = (struct warm){.shelf = shelf};
    return client_init(&warm->client, stream, ready);
}

void warm_put(struct warm *warm) {
    struct warm_shelf *shelf = warm->shelf;

    client_rest(&warm->client);
    client_attach(&warm->client, NULL, ready);
    warm->since_ms = loop_now_ms();
    warm->is_asleep = false;
    warm->older = shelf->newest;
    warm->newer = NULL;
    if (shelf->newest)
        shelf->newest->newer = warm;
    else
        shelf->oldest = warm;
    shelf->newest = warm;
    shelf->n++;
    if (shelf->n > shelf->max)
        shelf->give_up(shelf->oldest);
    watch_over(shelf);
}

void warm_take(struct warm *warm) {
    struct warm_shelf *shelf = warm->shelf;

    if (warm->older)
        warm->older->newer = warm->newer;
    else
        shelf->oldest = warm->newer;
    if (warm->newer)
        warm->newer->older = warm->older;
    else
        shelf->newest = warm->older;
    shelf->n--;
}

bool warm_is_stale(struct warm *warm) {
    return stream_is_ready(&warm->client.stream, ANYTHING) && client_is_stale(&warm->client);
}
