#include "ingress/pairing/recipe_request.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "wire/http_write.h"
#include "wire/uri.h"

typedef int append_escaped(struct buf *to, struct slice text);

/* RFC 8259 §7: inside the quotes of a string, which the template has. */
static int append_json(struct buf *to, struct slice text) {
    static const char hex[] = "0123456789abcdef";
    int r = 0;

    for (size_t i = 0; r == 0 && i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        const char escaped[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

        if (c < 0x20 || c == '"' || c == '\\')
            r = buf_append(to, slice_of(escaped, sizeof(escaped)));
        else
            r = buf_append(to, slice_of(&text.p[i], 1));
    }
    return r;
}

/* As a query and a form ask: everything but what is unreserved (RFC 3986 §2.3) as %XX. */
static int append_percent(struct buf *to, struct slice text) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < text.n; i++) {
        char escaped[3];

        r = buf_append(to, slice_of(escaped, uri_percent_encode(slice_of(&text.p[i], 1), escaped)));
    }
    return r;
}

static int append_filled(struct buf *to, const char *template, struct slice credential, append_escaped *escape) {
    const char *place;
    int r = 0;

    while (r == 0 && (place = strstr(template, RECIPE_PLACE)) != NULL) {
        r = buf_append(to, slice_of(template, (size_t)(place - template)));
        if (r == 0)
            r = escape(to, credential);
        template = place + strlen(RECIPE_PLACE);
    }
    return r == 0 ? buf_append(to, slice_of_string(template)) : r;
}

/* What every request to an instance says of who asks, as the browser's own would (contract: the instance compares). */
static int append_origin(struct buf *to, const struct target *target) {
    struct slice host = slice_of_string(*target->host ? target->host : "localhost");
    int r = http_write_field(to, SLICE("Host"), host);

    if (r == 0)
        r = http_write_field(to, SLICE("X-Forwarded-Host"), host);
    if (r == 0)
        r = http_write_field(to, SLICE("X-Forwarded-Proto"), target->is_https ? SLICE("https") : SLICE("http"));
    if (r == 0 && target->recipe->identity_header)
        r = http_write_field(to, slice_of_string(target->recipe->identity_header), target->instance.name);
    if (r == 0)
        r = http_write_field(to, SLICE("Accept"), SLICE("application/json, */*;q=0.5"));
    if (r == 0)
        r = http_write_field(to, SLICE("Accept-Encoding"), SLICE("identity"));
    return r == 0 ? http_write_field(to, SLICE("Connection"), SLICE("close")) : r;
}

int recipe_write_get(const struct target *target, const char *path, struct slice cookies, struct buf *to) {
    int r = http_write_request_line(to, SLICE("GET"), slice_of_string(path));

    if (r == 0)
        r = append_origin(to, target);
    if (r == 0 && cookies.n > 0)
        r = http_write_field(to, SLICE("Cookie"), cookies);
    return r == 0 ? http_write_head_end(to) : r;
}

static int append_body(const struct recipe_exchange *exchange, struct slice body, struct buf *to) {
    int r;

    if (exchange->body == RECIPE_NO_BODY && strcmp(exchange->method, "POST") != 0)
        return http_write_head_end(to);
    r = http_write_field_number(to, SLICE("Content-Length"), body.n);
    if (r == 0 && exchange->body != RECIPE_NO_BODY)
        r = http_write_field(to, SLICE("Content-Type"),
                             exchange->body == RECIPE_JSON ? SLICE("application/json")
                                                           : SLICE("application/x-www-form-urlencoded"));
    if (r == 0)
        r = http_write_head_end(to);
    return r == 0 ? buf_append(to, body) : r;
}

static int write_exchange(const struct target *target, const struct recipe_exchange *exchange, struct slice credential,
                          struct buf *path, struct buf *body, struct buf *to) {
    int r = append_filled(path, exchange->path, credential, append_percent);

    if (r == 0 && exchange->body != RECIPE_NO_BODY)
        r = append_filled(body, exchange->template, credential,
                          exchange->body == RECIPE_JSON ? append_json : append_percent);
    if (r == 0)
        r = http_write_request_line(to, slice_of_string(exchange->method), buf_slice(path));
    if (r == 0)
        r = append_origin(to, target);
    return r == 0 ? append_body(exchange, buf_slice(body), to) : r;
}

int recipe_write_exchange(const struct target *target, size_t exchange, struct slice credential, struct buf *to) {
    struct buf path, body;
    int r;

    buf_init_secret(&path, LIMIT_TARGET);
    buf_init_secret(&body, RECIPE_REQUEST_MAX);
    r = write_exchange(target, &target->recipe->exchanges[exchange], credential, &path, &body, to);
    buf_release(&path);
    buf_release(&body);
    return r;
}

bool recipe_accepts(const struct recipe *recipe, unsigned status) {
    for (size_t i = 0; i < recipe->n_accepted; i++)
        if (recipe->accepted[i] == status)
            return true;
    return false;
}
