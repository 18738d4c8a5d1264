#include "relay/problem.h"

#include <string.h>

/* What a program switches on, and what a person does about it: through a lease, or without one. Stable. */
static const struct kind {
    unsigned status;
    struct slice code, hint, plain_hint;
} kinds[] = {
    {403, SLICE("forbidden"), SLICE("see the credential's allow list"), SLICE("ask whoever runs this server")},
    {404, SLICE("not_found"), SLICE("take the whole URL that the command was given"), SLICE("see the URL")},
    {429, SLICE("too_many_requests"), SLICE("wait as long as Retry-After says"),
     SLICE("wait as long as Retry-After says")},
    {408, SLICE("request_timeout"), SLICE("send the request faster, or raise the timeouts"),
     SLICE("send the request faster, or raise the timeouts")},
    {421, SLICE("misdirected"), SLICE("make a connection for each host"), SLICE("make a connection for each host")},
    {426, SLICE("upgrade_required"), SLICE("use version 13 of the WebSocket protocol"),
     SLICE("use version 13 of the WebSocket protocol")},
    {500, SLICE("internal_error"), SLICE("see credfd's own messages"), SLICE("see credfd's own messages")},
    {502, SLICE("upstream_failed"), SLICE("see the upstream itself, and the credential's upstream and ca_file"),
     SLICE("see the upstream itself")},
    {503, SLICE("unavailable"), SLICE("try again in a moment"), SLICE("try again in a moment")},
    {504, SLICE("upstream_timeout"), SLICE("try again, or raise response_timeout or timeouts.connect"),
     SLICE("try again, or see the upstream itself")},
    {0, SLICE("bad_request"), SLICE("mend the request: only what can be read in one way is forwarded"),
     SLICE("mend the request: only what can be read in one way is forwarded")},
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

/* What is left out at the end for lack of room is never the end of the object. */
#define END "}\n"
#define ROOM (PROBLEM_MAX - sizeof(END) - 8)

static void add(struct text *text, struct slice bytes) {
    for (size_t i = 0; i < bytes.n && text->n < ROOM; i++)
        text->to[text->n++] = bytes.p[i];
}

/* RFC 8259 §7. What is no ASCII becomes a `?`. */
static void add_escaped(struct text *text, char c) {
    if (c == '"' || c == '\\')
        add(text, SLICE("\\"));
    add(text, c >= 0x20 && c < 0x7f ? slice_of(&c, 1) : SLICE("?"));
}

static void add_member(struct text *text, struct slice name, struct slice value) {
    add(text, text->n == 0 ? SLICE("{\"") : SLICE(",\""));
    add(text, name);
    add(text, SLICE("\":\""));
    for (size_t i = 0; i < value.n && text->n + 2 < ROOM; i++)
        add_escaped(text, value.p[i]);
    text->to[text->n++] = '"';
}

size_t problem_body(char to[static PROBLEM_MAX], const struct problem *problem) {
    const struct kind *kind = kind_of(problem->status);
    struct slice hint = problem->lease ? kind->hint : kind->plain_hint;
    struct text text = {.to = to};

    add_member(&text, SLICE("error"), kind->code);
    if (problem->lease)
        add_member(&text, SLICE("lease"), slice_of_string(problem->lease));
    if (problem->rule.n > 0)
        add_member(&text, SLICE("rule"), problem->rule);
    add_member(&text, SLICE("reason"), problem->reason);
    add_member(&text, SLICE("hint"), problem->hint.n > 0 ? problem->hint : hint);
    /* there is room for it whatever came before */
    memcpy(to + text.n, END, sizeof(END) - 1);
    return text.n + sizeof(END) - 1;
}
