#include "secrets/secret_feed.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/limits.h"
#include "unit_fd.h"
#include "unit_loop.h"

/* The resolution is played here: it counts how often it was begun, and ends when the test says how. */
static struct {
    unsigned begun, killed;
    int start_result;
    struct resolution *running;
} played;

int resolution_start(struct resolution *resolution, const struct secret_source *from, resolution_done *done,
                     void *owner, char **ret_error) {
    if (played.start_result < 0) {
        assert_true(asprintf(ret_error, "%s: cannot be read", from->where) > 0);
        return played.start_result;
    }
    assert_null(played.running);
    *resolution = (struct resolution){.from = from, .done = done, .owner = owner};
    played.running = resolution;
    played.begun++;
    return 0;
}

void resolution_kill(struct resolution *resolution) {
    played.killed += played.running == resolution;
}

static void succeed(uint64_t expires_in_ms) {
    struct resolution *resolution = played.running;

    played.running = NULL;
    resolution->done(resolution, fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), expires_in_ms, NULL);
}

static void fail_with(const char *error) {
    struct resolution *resolution = played.running;

    played.running = NULL;
    resolution->done(resolution, -EBADF, 0, error);
}

/* What the feed told. */
static struct {
    unsigned secrets, failures, quiets;
    uint64_t expires_in_ms;
    char error[128];
} told;

static void on_secret(struct secret_feed *feed, int sealed, uint64_t expires_in_ms) {
    assert_non_null(feed->owner);
    assert_true(is_open(sealed));
    fd_close(&sealed);
    told.secrets++;
    told.expires_in_ms = expires_in_ms;
}

static void on_failure(struct secret_feed *feed, const char *error) {
    assert_non_null(feed->owner);
    (void)snprintf(told.error, sizeof(told.error), "%s", error);
    told.failures++;
}

static void on_quiet(struct secret_feed *feed) {
    assert_true(feed_is_quiet(feed));
    told.quiets++;
}

static const struct feed_events events = {.on_secret = on_secret, .on_failure = on_failure, .on_quiet = on_quiet};

static char where[] = "x.yaml:3: credentials.x.secret", variable[] = "KEY", other_variable[] = "OTHER";
static char path[64];
static struct secret_source command = {.kind = SECRET_COMMAND, .where = where, .timeout_ms = 10000};
static struct secret_source file = {.kind = SECRET_FILE, .where = where, .path = path};
static struct secret_source env = {.kind = SECRET_ENV, .where = where, .variable = variable};
static struct secret_feed feed;

static bool has_begun(const void *times) {
    return played.begun == *(const unsigned *)times;
}

static void require_begun(unsigned times) {
    loop_until(has_begun, &times);
}

static void start(const struct secret_source *source) {
    char *error = NULL;

    assert_int_equal(feed_start(&feed, source, &events, &told, &error), 0);
    require_begun(1);
}

/* Whether the next one is due `ms` after what was done between these two readings of the clock. */
#define assert_due(ms, done)                                                                                           \
    do {                                                                                                               \
        uint64_t before_ = clock_now_ms();                                                                             \
        done;                                                                                                          \
        assert_true(feed.next_at >= before_ + (ms) && feed.next_at <= clock_now_ms() + (ms));                          \
        assert_true(timer_is_set(&feed.timer));                                                                        \
    } while (0)

static void a_secret_is_due_ahead_of_its_expiry(void **state) {
    static const struct {
        uint64_t refresh_ms, expires_in_ms, due_ms;
    } rows[] = {
        {0, 0, 0},
        {60000, 0, 60000},
        {0, 3600000, 3240000}, /* a tenth of an hour ahead */
        {0, 300000, 270000},   /* a tenth of five minutes is 30 s: both rules agree */
        {0, 60000, 30000},
        {0, 30000, REFRESH_SOONEST},
        {0, 1, REFRESH_SOONEST}, /* it does not spin */
        {60000, 3600000, 60000},
        {3600000, 60000, 30000},
        {0, LIMIT_SECRET_LIFE, LIMIT_SECRET_LIFE - LIMIT_SECRET_LIFE / 10},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct secret_source source = {.kind = SECRET_COMMAND, .refresh_ms = rows[i].refresh_ms};

        assert_int_equal(feed_due_ms(&source, rows[i].expires_in_ms), rows[i].due_ms);
    }
}

static void a_command_runs_again_when_it_is_due(void **state) {
    (void)state;
    command.refresh_ms = 5;
    start(&command);
    succeed(0);
    require_begun(2);
    succeed(0);
    require_begun(3);
    assert_int_equal(told.secrets, 2);
    command.refresh_ms = 0;
    succeed(0);
    assert_false(timer_is_set(&feed.timer));
    assert_int_equal(told.failures, 0);
}

static void an_expiry_brings_the_next_run(void **state) {
    (void)state;
    start(&command);
    assert_due(3240000, succeed(3600000));
    assert_int_equal(told.expires_in_ms, 3600000);
    /* not slept through: the clock is looked at in between */
    assert_true(feed.timer.deadline_ms <= loop_now_ms() + CLOCK_LOOK);
}

static void failures_are_told_and_retried_ever_later(void **state) {
    uint64_t retry = RETRY_SOURCE;

    (void)state;
    start(&command);
    for (unsigned i = 1; i <= 9; i++) {
        assert_due(retry, fail_with("x.yaml:3: bad"));
        assert_int_equal(told.failures, i);
        assert_string_equal(told.error, "x.yaml:3: bad");
        retry = MIN_OF(retry * 2, (uint64_t)RETRY_SOURCE_MAX);
        feed_refresh(&feed); /* rather than to wait */
        require_begun(i + 1);
    }
    assert_int_equal(retry, RETRY_SOURCE_MAX);
    succeed(0);
    feed_refresh(&feed);
    require_begun(11);
    assert_due(RETRY_SOURCE, fail_with("x.yaml:3: bad")); /* a success has reset it */
}

static void one_that_cannot_be_started_is_retried_too(void **state) {
    (void)state;
    start(&command);
    succeed(0);
    played.start_result = -EMFILE;
    feed_refresh(&feed);
    while (told.failures == 0)
        loop_settle();
    assert_string_equal(told.error, "x.yaml:3: credentials.x.secret: cannot be read");
    assert_true(feed.next_at > clock_now_ms());
    assert_true(feed_is_quiet(&feed));
}

static void refreshes_coalesce(void **state) {
    (void)state;
    start(&command);
    feed_refresh(&feed);
    feed_refresh(&feed);
    loop_settle();
    assert_int_equal(played.begun, 1); /* one at a time */
    succeed(0);
    require_begun(2); /* what was asked for during the first, since that may have looked too early */
    succeed(0);
    loop_settle();
    assert_int_equal(played.begun, 2);
}

static void a_variable_is_had_once(void **state) {
    (void)state;
    start(&env);
    succeed(0);
    feed_refresh(&feed);
    assert_false(timer_is_set(&feed.timer));
    feed_change(&feed, &env);
    assert_false(timer_is_set(&feed.timer));
}

static void a_variable_that_fails_is_not_retried(void **state) {
    (void)state;
    start(&env);
    fail_with("x.yaml:3: empty");
    assert_int_equal(told.failures, 1);
    assert_false(timer_is_set(&feed.timer));
}

static void a_start_that_fails_leaves_nothing(void **state) {
    _cleanup_free_ char *error = NULL;
    int before = open_descriptors();

    (void)state;
    played.start_result = -EACCES;
    assert_int_equal(feed_start(&feed, &file, &events, &told, &error), -EACCES);
    assert_string_equal(error, "x.yaml:3: credentials.x.secret: cannot be read");
    assert_true(feed_is_quiet(&feed));
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(told.failures, 0);
}

static void write_file(const char *text) {
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void a_file_is_had_again_when_it_changes(void **state) {
    (void)state;
    write_file("one");
    start(&file);
    succeed(0);
    write_file("two");
    require_begun(2);
    write_file("three"); /* while that is read */
    while (!feed.is_wanted)
        loop_settle();
    succeed(0);
    require_begun(3);
    succeed(0);
    assert_int_equal(told.secrets, 3);
}

static void another_place_supersedes_the_first(void **state) {
    struct secret_source other = env;

    (void)state;
    start(&command);
    feed_change(&feed, &file);
    assert_int_equal(played.killed, 1);
    succeed(0); /* too late: it is of the former place */
    assert_int_equal(told.secrets, 0);
    require_begun(2);
    assert_ptr_equal(feed.resolution.from, &file);
    succeed(0);
    assert_int_equal(told.secrets, 1);
    other.variable = other_variable;
    feed_change(&feed, &env);
    require_begun(3);
    succeed(0);
    feed_change(&feed, &other);
    require_begun(4);
    fail_with("x.yaml:3: bad");
    assert_int_equal(told.failures, 1);
}

static void a_stop_is_told_when_nothing_runs(void **state) {
    (void)state;
    start(&command);
    feed_stop(&feed);
    assert_int_equal(played.killed, 1);
    assert_false(feed_is_quiet(&feed));
    feed_refresh(&feed);
    succeed(0);
    assert_true(feed_is_quiet(&feed));
    assert_int_equal(told.quiets, 1);
    assert_int_equal(told.secrets, 0);
    assert_false(timer_is_set(&feed.timer));
    feed_stop(&feed);
    assert_int_equal(told.quiets, 1);
}

static void a_stop_between_two_runs_is_quiet_at_once(void **state) {
    (void)state;
    start(&command);
    succeed(60000);
    feed_stop(&feed);
    assert_true(feed_is_quiet(&feed));
    assert_false(timer_is_set(&feed.timer));
    assert_int_equal(loop_run(), 0); /* it returns: nothing is left to wait for */
}

static void a_feed_that_never_began_can_be_stopped(void **state) {
    struct secret_feed never = {0};

    (void)state;
    feed_stop(&never);
    assert_true(feed_is_quiet(&never));
}

static int begin(void **state) {
    (void)state;
    memset(&played, 0, sizeof(played));
    memset(&told, 0, sizeof(told));
    memset(&feed, 0, sizeof(feed));
    command.refresh_ms = 0;
    (void)snprintf(path, sizeof(path), "/tmp/test-secret-feed-%d", (int)getpid());
    return 0;
}

static int end(void **state) {
    (void)state;
    feed_stop(&feed);
    (void)unlink(path);
    return 0;
}

static int start_loop(void **state) {
    (void)state;
    return loop_init();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_secret_is_due_ahead_of_its_expiry),
        TEST(a_command_runs_again_when_it_is_due),
        TEST(an_expiry_brings_the_next_run),
        TEST(failures_are_told_and_retried_ever_later),
        TEST(one_that_cannot_be_started_is_retried_too),
        TEST(refreshes_coalesce),
        TEST(a_variable_is_had_once),
        TEST(a_variable_that_fails_is_not_retried),
        TEST(a_start_that_fails_leaves_nothing),
        TEST(a_file_is_had_again_when_it_changes),
        TEST(another_place_supersedes_the_first),
        TEST(a_stop_is_told_when_nothing_runs),
        TEST(a_stop_between_two_runs_is_quiet_at_once),
        TEST(a_feed_that_never_began_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, start_loop, NULL);
}
