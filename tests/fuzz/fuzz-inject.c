/*
 * The input is a byte of options, a byte that says in which places the key is put, a byte that says how long it is, the
 * key, and a request as a relay would send it, without its type. The head that comes of it is read back by a parser of
 * its own, which knows none of ours.
 */
#include <errno.h>

#include "egress/exchange_codec.h"
#include "egress/keeper/inject.h"
#include "fuzz.h"

#define MARK "Zq7Xv9Kp" /* ends every key, and stands in no request: wherever it turns up, the key was written */
#define SECRET_MAX (255 + sizeof(MARK) - 1)
#define LINES_MAX (LIMIT_FIELDS + 16)

enum option { DEFAULT_PORT = 1, MASK_OFF = 2 };

static char app_key[] = "app_key", token[] = "token", custom[] = "X-Custom-Key", braces[] = "{\"{}\"}",
            user[] = "alice", password[] = "pass:word", first[] = "sid", second[] = "csrf", bot[] = "/bot{}";

/* A bit of the input's for each. */
static const struct inject places[] = {
    {INJECT_QUERY, app_key, NULL},           {INJECT_QUERY, token, NULL},
    {INJECT_HEADER, custom, braces},         {INJECT_BASIC_USER, user, NULL},
    {INJECT_BASIC_PASSWORD, password, NULL}, {INJECT_COOKIE, first, NULL},
    {INJECT_COOKIE, second, NULL},           {INJECT_PATH, NULL, bot},
};

static char default_port[] = "https://api.example.org", other_port[] = "http://[::1]:8080/base/v1";

static struct inject chosen[ARRAY_LEN(places)];
static char message[LIMIT_DATAGRAM + 1], secret_bytes[SECRET_MAX];
static struct http_fields fields;
static struct slice secret;
static struct slice lines[LINES_MAX];
static size_t n_lines;

static struct credential made(uint8_t options, uint8_t which) {
    struct credential credential = {.upstream = options & DEFAULT_PORT ? default_port : other_port,
                                    .inject = chosen,
                                    .is_mask_off = options & MASK_OFF};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        bool is_second_pair = places[i].kind == INJECT_BASIC_PASSWORD && which & 1 << (i - 1);

        if (which & 1 << i && !is_second_pair)
            chosen[credential.n_inject++] = places[i];
    }
    REQUIRE(uri_parse_upstream(slice_of_string(credential.upstream), &credential.authority) == NULL);
    return credential;
}

static const struct inject *next_of(const struct credential *credential, enum inject_kind kind, size_t *at) {
    while (*at < credential->n_inject)
        if (credential->inject[(*at)++].kind == kind)
            return &credential->inject[*at - 1];
    return NULL;
}

static bool has(const struct credential *credential, enum inject_kind kind) {
    size_t at = 0;

    return next_of(credential, kind, &at) != NULL;
}

static size_t occurrences(struct slice text, struct slice of) {
    size_t n = 0;

    for (size_t at = 0; at + of.n <= text.n; at++)
        n += memcmp(text.p + at, of.p, of.n) == 0;
    return n;
}

/* What a server reads of an escaped text; with `is_form`, a + is a blank. */
static struct slice decoded(struct slice text, bool is_form, char *to) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        const char *high = NULL, *low = NULL;

        if (text.p[i] == '%' && text.n - i > 2 && text.p[i + 1] && text.p[i + 2]) {
            high = strchr(digits, ascii_lower(text.p[i + 1]));
            low = strchr(digits, ascii_lower(text.p[i + 2]));
        }
        if (high && low) {
            to[n++] = (char)((high - digits) << 4 | (low - digits));
            i += 2;
        } else {
            to[n++] = is_form && text.p[i] == '+' ? ' ' : text.p[i];
        }
    }
    return slice_of(to, n);
}

static struct slice from_base64(struct slice text, char *to) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0, held = 0;

    for (size_t i = 0; i < text.n && text.p[i] != '='; i++) {
        const char *digit = strchr(alphabet, text.p[i]);

        REQUIRE(digit && *digit);
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        held += 6;
        if (held >= 8)
            to[n++] = (char)(bits >> (held -= 8));
    }
    REQUIRE(text.n % 4 == 0);
    return slice_of(to, n);
}

/* A line ends at CR LF and nowhere else, an empty one ends the head, and nothing comes behind it. */
static void split_head(struct slice head) {
    struct slice rest = head;

    n_lines = 0;
    for (;;) {
        size_t n = slice_index(rest, '\r');

        REQUIRE(n + 1 < rest.n && rest.p[n + 1] == '\n');
        for (size_t i = 0; i < n; i++)
            REQUIRE(rest.p[i] == '\t' || ((unsigned char)rest.p[i] >= ' ' && rest.p[i] != '\x7F'));
        if (n == 0)
            break;
        REQUIRE(n_lines < LINES_MAX);
        lines[n_lines++] = slice_first(rest, n);
        rest = slice_from(rest, n + 2);
    }
    REQUIRE(rest.n == 2);
}

/* As CGI reads names: in any case, and a - may be a _. How many there are, and the last one's value. */
static size_t find_field(const char *name, struct slice *ret_value) {
    size_t n = 0;

    for (size_t i = 1; i < n_lines; i++) {
        struct slice value = lines[i], given = slice_cut(&value, ':');
        size_t same = 0;

        REQUIRE(value.p && given.n > 0);
        while (same < given.n && name[same] &&
               ascii_lower(given.p[same] == '_' ? '-' : given.p[same]) == ascii_lower(name[same]))
            same++;
        if (same < given.n || name[same])
            continue;
        *ret_value = slice_trim(value);
        n++;
    }
    return n;
}

/* As the most liberal server takes a query apart: at ; too, and with names unescaped, in any case. */
static size_t count_parameters(struct slice query, const char *name) {
    static char name_bytes[LIMIT_DATAGRAM];
    size_t n = 0;

    for (struct slice rest = query; rest.p;) {
        struct slice parameter = slice_cut(&rest, '&');

        while (parameter.p) {
            struct slice value = slice_cut(&parameter, ';'), given = decoded(slice_cut(&value, '='), true, name_bytes);

            n += slice_equals_nocase(given, slice_of_string(name));
        }
    }
    return n;
}

/* The next parameter that is neither empty nor one of the credential's. */
static struct slice next_other(const struct credential *credential, struct slice *rest) {
    while (rest->p) {
        struct slice parameter = slice_cut(rest, '&'), value = parameter, name = slice_cut(&value, '=');
        bool is_ours = false;
        const struct inject *inject;

        for (size_t at = 0; (inject = next_of(credential, INJECT_QUERY, &at));)
            is_ours = is_ours || slice_equals(name, slice_of_string(inject->name));
        if (!is_ours && parameter.n > 0)
            return parameter;
    }
    return SLICE_EMPTY;
}

static void require_query(const struct credential *credential, const struct request_head *request, struct slice query) {
    struct slice given = request->query, got = query, other;
    const struct inject *inject;

    REQUIRE((query.p != NULL) == (request->has_query || has(credential, INJECT_QUERY)));
    for (size_t at = 0; (inject = next_of(credential, INJECT_QUERY, &at));) {
        char bytes[3 * SECRET_MAX];

        REQUIRE(count_parameters(query, inject->name) == 1);
        for (struct slice rest = query; rest.p;) {
            struct slice value = slice_cut(&rest, '&'), name = slice_cut(&value, '=');

            if (!slice_equals(name, slice_of_string(inject->name)))
                continue;
            REQUIRE(value.p && value.n <= sizeof(bytes) && slice_equals(decoded(value, true, bytes), secret));
        }
    }
    do {
        other = next_other(credential, &given);
        REQUIRE(slice_equals(other, next_other(credential, &got)));
    } while (other.n > 0);
}

static void require_target(const struct credential *credential, const struct request_head *request) {
    struct slice rest = lines[0], method = slice_cut(&rest, ' '), query = slice_cut(&rest, ' '),
                 path = slice_cut(&query, '?');
    char bytes[3 * SECRET_MAX];

    REQUIRE(slice_equals(method, request->method) && rest.p && slice_equals(rest, SLICE("HTTP/1.1")));
    if (request->path.p[0] == '/') {
        REQUIRE(slice_starts_with(path, credential->authority.base_path));
        path = slice_from(path, credential->authority.base_path.n);
    }
    if (has(credential, INJECT_PATH)) {
        size_t n = slice_index(slice_from(path, 1), '/');

        REQUIRE(slice_starts_with(path, SLICE("/bot")) && n + 1 < path.n && n - 3 <= sizeof(bytes));
        REQUIRE(slice_equals(decoded(slice_first(slice_from(path, 4), n - 3), false, bytes), secret));
        path = slice_from(path, 1 + n);
    }
    REQUIRE(slice_equals(path, request->path));
    require_query(credential, request, query);
}

static void require_pair(const struct credential *credential) {
    bool is_password = has(credential, INJECT_BASIC_USER), is_user = has(credential, INJECT_BASIC_PASSWORD);
    char bytes[2 * SECRET_MAX];
    struct slice pair, name;

    REQUIRE(find_field("Authorization", &pair) == (is_password || is_user));
    if (!is_password && !is_user)
        return;
    REQUIRE(slice_starts_with(pair, SLICE("Basic ")));
    pair = from_base64(slice_from(pair, 6), bytes);
    name = slice_cut(&pair, ':');
    REQUIRE(slice_equals(is_password ? name : pair, slice_of_string(is_password ? user : password)));
    REQUIRE(slice_equals(is_password ? pair : name, secret));
}

static void require_cookies(const struct credential *credential) {
    const struct inject *inject;
    struct slice cookies;

    REQUIRE(find_field("Cookie", &cookies) == has(credential, INJECT_COOKIE));
    if (!has(credential, INJECT_COOKIE))
        return;
    for (size_t at = 0; (inject = next_of(credential, INJECT_COOKIE, &at));) {
        struct slice value = slice_trim(slice_cut(&cookies, ';')), name = slice_cut(&value, '=');

        REQUIRE(slice_equals(name, slice_of_string(inject->name)) && value.p && slice_equals(value, secret));
    }
    REQUIRE(!cookies.p);
}

static void require_fields(const struct credential *credential, const struct request_head *request) {
    static const char *const never[] = {
        "Connection",         "Upgrade", "Trailer", "Keep-Alive", "X-Api-Key", "Api-Key", "X-HTTP-Method-Override",
        "Proxy-Authorization"};
    static const char *const hiding[] = {"Range", "If-Range", "Request-Range", "A-IM"};
    bool has_custom = has(credential, INJECT_HEADER);
    struct slice value;

    REQUIRE(find_field("Host", &value) == 1);
    REQUIRE(slice_equals(value, credential->upstream == default_port ? SLICE("api.example.org") : SLICE("[::1]:8080")));
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        REQUIRE(find_field(never[i], &value) == 0);
    for (size_t i = 0; i < ARRAY_LEN(hiding); i++)
        REQUIRE(credential->is_mask_off || find_field(hiding[i], &value) == 0);
    REQUIRE(credential->is_mask_off ||
            (find_field("Accept-Encoding", &value) == 1 && slice_equals(value, SLICE("identity"))));
    if (has_custom) {
        REQUIRE(find_field(custom, &value) == 1 && value.n == secret.n + 4);
        REQUIRE(slice_starts_with(value, SLICE("{\"")) && slice_ends_with(value, SLICE("\"}")));
        REQUIRE(slice_equals(slice_first(slice_from(value, 2), secret.n), secret));
    }
    REQUIRE(find_field("Content-Length", &value) == (request->body.kind == HTTP_BODY_LENGTH));
    REQUIRE(find_field("Transfer-Encoding", &value) == (request->body.kind == HTTP_BODY_CHUNKED));
    REQUIRE(find_field("Expect", &value) == request->expects_continue);
}

/* Nowhere else than where it was asked for: of a pair, the encoding shows no mark. */
static void require_as_often(const struct credential *credential) {
    size_t n = 0, pairs = has(credential, INJECT_BASIC_USER) + has(credential, INJECT_BASIC_PASSWORD);

    for (size_t i = 0; i < n_lines; i++)
        if (!slice_starts_with(lines[i], SLICE("Authorization: Basic ")))
            n += occurrences(lines[i], SLICE(MARK));
    REQUIRE(n == (credential->n_inject - pairs) * occurrences(secret, SLICE(MARK)));
}

/* Whether each place can hold the key (S 5.5, RFC 7617 §2, RFC 6265 §4.1.1). */
static bool can_be_held(const struct credential *credential) {
    bool has_pair = has(credential, INJECT_BASIC_USER) || has(credential, INJECT_BASIC_PASSWORD);

    for (size_t i = 0; i < secret.n; i++) {
        unsigned char c = (unsigned char)secret.p[i];
        bool is_control = c < 0x20 || c == 0x7F;

        if ((has(credential, INJECT_HEADER) && is_control && c != '\t') || (has_pair && is_control) ||
            (has(credential, INJECT_BASIC_PASSWORD) && c == ':') ||
            (has(credential, INJECT_COOKIE) && (c <= ' ' || c > '~' || strchr("\",;\\", c))))
            return false;
    }
    return true;
}

static void require_good_head(const struct credential *credential, const struct request_head *request) {
    struct secret *held = NULL;
    struct buf out;
    int fd, r;

    REQUIRE(secret_seal(secret, &fd) == 0 && secret_open(fd, &held) == 0);
    buf_init_secret(&out, 2 * LIMIT_DATAGRAM);
    r = inject_write_head(&out, credential, held, request);
    REQUIRE(r == (can_be_held(credential) ? 0 : -EINVAL));
    if (r < 0) {
        REQUIRE(buf_is_empty(&out));
    } else {
        split_head(buf_slice(&out));
        require_target(credential, request);
        require_fields(credential, request);
        require_pair(credential);
        require_cookies(credential);
        require_as_often(credential);
    }
    buf_release(&out);
    secret_free(held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size), given, body;
    struct request_head request;
    struct credential credential;
    struct ipc_message m;
    bool is_end;

    if (size < 4 || data[1] == 0 || size > LIMIT_READ)
        return 0;
    credential = made(data[0], data[1]);
    given = slice_first(slice_from(in, 3), data[2]);
    in = slice_from(in, 3 + given.n);
    memcpy(secret_bytes, given.p, given.n);
    memcpy(secret_bytes + given.n, MARK, sizeof(MARK) - 1);
    secret = slice_of(secret_bytes, given.n + sizeof(MARK) - 1);
    message[0] = IPC_REQUEST;
    memcpy(message + 1, in.p, in.n);
    m = ipc_message_of(slice_of(message, 1 + in.n));
    if (occurrences(in, SLICE(MARK)) > 0 || request_decode(&m, &fields, &request, &body, &is_end) < 0)
        return 0;
    if (inject_check(&credential, &request) == NULL)
        require_good_head(&credential, &request);
    return 0;
}
