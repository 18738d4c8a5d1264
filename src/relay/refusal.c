#include "relay/refusal.h"

#include <stdio.h>

#include "base/macros.h"
#include "wire/authority.h"

/* The next line, without its end; what has no end yet is one, too. False: there is none. */
static bool take_line(struct slice *rest, struct slice *ret) {
    size_t n = slice_index(*rest, '\n');

    if (rest->n == 0)
        return false;
    *ret = slice_first(*rest, n);
    if (slice_ends_with(*ret, SLICE("\r")))
        ret->n--;
    *rest = slice_from(*rest, MIN_OF(n + 1, rest->n));
    return true;
}

static void read_request_line(struct slice line, struct refusal *ret) {
    struct slice method = slice_cut(&line, ' '), target = slice_cut(&line, ' ');

    if (method.n <= LIMIT_METHOD && http_is_token(method))
        ret->method = method;
    if (slice_starts_with(target, SLICE("/")))
        ret->path = slice_first(target, slice_index(target, '?'));
}

/* What the lines of fields show of the fault. */
struct shown {
    struct slice bad;    /* the name in the first line that is no field */
    struct slice widest; /* the name in the longest line */
    size_t width;
};

/* Whether it is a field. Of a line that is none only what stands before a colon is a name, and may be told. */
static bool read_field(struct slice line, struct shown *shown, struct refusal *ret) {
    struct slice name = slice_first(line, slice_index(line, ':')), value = slice_trim(slice_from(line, name.n + 1));
    bool has_name = name.n > 0 && name.n < line.n && line.p[0] != ' ' && line.p[0] != '\t';

    if (has_name && line.n > shown->width) {
        shown->widest = name;
        shown->width = line.n;
    }
    if (has_name && http_is_token(name) && line.n <= LIMIT_FIELD_LINE && http_is_field_value(value) &&
        ret->fields.n < LIMIT_FIELDS) {
        http_fields_add(&ret->fields, name, value, http_name_of(name));
        return true;
    }
    if (has_name)
        shown->bad = name;
    return false;
}

/* One that stands twice, or is none, says nothing. */
static void read_host(struct refusal *ret) {
    struct authority authority;
    bool is_repeated;
    const struct http_field *host = http_fields_find_single(&ret->fields, HTTP_NAME_HOST, &is_repeated);

    if (host && !is_repeated && authority_parse(host->value, &authority))
        ret->host = host->value;
}

/* Whose fault it is: of most faults the words tell it themselves. */
static struct slice name_fault(const struct refusal *refusal, const struct shown *shown, enum http_fault fault,
                               const struct exchange_rules *rules) {
    const struct http_fields *fields = &refusal->fields;
    const struct http_field *alias;

    if (fault == HTTP_ALIAS_FIELD) {
        alias = http_fields_find_alias(fields, rules->protected_fields, rules->n_protected);
        return alias ? alias->name : SLICE_EMPTY;
    }
    if (fault == HTTP_OBSOLETE_FOLD)
        return fields->n > 0 ? fields->at[fields->n - 1].name : SLICE_EMPTY;
    if (fault == HTTP_BAD_FIELD)
        return shown->bad;
    return fault == HTTP_LARGE_HEAD ? shown->widest : SLICE_EMPTY;
}

/* Of most faults the status says it. */
static void read_mend(enum http_fault fault, const struct exchange_rules *rules, struct refusal *ret) {
    ret->rule = SLICE_EMPTY;
    ret->hint[0] = '\0';
    if (fault == HTTP_IS_HTTP2)
        (void)snprintf(ret->hint, sizeof(ret->hint), "let the client speak HTTP/1.1 from the start");
    if (fault == HTTP_IS_TLS)
        (void)snprintf(ret->hint, sizeof(ret->hint), "use http:// for this address");
    if (fault == HTTP_IS_SOCKS)
        (void)snprintf(ret->hint, sizeof(ret->hint), "use it as http://, not as socks://");
    if (fault != HTTP_OUTSIDE_BASE)
        return;
    ret->rule = SLICE("upstream");
    (void)snprintf(ret->hint, sizeof(ret->hint),
                   "ask for a path beneath %.*s, or change the path in the credential's upstream",
                   SLICE_ARG(rules->base_path));
}

void refusal_read(struct slice bytes, enum http_fault fault, const struct exchange_rules *rules, struct refusal *ret) {
    struct slice rest = slice_starts_with(bytes, SLICE("\r\n")) ? slice_from(bytes, 2) : bytes, line;
    struct shown shown = {.width = 0};

    ret->status = http_fault_status(fault);
    ret->reason = http_fault_reason(fault);
    read_mend(fault, rules, ret);
    ret->method = ret->path = ret->host = SLICE_EMPTY;
    http_fields_clear(&ret->fields);
    if (take_line(&rest, &line))
        read_request_line(line, ret);
    while (take_line(&rest, &line) && line.n > 0 && read_field(line, &shown, ret))
        continue;
    read_host(ret);
    ret->field = slice_first(name_fault(ret, &shown, fault, rules), LIMIT_FIELD_SHOWN);
}
