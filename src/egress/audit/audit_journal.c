/*
 * The system's journal as the audit's target, by its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): one datagram an entry, of KEY=VALUE lines. Not through
 * sd_journal_sendv(3): that waits for a journal that does not read, without end, and takes one that is not there for
 * one that has read. The chain runs over our own lines.
 */
#include "egress/audit/audit_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/audit/audit_chain.h"

#define PRIORITY_INFO "PRIORITY=6\n" /* of syslog(3) */
#define PRIORITY_NOTICE "PRIORITY=5\n"

static const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};

struct audit_journal {
    struct audit_target target;
    int fd;
    char last[AUDIT_HASH];
};

struct entry {
    struct iovec parts[16];
    size_t n;
};

static void entry_add(struct entry *entry, struct slice text) {
    union {
        const char *given;
        void *taken; /* sendmsg(2) only reads what it points to */
    } base = {text.p};

    entry->parts[entry->n++] = (struct iovec){.iov_base = base.taken, .iov_len = text.n};
}

/* A name, a word or a number of ours: without a newline. */
static void entry_add_value(struct entry *entry, struct slice key, struct slice line, struct slice member) {
    struct slice value = audit_line_value(line, member);

    if (value.n == 0)
        return;
    entry_add(entry, key);
    entry_add(entry, value);
    entry_add(entry, SLICE("\n"));
}

static struct entry entry_of(struct slice line) {
    bool is_refusal = audit_line_value(line, SLICE("\"refusal\":")).n > 0;
    struct entry entry = {0};

    entry_add(&entry, SLICE("SYSLOG_IDENTIFIER=credfd\n"));
    entry_add(&entry, is_refusal ? SLICE(PRIORITY_NOTICE) : SLICE(PRIORITY_INFO));
    entry_add_value(&entry, SLICE("CREDFD_LEASE="), line, SLICE("\"lease\":"));
    entry_add_value(&entry, SLICE("CREDFD_STATUS="), line, SLICE("\"status\":"));
    entry_add_value(&entry, SLICE("CREDFD_REFUSAL="), line, SLICE("\"refusal\":"));
    entry_add_value(&entry, SLICE("CREDFD_EVENT="), line, SLICE("\"event\":"));
    entry_add(&entry, SLICE("MESSAGE="));
    entry_add(&entry, line); /* with its newline, which ends the field */
    return entry;
}

static ssize_t journal_write(struct audit_target *target, char *lines, size_t n, bool may_wait) {
    struct slice line = slice_of(lines, audit_line_length(lines, n));
    struct audit_journal *to = container_of(target, struct audit_journal, target);
    struct audit_patience patience = audit_patience_begin(may_wait);
    struct sockaddr_un address = journal;
    struct entry entry = entry_of(line);
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = entry.parts, .msg_iovlen = entry.n};

    audit_line_set_prev(lines, to->last);
    while (sendmsg(to->fd, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR && (errno != EAGAIN || !audit_patience_wait(&patience)))
            return -errno;
    audit_hash(slice_first(line, line.n - 1), to->last);
    return (ssize_t)line.n;
}

static void journal_free(struct audit_target *target) {
    struct audit_journal *to = container_of(target, struct audit_journal, target);

    fd_close(&to->fd);
    free(to);
}

int audit_journal_open(struct audit_target **ret) {
    static const struct audit_target_kind kind = {.write = journal_write, .free = journal_free};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = journal, nobody = {.sun_family = AF_UNSPEC};
    struct audit_journal *to;

    /* whether it is there; then by its name each time, which outlives a restart of the journal */
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        connect(fd, (struct sockaddr *)&nobody, sizeof(nobody.sun_family)) < 0)
        return -errno;
    to = malloc(sizeof(*to));
    if (!to)
        return -ENOMEM;
    *to = (struct audit_journal){.target = {&kind, "the journal"}, .fd = fd_steal(&fd)};
    memcpy(to->last, audit_chain_start, AUDIT_HASH);
    *ret = &to->target;
    return 0;
}
