#include "ingress/steward/idle.h"

#include "base/limits.h"
#include "unit.h"

#define IDLE 60000

/* Times are told backwards from NOW, in ms; NEVER for what has not been. */
#define NOW 10000000
#define LONG (IDLE * 10)
#define NEVER UINT64_MAX

enum word { SILENT, BUSY, QUIET };

static const struct row {
    struct slice name;
    uint64_t used_ago; /* the last use */
    struct {
        enum witness_state state;
        uint64_t since_ago, said_ago;
        enum word said;
    } dispatchers[2];
    bool is_idle;
} rows[] = {
    {SLICE("never used"), NEVER, {{WITNESS_THERE, LONG}}, false},
    {SLICE("used, and nobody says more"), IDLE, {{WITNESS_THERE, LONG}}, true},
    {SLICE("used a moment too late"), IDLE - 1, {{WITNESS_THERE, LONG}}, false},
    {SLICE("nobody has ever dispatched"), IDLE, {{WITNESS_NEVER}}, true},
    {SLICE("it went quiet"), IDLE, {{WITNESS_THERE, LONG, IDLE, QUIET}}, true},
    {SLICE("a tunnel is open"), LONG, {{WITNESS_THERE, LONG, 1000, BUSY}}, false},
    {SLICE("a tunnel was open, and nothing is heard any more"), LONG, {{WITNESS_THERE, LONG * 2, LONG, BUSY}}, false},
    {SLICE("quiet here, busy there"),
     LONG,
     {{WITNESS_THERE, LONG, 1000, QUIET}, {WITNESS_THERE, LONG, 1000, BUSY}},
     false},
    {SLICE("quiet here and there"),
     IDLE,
     {{WITNESS_THERE, LONG, 1000, QUIET}, {WITNESS_THERE, LONG, IDLE, QUIET}},
     true},
    {SLICE("a dispatcher has gone"), LONG, {{WITNESS_GONE, LONG, LONG, QUIET}}, false},
    {SLICE("the second has gone"), LONG, {{WITNESS_THERE, LONG}, {WITNESS_GONE, 1}}, false},
    {SLICE("a dispatcher has just come"), LONG, {{WITNESS_THERE, ACTIVITY_LOST - 1}}, false},
    {SLICE("a dispatcher has come and had time to speak"), LONG, {{WITNESS_THERE, ACTIVITY_LOST}}, true},
    {SLICE("its predecessor was busy: that ended when it came"), LONG, {{WITNESS_THERE, IDLE, LONG, BUSY}}, true},
    {SLICE("its predecessor was busy, and that is not long ago"), LONG, {{WITNESS_THERE, IDLE - 1, LONG, BUSY}}, false},
    {SLICE("its predecessor was quiet"), LONG, {{WITNESS_THERE, ACTIVITY_LOST, LONG, QUIET}}, true},
};

static uint64_t moment(uint64_t ago) {
    return NOW - ago;
}

static void only_what_nobody_can_be_using_is_idle(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct witness witnesses[2] = {0};
        struct use use = {0};

        for (size_t d = 0; d < ARRAY_LEN(witnesses); d++) {
            witnesses[d].state = row->dispatchers[d].state;
            witnesses[d].since_ms = moment(row->dispatchers[d].since_ago);
            if (row->dispatchers[d].said != SILENT)
                assert_row(row->name, use_report(&use, d, moment(row->dispatchers[d].said_ago), 0,
                                                 row->dispatchers[d].said == BUSY) == 0);
        }
        use.last_ms = row->used_ago == NEVER ? 0 : moment(row->used_ago);
        assert_row(row->name, use_is_idle(&use, witnesses, 2, NOW, IDLE) == row->is_idle);
        use_done(&use);
    }
}

static void requests_and_what_is_open_are_uses_and_quiet_is_none(void **state) {
    struct use use = {0};

    (void)state;
    assert_int_equal(use_report(&use, 0, 100, 0, 0), 0);
    assert_int_equal(use.last_ms, 0);
    assert_int_equal(use_report(&use, 5, 200, 1, 0), 0);
    assert_int_equal(use.last_ms, 200);
    assert_int_equal(use_report(&use, 0, 300, 0, 1), 0);
    assert_int_equal(use.last_ms, 300);
    assert_int_equal(use_report(&use, 0, 400, 0, 0), 0);
    assert_int_equal(use.last_ms, 300);
    assert_int_equal(use.n_seen, 6);
    assert_int_equal(use.seen[3].at_ms, 0); /* one that has said nothing */
    assert_false(use.seen[5].is_quiet);
    assert_true(use.seen[0].is_quiet);
    use_done(&use);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_nobody_can_be_using_is_idle),
        cmocka_unit_test(requests_and_what_is_open_are_uses_and_quiet_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
