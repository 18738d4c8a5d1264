#include "fleet/shell/permission.h"

#include "base/limits.h"
#include "unit.h"

/* Rules in lines: `+PATTERN` allows, `-PATTERN` denies. */
struct policy {
    char text[2048];
    struct command_rule rules[16];
    struct command_rules all;
};

static const struct command_rules *policy_of(struct policy *policy, const char *lines) {
    char *line = policy->text;

    *policy = (struct policy){.all.rules = policy->rules};
    assert_true(strlen(lines) < sizeof(policy->text));
    memcpy(policy->text, lines, strlen(lines));
    while (*line) {
        char *end = line + strcspn(line, "\n");

        policy->rules[policy->all.n++] = (struct command_rule){.pattern = line + 1, .allows = *line == '+'};
        line = *end ? end + 1 : end;
        *end = '\0';
    }
    return &policy->all;
}

static bool is_allowed(const char *lines, struct slice command) {
    struct policy policy;
    struct verdict verdict;
    bool allowed;

    assert_int_equal(permission_judge(policy_of(&policy, lines), command, &verdict), 0);
    allowed = verdict.is_allowed;
    assert_true(!allowed || !verdict.fault);
    verdict_done(&verdict);
    return allowed;
}

#define READER "+ls *\n+cat *\n+grep *\n+kubectl get *\n+echo *\n-cat *secret*"

static void every_command_must_be_allowed(void **state) {
    static const struct {
        const char *rules;
        struct slice command;
        bool is_allowed;
    } rows[] = {
        {"", SLICE("ls"), false},
        {"", SLICE(""), true},
        {READER, SLICE("ls"), true},
        {READER, SLICE("ls -l /tmp"), true},
        {READER, SLICE("ls | grep a && kubectl get pods -n x"), true},
        {READER, SLICE("ls; rm -rf /"), false},
        {READER, SLICE("ls\nrm -rf /"), false},
        {READER, SLICE("ls $(rm -rf /)"), false},
        {READER, SLICE("ls `rm -rf /`"), false},
        {READER, SLICE("ls \"$(rm)\""), false},
        {READER, SLICE("ls <(rm)"), false},
        {READER, SLICE("x=$(rm) ls"), false},
        {READER, SLICE("echo ${x:-$(rm)}"), false},
        {READER, SLICE("cat <<E\n$(rm)\nE"), false},
        {READER, SLICE("cat <<'E'\n$(rm)\nE"), true},
        {READER, SLICE("f() { rm; }; ls"), false},
        {READER, SLICE("kubectl get $x"), true},
        {READER, SLICE("kubectl $x"), false},
        {READER, SLICE("kubectl 'get x'"), false},
        {READER, SLICE("$x get pods"), false},
        {READER, SLICE("ls > out"), false},
        {READER, SLICE("ls > /dev/null 2>&1"), true},
        {READER, SLICE("PATH=. ls"), false},
        {READER, SLICE("PATH=.; ls"), false},
        {READER, SLICE("x=1; ls $x"), true},
        {READER, SLICE("xargs rm"), false},
        {READER "\n+xargs *", SLICE("ls | xargs cat"), false},
        {READER "\n+xargs *", SLICE("ls | xargs kubectl get"), true},
        {READER "\n+xargs *", SLICE("ls | xargs rm"), false},
        {READER, SLICE("cat secret"), false},
        {READER, SLICE("cat a$x"), false},
        {READER, SLICE("cat \"se\"cr'e't"), false},
        {READER, SLICE("cat a"), true},
        {READER, SLICE("\"ls\""), true},
        {READER, SLICE("ls 'a; rm'"), true},
        {READER, SLICE("ls \"(\""), true},
        {READER, SLICE("ls ("), false},
        {"+*", SLICE("ls ("), true},
        {"-*\n+*", SLICE("$x"), true},
        {"+*\n-rm *", SLICE("ls; $x"), false},
        {"+*\n-rm *", SLICE("ls; rm x"), false},
        {"+*\n-rm *", SLICE("ls $x"), true},
        {"+*\n-rm *", SLICE("sudo rm x"), false},
        {"+*\n-rm *", SLICE("bash -c 'rm x'"), false},
        {"+*\n-rm *", SLICE("find . -exec rm {} +"), false},
        {"+a *\n-a b *\n+a b c", SLICE("a b c"), true},
        {"+a *\n-a b *\n+a b c", SLICE("a b d"), false},
        {"+a *\n-a b *\n+a b c", SLICE("a b $x"), false},
        {"+a > *", SLICE("a > b"), true},
        {"+> *", SLICE("> b"), true},
        {"+a *\n+> /tmp/*", SLICE("{ a; } > /tmp/x"), true},
        {"+a *\n+> /tmp/*", SLICE("{ a; } > /etc/x"), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i].command, is_allowed(rows[i].rules, rows[i].command) == rows[i].is_allowed);
}

static void each_judgement_names_its_rule(void **state) {
    struct policy policy;
    struct verdict verdict;

    (void)state;
    assert_int_equal(permission_judge(policy_of(&policy, "+a *\n-b *"), SLICE("a \"$x\" | env b; c"), &verdict), 0);
    assert_false(verdict.is_allowed);
    assert_int_equal(verdict.n, 4);
    assert_string_equal(verdict.judgements[0].text, "a $x");
    assert_ptr_equal(verdict.judgements[0].rule, &policy.rules[0]);
    assert_true(verdict.judgements[0].is_allowed);
    assert_null(verdict.judgements[0].within);
    assert_string_equal(verdict.judgements[1].text, "env b");
    assert_null(verdict.judgements[1].rule);
    assert_string_equal(verdict.judgements[2].text, "b");
    assert_string_equal(verdict.judgements[2].within, "env");
    assert_ptr_equal(verdict.judgements[2].rule, &policy.rules[1]);
    assert_false(verdict.judgements[2].is_allowed);
    assert_string_equal(verdict.judgements[3].text, "c");
    verdict_done(&verdict);
}

static void tells_the_hub_what_is_denied(void **state) {
    static const struct {
        const char *rules;
        struct slice command;
        const char *told;
    } rows[] = {
        {"+a *\n-b *", SLICE("a; b x; c"), "command denied by rule 'b *': b x"},
        {"+a *\n-b *", SLICE("a; c; b x"), "command denied (no matching allow rule): c"},
        {"+a *", SLICE("a \"b"), "command denied (not understood: line 1, column 3: an unclosed double quote): a \"b"},
    };
    struct buf told;

    (void)state;
    buf_init(&told, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct policy policy;
        struct verdict verdict;

        assert_int_equal(permission_judge(policy_of(&policy, rows[i].rules), rows[i].command, &verdict), 0);
        assert_int_equal(verdict_describe(&verdict, rows[i].command, &told), 0);
        assert_slice(buf_slice(&told), rows[i].told);
        buf_consume(&told, buf_length(&told));
        verdict_done(&verdict);
    }
    buf_release(&told);
}

static void allow_all_looks_at_nothing(void **state) {
    const struct command_rules rules = {.allows_all = true};
    struct verdict verdict;

    (void)state;
    assert_int_equal(permission_judge(&rules, SLICE("((\0"), &verdict), 0);
    assert_true(verdict.is_allowed);
    assert_int_equal(verdict.n, 0);
    verdict_done(&verdict);
}

static void variables_that_steer_need_a_rule(void **state) {
    static const struct {
        const char *rules;
        struct slice name, value;
        bool is_allowed;
    } rows[] = {
        {"", SLICE("FOO"), SLICE("bar baz"), true},
        {"", SLICE("FLASHDUTY_APP_KEY"), SLICE("k"), true},
        {"", SLICE("PATH"), SLICE("/x"), false},
        {"+PATH=/x", SLICE("PATH"), SLICE("/x"), true},
        {"+PATH=/x", SLICE("PATH"), SLICE("/y"), false},
        {"", SLICE("BASH_ENV"), SLICE("/x"), false},
        {"", SLICE("BASH_FUNC_ls%%"), SLICE("() { rm; }"), false},
        {"", SLICE("LD_PRELOAD"), SLICE(""), false},
        {"", SLICE("LANG"), SLICE("C.UTF-8"), true},
        {"", SLICE("LANG"), SLICE("zh_CN.GBK"), false},
        {"", SLICE("X"), SLICE("a[$(rm)]"), false},
        {"", SLICE("X"), SLICE("a[`rm`]"), false},
        {"+*", SLICE("X"), SLICE("a[`rm`]"), true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct policy policy;
        bool allowed = !rows[i].is_allowed;

        assert_int_equal(
            permission_judge_variable(policy_of(&policy, rows[i].rules), rows[i].name, rows[i].value, &allowed), 0);
        assert_row(rows[i].name, allowed == rows[i].is_allowed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_must_be_allowed),    cmocka_unit_test(each_judgement_names_its_rule),
        cmocka_unit_test(tells_the_hub_what_is_denied),     cmocka_unit_test(allow_all_looks_at_nothing),
        cmocka_unit_test(variables_that_steer_need_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
