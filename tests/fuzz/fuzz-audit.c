#include <jansson.h>

#include "cmd/log_entry.h"
#include "egress/audit/audit_verify.h"
#include "fuzz.h"

static char text[LIMIT_AUDIT_LINE];

/* Whatever is told, it is one line in printable ASCII, and a reader gets it back as it was as far as that was UTF-8. */
static void write_and_read(struct slice told) {
    struct audit_subject subject = {"api", "alice", "example.org", "7-1", 1, NULL};
    struct exchange_record record = {.method = SLICE("GET"), .path = told, .rule = told, .reason = told};
    struct slice line = slice_of(text, audit_line_exchange(text, &subject, &record) - 1);
    struct log_entry entry = log_entry_read(line);
    json_t *whole = json_stringn(told.p, told.n);

    REQUIRE(text[line.n] == '\n');
    for (size_t i = 0; i < line.n; i++)
        REQUIRE(line.p[i] >= ' ' && line.p[i] <= '~');
    REQUIRE(entry.object && entry.unix_ms > 0);
    REQUIRE(!whole || slice_equals(log_entry_text(&entry, "path"), told));
    REQUIRE(audit_line_prev(line).n == AUDIT_HASH && audit_line_prev(line).p < strstr(line.p, "\"path\""));
    json_decref(whole);
    log_entry_done(&entry);
}

struct walked {
    uint64_t lines, last, faults;
};

static void found(void *owner, enum audit_finding finding, struct audit_place place) {
    struct walked *walked = owner;

    REQUIRE(place.line > walked->last && place.line <= walked->lines); /* in order, and once each */
    walked->last = place.line;
    walked->faults += audit_finding_is_fault(finding);
}

/* Lines of anybody's making. */
static void walk(struct slice in) {
    struct walked walked = {0};
    struct audit_walk walk;

    audit_walk_init(&walk, found, &walked);
    while (in.p) {
        struct slice line = slice_cut(&in, '\n');
        struct log_entry entry = log_entry_read(line);

        walked.lines++;
        audit_walk_line(&walk, line, entry.object ? AUDIT_OBJECT : AUDIT_TEXT,
                        (struct audit_place){.line = walked.lines});
        if (entry.object)
            (void)log_filter_admits(&(struct log_filter){.lease = "api", .since_ms = 1, .is_denied = true}, &entry);
        log_entry_done(&entry);
    }
    audit_walk_end(&walk);
    REQUIRE(walk.n_lines == walked.lines && walk.n_faults == walked.faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);

    if (size > 4096)
        return 0;
    write_and_read(slice_first(in, 500)); /* as much as the shortest of them, the reason, may have */
    walk(in);
    return 0;
}
