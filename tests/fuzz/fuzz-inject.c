/*
 * The input is a byte that says how the key is put in, a byte that says how long it is, the key, and a request as a relay
 * would send it, without its type.
 */
#include <errno.h>

#include "egress/exchange_codec.h"
#include "egress/inject.h"
#include "fuzz.h"
#include "wire/query.h"

#define MAX_SECRET 255

static char key_name[] = "app_key", field_name[] = "X-Custom-Key", plain[] = "{}", bearer[] = "Bearer {}";
static char default_port[] = "https://api.example.org", other_port[] = "http://[::1]:8080/base/v1";

static char message[LIMIT_DATAGRAM + 1];
static struct http_fields fields;
static struct http_request head;

static struct credential made(uint8_t how) {
    struct credential credential = {.upstream = how & 1 ? default_port : other_port};

    credential.inject = how & 2 ? (struct inject){INJECT_QUERY, key_name, NULL}
                                : (struct inject){INJECT_HEADER, field_name, how & 4 ? plain : bearer};
    REQUIRE(uri_parse_upstream(slice_of_string(credential.upstream), &credential.authority) == NULL);
    return credential;
}

static size_t count(struct slice name) {
    size_t n = 0;

    for (size_t at = 0; http_fields_find(&head.fields, name, at, &at); at++)
        n++;
    return n;
}

/* Where a server finds the key: once, with the key in it and nothing else. */
static void require_key_once(const struct credential *credential, struct slice secret) {
    struct slice target = head.target, path = slice_cut(&target, '?'), parameter = {0}, prefix = SLICE("app_key=");
    const char *format = credential->inject.format;
    const struct http_field *field;
    char decoded[MAX_SECRET * 3];

    REQUIRE(slice_has(path, '/') || slice_equals(path, SLICE("*")));
    if (credential->inject.kind == INJECT_QUERY) {
        REQUIRE(target.p && query_find(target, slice_of_string(key_name), &parameter) == QUERY_ONCE);
        REQUIRE(slice_starts_with(parameter, prefix) && parameter.n - prefix.n <= sizeof(decoded));
        REQUIRE(slice_equals(slice_of(decoded, uri_percent_decode(slice_from(parameter, prefix.n), decoded)), secret));
        return;
    }
    REQUIRE(count(slice_of_string(field_name)) == 1);
    field = http_fields_find(&head.fields, slice_of_string(field_name), 0, NULL);
    if (format == bearer) {
        REQUIRE(slice_starts_with(field->value, SLICE("Bearer")));
        REQUIRE(slice_equals(slice_trim(slice_from(field->value, 6)), slice_trim(secret)));
    } else {
        REQUIRE(slice_equals(field->value, slice_trim(secret)));
    }
    REQUIRE(count(SLICE("X_Custom_Key")) == 0 && count(SLICE("x-custom_key")) == 0);
}

static void require_rest(const struct credential *credential, const struct request_head *request) {
    struct http_framing framing;
    struct slice host = {0};

    REQUIRE(slice_equals(head.method, request->method));
    REQUIRE(count(SLICE("Host")) == 1 && http_host_check(&head, &host) == HTTP_OK);
    REQUIRE(slice_equals(host, credential->upstream == default_port ? SLICE("api.example.org") : SLICE("[::1]:8080")));
    REQUIRE(count(SLICE("Authorization")) == 0 && count(SLICE("Cookie")) == 0 && count(SLICE("X_Api_Key")) == 0);
    REQUIRE(count(SLICE("Accept-Encoding")) == 1 && count(SLICE("Accept_Encoding")) == 0);
    REQUIRE(count(SLICE("Connection")) == 0 && count(SLICE("Upgrade")) == 0 && count(SLICE("Trailer")) == 0);
    if (request->body.length <= INT64_MAX) {
        REQUIRE(http_request_framing(&head, &framing) == HTTP_OK);
        REQUIRE(framing.kind == request->body.kind);
        REQUIRE(framing.kind != HTTP_BODY_LENGTH || framing.length == request->body.length);
    }
    REQUIRE(request->path.p[0] != '/' || slice_starts_with(head.target, credential->authority.base_path));
}

/* Heads of a size that our own parser, which has the relay's limits, takes. */
static bool is_small(const struct request_head *request) {
    size_t n = request->path.n + request->query.n + 4 * MAX_SECRET;

    if (n > LIMIT_TARGET || request->n_fields + 8 > LIMIT_FIELDS)
        return false;
    for (size_t i = 0; i < request->n_fields; i++)
        n += request->fields[i].name.n + request->fields[i].value.n + 4;
    return n < LIMIT_FIELD_LINE;
}

static void require_good_head(const struct credential *credential, struct slice bytes,
                              const struct request_head *request) {
    struct secret *secret = NULL;
    struct http_head_scan scan = {0};
    enum http_fault fault;
    struct buf out;
    int fd, r;

    REQUIRE(secret_seal(bytes, &fd) == 0 && secret_open(fd, &secret) == 0);
    buf_init_secret(&out, LIMIT_DATAGRAM);
    r = inject_write_head(&out, credential, secret, request);
    if (r < 0) {
        REQUIRE(r == -EINVAL && credential->inject.kind == INJECT_HEADER && !http_is_field_value(slice_trim(bytes)));
    } else {
        REQUIRE(http_head_scan(&scan, HTTP_REQUEST, buf_slice(&out), &fault) == (ptrdiff_t)buf_length(&out));
        REQUIRE(http_request_parse(buf_slice(&out), &head) == HTTP_OK);
        require_key_once(credential, bytes);
        require_rest(credential, request);
    }
    buf_release(&out);
    secret_free(secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size), secret, body;
    struct request_head request;
    struct credential credential;
    struct ipc_message m;
    bool is_end;

    if (size < 3 || data[1] == 0 || size > LIMIT_READ)
        return 0;
    credential = made(data[0]);
    secret = slice_first(slice_from(in, 2), data[1]);
    in = slice_from(in, 2 + secret.n);
    message[0] = IPC_REQUEST;
    memcpy(message + 1, in.p, in.n);
    m = ipc_message_of(slice_of(message, 1 + in.n));
    if (secret.n == 0 || request_decode(&m, &fields, &request, &body, &is_end) < 0)
        return 0;
    if (inject_check(&credential, &request) == NULL && is_small(&request))
        require_good_head(&credential, secret, &request);
    return 0;
}
