/*
 * The verifier: the one process that reads assertions, signed by whoever signs people in, and the keys that verify
 * them. Dispatchers ask it whether one is to be believed and whom it names. It holds no secret (the keys are public),
 * and what it parses comes from strangers: the tokens, and the answer of the server that publishes the keys. A
 * dispatcher keeps none of OpenSSL, and no fault in here opens a way to an instance. One for each supervisor, with
 * `trust.jwt`.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/front/assertion.h"
#include "ingress/front/handed_file.h"
#include "ingress/front/verifier_keys.h"
#include "ingress/front/verifier_queue.h"
#include "ingress/peer_role.h"
#include "names/lookup.h"
#include "names/trust.h"
#include "proc/role.h"

static struct assertion_rules rules;
static bool has_rules;
static struct verifier_keys keys;
static struct verifier_queue queue;
static struct buf ca; /* of the next rules */
static const char *system_trust = TRUST_DIRECTORY;
static struct buf bundle; /* beside it, when the person who started credfd named one */
static bool has_resolver; /* without one most names lead nowhere */

/* By their numbers. They ask; an answer for one that reads nothing waits in a bounded queue. */
static struct channel dispatchers[LIMIT_WORKERS];

static void answer(uint32_t peer, uint32_t question, const struct assertion *good, const char *reason) {
    struct ipc_writer w = ipc_begin(IPC_ASSERTED);

    ipc_put_u32(&w, question);
    ipc_put_u8(&w, good != NULL);
    ipc_put_u64(&w, good ? good->good_ms : 0);
    ipc_put_bytes(&w, slice_of_string(good ? good->name : reason));
    if (channel_send(&dispatchers[peer], &w, -EBADF) < 0)
        log_warning("dispatcher %u does not take an answer", peer);
}

/* The wall clock: what an assertion says of time is said of that. */
static uint64_t now_s(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

/* Answers, if it can be answered without other keys. */
static bool judge(uint32_t peer, uint32_t question, struct slice token) {
    const struct jwks *current = has_rules ? verifier_keys_current(&keys) : NULL;
    enum assertion_fault fault = ASSERTION_UNKNOWN_KEY;
    struct assertion good;

    if (current)
        fault = assertion_verify(&rules, current, token, now_s(), &good);
    if (fault == ASSERTION_UNKNOWN_KEY && verifier_keys_ask(&keys))
        return false;
    answer(peer, question, fault == ASSERTION_GOOD ? &good : NULL,
           current ? assertion_fault_text(fault) : "the keys that verify assertions cannot be had");
    return true;
}

static void keys_settled(struct verifier_keys *which) {
    (void)which;
    verifier_queue_judge(&queue, judge);
}

static uint32_t number_of(const struct channel *dispatcher) {
    return (uint32_t)(dispatcher - dispatchers);
}

static int on_assertion(void *owner, struct ipc_message *m) {
    uint32_t peer = number_of(owner), question = ipc_get_u32(m);
    struct slice token = ipc_get_bytes(m, LIMIT_ASSERTION);

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (!judge(peer, question, token) && !verifier_queue_add(&queue, peer, question, token))
        answer(peer, question, NULL, "too many assertions wait for keys");
    return 0;
}

static void dispatcher_closed(void *owner, int reason) {
    if (reason != 0)
        log_error("dispatcher %u broke the rules of its channel, which is closed: %s", number_of(owner),
                  strerror(-reason));
    verifier_queue_drop(&queue, number_of(owner));
}

static int add_dispatcher(uint32_t number, int fd) {
    static const struct ipc_permit permits[] = {{IPC_ASSERTION, 1, on_assertion}};
    struct channel *dispatcher = &dispatchers[number];

    channel_done(dispatcher);
    verifier_queue_drop(&queue, number); /* the one before asked under this number */
    return channel_init(dispatcher, fd, permits, ARRAY_LEN(permits), 1, dispatcher, dispatcher_closed);
}

static int add_resolver(int fd) {
    int r = lookup_init(fd);

    if (r == 0 && (!has_resolver || !verifier_keys_current(&keys)))
        verifier_keys_fetch(&keys);
    has_resolver = true;
    return r;
}

static int on_peer(void *owner, struct ipc_message *m) {
    uint8_t role = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (role == PEER_RESOLVER)
        return add_resolver(fd_steal(&fd));
    if (role != PEER_DISPATCHER || number >= LIMIT_WORKERS)
        return -EPROTO;
    return add_dispatcher(number, fd_steal(&fd));
}

/* What cannot be read is not trusted. */
static void read_certificates(int fd, struct buf *to, const char *what) {
    int r;

    buf_release(to);
    r = handed_file_read(fd, to);
    if (r == 0)
        return;
    log_error("the file of %s cannot be read: %s", what, strerror(-r));
    buf_release(to);
}

static int on_trust(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    read_certificates(fd, &bundle, "further certificates to trust");
    return 0;
}

static int on_ca_file(void *owner, struct ipc_message *m) {
    uint32_t nothing = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || nothing != 0)
        return -EPROTO;
    read_certificates(fd, &ca, "the certificates to trust for the keys");
    return 0;
}

/* Whom to believe that he is the server of the keys. With a file of its own certificates nobody else is, ever. */
static struct tls_context *make_trust(void) {
    struct tls_context *context = NULL;
    int r = -EINVAL;

    if (!rules.has_ca)
        r = tls_context_new(buf_slice(&bundle), system_trust, &context);
    else if (!buf_is_empty(&ca))
        r = tls_context_new(buf_slice(&ca), NULL, &context);
    buf_release(&ca);
    if (r < 0)
        log_error("the certificates to trust for the keys cannot be used: %s; no keys are fetched",
                  r == -EINVAL ? "there is none" : strerror(-r));
    return context;
}

static int on_verifier(void *owner, struct ipc_message *m) {
    struct assertion_rules old = rules;
    bool is_new;
    int r = assertion_rules_decode(m, &rules);

    (void)owner;
    if (r < 0)
        return r;
    is_new = !has_rules || strcmp(old.issuer, rules.issuer) != 0 || strcmp(old.url, rules.url) != 0 ||
             old.has_ca < rules.has_ca; /* whoever may not be asked any more has not said them either */
    has_rules = true;
    r = verifier_keys_point(&keys, rules.url, rules.url[0] != '\0' ? make_trust() : NULL, is_new);
    if (r == -EINVAL)
        log_error("%s is no place for keys", rules.url);
    if (has_resolver)
        verifier_keys_fetch(&keys);
    keys_settled(&keys);
    return 0;
}

static int on_keys(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);
    const char *fault;

    (void)owner;
    if (ipc_end(m) < 0 || rules.url[0] != '\0')
        return -EPROTO;
    fault = verifier_keys_read(&keys, fd);
    if (fault)
        log_error("dispatch.trust.jwt.jwks: the file of keys is not taken: %s%s", fault,
                  keys.keys ? "; the keys from before stay" : "");
    return 0;
}

/*
 * Before the sandbox closes: the libraries' own beginnings, and a seed, so that nobody can choose what JSON collides.
 */
static int prepare(void) {
    size_t seed;
    int r = tls_init();

    if (r < 0)
        return r;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return -EIO;
    json_object_seed(seed | 1); /* 0 would have it open a file */
    buf_init(&ca, LIMIT_CA_FILE);
    buf_init(&bundle, LIMIT_CA_FILE);
    verifier_keys_init(&keys, keys_settled);
    return 0;
}

static const struct ipc_permit permits[] = {{IPC_TRUST, 1, on_trust},
                                            {IPC_CA_FILE, 1, on_ca_file},
                                            {IPC_VERIFIER, 1, on_verifier},
                                            {IPC_KEYS, 1, on_keys},
                                            {IPC_PEER, 1, on_peer}};

/* argv[1], if it is there, is the directory of certificates to trust instead of the system's. */
int main(int argc, char **argv) {
    /* with Debian's, its hashed links and where they lead */
    const char *const readable[] = {argc > 1 ? argv[1] : TRUST_DIRECTORY, TRUST_LINKED};
    const struct role verifier = {
        .name = "credfd-verifier",
        .seccomp = SECCOMP_VERIFIER,
        .landlock = {.readable = readable, .n_readable = ARRAY_LEN(readable), .may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = prepare,
    };

    system_trust = readable[0];
    return role_main(&verifier);
}
