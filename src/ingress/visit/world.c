#include "ingress/visit/world.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "ingress/visit/visitor.h"
#include "proc/role.h"

struct visit_world world = {.rules = {.door = DOOR_LISTENER, .may_upgrade = true}};

static struct timer telling;

void world_set_front(const struct front *front) {
    world.front = *front;
    world.rules.n_protected = front_protected(&world.front, world.rules.protected_fields, LIMIT_PROTECTED);
    world.timeouts = (struct connection_timeouts){
        .head_ms = front->head_ms, .idle_ms = front->idle_ms, .body_ms = front->body_ms, .write_ms = front->write_ms};
}

int world_set_recipe(struct recipe *recipe) {
    struct kind *kind = calloc(1, sizeof(*kind));
    struct kind **at = &world.kinds[recipe->number];

    if (!kind) {
        recipe_done(recipe);
        return -ENOMEM;
    }
    *kind = (struct kind){.refs = 1, .recipe = *recipe};
    kind_unref(*at);
    *at = kind;
    return 0;
}

void world_set_table(struct table *table) {
    table_unref(world.table);
    world.table = table;
}

struct kind *kind_ref(uint8_t number) {
    struct kind *kind = world.kinds[number];

    if (kind)
        kind->refs++;
    return kind;
}

void kind_unref(struct kind *kind) {
    if (!kind || --kind->refs > 0)
        return;
    recipe_done(&kind->recipe);
    free(kind);
}

static void begin_anew(void) {
    world.tally =
        (struct tally){.open_connections = world.tally.open_connections, .open_tunnels = world.tally.open_tunnels};
}

void world_tell(void) {
    struct ipc_writer w = tally_encode(&world.tally);

    timer_cancel(&telling);
    role_send(&w, -EBADF);
    begin_anew();
    visitors_tell_all();
}

/* There may be thousands of people: requests get their turn in between. */
static void tell_people(struct timer *timer) {
    if (visitors_tell())
        timer_set(timer, TALLY_EVERY / 100);
}

/* A supervisor that reads a large table hears nothing for a while: nobody's request waits for that. */
static void tell_now(struct timer *timer) {
    static struct timer people = {.on_expiry = tell_people};
    struct ipc_writer w = tally_encode(&world.tally);

    if (role_offer(&w) < 0) {
        timer_set(timer, TALLY_EVERY / 10);
        return;
    }
    begin_anew();
    tell_people(&people);
}

struct tally *world_count(void) {
    telling.on_expiry = tell_now;
    if (!timer_is_set(&telling))
        timer_set(&telling, TALLY_EVERY);
    return &world.tally;
}

void world_count_request(unsigned status, uint64_t duration_us, uint64_t bytes_in, uint64_t bytes_out) {
    struct tally *tally = world_count();

    tally_request(tally, status, duration_us);
    tally->bytes_in += bytes_in;
    tally->bytes_out += bytes_out;
}

uint64_t world_now_us(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
