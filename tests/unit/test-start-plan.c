#include "ingress/steward/start_plan.h"

#include <stdio.h>

#include "unit.h"

static const struct row {
    struct slice name;
    const char *own, *rules, *os_user; /* the entry's unit, and that of all */
    bool has_start, has_stop;
    enum start_way way;
    bool may_stop;
    const char *unit;
} rows[] = {
    {SLICE("nothing was said"), "", "", "alice", false, false, START_NOT, false, ""},
    {SLICE("the unit of all"), "", "t3@{os_user}.service", "alice", false, false, START_UNIT, true, "t3@alice.service"},
    {SLICE("its own unit"), "own.service", "t3@{os_user}.service", "alice", false, false, START_UNIT, true,
     "own.service"},
    {SLICE("its own, with a place"), "x@{os_user}.target", "", "a-b_1", false, false, START_UNIT, true,
     "x@a-b_1.target"},
    {SLICE("twice"), "{os_user}@{os_user}.socket", "", "a", false, false, START_UNIT, true, "a@a.socket"},
    {SLICE("a unit goes before commands"), "", "t3@{os_user}.service", "a", true, true, START_UNIT, true,
     "t3@a.service"},
    {SLICE("commands"), "", "", "a", true, true, START_COMMAND, true, ""},
    {SLICE("a command to start"), "", "", "a", true, false, START_COMMAND, false, ""},
    {SLICE("a command to stop"), "", "", "a", false, true, START_NOT, false, ""},
    {SLICE("a name with a slash"), "", "t3@{os_user}.service", "../x", true, true, START_NOT, false, NULL},
    {SLICE("a name that is an option"), "", "{os_user}.service", "-H", false, false, START_NOT, false, NULL},
    {SLICE("a name with a capital"), "", "t3@{os_user}.service", "Alice", false, false, START_NOT, false, NULL},
    {SLICE("a name with a newline"), "", "t3@{os_user}.service", "a\nb", false, false, START_NOT, false, NULL},
    {SLICE("no name"), "", "t3@{os_user}.service", "", false, false, START_NOT, false, NULL},
    {SLICE("a name that is too long"), "", "t3@{os_user}.service", "a23456789012345678901234567890123", false, false,
     START_NOT, false, NULL},
    {SLICE("a kind that is none"), "t3@{os_user}", "", "a", false, false, START_NOT, false, NULL},
    {SLICE("a mount"), "home.mount", "", "a", false, false, START_NOT, false, NULL},
    {SLICE("a path"), "/etc/x.service", "", "a", false, false, START_NOT, false, NULL},
    {SLICE("a blank"), "a b.service", "", "a", false, false, START_NOT, false, NULL},
    {SLICE("an option"), "--force.service", "", "a", false, false, START_NOT, false, NULL},
};

static void a_unit_is_a_unit_and_nothing_else(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct instance instance = {.unit = slice_of_string(row->own), .os_user = slice_of_string(row->os_user)};
        struct steward_rules rules = {.has_start = row->has_start, .has_stop = row->has_stop};
        struct start_plan plan;

        (void)snprintf(rules.unit, sizeof(rules.unit), "%s", row->rules);
        plan = start_plan_of(&rules, &instance);
        assert_row(row->name, plan.way == row->way);
        assert_row(row->name, plan.may_stop == row->may_stop);
        assert_row(row->name, !row->unit || strcmp(plan.unit, row->unit) == 0);
    }
}

static void a_name_may_be_as_long_as_systemd_takes_it(void **state) {
    char pattern[UNIT_NAME_MAX + 2];
    struct instance instance = {.os_user = SLICE("a")};
    const struct steward_rules rules = {0};

    (void)state;
    memset(pattern, 'x', sizeof(pattern));
    memcpy(pattern + UNIT_NAME_MAX - 8, ".service", 8);
    instance.unit = slice_of(pattern, UNIT_NAME_MAX);
    assert_int_equal(start_plan_of(&rules, &instance).way, START_UNIT);
    memcpy(pattern + UNIT_NAME_MAX - 7, ".service", 8);
    instance.unit = slice_of(pattern, UNIT_NAME_MAX + 1);
    assert_int_equal(start_plan_of(&rules, &instance).way, START_NOT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_is_a_unit_and_nothing_else),
        cmocka_unit_test(a_name_may_be_as_long_as_systemd_takes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
