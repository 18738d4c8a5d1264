#include "fleet/shell/shell.h"

#include "base/buf.h"
#include "base/limits.h"
#include "unit.h"

/* What is seen, in letters: `%` for anything, `@` for any words, `_` for a blank within a word, `^` for a border of
 * redirections: `^>` and `^<`. */
static void append_seen(struct buf *to, struct slice seen) {
    for (size_t i = 0; i < seen.n; i++) {
        char c = seen.p[i];
        struct slice letter = c == SEEN_ANY     ? SLICE("%")
                              : c == SEEN_WORDS ? SLICE("@")
                              : c == SEEN_BLANK ? SLICE("_")
                              : c == SEEN_TO    ? SLICE("^>")
                              : c == SEEN_FROM  ? SLICE("^<")
                                                : slice_of(seen.p + i, 1);

        assert_int_equal(buf_append(to, letter), 0);
    }
}

/* All that is found, each behind how bash gets to it, with a `;` between them; or the fault. */
static void describe(struct slice text, struct buf *to) {
    struct slice copy = exact_copy(text);
    struct findings findings;

    assert_int_equal(shell_find(copy, &findings), 0);
    for (size_t i = 0; i < findings.n && !findings.fault; i++) {
        if (i > 0)
            assert_int_equal(buf_append(to, SLICE("; ")), 0);
        if (findings.found[i].within) {
            assert_int_equal(buf_append(to, slice_of_string(findings.found[i].within)), 0);
            assert_int_equal(buf_append(to, SLICE(": ")), 0);
        }
        append_seen(to, findings.found[i].seen);
    }
    if (findings.fault)
        assert_int_equal(buf_append(to, slice_of_string(findings.fault)), 0);
    findings_done(&findings);
    free((void *)(uintptr_t)copy.p);
}

struct row {
    struct slice text;
    const char *found;
};

static void check(const struct row *rows, size_t n) {
    struct buf found;

    buf_init(&found, LIMIT_TASK_COMMAND);
    for (size_t i = 0; i < n; i++) {
        describe(rows[i].text, &found);
        if (!slice_equals(buf_slice(&found), slice_of_string(rows[i].found)))
            fail_msg("\"%.*s\": found \"%.*s\"", SLICE_ARG(rows[i].text), SLICE_ARG(buf_slice(&found)));
        buf_consume(&found, buf_length(&found));
    }
    buf_release(&found);
}

static void finds_simple_commands(void **state) {
    static const struct row rows[] = {
        {SLICE(""), ""},
        {SLICE(" \t\n# only this"), ""},
        {SLICE("ls"), "ls"},
        {SLICE("ls  -l\t/tmp"), "ls -l /tmp"},
        {SLICE("a; b & c\nd"), "a; b; c; d"},
        {SLICE("a && b || c | d |& e"), "a; b; c; d; e"},
        {SLICE("! a | b; time -p c"), "a; b; c"},
        {SLICE("a \\\n b"), "a b"},
        {SLICE("a # b; c\nd#e"), "a; d#e"},
        {SLICE("(a; b) && { c; }"), "a; b; c"},
        {SLICE("if a; then b; elif c; then d; else e; fi"), "a; b; c; d; e"},
        {SLICE("while a; do b; done; until c\ndo d; done"), "a; b; c; d"},
        {SLICE("for i in x $(a); do b; done"), "command substitution: a; b"},
        {SLICE("for ((i=0; i<$(nproc); i++)); do b; done"), "command substitution: nproc; b"},
        {SLICE("case $(a) in b|c) d;; (e) f;& *) g; esac"), "command substitution: a; d; f; g"},
        {SLICE("f() { a; }; function g { b; }"), "function: a; function: b"},
        {SLICE("coproc a; coproc x { b; }"), "a; b"},
        {SLICE("[[ a == b && -n $(c) ]] && d"), "command substitution: c; d"},
        {SLICE("((1 + 2)) && a"), "a"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void reads_words_as_bash_does(void **state) {
    static const struct row rows[] = {
        {SLICE("a 'b c' \"d\" e\\ f ''"), "a b_c d e_f "},
        {SLICE("'l's l\\s \"ls\""), "ls ls ls"},
        {SLICE("a \"\\$x \\\" \\\\ \\a\""), "a $x_\"_\\_\\a"},
        {SLICE("a $'b\\tc\\x41\\'' $\"d\""), "a b\tcA' %"},
        {SLICE("a $x \"$x\" b$x \"$@\" \"b$@\""), "a@ % b%@ b%"},
        {SLICE("a ${x} ${x:-b} \"${x##*/}\" ${#x} $# \"${x[@]}\""), "a@@ % % %@"},
        {SLICE("a *.c b?c [d]e [ ]"), "a %.c b%c % [ ]"},
        {SLICE("a ~/b ~c x=~ d~"), "a %/b % x=% d~"},
        {SLICE("a {b,c}d e{1..3} {} {f}"), "a@ e% {} {f}"},
        {SLICE("a $((1 + 2)) \"$((3))\""), "a % %"},
        {SLICE("x=1 y= z=$a b"), "x=1 y= z=% b"},
        {SLICE("x=1; y=(a $(b))"), "command substitution: b"},
        {SLICE("a \"$(b \"$(c)\")\""), "command substitution: c; command substitution: b %; a %"},
        {SLICE("a `b \\`c\\``"), "command substitution: c; command substitution: b@; a@"},
        {SLICE("a <(b) >(c)"), "process substitution: b; process substitution: c; a /dev/fd/% /dev/fd/%"},
        {SLICE("shopt -s nullglob; a *.c"), "shopt -s nullglob; a@"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void shows_redirections_that_write(void **state) {
    static const struct row rows[] = {
        {SLICE("a > b"), "a ^> b"},
        {SLICE("a >>b 2>| c"), "a ^> b ^> c"},
        {SLICE("a &> b <> c"), "a ^> b ^> c"},
        {SLICE("> a b"), "b ^> a"},
        {SLICE("> a"), "^> a"},
        {SLICE("a > $x 2> \"b c\""), "a ^> % ^> b_c"},
        {SLICE("a > /dev/null 2>&1 3>&- < b"), "a"},
        {SLICE("a 2> /dev/stderr > /dev/fd/3"), "a"},
        {SLICE("a > /dev/fd/../x"), "a ^> /dev/fd/../x"},
        {SLICE("a {x}> b"), "a ^> b"},
        {SLICE("a < /dev/tcp/h/1"), "a ^< /dev/tcp/h/1"},
        {SLICE("a < $x < b$x"), "a ^< %"},
        {SLICE("{ a; } > b"), "a; ^> b"},
        {SLICE("while a; do b; done < c > d"), "a; b; ^> d"},
        {SLICE("a > >(b) < <(c)"), "process substitution: b; process substitution: c; a"},
        {SLICE("a '>' b"), "a > b"},
        {SLICE("a >&b"), "a ^> b"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void reads_here_documents(void **state) {
    static const struct row rows[] = {
        {SLICE("a <<E; b\n$(c)\nE\nd"), "a; b; command substitution: c; d"},
        {SLICE("a <<'E'\n$(c)\nE\nd"), "a; d"},
        {SLICE("a <<-E\n\t`c`\n\tE\nd"), "a; command substitution: c; d"},
        {SLICE("a <<E <<F\nE\n$(b)\nF"), "a; command substitution: b"},
        {SLICE("a <<< \"$(b)\""), "command substitution: b; a"},
        {SLICE("bash <<'E'\na; b\nE"), "bash; bash: a; bash: b"},
        {SLICE("bash <<< 'a b'"), "bash; bash: a b"},
        {SLICE("a $(b <<E\nE\n)"), "command substitution: b; a@"},
        {SLICE("a <<E\nE \nF\n"), "line 1, column 5: a here-document without its last line"},
        {SLICE("a <<E\nb\\\nE\nE"), "line 3, column 1: a last line of a here-document that belongs to the one before"},
        {SLICE("a <<E'F'\nEF"), "line 1, column 5: a here-document's delimiter that is not plain"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void looks_behind_prefixes(void **state) {
    static const struct row rows[] = {
        {SLICE("env -i X=1 a b"), "env -i X=1 a b; env: X=1 a b"},
        {SLICE("X=1 nohup a"), "X=1 nohup a; nohup: X=1 a"},
        {SLICE("sudo -u root -- nice -n 5 a"), "sudo -u root -- nice -n 5 a; sudo: nice -n 5 a; nice: a"},
        {SLICE("timeout -k 1 5 a"), "timeout -k 1 5 a; timeout: a"},
        {SLICE("xargs -n1 a b"), "xargs -n1 a b; xargs: a b@"},
        {SLICE("xargs -I{} a {} b{}"), "xargs -I{} a {} b{}; xargs: a % %"},
        {SLICE("command -v a"), "command -v a"},
        {SLICE("/usr/bin/env a"), "/usr/bin/env a; env: a"},
        {SLICE("find . -exec a {} \\; -o -exec b {} +"), "find . -exec a {} ; -o -exec b {} +; find: a %; find: b %"},
        {SLICE("bash -euc 'a; b' c"), "bash -euc a;_b c; bash -c: a; bash -c: b"},
        {SLICE("sh -c 'a | b'"), "sh -c a_|_b; sh -c: a; sh -c: b"},
        {SLICE("eval a '; b'"), "eval a ;_b; eval: a; eval: b"},
        {SLICE("trap 'a b' EXIT; trap - INT"), "trap a_b EXIT; trap: a b; trap - INT"},
        {SLICE("su x -c 'a b'"), "su x -c a_b; su -c: a b"},
        {SLICE("watch -n 1 'a | b'"), "watch -n 1 a_|_b; watch: a; watch: b"},
        {SLICE("flock f -c 'a b'; flock f a"), "flock f -c a_b; flock -c: a b; flock f a; flock: a"},
        {SLICE("a | time -v b"), "a; time -v b; time: b"},
        {SLICE("bash +c 'a b'; sh +ec c"), "bash +c a_b; bash -c: a b; sh +ec c; sh -c: c"},
        {SLICE("trap -- '-l; a' EXIT; trap -lp a"), "trap -- -l;_a EXIT; trap: -l; trap: a; trap -lp a"},
        {SLICE("xargs -I{} -n2 a {}"), "xargs -I{} -n2 a {}; xargs: a %@"},
        {SLICE("xargs --replace=x --max-lines a"), "xargs --replace=x --max-lines a; xargs: a@"},
        {SLICE("su --comm 'a b' x"), "su --comm a_b x; su -c: a b"},
        {SLICE("script -O -c -c a"), "script -O -c -c a; su -c: -c; su -c: a"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void finds_variables_that_steer(void **state) {
    static const struct row rows[] = {
        {SLICE("FOO=1"), ""},
        {SLICE("PATH=/a:$PATH"), "PATH=/a:%"},
        {SLICE("PATH=/a b"), "PATH=/a b"},
        {SLICE("export PATH=/a"), "export PATH=/a; PATH=/a"},
        {SLICE("read IFS"), "read IFS; IFS=%"},
        {SLICE("for PATH in a; do b; done"), "PATH=%; b"},
        {SLICE("printf -v LD_PRELOAD a"), "printf -v LD_PRELOAD a; LD_PRELOAD=%"},
        {SLICE("echo ${PATH:=/a}"), "PATH=%; echo@"},
        {SLICE("LC_ALL=C a"), "LC_ALL=C a"},
        {SLICE("LC_ALL=x a"), "line 1, column 1: LC_ALL may change which bytes bash takes for letters"},
        {SLICE("BASH_COMPAT=4"), "line 1, column 1: BASH_COMPAT changes how bash reads what follows"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

#define COUNTED(name) name " is calculated with, and what it holds may be no number: bash could run it"

static void calculates_with_numbers_alone(void **state) {
    static const struct row rows[] = {
        {SLICE("x=1; echo $((x + 1))"), "echo %"},
        {SLICE("x=$((2)); ((x++)); [[ $x -gt 1 ]]"), ""},
        {SLICE("for i in 1 2; do echo $((i * 2)); done"), "echo %"},
        {SLICE("x=$(date +%s); echo $((x))"), "command substitution: date +%s; echo %"},
        {SLICE("x=$(a); echo $((x))"), "line 1, column 17: " COUNTED("x")},
        {SLICE("echo $((x)); x=a"), "line 1, column 14: " COUNTED("x")},
        {SLICE("x=$(a); [[ $x -eq 1 ]]"), "line 1, column 12: " COUNTED("x")},
        {SLICE("x=$(a); [ \"$x\" -eq 1 ]"), "command substitution: a; [ % -eq 1 ]"},
        {SLICE("x=$(a); [ $x -eq 1 ]"), "line 1, column 11: " COUNTED("x")},
        {SLICE("x=a; echo ${y[x]}"), "line 1, column 15: " COUNTED("x")},
        {SLICE("date() { a; }; x=$(date +%s)"),
         "line 1, column 20: date prints a number, but not where a function or a trap "
         "may print as well"},
        {SLICE("echo $(( $1 ))"),
         "line 1, column 10: bash would calculate with what is no number for certain, and could run what it holds"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void says_what_it_does_not_understand(void **state) {
    static const struct row rows[] = {
        {SLICE("echo \"a"), "line 1, column 6: an unclosed double quote"},
        {SLICE("echo 'a"), "line 1, column 6: an unclosed single quote"},
        {SLICE("a\nb `c"), "line 2, column 3: an unclosed backquote"},
        {SLICE("\xC3\xA4 \"$(b"), "line 1, column 4: an unclosed parenthesis"},
        {SLICE("$x a"), "line 1, column 1: a command whose name only the run knows"},
        {SLICE("c*t a"), "line 1, column 1: a command whose name only the run knows"},
        {SLICE("a; ;"), "line 1, column 4: a command is missing"},
        {SLICE("a )"), "line 1, column 3: `)` closes nothing"},
        {SLICE("if a; fi"), "line 1, column 7: `then` is missing"},
        {SLICE("done"), "line 1, column 1: `done` closes nothing"},
        {SLICE("a @(b)"), "line 1, column 4: an extended glob: bash has them off"},
        {SLICE("a ${!x}"), "line 1, column 3: ${! }: a name that only the run knows"},
        {SLICE("a ${x@P}"), "line 1, column 3: a ${ } that is not understood"},
        {SLICE("a \"${x:-'b'}\""), "line 1, column 4: a ${ } that is not understood"},
        {SLICE("((a) | b)"), "line 1, column 1: `((` that does not end in `))`: put a blank between two parentheses"},
        {SLICE("a $[1]"), "line 1, column 3: $[ ]: write $(( ))"},
        {SLICE("eval $x"), "line 1, column 6: what only the run knows decides here what eval does"},
        {SLICE("bash -c \"a $x\""), "line 1, column 9: the text for bash -c has parts that only the run knows"},
        {SLICE("a; eval 'b \"'"), "line 1, column 4: within its eval: an unclosed double quote"},
        {SLICE("env -S 'a b'"), "line 1, column 5: an option of env that is not known here: -S"},
        {SLICE("su -s /bin/a x"), "line 1, column 4: another shell, or words that su or script hands on to one"},
        {SLICE("su x +c a"), "line 1, column 6: another shell, or words that su or script hands on to one"},
        {SLICE("script f -- a"), "line 1, column 10: another shell, or words that su or script hands on to one"},
        {SLICE("wait -n -p'a[$(b)]'"), "line 1, column 9: what only the run knows decides here what wait does"},
        {SLICE("env $x a"), "line 1, column 5: what only the run knows decides here what env does"},
        {SLICE("alias a=b"), "line 1, column 1: alias: what it would change or run cannot be told"},
        {SLICE("zsh -c 'a'"), "line 1, column 5: a shell whose text is not bash's"},
        {SLICE("sh -c '[[ a || b ]]'"), "line 1, column 7: within its sh -c: `[[` is not known to every sh"},
        {SLICE("a >&$x"), "line 1, column 3: bash expands what stands behind >& twice: use &>"},
        {SLICE("find $x"), "line 1, column 6: unquoted, this could bring find an -exec of its own"},
        {SLICE("shopt -s extglob"),
         "line 1, column 10: an option of shopt that changes how bash reads, or is not known here"},
        {SLICE("a &\\\n& b"), "line 1, column 4: a line that goes on in the middle of an operator"},
        {SLICE("a\0b"), "line 1, column 2: a control byte"},
        {SLICE("a\x7F"), "line 1, column 2: a control byte"},
        {SLICE("a \xFF"), "line 1, column 3: bytes that are not UTF-8"},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

/* `piece`, over and over, `n` bytes of it. */
static struct slice repeat(const char *piece, size_t n) {
    size_t length = strlen(piece);
    char *text = malloc(n);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = piece[i % length];
    return slice_of(text, n);
}

/* A fault or not: whatever comes, it comes to an end soon, and the stack and memory suffice. */
static void ends_whatever_is_repeated(void **state) {
    static const char *const pieces[] = {
        "(",     "$(",         "a|",     "'",     "\"", "\"$x\"", "`",        "${x:-", "((",
        "$((",   "[[ ",        "a=1;",   "env ",  "{ ", "if ",    "cat <<E ", "\\a",   "*?",
        "{a,b}", "#",          "\n",     " \\\n", "a ", "f() ",   "eval ",    "`\\",   "coproc ",
        "! ",    "case a in ", "<<-E\n", "2>&1 ", "x[", "a=(b ",  "$\"",      "a;",    "<(",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct slice text = repeat(pieces[i], 256 * 1024);
        struct findings findings;

        assert_int_equal(shell_find(text, &findings), 0);
        assert_true(findings.n <= LIMIT_SHELL_COMMANDS);
        assert_true(findings.memory.taken <= LIMIT_SHELL_MEMORY);
        findings_done(&findings);
        free((void *)(uintptr_t)text.p);
    }
}

static void counts_what_it_finds(void **state) {
    struct slice text = repeat("a;", 2 * (size_t)(LIMIT_SHELL_COMMANDS + 1));
    struct findings findings;

    (void)state;
    assert_int_equal(shell_find(slice_first(text, 2 * (size_t)LIMIT_SHELL_COMMANDS), &findings), 0);
    assert_null(findings.fault);
    assert_int_equal(findings.n, LIMIT_SHELL_COMMANDS);
    findings_done(&findings);
    assert_int_equal(shell_find(text, &findings), 0);
    assert_non_null(findings.fault);
    findings_done(&findings);
    free((void *)(uintptr_t)text.p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_simple_commands),         cmocka_unit_test(reads_words_as_bash_does),
        cmocka_unit_test(shows_redirections_that_write), cmocka_unit_test(reads_here_documents),
        cmocka_unit_test(looks_behind_prefixes),         cmocka_unit_test(finds_variables_that_steer),
        cmocka_unit_test(calculates_with_numbers_alone), cmocka_unit_test(says_what_it_does_not_understand),
        cmocka_unit_test(ends_whatever_is_repeated),     cmocka_unit_test(counts_what_it_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
