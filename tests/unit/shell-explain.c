/*
 * Tells what is found in shell texts, for tests/runner/test_shell_grammar.py: it reads texts from standard input, each
 * with its length in a line before it, and answers each with a line of JSON. Texts of commands come in hexadecimal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/num.h"
#include "fleet/shell/shell.h"

static void print_hex(const char *name, struct slice bytes) {
    (void)printf("\"%s\":\"", name);
    for (size_t i = 0; i < bytes.n; i++)
        (void)printf("%02x", (unsigned char)bytes.p[i]);
    (void)printf("\"");
}

static int explain(struct slice text) {
    struct findings findings;

    if (shell_find(text, &findings) < 0)
        return -1;
    (void)printf("{");
    print_hex("fault", findings.fault ? slice_of_string(findings.fault) : SLICE_EMPTY);
    (void)printf(",\"found\":[");
    for (size_t i = 0; i < findings.n; i++) {
        const struct found *found = &findings.found[i];

        (void)printf("%s{", i > 0 ? "," : "");
        print_hex("seen", found->seen);
        (void)printf(",");
        print_hex("shown", found->shown);
        (void)printf(",");
        print_hex("within", found->within ? slice_of_string(found->within) : SLICE_EMPTY);
        (void)printf("}");
    }
    (void)printf("]}\n");
    (void)fflush(stdout);
    findings_done(&findings);
    return 0;
}

int main(void) {
    char line[32], *text = malloc(LIMIT_TASK_COMMAND);
    uint64_t n;
    int status = text ? 0 : 1;

    while (status == 0 && fgets(line, sizeof(line), stdin)) {
        if (num_parse(slice_of(line, strcspn(line, "\n")), LIMIT_TASK_COMMAND, &n) < 0 || fread(text, 1, n, stdin) != n)
            status = 1;
        else if (explain(slice_of(text, n)) < 0)
            status = 1;
    }
    free(text);
    return status;
}
