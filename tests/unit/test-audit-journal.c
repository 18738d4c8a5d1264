/*
 * The journal here is a socket of the test's own, at the journal's place in a mount namespace of the test's own.
 */
#include "egress/audit/audit_target.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "egress/audit/audit_chain.h"
#include "unit_fd.h"

#define PLACE "/run/systemd/journal/socket"

static int journal = -EBADF;

static int listen_there(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PLACE};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    (void)unlink(PLACE);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static bool tell(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_told = fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0;

    fd_close(&fd);
    return is_told;
}

/* user_namespaces(7): whoever has no mapping there can make no file. */
static bool become_owner(unsigned user, unsigned group) {
    char users[32], groups[32];

    (void)snprintf(users, sizeof(users), "0 %u 1\n", user);
    (void)snprintf(groups, sizeof(groups), "0 %u 1\n", group);
    return tell("/proc/self/uid_map", users) && tell("/proc/self/setgroups", "deny") &&
           tell("/proc/self/gid_map", groups);
}

/* A plain user needs a user namespace for it, which some kernels do not give: then there is nothing to be seen here. */
static int make_place(void **state) {
    unsigned user = geteuid(), group = getegid();

    (void)state;
    if (unshare(CLONE_NEWNS) < 0 && (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !become_owner(user, group)))
        return 0;
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", "/run", "tmpfs", 0, NULL) < 0)
        return 0;
    assert_int_equal(mkdir("/run/systemd", 0755), 0);
    assert_int_equal(mkdir("/run/systemd/journal", 0755), 0);
    journal = listen_there();
    return 0;
}

static void require_place(void) {
    if (journal < 0)
        skip();
}

static int write_event(struct audit_target *target, bool may_wait) {
    static char line[LIMIT_AUDIT_LINE];
    struct audit_event event = {AUDIT_LEASE_ENDED, "api", "a\nb", "1-1", "revoked"};

    size_t n = audit_line_event(line, &event);
    ssize_t r = target->kind->write(target, line, n, may_wait);

    assert_true(r < 0 || r == (ssize_t)n);
    return r < 0 ? (int)r : 0;
}

static struct slice receive(void) {
    static char entry[8192];
    ssize_t n = recv(journal, entry, sizeof(entry), 0);

    return slice_of(entry, n > 0 ? (size_t)n : 0);
}

static bool has(struct slice entry, const char *text) {
    return memmem(entry.p, entry.n, text, strlen(text)) != NULL;
}

static void an_entry_has_its_fields(void **state) {
    struct audit_target *target;
    struct slice entry;
    char hash[AUDIT_HASH];

    (void)state;
    require_place();
    assert_int_equal(audit_journal_open(&target), 0);
    assert_int_equal(write_event(target, true), 0);
    entry = receive();
    assert_true(slice_starts_with(entry, SLICE("SYSLOG_IDENTIFIER=credfd\nPRIORITY=6\nCREDFD_LEASE=api\n"
                                               "CREDFD_EVENT=lease_ended\nMESSAGE={\"time\":\"")));
    assert_true(slice_ends_with(entry, SLICE("\"identity\":\"a\\u000ab\",\"id\":\"1-1\",\"reason\":\"revoked\"}\n")));
    entry = slice_from(entry, slice_index(entry, '{'));
    audit_hash(slice_first(entry, entry.n - 1), hash);
    assert_int_equal(write_event(target, true), 0);
    assert_memory_equal(audit_line_prev(receive()).p, hash, AUDIT_HASH);
    target->kind->free(target);
}

static void a_refusal_is_a_notice_with_its_status(void **state) {
    static char line[LIMIT_AUDIT_LINE];
    struct exchange_record record = {.method = SLICE("GET"),
                                     .path = SLICE("/"),
                                     .rule = SLICE_EMPTY,
                                     .reason = SLICE("no"),
                                     .status = 403,
                                     .refusal = REFUSAL_DENIED};
    struct audit_subject subject = {"api", "alice", "example.org", "7-1", 1, NULL};
    struct audit_target *target;
    struct slice entry;

    (void)state;
    require_place();
    assert_int_equal(audit_journal_open(&target), 0);
    assert_true(target->kind->write(target, line, audit_line_exchange(line, &subject, &record), true) > 0);
    entry = receive();
    assert_true(has(entry, "\nPRIORITY=5\n") && has(entry, "\nCREDFD_STATUS=403\nCREDFD_REFUSAL=denied\nMESSAGE={"));
    target->kind->free(target);
}

static void one_that_does_not_read_is_not_waited_for_without_end(void **state) {
    struct audit_target *target;
    int r = 0;

    (void)state;
    require_place();
    assert_int_equal(audit_journal_open(&target), 0);
    for (int i = 0; r == 0 && i < 100000; i++)
        r = write_event(target, false);
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(write_event(target, true), -EAGAIN);
    while (receive().n > 0)
        continue;
    assert_int_equal(write_event(target, true), 0);
    assert_true(receive().n > 0);
    target->kind->free(target);
}

static void one_that_was_started_again_is_found_again(void **state) {
    struct audit_target *target;

    (void)state;
    require_place();
    assert_int_equal(audit_journal_open(&target), 0);
    fd_close(&journal);
    assert_int_equal(write_event(target, true), -ECONNREFUSED);
    journal = listen_there();
    assert_int_equal(write_event(target, true), 0);
    assert_true(receive().n > 0);
    target->kind->free(target);
}

static void one_that_is_not_there_is_told_at_the_start(void **state) {
    struct audit_target *target;
    int before;

    (void)state;
    require_place();
    before = next_number();
    assert_int_equal(unlink(PLACE), 0);
    assert_int_equal(audit_journal_open(&target), -ENOENT);
    assert_int_equal(next_number(), before);
    fd_close(&journal);
    journal = listen_there();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_has_its_fields),
        cmocka_unit_test(a_refusal_is_a_notice_with_its_status),
        cmocka_unit_test(one_that_does_not_read_is_not_waited_for_without_end),
        cmocka_unit_test(one_that_was_started_again_is_found_again),
        cmocka_unit_test(one_that_is_not_there_is_told_at_the_start),
    };

    return cmocka_run_group_tests(tests, make_place, NULL);
}
