#include "egress/audit/audit_target.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "unit_audit.h"
#include "unit_child.h"

static char line[LIMIT_AUDIT_LINE];

static struct audit_target *open_target(uint64_t rotate_bytes, uint64_t keep) {
    struct audit_target *target;

    assert_int_equal(audit_path_open(audit_path, rotate_bytes, keep, &target), 0);
    return target;
}

static int try_to_write(struct audit_target *target, const char *id, bool may_wait) {
    struct audit_event event = {AUDIT_LEASE_GRANTED, "api", "alice", id, NULL};

    size_t n = audit_line_event(line, &event);
    ssize_t r = target->kind->write(target, line, n, may_wait);

    assert_true(r < 0 || r == (ssize_t)n);
    return r < 0 ? (int)r : 0;
}

static void write_to(struct audit_target *target, const char *id) {
    assert_int_equal(try_to_write(target, id, true), 0);
}

static void free_target(struct audit_target *target) {
    target->kind->free(target);
}

/* Whether the last line of the file is the one with that id. */
static bool ends_with_id(const char *path, const char *id) {
    char end[32];

    (void)snprintf(end, sizeof(end), "\"id\":\"%s\"}\n", id);
    return slice_ends_with(content_of(path), slice_of_string(end));
}

static void each_line_follows_the_one_before_it(void **state) {
    struct audit_target *target = open_target(0, 0);

    (void)state;
    write_to(target, "1");
    write_to(target, "2");
    free_target(target);
    target = open_target(0, 0); /* it finds out itself what stands there */
    write_to(target, "3");
    free_target(target);
    assert_int_equal(lines_of_chain(audit_path), 3);
    assert_true(ends_with_id(audit_path, "3"));
}

static void a_file_is_for_its_owner_alone(void **state) {
    struct stat st;

    (void)state;
    free_target(open_target(0, 0));
    assert_int_equal(stat(audit_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void two_writers_follow_each_other(void **state) {
    struct audit_target *a = open_target(0, 0), *b = open_target(0, 0);

    (void)state;
    for (int i = 0; i < 3; i++) {
        write_to(a, "a");
        write_to(b, "b");
    }
    append_to(audit_path, "{\"by\":\"another hand\"}\n");
    write_to(a, "a");
    free_target(a);
    free_target(b);
    assert_int_equal(lines_of_chain(audit_path), 8);
}

#define WRITERS 4
#define LINES_EACH 200

static int write_many(const void *of) {
    struct audit_target *target = open_target(*(const uint64_t *)of, 100);

    for (int i = 0; i < LINES_EACH; i++)
        if (try_to_write(target, "many", true) < 0)
            return 1;
    free_target(target);
    return 0;
}

static void start_writers(const uint64_t *rotate_bytes) {
    pid_t pids[WRITERS];

    for (size_t i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(write_many(rotate_bytes));
    }
    for (size_t i = 0; i < WRITERS; i++) {
        int status = -1;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void many_processes_make_one_chain(void **state) {
    uint64_t never = 0;

    (void)state;
    start_writers(&never);
    assert_int_equal(lines_of_chain(audit_path), WRITERS * LINES_EACH);
}

static void many_processes_make_one_chain_over_rotations(void **state) {
    uint64_t rotate_bytes = 4096;
    char hash[AUDIT_HASH];
    unsigned n = 0;
    size_t lines = 0;

    (void)state;
    start_writers(&rotate_bytes);
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    while (is_there(rotated(n + 1)))
        n++;
    assert_true(n >= 10 && n < 100);
    for (unsigned i = n + 1; i-- > 0;) {
        struct stat st;

        lines += follow_chain(rotated(i), hash);
        assert_int_equal(stat(rotated(i), &st), 0);
        assert_true(st.st_size <= 4096);
    }
    assert_int_equal(lines, WRITERS * LINES_EACH);
}

static void only_so_many_files_are_kept(void **state) {
    struct audit_target *target = open_target(300, 2);

    (void)state;
    for (int i = 0; i < 10; i++)
        write_to(target, "x");
    free_target(target);
    assert_true(is_there(rotated(2)) && !is_there(rotated(3)));
}

static void a_line_that_alone_is_too_large_stands_alone(void **state) {
    struct audit_target *target = open_target(10, 5);

    (void)state;
    write_to(target, "1");
    write_to(target, "2");
    free_target(target);
    assert_true(ends_with_id(rotated(1), "1") && ends_with_id(audit_path, "2") && !is_there(rotated(2)));
}

static void another_s_rotation_is_noticed(void **state) {
    struct audit_target *target = open_target(0, 0);
    char hash[AUDIT_HASH];

    (void)state;
    write_to(target, "1");
    assert_int_equal(rename(audit_path, rotated(1)), 0);
    write_to(target, "2");
    free_target(target);
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    assert_int_equal(follow_chain(rotated(1), hash), 1);
    assert_int_equal(follow_chain(audit_path, hash), 1);
}

static void the_chain_goes_on_where_the_file_was_taken_away(void **state) {
    struct audit_target *target = open_target(0, 0);
    char hash[AUDIT_HASH];

    (void)state;
    append_to(rotated(1), "{}\n"); /* of long ago */
    write_to(target, "1");
    (void)follow_chain(rotated(1), hash);
    (void)follow_chain(audit_path, hash);
    assert_int_equal(unlink(audit_path), 0);
    write_to(target, "2");
    assert_int_equal(follow_chain(audit_path, hash), 1);
    assert_int_equal(truncate(audit_path, 0), 0);
    write_to(target, "3");
    free_target(target);
    assert_int_equal(follow_chain(audit_path, hash), 1);
}

static void a_new_target_goes_on_from_the_old_one(void **state) {
    struct audit_target *old = open_target(0, 0), *new;
    char hash[AUDIT_HASH];

    (void)state;
    write_to(old, "1");
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    (void)follow_chain(audit_path, hash);
    assert_int_equal(rename(audit_path, rotated(20261121)), 0); /* as logrotate's dateext names it */
    new = open_target(0, 0);
    audit_file_follow(new, old);
    free_target(old);
    write_to(new, "2");
    free_target(new);
    assert_int_equal(follow_chain(audit_path, hash), 1);
}

/* Whether the last line of the audit follows the one with that hash. */
static bool last_follows(const char hash[static AUDIT_HASH]) {
    struct slice content = content_of(audit_path);
    const char *before;

    assert_true(slice_ends_with(content, SLICE("\n")));
    before = memrchr(content.p, '\n', content.n - 1);
    if (before)
        content = slice_from(content, (size_t)(before - content.p) + 1);
    return memcmp(audit_line_prev(content).p, hash, AUDIT_HASH) == 0;
}

static void an_end_that_was_cut_off_shows(void **state) {
    struct audit_target *target = open_target(0, 0);
    char hash[AUDIT_HASH];
    off_t first;

    (void)state;
    write_to(target, "1");
    first = (off_t)content_of(audit_path).n;
    write_to(target, "2");
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    assert_int_equal(follow_chain(audit_path, hash), 2);
    assert_int_equal(truncate(audit_path, first), 0);
    write_to(target, "3");
    assert_true(last_follows(hash));
    audit_hash(slice_from(slice_first(content_of(audit_path), content_of(audit_path).n - 1), (size_t)first), hash);
    write_to(target, "4"); /* and from then on all is as ever */
    free_target(target);
    assert_true(last_follows(hash));
}

/* Another hand cuts our line off and writes on, beyond where it ended; `rotate_bytes` may then make us move it away. */
static void cut_and_lengthen(uint64_t rotate_bytes, bool is_reopened) {
    struct audit_target *target = open_target(rotate_bytes, 3), *new;
    char hash[AUDIT_HASH];
    off_t first;

    write_to(target, "1");
    first = (off_t)content_of(audit_path).n;
    write_to(target, "2");
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    assert_int_equal(follow_chain(audit_path, hash), 2);
    assert_int_equal(truncate(audit_path, first), 0);
    memset(line, 'x', 500);
    line[500] = '\n';
    line[501] = '\0';
    append_to(audit_path, line);
    if (is_reopened) {
        new = open_target(rotate_bytes, 3);
        audit_file_follow(new, target);
        free_target(target);
        target = new;
    }
    write_to(target, "3");
    free_target(target);
    assert_int_equal(is_there(rotated(1)), rotate_bytes > 0);
    assert_true(last_follows(hash));
}

static void an_end_that_was_cut_off_and_written_anew_shows(void **state) {
    (void)state;
    cut_and_lengthen(0, false);
}

static void a_reload_does_not_hide_what_was_cut_off(void **state) {
    (void)state;
    cut_and_lengthen(0, true);
}

static void a_rotation_does_not_hide_what_was_cut_off(void **state) {
    (void)state;
    cut_and_lengthen(600, false);
}

static void a_line_that_was_cut_short_is_followed_on_a_new_one(void **state) {
    struct audit_target *target;

    (void)state;
    append_to(audit_path, "{\"time\":\"20");
    target = open_target(0, 0);
    write_to(target, "1");
    free_target(target);
    assert_int_equal(lines_of_chain(audit_path), 2);
    assert_true(slice_starts_with(content_of(audit_path), SLICE("{\"time\":\"20\n{\"time\"")));
}

static void a_line_longer_than_any_of_ours_begins_the_chain_anew(void **state) {
    struct audit_target *target;
    char hash[AUDIT_HASH];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    append_to(audit_path, line);
    append_to(audit_path, "yy\n");
    target = open_target(0, 0);
    write_to(target, "1");
    free_target(target);
    memcpy(hash, audit_line_prev(content_of(audit_path)).p, AUDIT_HASH);
    assert_memory_equal(hash, audit_chain_start, AUDIT_HASH);
}

static void block_signals(void) {
    sigset_t all;

    sigfillset(&all);
    assert_int_equal(sigprocmask(SIG_BLOCK, &all, NULL), 0);
}

static void unblock_signals(void) {
    sigset_t none;

    sigemptyset(&none);
    assert_int_equal(sigprocmask(SIG_SETMASK, &none, NULL), 0);
}

static void limit_size(rlim_t size) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool is_pending(int number) {
    sigset_t pending;

    assert_int_equal(sigpending(&pending), 0);
    return sigismember(&pending, number) == 1;
}

/* RLIMIT_FSIZE is a disk that is full in the middle of a line, and SIGXFSZ at its end. */
static void half_a_line_is_taken_back(void **state) {
    struct audit_target *target = open_target(0, 0);

    (void)state;
    block_signals();
    write_to(target, "1");
    limit_size(content_of(audit_path).n + 50);
    assert_int_equal(try_to_write(target, "2", true), -ENOSPC);
    assert_true(ends_with_id(audit_path, "1"));
    limit_size(content_of(audit_path).n);
    assert_int_equal(try_to_write(target, "2", true), -EFBIG);
    assert_false(is_pending(SIGXFSZ));
    limit_size(RLIM_INFINITY);
    write_to(target, "3");
    unblock_signals();
    free_target(target);
    assert_int_equal(lines_of_chain(audit_path), 2);
    assert_true(ends_with_id(audit_path, "3"));
}

static uint64_t now_ms(void) {
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void a_lock_is_not_waited_for_without_end(void **state) {
    struct audit_target *target = open_target(0, 0);
    int holder = open(audit_path, O_RDONLY | O_CLOEXEC);
    uint64_t began = now_ms();

    (void)state;
    assert_int_equal(flock(holder, LOCK_EX), 0);
    assert_int_equal(try_to_write(target, "1", false), -ENOLCK);
    assert_int_equal(try_to_write(target, "1", true), -ENOLCK);
    assert_true(now_ms() - began >= TIMEOUT_AUDIT && now_ms() - began < 20 * TIMEOUT_AUDIT);
    assert_int_equal(content_of(audit_path).n, 0);
    fd_close(&holder);
    write_to(target, "2");
    free_target(target);
}

static void a_name_that_cannot_be_had_any_more_is_a_failure(void **state) {
    struct audit_target *target = open_target(0, 0);
    char moved[96];

    (void)state;
    write_to(target, "1");
    (void)snprintf(moved, sizeof(moved), "%s.moved", folder);
    assert_int_equal(rename(folder, moved), 0);
    assert_int_equal(try_to_write(target, "2", true), -ENOENT); /* and not into the file that nobody finds */
    assert_int_equal(rename(moved, folder), 0);
    write_to(target, "3");
    free_target(target);
    assert_int_equal(lines_of_chain(audit_path), 2);
}

static void a_link_is_written_through_and_never_moved(void **state) {
    struct audit_target *target;
    struct stat st;

    (void)state;
    assert_int_equal(symlink("elsewhere", audit_path), 0);
    target = open_target(100, 3);
    write_to(target, "1");
    write_to(target, "2");
    free_target(target);
    assert_int_equal(lstat(audit_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode) && !is_there(rotated(1)));
    assert_int_equal(lines_of_chain(audit_path), 2);
}

static void a_fifo_must_have_its_reader(void **state) {
    struct audit_target *target;
    int reader;

    (void)state;
    assert_int_equal(mkfifo(audit_path, 0600), 0);
    assert_int_equal(audit_path_open(audit_path, 0, 0, &target), -ENXIO);
    reader = open(audit_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    target = open_target(0, 0);
    block_signals();
    write_to(target, "1");
    fd_close(&reader);
    assert_int_equal(try_to_write(target, "2", true), -EPIPE);
    assert_false(is_pending(SIGPIPE));
    unblock_signals();
    free_target(target);
}

static void fill(int fd) {
    static const char block[4096] = {0};

    while (write(fd, block, sizeof(block)) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

static void a_full_pipe_is_not_waited_for_without_end(void **state) {
    struct audit_target *target;
    static char memory[2 * 1024 * 1024];
    char hash[AUDIT_HASH];
    uint64_t began;
    int reader;

    (void)state;
    assert_int_equal(mkfifo(audit_path, 0600), 0);
    reader = open(audit_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    target = open_target(0, 0);
    write_to(target, "1");
    fill(reader);
    began = now_ms();
    assert_int_equal(try_to_write(target, "2", true), -EAGAIN);
    assert_true(now_ms() - began < 20 * TIMEOUT_AUDIT);
    assert_int_equal(try_to_write(target, "2", false), -EAGAIN);
    assert_true(read(reader, memory, sizeof(memory)) > 0);
    audit_hash(slice_first(slice_of(memory, sizeof(memory)), slice_index(slice_of(memory, sizeof(memory)), '\n')),
               hash);
    write_to(target, "3");
    assert_true(read(reader, memory, sizeof(memory)) > 0);
    assert_memory_equal(audit_line_prev(slice_of(memory, 300)).p, hash, AUDIT_HASH);
    fd_close(&reader);
    free_target(target);
}

static void what_is_full_from_the_start_says_so(void **state) {
    struct audit_target *target;

    (void)state;
    assert_int_equal(audit_path_open("/dev/full", 0, 0, &target), 0);
    assert_string_equal(target->name, "/dev/full");
    assert_int_equal(try_to_write(target, "1", true), -ENOSPC);
    free_target(target);
    assert_int_equal(audit_path_open("/no/such/folder/x", 0, 0, &target), -ENOENT);
    assert_int_equal(audit_path_open("/", 0, 0, &target), -EISDIR);
}

static void nothing_leaks(void **state) {
    int before = next_number();
    struct audit_target *target = open_target(300, 2);

    (void)state;
    for (int i = 0; i < 10; i++)
        write_to(target, "x");
    free_target(target);
    assert_int_equal(next_number(), before);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(each_line_follows_the_one_before_it),
        in_folder(a_file_is_for_its_owner_alone),
        in_folder(two_writers_follow_each_other),
        in_folder(many_processes_make_one_chain),
        in_folder(many_processes_make_one_chain_over_rotations),
        in_folder(only_so_many_files_are_kept),
        in_folder(a_line_that_alone_is_too_large_stands_alone),
        in_folder(another_s_rotation_is_noticed),
        in_folder(the_chain_goes_on_where_the_file_was_taken_away),
        in_folder(a_new_target_goes_on_from_the_old_one),
        in_folder(an_end_that_was_cut_off_shows),
        in_folder(an_end_that_was_cut_off_and_written_anew_shows),
        in_folder(a_reload_does_not_hide_what_was_cut_off),
        in_folder(a_rotation_does_not_hide_what_was_cut_off),
        in_folder(a_line_that_was_cut_short_is_followed_on_a_new_one),
        in_folder(a_line_longer_than_any_of_ours_begins_the_chain_anew),
        in_folder(half_a_line_is_taken_back),
        in_folder(a_lock_is_not_waited_for_without_end),
        in_folder(a_name_that_cannot_be_had_any_more_is_a_failure),
        in_folder(a_link_is_written_through_and_never_moved),
        in_folder(a_fifo_must_have_its_reader),
        in_folder(a_full_pipe_is_not_waited_for_without_end),
        in_folder(what_is_full_from_the_start_says_so),
        in_folder(nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
