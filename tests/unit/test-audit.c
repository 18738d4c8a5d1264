#include "egress/audit/audit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "unit_audit.h"
#include "unit_loop.h"

static struct audit *audit;
static struct audit_settings settings;
static size_t n_told;
static bool is_blocked, is_free;

static void told(void *owner, bool blocked) {
    assert_ptr_equal(owner, &settings);
    n_told++;
    is_blocked = blocked;
    is_free = !blocked;
}

static const struct audit_owner owner = {told, &settings};

static int set_up(void **state) {
    sigset_t all;

    settings = (struct audit_settings){.file = audit_path, .where = folder};
    n_told = 0;
    is_blocked = is_free = false;
    sigfillset(&all);
    sigdelset(&all, SIGABRT);
    return make_folder(state) < 0 || sigprocmask(SIG_BLOCK, &all, NULL) < 0 ? -1 : 0;
}

static void open_audit(void) {
    char *error;

    assert_int_equal(audit_open(&settings, &owner, &audit, &error), 0);
}

static int write_id(const char *id) {
    struct audit_event event = {AUDIT_LEASE_GRANTED, "api", "alice", id, NULL};

    return audit_event(audit, &event);
}

/* A disk that has no more room than for this. */
static void leave_room(rlim_t size) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fill_disk(void) {
    leave_room(content_of(audit_path).n + 1);
}

static void free_disk(void) {
    leave_room(RLIM_INFINITY);
}

/* Standard error into a pipe, whose end for reading it returns. */
static int catch_standard_error(int *saved) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024) > 0);
    *saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    fd_close(&ends[1]);
    return ends[0];
}

/* What was said; gives standard error back. */
static const char *caught(int reader, int saved) {
    static char text[2 * 1024 * 1024];
    ssize_t n;

    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    fd_close(&saved);
    n = fd_read_all(reader, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    fd_close(&reader);
    return text;
}

static size_t count(const char *text, const char *part) {
    size_t n = 0;

    while ((text = strstr(text, part))) {
        text += strlen(part);
        n++;
    }
    return n;
}

/* The ids of the file's lines, in their order: one letter each. */
static const char *ids_in(const char *path) {
    static char ids[64];
    struct slice rest = content_of(path);
    size_t n = 0;

    while (rest.p && rest.n > 0) {
        struct slice id = audit_line_value(slice_cut(&rest, '\n'), SLICE("\"id\":"));

        assert_int_equal(id.n, 1);
        ids[n++] = id.p[0];
    }
    ids[n] = '\0';
    return ids;
}

static void nowhere_is_a_place(void **state) {
    struct exchange_record record = {.method = SLICE("GET"), .path = SLICE("/"), .rule = SLICE_EMPTY};
    struct audit_subject subject = {"api", "alice", "example.org", "7-1", 1, NULL};

    (void)state;
    settings.file = NULL;
    open_audit();
    assert_int_equal(audit_exchange(audit, &subject, &record), 0);
    assert_int_equal(write_id("1"), 0);
    audit_close(audit);
    audit_close(NULL);
}

static void a_bad_place_is_told_with_where_it_was_written(void **state) {
    char *error = NULL;

    (void)state;
    settings = (struct audit_settings){.file = (char[]){"/no/such/file"}, .where = (char[]){"x.yaml:3: audit.file"}};
    assert_int_equal(audit_open(&settings, &owner, &audit, &error), -ENOENT);
    assert_string_equal(error, "x.yaml:3: audit.file: /no/such/file: cannot be written: No such file or directory; "
                               "name a file that this user may read and write");
    free(error);
}

static void lines_wait_and_are_written_in_order(void **state) {
    int saved, reader;
    const char *said;

    (void)state;
    open_audit();
    assert_int_equal(write_id("a"), 0);
    assert_false(audit_is_blocked(audit));
    reader = catch_standard_error(&saved);
    fill_disk();
    assert_int_equal(write_id("b"), -ENOSPC);
    assert_true(audit_is_blocked(audit) && is_blocked);
    assert_int_equal(write_id("c"), -ENOSPC);
    assert_string_equal(ids_in(audit_path), "a");
    free_disk();
    loop_until_set(&is_free);
    assert_int_equal(write_id("d"), 0);
    said = caught(reader, saved);
    assert_int_equal(n_told, 2);
    assert_string_equal(ids_in(audit_path), "abcd");
    assert_int_equal(lines_of_chain(audit_path), 4);
    assert_int_equal(count(said, "cannot be written: No space left on device; requests are refused until it can"), 1);
    assert_int_equal(count(said, "can be written again; lines late: 2, lost: 0\n"), 1);
    audit_close(audit);
}

static void the_next_line_brings_those_that_wait(void **state) {
    int saved, reader;

    (void)state;
    open_audit();
    reader = catch_standard_error(&saved);
    fill_disk();
    assert_true(write_id("a") < 0);
    free_disk();
    assert_int_equal(write_id("b"), 0);
    (void)caught(reader, saved);
    assert_true(is_free && !audit_is_blocked(audit));
    assert_string_equal(ids_in(audit_path), "ab");
    audit_close(audit);
}

static void with_continue_lines_are_lost_and_counted(void **state) {
    int saved, reader;
    const char *said;

    (void)state;
    settings.continues_on_error = true;
    open_audit();
    assert_int_equal(write_id("a"), 0);
    reader = catch_standard_error(&saved);
    fill_disk();
    assert_true(write_id("b") < 0);
    assert_true(write_id("c") < 0);
    free_disk();
    assert_int_equal(write_id("d"), 0);
    fill_disk();
    assert_true(write_id("e") < 0);
    audit_close(audit);
    free_disk();
    said = caught(reader, saved);
    assert_int_equal(n_told, 0);
    assert_string_equal(ids_in(audit_path), "ad");
    assert_int_equal(lines_of_chain(audit_path), 2);
    assert_int_equal(count(said, "lines are lost until it can"), 2);
    assert_int_equal(count(said, "can be written again; lines late: 0, lost: 2\n"), 1);
    assert_int_equal(count(said, "audit.jsonl: lines lost: 1\n"), 1);
    assert_int_equal(count(said, "\"id\":"), 0);
}

static void what_waits_at_the_end_is_said_whole(void **state) {
    int saved, reader;
    const char *said;

    (void)state;
    open_audit();
    reader = catch_standard_error(&saved);
    fill_disk();
    assert_true(write_id("a") < 0);
    assert_true(write_id("b") < 0);
    audit_close(audit);
    free_disk();
    said = caught(reader, saved);
    assert_int_equal(count(said, "\"id\":\"a\"}\n{\"time\":"), 1);
    assert_int_equal(count(said, "\"id\":\"b\"}\n"), 1);
    assert_int_equal(content_of(audit_path).n, 0);
}

static void the_end_is_a_last_chance(void **state) {
    int saved, reader;

    (void)state;
    open_audit();
    reader = catch_standard_error(&saved);
    fill_disk();
    assert_true(write_id("a") < 0);
    free_disk();
    audit_close(audit);
    assert_int_equal(count(caught(reader, saved), "\"id\":"), 0);
    assert_string_equal(ids_in(audit_path), "a");
}

static void no_line_is_lost_without_a_word(void **state) {
    char path[LIMIT_TARGET];
    struct exchange_record record = {.method = SLICE("GET"), .rule = SLICE_EMPTY, .reason = SLICE_EMPTY};
    struct audit_subject subject = {"api", "alice", "example.org", "7-1", 1, NULL};
    int saved, reader;
    size_t n = LIMIT_AUDIT_QUEUE / LIMIT_TARGET + 1;
    const char *said;

    (void)state;
    memset(path, 'x', sizeof(path));
    record.path = slice_of(path, sizeof(path));
    open_audit();
    reader = catch_standard_error(&saved);
    fill_disk();
    for (size_t i = 0; i < n; i++)
        assert_true(audit_exchange(audit, &subject, &record) < 0);
    free_disk();
    audit_close(audit);
    said = caught(reader, saved);
    assert_true(count(said, "no room for another line that waits") >= 1);
    assert_int_equal(count(said, "\"duration_ms\":0") + lines_of_chain(audit_path), n);
}

static void refusals_for_want_of_an_audit_leave_room_and_are_counted(void **state) {
    struct exchange_record record = {.method = SLICE("GET"),
                                     .path = SLICE("/"),
                                     .rule = SLICE_EMPTY,
                                     .reason = SLICE_EMPTY,
                                     .refusal = REFUSAL_AUDIT};
    struct audit_subject subject = {"api", "alice", "example.org", "7-1", 1, NULL};
    size_t n = LIMIT_AUDIT_QUEUE / 200, kept;
    int saved, reader;
    char wanted[96];
    const char *said;

    (void)state;
    open_audit();
    reader = catch_standard_error(&saved);
    fill_disk();
    for (size_t i = 0; i < n; i++)
        assert_true(audit_exchange(audit, &subject, &record) < 0);
    assert_true(write_id("z") < 0);
    free_disk();
    loop_until_set(&is_free);
    said = caught(reader, saved);
    kept = lines_of_chain(audit_path);
    assert_true(kept > 100 && kept < n);
    assert_true(slice_ends_with(content_of(audit_path), SLICE("\"id\":\"z\"}\n")));
    (void)snprintf(wanted, sizeof(wanted), "lines late: %zu, lost: %zu\n", kept, n + 1 - kept);
    assert_int_equal(count(said, wanted), 1);
    assert_int_equal(count(said, "\"lease\""), 0);
    audit_close(audit);
}

static void note_path(const char *path) {
    struct exchange_record record = {
        .method = SLICE("GET"), .path = slice_of_string(path), .rule = SLICE_EMPTY, .reason = SLICE_EMPTY};
    struct audit_subject subject = {"api", "alice", "example.org", path, 1, NULL};

    audit_note(audit, &subject, &record);
}

static void noted_lines_are_written_together_and_in_order(void **state) {
    (void)state;
    open_audit();
    note_path("a");
    note_path("b");
    assert_int_equal(content_of(audit_path).n, 0);
    assert_int_equal(write_id("c"), 0); /* what is written at once brings them along, in front of it */
    assert_string_equal(ids_in(audit_path), "abc");
    note_path("d");
    audit_flush(audit);
    audit_flush(audit);
    assert_string_equal(ids_in(audit_path), "abcd");
    note_path("e");
    audit_close(audit);
    assert_string_equal(ids_in(audit_path), "abcde");
    assert_int_equal(lines_of_chain(audit_path), 5);
}

/* More than are kept in memory: they are written in between. */
static void any_number_can_be_noted(void **state) {
    (void)state;
    open_audit();
    for (unsigned i = 0; i < 3000; i++)
        note_path("x");
    assert_true(content_of(audit_path).n > 0);
    audit_close(audit);
    assert_int_equal(lines_of_chain(audit_path), 3000);
}

static void noted_lines_wait_for_room_like_others(void **state) {
    int saved, reader;

    (void)state;
    open_audit();
    reader = catch_standard_error(&saved);
    note_path("a");
    audit_flush(audit);
    note_path("b");
    note_path("c");
    leave_room(5 * content_of(audit_path).n / 2); /* for one of them, and half of the other */
    audit_flush(audit);
    assert_true(is_blocked);
    note_path("d");
    assert_string_equal(ids_in(audit_path), "ab");
    free_disk();
    loop_until_set(&is_free);
    assert_int_equal(count(caught(reader, saved), "lines late: 2, lost: 0\n"), 1);
    assert_string_equal(ids_in(audit_path), "abcd");
    assert_int_equal(lines_of_chain(audit_path), 4);
    audit_close(audit);
}

/* A file is as large as it may be, however many come at once. */
static void noted_lines_are_rotated_one_by_one(void **state) {
    size_t length, n = 0;

    (void)state;
    settings.keep = 5;
    open_audit();
    note_path("a");
    audit_flush(audit);
    length = content_of(audit_path).n;
    audit_close(audit);
    settings.rotate_bytes = 2 * length;
    open_audit();
    for (unsigned i = 0; i < 4; i++)
        note_path("b");
    audit_close(audit);
    for (unsigned i = 0; i < 3; i++)
        n += content_of(rotated(i)).n;
    assert_int_equal(n, 5 * length);
    assert_int_equal(content_of(rotated(1)).n, 2 * length);
    assert_int_equal(content_of(rotated(2)).n, 2 * length);
}

static void a_new_place_gets_what_waits(void **state) {
    char other[160];
    int saved, reader;
    char *error = NULL;

    (void)state;
    open_audit();
    reader = catch_standard_error(&saved);
    fill_disk();
    assert_true(write_id("a") < 0);
    free_disk();
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    settings.file = other;
    assert_int_equal(audit_reopen(audit, &settings, &error), 0);
    (void)caught(reader, saved);
    assert_true(is_free);
    assert_string_equal(ids_in(other), "a");
    assert_int_equal(content_of(audit_path).n, 0);
    audit_close(audit);
}

static void a_bad_new_place_leaves_the_old_one(void **state) {
    char *error = NULL;

    (void)state;
    open_audit();
    settings.file = (char[]){"/no/such/folder/x"};
    assert_int_equal(audit_reopen(audit, &settings, &error), -ENOENT);
    assert_non_null(error);
    free(error);
    assert_int_equal(write_id("a"), 0);
    assert_string_equal(ids_in(audit_path), "a");
    audit_close(audit);
}

static void reopened_after_a_rotation_it_goes_on(void **state) {
    char hash[AUDIT_HASH];
    char *error = NULL;

    (void)state;
    open_audit();
    assert_int_equal(write_id("a"), 0);
    assert_int_equal(rename(audit_path, rotated(1)), 0);
    assert_int_equal(audit_reopen(audit, &settings, &error), 0);
    assert_true(is_there(audit_path));
    assert_int_equal(write_id("b"), 0);
    audit_close(audit);
    memcpy(hash, audit_chain_start, AUDIT_HASH);
    assert_int_equal(follow_chain(rotated(1), hash), 1);
    assert_int_equal(follow_chain(audit_path, hash), 1);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, set_up, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(nowhere_is_a_place),
        in_folder(a_bad_place_is_told_with_where_it_was_written),
        in_folder(lines_wait_and_are_written_in_order),
        in_folder(the_next_line_brings_those_that_wait),
        in_folder(with_continue_lines_are_lost_and_counted),
        in_folder(what_waits_at_the_end_is_said_whole),
        in_folder(the_end_is_a_last_chance),
        in_folder(no_line_is_lost_without_a_word),
        in_folder(refusals_for_want_of_an_audit_leave_room_and_are_counted),
        in_folder(noted_lines_are_written_together_and_in_order),
        in_folder(any_number_can_be_noted),
        in_folder(noted_lines_wait_for_room_like_others),
        in_folder(noted_lines_are_rotated_one_by_one),
        in_folder(a_new_place_gets_what_waits),
        in_folder(a_bad_new_place_leaves_the_old_one),
        in_folder(reopened_after_a_rotation_it_goes_on),
    };

    assert_int_equal(loop_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
