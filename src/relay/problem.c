#include "relay/problem.h"

#include "base/macros.h"

/* What a program switches on; stable. */
static struct slice code_of(unsigned status) {
    static const struct {
        unsigned status;
        struct slice code;
    } codes[] = {
        {403, {"forbidden", 9}},          {408, {"request_timeout", 15}},  {429, {"too_many_requests", 17}},
        {502, {"upstream_failed", 15}},   {503, {"unavailable", 11}},      {504, {"upstream_timeout", 16}},
        {500, {"internal_error", 14}},
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return SLICE("bad_request");
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
    struct text text = {.to = to};

    add(&text, SLICE("{"));
    add_string(&text, SLICE("error"), code_of(status));
    add(&text, SLICE(","));
    add_string(&text, SLICE("lease"), slice_of_string(lease));
    add(&text, SLICE(","));
    add_string(&text, SLICE("reason"), reason);
    if (hint.n > 0) {
        add(&text, SLICE(","));
        add_string(&text, SLICE("hint"), hint);
    }
    /* add leaves room for these whatever came before */
    memcpy(to + text.n, "}\n", 2);
    return text.n + 2;
}
