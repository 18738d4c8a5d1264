/*
 * The steward: starts an instance when somebody comes and it does not answer, stops it when nobody uses it any more, and
 * tells whether instances are up. Talks to systemd, and to the instances themselves; never to a person. It has no right
 * of its own: what systemd lets the dispatcher's user start, or what the supervisor runs for it.
 */
#include <errno.h>
#include <jansson.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/pairing/recipe_codec.h"
#include "ingress/steward/health.h"
#include "ingress/steward/rest.h"
#include "ingress/steward/wake.h"
#include "names/lookup.h"
#include "proc/role.h"

/* The table, and the one before it, of which dispatchers may still speak. */
static struct table *table, *table_before;
static struct channel dispatchers[LIMIT_WORKERS];

/* An instance as it stands in the table now, whichever of the two the sender meant. */
static bool find_instance(uint64_t number_of_table, uint32_t number, struct instance *ret) {
    struct instance before;
    struct ward *ward;

    if (table && number_of_table == table_number(table))
        return table_instance(table, number, ret);
    if (!table_before || number_of_table != table_number(table_before) ||
        !table_instance(table_before, number, &before))
        return false;
    ward = ward_find(before.key);
    if (ward)
        *ret = ward->instance;
    for (uint32_t i = 0; !ward && table_instance(table, i, ret); i++)
        if (slice_equals(ret->key, before.key))
            return true;
    return ward != NULL;
}

static uint32_t number_of(const void *dispatcher) {
    return (uint32_t)((const struct channel *)dispatcher - dispatchers);
}

static void dispatcher_closed(void *owner, int reason) {
    if (reason < 0)
        log_error("dispatcher %u said what it must not", number_of(owner));
    rest_dispatcher_went(number_of(owner));
}

static enum wake_state wake_number(uint64_t number_of_table, uint32_t number, const char **ret_reason) {
    struct instance instance;
    struct ward *ward;

    if (!find_instance(number_of_table, number, &instance))
        return WAKE_STARTING; /* the tables are being changed: it will be asked again */
    ward = ward_get(&instance, table_number(table));
    if (!ward) {
        *ret_reason = "too many are started at once";
        return WAKE_FAILED;
    }
    return wake(ward, ret_reason);
}

static int on_wake(void *owner, struct ipc_message *m) {
    uint32_t question = ipc_get_u32(m);
    uint64_t number_of_table = ipc_get_u64(m);
    uint32_t number = ipc_get_u32(m);
    const char *reason = "";
    enum wake_state state;
    struct ipc_writer w;

    if (ipc_end(m) < 0)
        return -EPROTO;
    state = wake_number(number_of_table, number, &reason);
    w = ipc_begin(IPC_AWAKE);
    ipc_put_u32(&w, question);
    ipc_put_u8(&w, (uint8_t)state);
    ipc_put_bytes(&w, slice_of_string(reason));
    return channel_send(owner, &w, -EBADF);
}

static int on_activity(void *owner, struct ipc_message *m) {
    uint64_t number_of_table = ipc_get_u64(m);
    uint32_t number = ipc_get_u32(m), requests = ipc_get_u32(m), open = ipc_get_u32(m);
    struct instance instance;
    struct ward *ward;

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (!find_instance(number_of_table, number, &instance)) {
        rest_dispatcher_puzzles(number_of(owner));
        return 0;
    }
    ward = requests > 0 || open > 0 ? ward_get(&instance, table_number(table)) : ward_find(instance.key);
    return ward ? rest_report(number_of(owner), ward, requests, open) : 0;
}

static int meet_dispatcher(uint32_t number, int fd) {
    static const struct ipc_permit permits[] = {{IPC_WAKE, 1, on_wake}, {IPC_ACTIVITY, 1, on_activity}};

    if (number >= ARRAY_LEN(dispatchers)) {
        fd_close(&fd);
        return -EPROTO;
    }
    channel_done(&dispatchers[number]);
    rest_dispatcher_came(number);
    return channel_init(&dispatchers[number], fd, permits, ARRAY_LEN(permits), 1, &dispatchers[number],
                        dispatcher_closed);
}

static int on_peer(void *owner, struct ipc_message *m) {
    uint8_t peer = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (peer == PEER_DISPATCHER)
        return meet_dispatcher(number, fd_steal(&fd));
    return peer == PEER_RESOLVER ? lookup_init(fd_steal(&fd)) : -EPROTO;
}

/* Those that the new table has are found there again; the others are nobody's any more, and are left as they are. */
static void drop_if_gone(struct ward *ward) {
    if (ward->table == table_number(table))
        return;
    wake_forget(ward);
    ward_drop(ward);
}

static int on_table(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);
    struct instance instance;
    struct table *opened;
    int r;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    r = table_open(fd_steal(&fd), &opened);
    if (r < 0)
        return r;
    table_unref(table_before);
    table_before = table;
    table = opened;
    for (uint32_t i = 0; table_instance(table, i, &instance); i++)
        if (ward_find(instance.key))
            (void)ward_get(&instance, table_number(table));
    ward_each(drop_if_gone);
    health_set_table(table);
    return 0;
}

static int on_recipe(void *owner, struct ipc_message *m) {
    struct recipe recipe;
    int r = recipe_decode(m, &recipe);

    (void)owner;
    if (r < 0)
        return r;
    r = recipe.number < LIMIT_RECIPES ? health_set_path(recipe.number, recipe.health_path) : -EPROTO;
    recipe_done(&recipe);
    return r;
}

static int on_steward(void *owner, struct ipc_message *m) {
    struct steward_rules rules;
    int r = steward_rules_decode(m, &rules);

    (void)owner;
    if (r < 0)
        return r;
    wake_set_rules(&rules);
    health_set_period(rules.health_ms);
    return 0;
}

static int on_command_done(void *owner, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    uint8_t end = ipc_get_u8(m);
    uint32_t wait_status = ipc_get_u32(m);

    (void)owner;
    if (ipc_end(m) < 0 || end >= COMMAND_ENDS)
        return -EPROTO;
    wake_command_done(number, end, wait_status);
    return 0;
}

static int on_health_ask(void *owner, struct ipc_message *m) {
    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    health_ask();
    return 0;
}

static int on_drain(void *owner, struct ipc_message *m) {
    (void)owner;
    (void)ipc_get_u64(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    rest_hold();
    return 0;
}

/* jansson would take its seed from a file, when there is no file to be had any more. */
static int prepare(void) {
    json_object_seed(0);
    rest_begin();
    return 0;
}

int main(void) {
    static const struct ipc_permit permits[] = {
        {IPC_STEWARD, 1, on_steward},
        {IPC_TABLE, 1, on_table},
        {IPC_RECIPE, 1, on_recipe},
        {IPC_PEER, 1, on_peer},
        {IPC_COMMAND_DONE, 1, on_command_done},
        {IPC_HEALTH_ASK, 1, on_health_ask},
        {IPC_DRAIN, 1, on_drain},
    };
    static const struct role steward = {
        .name = "credfd-steward",
        .seccomp = SECCOMP_STEWARD,
        .landlock = {.may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = prepare,
    };

    return role_main(&steward);
}
