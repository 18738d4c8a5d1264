#include "egress/audit/audit_line.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/json_line.h"
#include "base/macros.h"
#include "egress/desk/asker.h"

#define HEAD "{\"time\":\""
#define PREV "\",\"prev\":\""
#define PREV_AT (sizeof(HEAD JSON_TIME_FORM PREV) - 1)

#define REASON_MAX 512 /* of a refusal or an end */
#define FIXED_MAX 2048 /* names, numbers and punctuation of a line */

static_assert(FIXED_MAX + JSON_ESCAPED * (LIMIT_METHOD + LIMIT_TARGET + RULE_TEXT_MAX + REASON_MAX + ASKER_PATH_MAX +
                                          LIMIT_NAME + LIMIT_IDENTITY + LIMIT_AUTHORITY) <=
                  LIMIT_AUDIT_LINE,
              "a line holds every text at its longest, with each byte escaped");

static uint64_t unix_now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct json_line begin(char *line) {
    struct json_line w;

    w.p = line;
    json_put(&w, SLICE(HEAD));
    json_format_time(w.p, unix_now_ms());
    w.p += JSON_TIME;
    json_put(&w, SLICE(PREV));
    memset(w.p, '0', AUDIT_HASH);
    w.p += AUDIT_HASH;
    *w.p++ = '"';
    return w;
}

static size_t end(struct json_line *w, const char *line) {
    json_put(w, SLICE("}\n"));
    return (size_t)(w->p - line);
}

static void put_executable(struct json_line *w, const char *executable) {
    if (executable)
        json_put_member(w, SLICE(",\"executable\":"), slice_of_string(executable), ASKER_PATH_MAX);
    else
        json_put(w, SLICE(",\"executable\":null"));
}

size_t audit_line_exchange(char line[static LIMIT_AUDIT_LINE], const struct audit_subject *subject,
                           const struct exchange_record *record) {
    struct json_line w = begin(line);

    json_put_member(&w, SLICE(",\"lease\":"), slice_of_string(subject->lease), LIMIT_NAME);
    json_put_member(&w, SLICE(",\"identity\":"), slice_of_string(subject->identity), LIMIT_IDENTITY);
    json_put_member(&w, SLICE(",\"id\":"), slice_of_string(subject->id), LIMIT_NAME);
    json_put_number_member(&w, SLICE(",\"pid\":"), (uint64_t)MAX_OF(subject->pid, 0));
    put_executable(&w, subject->executable);
    json_put_member(&w, SLICE(",\"method\":"), record->method, LIMIT_METHOD);
    json_put_member(&w, SLICE(",\"authority\":"), slice_of_string(subject->authority), LIMIT_AUTHORITY);
    json_put_member(&w, SLICE(",\"path\":"), record->path, LIMIT_TARGET);
    json_put_number_member(&w, SLICE(",\"status\":"), record->status);
    json_put_number_member(&w, SLICE(",\"bytes_in\":"), record->bytes_in);
    json_put_number_member(&w, SLICE(",\"bytes_out\":"), record->bytes_out);
    json_put_number_member(&w, SLICE(",\"duration_ms\":"), record->duration_ms);
    json_put_member(&w, SLICE(",\"rule\":"), record->rule, RULE_TEXT_MAX);
    json_put_number_member(&w, SLICE(",\"masked\":"), record->masked);
    if (record->refusal != REFUSAL_NONE)
        json_put_member(&w, SLICE(",\"refusal\":"), slice_of_string(refusal_text(record->refusal)->name), LIMIT_NAME);
    if (record->reason.n > 0)
        json_put_member(&w, SLICE(",\"reason\":"), record->reason, REASON_MAX);
    return end(&w, line);
}

size_t audit_line_event(char line[static LIMIT_AUDIT_LINE], const struct audit_event *event) {
    static const struct slice names[] = {[AUDIT_LEASE_GRANTED] = {"lease_granted", 13},
                                         [AUDIT_LEASE_ENDED] = {"lease_ended", 11},
                                         [AUDIT_EXFILTRATION] = {"exfiltration", 12}};
    struct json_line w = begin(line);

    json_put_member(&w, SLICE(",\"event\":"), names[event->kind], LIMIT_NAME);
    json_put_member(&w, SLICE(",\"lease\":"), slice_of_string(event->lease), LIMIT_NAME);
    json_put_member(&w, SLICE(",\"identity\":"), slice_of_string(event->identity), LIMIT_IDENTITY);
    json_put_member(&w, SLICE(",\"id\":"), slice_of_string(event->id), LIMIT_NAME);
    if (event->to) {
        json_put_member(&w, SLICE(",\"to\":"), slice_of_string(event->to->lease), LIMIT_NAME);
        json_put_member(&w, SLICE(",\"authority\":"), slice_of_string(event->to->authority), LIMIT_AUTHORITY);
        json_put_member(&w, SLICE(",\"where\":"), event->where, LIMIT_REASON);
        json_put_number_member(&w, SLICE(",\"pid\":"), (uint64_t)MAX_OF(event->to->pid, 0));
        put_executable(&w, event->to->executable);
    }
    if (event->reason)
        json_put_member(&w, SLICE(",\"reason\":"), slice_of_string(event->reason), REASON_MAX);
    return end(&w, line);
}

void audit_line_set_prev(char *line, const char prev[static AUDIT_HASH]) {
    memcpy(line + PREV_AT, prev, AUDIT_HASH);
}

struct slice audit_line_value(struct slice line, struct slice key) {
    const char *at = memmem(line.p, line.n, key.p, key.n);
    struct slice rest;
    size_t n = 0;

    if (!at)
        return SLICE_EMPTY;
    rest = slice_from(line, (size_t)(at - line.p) + key.n);
    if (rest.n > 0 && rest.p[0] == '"')
        rest = slice_from(rest, 1);
    while (n < rest.n && rest.p[n] != '"' && rest.p[n] != ',' && rest.p[n] != '}')
        n++;
    return slice_first(rest, n);
}

struct slice audit_line_prev(struct slice line) {
    struct slice prev = audit_line_value(line, SLICE("\"prev\":"));

    if (prev.n != AUDIT_HASH)
        return SLICE_EMPTY;
    for (size_t i = 0; i < prev.n; i++)
        if (num_hex_digit(prev.p[i]) < 0)
            return SLICE_EMPTY;
    return prev;
}
