#include "relay/problem.h"

#include <string.h>

/* What a program switches on, and what a person does about it. Stable. */
static const struct kind {
    unsigned status;
    struct slice code, hint;
} kinds[] = {
    {403, SLICE("forbidden"), SLICE("see the credential's allow list")},
    {408, SLICE("request_timeout"), SLICE("send the request faster, or raise the timeouts")},
    {500, SLICE("internal_error"), SLICE("see credfd's own messages")},
    {502, SLICE("upstream_failed"), SLICE("see the upstream itself, and the credential's upstream and ca_file")},
    {503, SLICE("unavailable"), SLICE("try again in a moment")},
    {504, SLICE("upstream_timeout"), SLICE("try again, or raise response_timeout or timeouts.connect")},
    {0, SLICE("bad_request"), SLICE("mend the request: only what can be read in one way is forwarded")},
};

static const struct kind *kind_of(unsigned status) {
    size_t i = 0;

    while (kinds[i].status != 0 && kinds[i].status != status)
        i++;
    return &kinds[i];
}

struct text {
    char *to;
    size_t n;
};

static void add(struct text *text, struct slice bytes) {
    for (size_t i = 0; i < bytes.n && text->n + 8 < PROBLEM_MAX; i++)
        text->to[text->n++] = bytes.p[i];
}

static void add_string(struct text *text, struct slice name, struct slice value) {
    add(text, SLICE("\""));
    add(text, name);
    add(text, SLICE("\":\""));
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        bool is_plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

        add(text, is_plain ? slice_of(&c, 1) : SLICE("?"));
    }
    add(text, SLICE("\""));
}

size_t problem_body(char to[static PROBLEM_MAX], unsigned status, const char *lease, struct slice reason,
                    struct slice hint) {
    const struct kind *kind = kind_of(status);
    struct text text = {.to = to};

    add(&text, SLICE("{"));
    add_string(&text, SLICE("error"), kind->code);
    add(&text, SLICE(","));
    add_string(&text, SLICE("lease"), slice_of_string(lease));
    add(&text, SLICE(","));
    add_string(&text, SLICE("reason"), reason);
    add(&text, SLICE(","));
    add_string(&text, SLICE("hint"), hint.n > 0 ? hint : kind->hint);
    /* add leaves room for these whatever came before */
    memcpy(to + text.n, "}\n", 2);
    return text.n + 2;
}
