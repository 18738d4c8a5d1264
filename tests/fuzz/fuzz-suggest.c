#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "egress/rules/suggest.h"
#include "fuzz.h"

/* An input is records, cut by 0x1E: a refusal's number, then lease, method, path and authority, cut by 0x1F. */

static void note(struct suggest *suggest, struct slice record) {
    struct slice rest = slice_from(record, 1);
    struct suggest_request request = {.rule = record, .executable = record};
    struct slice *const fields[] = {&request.lease, &request.method, &request.path, &request.authority};

    if (record.n == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        *fields[i] = rest.p ? slice_cut(&rest, '\x1F') : SLICE_EMPTY;
        *fields[i] = fields[i]->p ? *fields[i] : SLICE_EMPTY;
    }
    request.status = record.p[0] & 0x40 ? 404 : 200;
    if (record.p[0] & 0x20)
        REQUIRE(suggest_used(suggest, &request) == 0);
    else
        REQUIRE(suggest_refused(suggest, &request, (unsigned char)record.p[0] % REFUSALS) == 0);
}

/* Whatever was noted, a line is one of ours; and what is no comment says a path and no pattern. */
static void check_line(struct slice line) {
    static const struct slice beginnings[] = {SLICE("#"),        SLICE("  # "),         SLICE("    # "),
                                              SLICE("      # "), SLICE("credentials:"), SLICE("egress:"),
                                              SLICE("  allow:"), SLICE("    allow:"),   SLICE("  - name: "),
                                              SLICE("    - \""), SLICE("      - \"")};
    bool is_known = line.n == 0;

    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        is_known = is_known || slice_starts_with(line, beginnings[i]);
    REQUIRE(is_known);
    for (size_t i = 0; i < line.n; i++)
        REQUIRE(line.p[i] >= ' ' && line.p[i] <= '~');
    if (slice_starts_with(line, SLICE("    - \"")) || slice_starts_with(line, SLICE("      - \"")))
        REQUIRE(!slice_has(line, '*'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = slice_of(data, size);
    struct suggest *suggest = suggest_new();
    char *written;
    size_t n;
    FILE *to = open_memstream(&written, &n);

    REQUIRE(suggest && to);
    while (rest.p)
        note(suggest, slice_cut(&rest, '\x1E'));
    REQUIRE(suggest_write(suggest, to) == 0 && fclose(to) == 0);
    rest = slice_of(written, n);
    while (rest.p)
        check_line(slice_cut(&rest, '\n'));
    suggest_free(suggest);
    free(written);
    return 0;
}
