/*
 * The dispatcher: the relay of people. It accepts those in front, believes of them what they can prove, and passes each
 * person's requests on to that person's instance. It parses what strangers send, and so it has little: sockets, the
 * table that the supervisor has compiled, and three roles to ask, which know for whom they do what they do. It holds
 * sessions' cookies only while they pass. Started by `credfd dispatch`, one for each processor.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/front/front_codec.h"
#include "ingress/pairing/recipe_codec.h"
#include "ingress/visit/access.h"
#include "ingress/visit/guest.h"
#include "ingress/visit/links.h"
#include "ingress/visit/passage.h"
#include "ingress/visit/place.h"
#include "ingress/visit/probe.h"
#include "ingress/visit/world.h"
#include "names/lookup.h"
#include "proc/role.h"

static struct channel doorman;
static struct timer looking, telling, ending;

#define TABLE_ROWS 16384 /* of a new table, looked at in one turn of the loop */

static void use_front(const struct front *front) {
    world_set_front(front);
    verifier_clear();
    guests_front();
}

/* What is written from now on holds at once. A secret that was shown before counts until the next digest comes. */
static int on_front(void *owner, struct ipc_message *m) {
    struct front front;

    (void)owner;
    if (front_decode(m, &front) < 0)
        return -EPROTO;
    if (world.front.has_digest && strcmp(front.secret_header, world.front.secret_header) == 0) {
        memcpy(front.secret_digest, world.front.secret_digest, sizeof(front.secret_digest));
        front.has_digest = true;
    }
    use_front(&front);
    return 0;
}

static int on_digest(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);
    struct front front = world.front;
    void *digest;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    digest = mmap(NULL, sizeof(front.secret_digest), PROT_READ, MAP_SHARED, fd, 0);
    if (digest == MAP_FAILED)
        return -errno;
    memcpy(front.secret_digest, digest, sizeof(front.secret_digest));
    (void)munmap(digest, sizeof(front.secret_digest));
    front.has_digest = true;
    use_front(&front);
    return 0;
}

static int on_recipe(void *owner, struct ipc_message *m) {
    struct recipe recipe;
    int r = recipe_decode(m, &recipe);

    (void)owner;
    return r < 0 ? r : world_set_recipe(&recipe);
}

/* From the next request on; whoever it leads elsewhere loses what is open. */
static void use_table(struct table *table) {
    world_set_table(table);
    if (!WEAKENED(REMOVED)) {
        passages_table(table);
        guests_table();
    }
    places_table(table);
}

/*
 * A large table is looked at in pieces, while requests go by the one that there is: its pages come to this process one by
 * one, and nobody is to wait for them all.
 */
static struct table *coming;

static int look_at_table(uint64_t rows) {
    int r = table_look(coming, rows);

    if (r == 0)
        use_table(steal_pointer(&coming));
    return r;
}

static void look_on(struct timer *timer) {
    int r = look_at_table(TABLE_ROWS);

    if (r > 0) {
        timer_set(timer, 1);
    } else if (r < 0) {
        log_error("the table that the supervisor has sent is none: %s", strerror(-r));
        loop_stop(); /* it starts another, which gets it whole */
    }
}

static int on_table(void *owner, struct ipc_message *m) {
    static struct timer looking_on = {.on_expiry = look_on};
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    table_unref(steal_pointer(&coming));
    timer_cancel(&looking_on);
    r = table_begin(fd_steal(&fd), &coming);
    if (r < 0)
        return r;
    r = look_at_table(world.table ? TABLE_ROWS : UINT64_MAX);
    if (r > 0)
        timer_set(&looking_on, 1);
    return MIN_OF(r, 0);
}

/* The doorman says who it is: it has seen the certificate, and nobody else can write on its channel. */
static int on_guest(void *owner, struct ipc_message *m) {
    uint32_t listener = ipc_get_u32(m);
    struct slice address = ipc_get_bytes(m, 16), name = ipc_get_bytes(m, LIMIT_HOST);
    _cleanup_close_ int fd = m->is_fd_lost ? -EBADF : ipc_get_fd(m);
    struct peer peer = {.kind = PEER_CERTIFICATE};

    (void)owner;
    (void)listener;
    if (ipc_end(m) < 0 || address_from_bytes(address, 0, &peer.address) < 0)
        return -EPROTO;
    memcpy(peer.name, name.p, name.n);
    if (fd >= 0)
        guests_admit(fd_steal(&fd), &peer);
    return 0;
}

static void doorman_gone(void *owner, int reason) {
    (void)owner;
    if (reason != 0)
        log_error("the doorman broke the rules of its channel, which is closed: %s", strerror(-reason));
}

static int doorman_init(int fd) {
    static const struct ipc_permit permits[] = {{IPC_GUEST, 1, on_guest}};

    channel_done(&doorman);
    return channel_init(&doorman, fd, permits, ARRAY_LEN(permits), 1, NULL, doorman_gone);
}

static int on_peer(void *owner, struct ipc_message *m) {
    static int (*const takers[PEER_ROLES])(int fd) = {
        [PEER_PAIRER] = pairer_link_init, [PEER_STEWARD] = steward_link_init, [PEER_VERIFIER] = verifier_link_init,
        [PEER_DOORMAN] = doorman_init,    [PEER_RESOLVER] = lookup_init,
    };
    uint8_t role = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    (void)number;
    if (ipc_end(m) < 0 || role >= PEER_ROLES || !takers[role])
        return -EPROTO;
    return takers[role](fd_steal(&fd));
}

static int on_listen(void *owner, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    uint8_t kind = ipc_get_u8(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    (void)number;
    if (ipc_end(m) < 0 || kind >= LISTENER_KINDS)
        return -EPROTO;
    return guests_listen((enum listener_kind)kind, fd_steal(&fd));
}

static int on_access_log(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    access_open(fd_steal(&fd));
    return 0;
}

/* Said once: the supervisor hears it, and the end of the process. */
static void look_whether_drained(void) {
    static bool is_told;
    struct ipc_writer w;

    if (is_told || guests_count() + passages_count() + probe_count() > 0)
        return;
    is_told = true;
    world_tell();
    access_flush();
    w = ipc_begin(IPC_DRAINED);
    role_send(&w, -EBADF);
    loop_stop();
}

static void end_all(struct timer *timer) {
    (void)timer;
    passages_drain();
    probe_end_all();
    guests_end();
}

/* Again when it must be sooner. */
static int on_drain(void *owner, struct ipc_message *m) {
    uint64_t ms = ipc_get_u64(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    world.is_draining = true;
    world.gone = look_whether_drained;
    ending.on_expiry = end_all;
    timer_set(&ending, ms);
    guests_drain();
    look_whether_drained();
    return 0;
}

static void look_at_places(struct timer *timer) {
    places_look();
    timer_set(timer, TIMEOUT_WARM / 4);
}

static void tell_activity(struct timer *timer) {
    places_tell();
    timer_set(timer, ACTIVITY_REPORT);
}

static int prepare(void) {
    looking.on_expiry = look_at_places;
    telling.on_expiry = tell_activity;
    timer_set(&looking, TIMEOUT_WARM / 4);
    timer_set(&telling, ACTIVITY_REPORT);
    return guests_prepare();
}

static const struct ipc_permit permits[] = {
    {IPC_FRONT, 1, on_front},        {IPC_DIGEST, 1, on_digest},
    {IPC_RECIPE, 1, on_recipe},      {IPC_TABLE, 1, on_table},
    {IPC_PEER, 1, on_peer},          {IPC_LISTEN, 1, on_listen},
    {IPC_DRAIN, 1, on_drain},        {IPC_ACCESS_LOG, 1, on_access_log},
    {IPC_STATUS, 1, status_on_part},
};

int main(void) {
    static const struct role dispatcher = {.name = "credfd-dispatcher",
                                           .seccomp = SECCOMP_DISPATCHER,
                                           .landlock = {.may_connect = true},
                                           .permits = permits,
                                           .n_permits = ARRAY_LEN(permits),
                                           .phase = 1,
                                           .prepare = prepare};

    return role_main(&dispatcher);
}
