#include "egress/keeper/account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "net/loop.h"
#include "proc/role.h"
#include "wire/uri.h"

void account_init(struct account *a) {
    buf_init(&a->path, LIMIT_TARGET);
}

void account_done(struct account *a) {
    buf_release(&a->path);
}

int account_open(struct account *a, const struct request_head *request) {
    size_t n = MIN_OF(request->method.n, sizeof(a->method));

    account_done(a);
    *a = (struct account){.is_open = true, .path = a->path, .method_n = n, .began_ms = loop_now_ms()};
    memcpy(a->method, request->method.p, n);
    return buf_append(&a->path, request->path);
}

struct slice account_rule(const struct account *a, char text[static RULE_TEXT_MAX]) {
    struct slice setting = refusal_text(a->refusal)->rule, method, path;

    if (setting.n > 0)
        return setting;
    if (!a->rule)
        return a->is_admitted ? SLICE("all") : SLICE_EMPTY;
    method = slice_of_string(a->rule->method);
    path = slice_of_string(a->rule->path);
    if (method.n + 1 + path.n > RULE_TEXT_MAX)
        path = slice_first(path, RULE_TEXT_MAX - method.n - 1);
    memcpy(text, method.p, method.n);
    text[method.n] = ' ';
    memcpy(text + method.n + 1, path.p, path.n);
    return slice_of(text, method.n + 1 + path.n);
}

#define PATH_SHOWN 256
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PLAIN CAPITALS "abcdefghijklmnopqrstuvwxyz0123456789/-._~:@+=,"

static bool is_made_of(struct slice text, const char *bytes) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0' || !strchr(bytes, text.p[i]))
            return false;
    return true;
}

/* Every server reads it in one way, and a rule too: no escapes, no stars, nothing that would have to be normalised. */
static bool is_plain(struct slice path) {
    char normal[PATH_SHOWN + 1];
    ptrdiff_t n = path.n <= PATH_SHOWN ? uri_normalise_path(path, normal) : -1;

    if (n < 0 || !slice_equals(path, slice_of(normal, (size_t)n)))
        return false;
    return is_made_of(path, PLAIN);
}

struct slice account_mend(const struct account *a, struct slice usual, char text[static LIMIT_REASON]) {
    struct slice method = account_method(a), path = buf_slice(&a->path);
    int n;

    if (!is_made_of(method, CAPITALS) || !is_plain(path))
        return usual;
    n = snprintf(text, LIMIT_REASON,
                 "add \"%.*s %.*s\" to the credential's allow list, or see credfd log --denied --suggest",
                 SLICE_ARG(method), SLICE_ARG(path));
    return n > 0 && n < LIMIT_REASON ? slice_of(text, (size_t)n) : usual;
}

void account_close(struct account *a, uint64_t stream, const char *reason) {
    char rule[RULE_TEXT_MAX];
    struct exchange_record record = {
        .method = account_method(a),
        .path = buf_slice(&a->path),
        .rule = account_rule(a, rule),
        .reason = slice_of_string(reason),
        .status = a->status,
        .bytes_in = a->bytes_in,
        .bytes_out = a->bytes_out,
        .duration_ms = loop_now_ms() - a->began_ms,
        .masked = (uint32_t)MIN_OF(a->masked, (uint64_t)UINT32_MAX),
        .is_admitted = a->is_admitted,
        .refusal = a->refusal,
        .connection = a->connection,
    };
    struct ipc_writer w;

    if (!a->is_open)
        return;
    a->is_open = false;
    w = record_encode(stream, &record);
    role_send(&w, -EBADF);
    account_done(a);
}
