#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fleet/shell/pattern.h"
#include "fleet/shell/permission.h"
#include "fleet/shell/shell.h"
#include "fuzz.h"

/* The text of a command. What was understood is a whole: more lines around it are found beside it, and change nothing. */

#define LIMIT 4096

static char bytes[LIMIT + 8];

static struct slice join(struct slice a, struct slice b) {
    memcpy(bytes, a.p, a.n);
    memcpy(bytes + a.n, b.p, b.n);
    return slice_of(bytes, a.n + b.n);
}

/* `text` has one command more than `findings`, at its beginning or its end. */
static void require_one_more(const struct findings *findings, struct slice text, bool is_first) {
    struct findings more;

    REQUIRE(shell_find(text, &more) == 0);
    REQUIRE(more.fault == NULL && more.n == findings->n + 1);
    REQUIRE(slice_equals(more.found[is_first ? 0 : findings->n].seen, SLICE(":x")));
    for (size_t i = 0; i < findings->n; i++)
        REQUIRE(slice_equals(findings->found[i].seen, more.found[i + is_first].seen));
    findings_done(&more);
}

/* Nobody is allowed what a denying rule would take for anything; and what covers a text meets it. */
static void require_sound_patterns(const struct findings *findings) {
    static const struct slice patterns[] = {SLICE("*"), SLICE("a *"), SLICE("*b?"), SLICE("[!-c]* x > *"), SLICE("")};
    struct pattern pattern;

    for (size_t p = 0; p < ARRAY_LEN(patterns); p++) {
        REQUIRE(pattern_compile(patterns[p], &pattern) == 0);
        for (size_t i = 0; i < findings->n; i++) {
            struct slice seen = findings->found[i].seen;

            REQUIRE(!pattern_covers(&pattern, seen) || pattern_meets(&pattern, seen));
            REQUIRE(p > 0 || pattern_covers(&pattern, seen));
        }
        pattern_done(&pattern);
    }
}

static void require_denied(struct slice text, const struct findings *findings) {
    char all[] = "*", some[] = "?*";
    struct command_rule rule[] = {{.pattern = some, .allows = true}, {.pattern = all, .allows = false}};
    struct command_rules rules = {.rules = rule, .n = ARRAY_LEN(rule)};
    struct verdict verdict;

    REQUIRE(permission_judge(&rules, text, &verdict) == 0);
    REQUIRE((verdict.fault == NULL) == (findings->fault == NULL));
    REQUIRE(verdict.is_allowed == (!findings->fault && findings->n == 0));
    verdict_done(&verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_of(size > 0 ? (const void *)data : "", size);
    struct findings findings;

    if (size > LIMIT)
        return 0;
    REQUIRE(shell_find(text, &findings) == 0);
    require_denied(text, &findings);
    require_sound_patterns(&findings);
    if (!findings.fault && findings.n < LIMIT_SHELL_COMMANDS) {
        require_one_more(&findings, join(text, SLICE("\n:x")), false);
        require_one_more(&findings, join(SLICE(":x\n"), text), true);
    }
    findings_done(&findings);
    return 0;
}
