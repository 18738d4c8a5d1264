#include "ipc/message.h"

#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/pages.h"

#define TAIL_COPIED 4096

/* One of each for the process: a message is put together and sent, or received and handled, before the next. */
static char sending[LIMIT_DATAGRAM] ON_ITS_OWN_PAGES;
static char receiving[LIMIT_DATAGRAM] ON_ITS_OWN_PAGES;
static struct slice sending_tail;

const char *ipc_type_name(unsigned type) {
    static const char names[IPC_TYPES][24] = {
        /* no pointers: those would have to be written at each start */
        [IPC_INVALID] = "INVALID",
        [IPC_HELLO] = "HELLO",
        [IPC_LOG] = "LOG",
        [IPC_SOURCE] = "SOURCE",
        [IPC_SOURCE_WHOLE] = "SOURCE_WHOLE",
        [IPC_SECRET] = "SECRET",
        [IPC_SOURCE_FAILED] = "SOURCE_FAILED",
        [IPC_TRUST] = "TRUST",
        [IPC_CREDENTIAL] = "CREDENTIAL",
        [IPC_CA_FILE] = "CA_FILE",
        [IPC_RESOLVER] = "RESOLVER",
        [IPC_TIMEOUTS] = "TIMEOUTS",
        [IPC_GRANT] = "GRANT",
        [IPC_REVOKE] = "REVOKE",
        [IPC_DROP] = "DROP",
        [IPC_BLOCK] = "BLOCK",
        [IPC_STREAM] = "STREAM",
        [IPC_EXCHANGE] = "EXCHANGE",
        [IPC_SPENT] = "SPENT",
        [IPC_CLAIMED] = "CLAIMED",
        [IPC_STREAM_ENDED] = "STREAM_ENDED",
        [IPC_DOOR] = "DOOR",
        [IPC_NO_STREAM] = "NO_STREAM",
        [IPC_NO_KEEPER] = "NO_KEEPER",
        [IPC_DIAL] = "DIAL",
        [IPC_REFUSAL] = "REFUSAL",
        [IPC_LOOKUP] = "LOOKUP",
        [IPC_ADDRESSES] = "ADDRESSES",
        [IPC_ACCEPTED] = "ACCEPTED",
        [IPC_REQUEST] = "REQUEST",
        [IPC_INTERIM] = "INTERIM",
        [IPC_RESPONSE] = "RESPONSE",
        [IPC_DATA] = "DATA",
        [IPC_ABORT] = "ABORT",
        [IPC_LEASE_LIST] = "LEASE_LIST",
        [IPC_LEASE] = "LEASE",
        [IPC_LEASE_END] = "LEASE_END",
        [IPC_LEASE_REVOKE] = "LEASE_REVOKE",
        [IPC_LEASE_REVOKED] = "LEASE_REVOKED",
        [IPC_LISTENER] = "LISTENER",
        [IPC_SCRAPE] = "SCRAPE",
        [IPC_METRICS] = "METRICS",
        [IPC_FRONT] = "FRONT",
        [IPC_DIGEST] = "DIGEST",
        [IPC_RECIPE] = "RECIPE",
        [IPC_TABLE] = "TABLE",
        [IPC_PEER] = "PEER",
        [IPC_LISTEN] = "LISTEN",
        [IPC_ACCESS_LOG] = "ACCESS_LOG",
        [IPC_DRAIN] = "DRAIN",
        [IPC_DRAINED] = "DRAINED",
        [IPC_TALLY] = "TALLY",
        [IPC_SEEN] = "SEEN",
        [IPC_STATUS_ASK] = "STATUS_ASK",
        [IPC_STATUS] = "STATUS",
        [IPC_SESSION] = "SESSION",
        [IPC_SESSION_ANSWER] = "SESSION_ANSWER",
        [IPC_MINT] = "MINT",
        [IPC_MINT_OUTPUT] = "MINT_OUTPUT",
        [IPC_MINT_ENDED] = "MINT_ENDED",
        [IPC_MINT_STOP] = "MINT_STOP",
        [IPC_PAIRED] = "PAIRED",
        [IPC_WAKE] = "WAKE",
        [IPC_AWAKE] = "AWAKE",
        [IPC_ACTIVITY] = "ACTIVITY",
        [IPC_COMMAND] = "COMMAND",
        [IPC_COMMAND_DONE] = "COMMAND_DONE",
        [IPC_HEALTH_ASK] = "HEALTH_ASK",
        [IPC_HEALTH] = "HEALTH",
        [IPC_STEWARD] = "STEWARD",
        [IPC_ASSERTION] = "ASSERTION",
        [IPC_ASSERTED] = "ASSERTED",
        [IPC_KEYS] = "KEYS",
        [IPC_VERIFIER] = "VERIFIER",
        [IPC_GUEST] = "GUEST",
        [IPC_DOORMAN] = "DOORMAN",
        [IPC_NAMES] = "NAMES",
        [IPC_PAIRER] = "PAIRER",
        [IPC_LINK] = "LINK",
        [IPC_LINK_WANTS] = "LINK_WANTS",
        [IPC_LINK_CONNECT] = "LINK_CONNECT",
        [IPC_LINK_UP] = "LINK_UP",
        [IPC_LINK_DOWN] = "LINK_DOWN",
        [IPC_TASK_KEY] = "TASK_KEY",
        [IPC_TASK] = "TASK",
        [IPC_TASK_CANCEL] = "TASK_CANCEL",
        [IPC_TASK_OUTPUT] = "TASK_OUTPUT",
        [IPC_RESULT] = "RESULT",
        [IPC_RESULT_SETTLED] = "RESULT_SETTLED",
        [IPC_TASK_PLAN] = "TASK_PLAN",
        [IPC_TASK_RULES] = "TASK_RULES",
        [IPC_TASK_SPOOL] = "TASK_SPOOL",
        [IPC_TASK_ORDER] = "TASK_ORDER",
        [IPC_TASK_SECRET] = "TASK_SECRET",
        [IPC_TASK_LEASE] = "TASK_LEASE",
        [IPC_TASK_CGROUP] = "TASK_CGROUP",
        [IPC_TASK_DONE] = "TASK_DONE",
        [IPC_EXEC] = "EXEC",
        [IPC_EXEC_PIPE] = "EXEC_PIPE",
        [IPC_EXEC_BEGUN] = "EXEC_BEGUN",
        [IPC_EXEC_FAILED] = "EXEC_FAILED",
        [IPC_EXEC_ENDED] = "EXEC_ENDED",
        [IPC_EXEC_STOP] = "EXEC_STOP",
        [IPC_PROBE] = "PROBE",
        [IPC_PROBED] = "PROBED",
        [IPC_RUNNER_ASK] = "RUNNER_ASK",
        [IPC_RUNNER_STATUS] = "RUNNER_STATUS",
        [IPC_TASK_ENVIRONMENT] = "TASK_ENVIRONMENT",
        [IPC_FORGET] = "FORGET",
        [IPC_DOOR_LISTEN] = "DOOR_LISTEN",
        [IPC_DOOR_PLACE] = "DOOR_PLACE",
        [IPC_PROXY] = "PROXY",
        [IPC_AUTHORITY] = "AUTHORITY",
        [IPC_CALL] = "CALL",
        [IPC_CALL_STREAM] = "CALL_STREAM",
        [IPC_CALL_REFUSED] = "CALL_REFUSED",
        [IPC_WAY] = "WAY",
        [IPC_WAY_OPEN] = "WAY_OPEN",
        [IPC_WAY_REFUSED] = "WAY_REFUSED",
        [IPC_WAY_USED] = "WAY_USED",
        [IPC_WAY_CLOSED] = "WAY_CLOSED",
        [IPC_GATE] = "GATE",
        [IPC_PLACEHOLDER] = "PLACEHOLDER",
        [IPC_EXFILTRATION] = "EXFILTRATION",
        [IPC_TURNED_AWAY] = "TURNED_AWAY",
        [IPC_VAULT] = "VAULT",
        [IPC_KEPT] = "KEPT",
        [IPC_SECRET_PLACE] = "SECRET_PLACE",
    };

    return type < IPC_TYPES ? names[type] : "UNKNOWN";
}

void ipc_rest(void) {
    pages_give_back(sending, sizeof(sending));
    pages_give_back(receiving, sizeof(receiving));
}

struct ipc_writer ipc_begin(enum ipc_type type) {
    sending[0] = (char)type;
    sending_tail = SLICE_EMPTY;
    return (struct ipc_writer){.n = 1};
}

/* Inlined, so that a number is one store: a message of ours is made of dozens of them. */
static inline __attribute__((always_inline)) void put(struct ipc_writer *w, const void *bytes, size_t n) {
    if (w->is_failed || n > sizeof(sending) - w->n) {
        w->is_failed = true;
        return;
    }
    if (n > 0)
        memcpy(sending + w->n, bytes, n);
    w->n += n;
}

void ipc_put_u8(struct ipc_writer *w, uint8_t value) {
    put(w, &value, sizeof(value));
}

void ipc_put_u16(struct ipc_writer *w, uint16_t value) {
    value = htole16(value);
    put(w, &value, sizeof(value));
}

void ipc_put_u32(struct ipc_writer *w, uint32_t value) {
    value = htole32(value);
    put(w, &value, sizeof(value));
}

void ipc_put_u64(struct ipc_writer *w, uint64_t value) {
    value = htole64(value);
    put(w, &value, sizeof(value));
}

void ipc_put_bytes(struct ipc_writer *w, struct slice bytes) {
    ipc_put_u32(w, (uint32_t)MIN_OF(bytes.n, (size_t)UINT32_MAX));
    put(w, bytes.p, bytes.n);
}

void ipc_put_raw(struct ipc_writer *w, struct slice bytes) {
    put(w, bytes.p, bytes.n);
}

void ipc_put_tail(struct ipc_writer *w, struct slice bytes) {
    ipc_put_u32(w, (uint32_t)MIN_OF(bytes.n, (size_t)UINT32_MAX));
    if (bytes.n > sizeof(sending) - w->n)
        w->is_failed = true;
    sending_tail = bytes;
}

struct slice ipc_writer_bytes(const struct ipc_writer *w) {
    return slice_of(sending, w->n);
}

union descriptor_control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static void attach(struct msghdr *message, union descriptor_control *control, int fd) {
    struct cmsghdr *c;

    message->msg_control = control->bytes;
    message->msg_controllen = sizeof(control->bytes);
    c = CMSG_FIRSTHDR(message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
}

/* All of it in one place: most messages, and a short tail is copied sooner than it is told of. */
static bool is_in_one_piece(const struct ipc_writer *w) {
    if (sending_tail.n > TAIL_COPIED || sending_tail.n > sizeof(sending) - w->n)
        return false;
    if (sending_tail.n > 0)
        memcpy(sending + w->n, sending_tail.p, sending_tail.n);
    return true;
}

static ssize_t send_pieces(int socket, const struct ipc_writer *w, int fd) {
    union {
        const char *given;
        char *taken; /* sendmsg leaves the bytes alone */
    } tail = {.given = sending_tail.p};
    struct iovec parts[] = {{.iov_base = sending, .iov_len = w->n},
                            {.iov_base = tail.taken, .iov_len = sending_tail.n}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = sending_tail.n > 0 ? 2 : 1};
    union descriptor_control control = {0};

    if (fd >= 0)
        attach(&message, &control, fd);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int ipc_send(int socket, const struct ipc_writer *w, int fd) {
    bool is_simple = fd < 0 && is_in_one_piece(w);
    ssize_t n;

    if (w->is_failed)
        return -EMSGSIZE;
    do
        n = is_simple ? send(socket, sending, w->n + sending_tail.n, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : send_pieces(socket, w, fd);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static int detach(struct msghdr *message) {
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int fd = -EBADF;

    /* the control buffer holds one descriptor: a second would have set MSG_CTRUNC and been closed by the kernel */
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    return fd;
}

int ipc_receive(int socket, struct ipc_message *ret) {
    struct iovec part = {.iov_base = receiving, .iov_len = sizeof(receiving)};
    union descriptor_control control;
    /* CMSG_SPACE is padded, and the kernel would put a second descriptor into the padding: CMSG_LEN ends behind one */
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int))};
    _cleanup_close_ int fd = -EBADF;
    ssize_t n;

    do
        n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    fd = detach(&message);
    if (n == 0)
        return 0;
    /* one descriptor arrived and another was cut off: nobody of ours sends two */
    if ((message.msg_flags & MSG_TRUNC) || ((message.msg_flags & MSG_CTRUNC) && fd >= 0))
        return -EPROTO;
    *ret = ipc_message_of(slice_of(receiving, (size_t)n));
    ret->is_fd_lost = (message.msg_flags & MSG_CTRUNC) != 0;
    ret->fd = fd_steal(&fd);
    return 1;
}

struct ipc_message ipc_message_of(struct slice bytes) {
    struct ipc_message m = {.fd = -EBADF, .rest = bytes};

    m.type = ipc_get_u8(&m);
    return m;
}

static inline __attribute__((always_inline)) void get(struct ipc_message *m, void *to, size_t n) {
    if (m->is_failed || n > m->rest.n) {
        m->is_failed = true;
        memset(to, 0, n);
        return;
    }
    memcpy(to, m->rest.p, n);
    m->rest = slice_from(m->rest, n);
}

uint8_t ipc_get_u8(struct ipc_message *m) {
    uint8_t value;

    get(m, &value, sizeof(value));
    return value;
}

uint16_t ipc_get_u16(struct ipc_message *m) {
    uint16_t value;

    get(m, &value, sizeof(value));
    return le16toh(value);
}

uint32_t ipc_get_u32(struct ipc_message *m) {
    uint32_t value;

    get(m, &value, sizeof(value));
    return le32toh(value);
}

uint64_t ipc_get_u64(struct ipc_message *m) {
    uint64_t value;

    get(m, &value, sizeof(value));
    return le64toh(value);
}

struct slice ipc_get_bytes(struct ipc_message *m, size_t max) {
    size_t n = ipc_get_u32(m);
    struct slice bytes;

    if (m->is_failed || n > max || n > m->rest.n) {
        m->is_failed = true;
        return SLICE_EMPTY;
    }
    bytes = slice_first(m->rest, n);
    m->rest = slice_from(m->rest, n);
    return bytes;
}

int ipc_get_fd(struct ipc_message *m) {
    if (m->fd < 0)
        m->is_failed = true;
    return fd_steal(&m->fd);
}

int ipc_end(struct ipc_message *m) {
    bool is_whole = !m->is_failed && m->rest.n == 0 && m->fd < 0;

    fd_close(&m->fd);
    return is_whole ? 0 : -EPROTO;
}
