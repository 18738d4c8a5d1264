#include "egress/door/proxy_turn.h"

#include "base/macros.h"
#include "egress/door/door_canary.h"
#include "wire/http_head.h"

/* A first line that is longer is told of as far as it goes. */
#define LINE_MAX (LIMIT_METHOD + LIMIT_TARGET)

int proxy_turn_look(struct slice came) {
    uint32_t lease;

    return door_canary() ? canary_look(door_canary(), came, &lease) : 0;
}

/* The bytes of the first line, each one that may be shown: it is told to people, and held by C strings. */
static struct slice copy_line(struct slice came, char to[static LINE_MAX]) {
    struct slice line = slice_first(came, MIN_OF(slice_index(came, '\r'), slice_index(came, '\n')));
    size_t n = MIN_OF(line.n, (size_t)LINE_MAX);

    for (size_t i = 0; i < n; i++)
        to[i] = line.p[i];
    canary_hide(door_canary(), to, n);
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)to[i] < ' ' || (unsigned char)to[i] > '~' ? '?' : to[i];
    return slice_of(to, n);
}

/* Host and port: whoever writes a user's name, or a password, before them does not write it into the audit. */
static struct slice without_user(struct slice authority) {
    for (size_t at; (at = slice_index(authority, '@')) < authority.n;)
        authority = slice_from(authority, at + 1);
    return authority;
}

static struct slice before(struct slice text, const char *ends) {
    size_t n = 0;

    while (n < text.n && !strchr(ends, text.p[n]))
        n++;
    return slice_first(text, n);
}

/* http://host/path, or /path. */
static void read_target(struct slice target, struct turned_away *ret) {
    size_t at = slice_index(target, ':');
    struct slice rest = target;

    if (slice_starts_with(slice_from(target, at), SLICE("://"))) {
        rest = slice_from(target, at + 3);
        ret->authority = before(rest, "/?#");
        rest = slice_from(rest, ret->authority.n);
        ret->authority = without_user(ret->authority);
    }
    if (slice_starts_with(rest, SLICE("/")))
        ret->path = before(rest, "?#");
}

/* Far from strict: it is only to be told of. What does not begin as a request does has nothing to tell. */
static void read_line(struct slice line, struct turned_away *ret) {
    struct slice method = slice_first(line, slice_index(line, ' '));
    struct slice target = slice_from(line, method.n + 1);

    target = slice_first(target, slice_index(target, ' '));
    if (!http_is_token(method) || method.n == line.n)
        return;
    ret->method = method;
    if (slice_equals(method, SLICE("CONNECT")))
        ret->authority = without_user(target);
    else
        read_target(target, ret);
}

void proxy_turn_tell(const struct caller *caller, enum turn_away_why why, const struct proxy_place *place,
                     struct slice came, unsigned status, struct slice reason) {
    _uninitialised_ char line[LINE_MAX];
    struct turned_away what = {.why = why,
                               .door = place ? place->door : TURN_AWAY_NO_DOOR,
                               .status = status,
                               .method = SLICE_EMPTY,
                               .authority = SLICE_EMPTY,
                               .path = SLICE_EMPTY,
                               .reason = reason};

    read_line(copy_line(came, line), &what);
    turn_away_tell(caller, &what);
}
