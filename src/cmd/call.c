/*
 * `credfd call`: one HTTP request through a lease, for use inside `credfd run`. It holds no secret and reads no
 * configuration: all it has is the descriptor that every command of the lease has.
 */
#include "cmd/cmd.h"

#include <credfd.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/build_commit.h"
#include "cmd/http_exchange.h"
#include "cmd/usage.h"
#include "wire/http_message.h"
#include "wire/http_write.h"

#define FIELDS_OF_OURS 8 /* what head_write may add to the caller's fields */

static const char usage[] =
    "usage: credfd call [-X METHOD] [-d DATA | -d @FILE] [-H FIELD]... [-i] NAME PATH\n"
    "\n"
    "Makes one HTTP request through the lease NAME and prints the answer's body.\n"
    "For commands that `credfd run` has started.\n"
    "\n"
    "  -X, --method METHOD  GET by default, or POST with -d\n"
    "  -d, --data DATA      the request's body; @FILE reads it from a file, @- from standard input\n"
    "  -H, --header FIELD   a field of the request, `Name: value`; may be given several times\n"
    "  -i, --include        print the answer's status line and fields before its body\n"
    "  -c, --config FILE    accepted and ignored: a lease needs no configuration\n"
    "      --help           print this\n"
    "\n"
    "PATH starts with `/` and may have a query. The exit status is 0, 22 when the answer's\n"
    "status is 400 or above, or 125 when there was no lease or no whole answer.\n";

struct call {
    const char *lease;
    struct slice method;
    struct slice path; /* with its query */
    const char *data;  /* as after -d; NULL for none */
    struct http_field fields[LIMIT_FIELDS - FIELDS_OF_OURS];
    size_t n_fields;
    bool shows_head;
};

#define GOES_ON (-1) /* no exit status yet */

/* A field from the command line. NULL, or what is wrong with it. */
static const char *field_add(struct call *call, const char *text) {
    static const struct slice ours[] = {SLICE("Host"), SLICE("Connection"), SLICE("Content-Length"),
                                        SLICE("Transfer-Encoding")};
    struct slice value = slice_of_string(text), name = slice_cut(&value, ':');

    if (!value.p || !http_is_token(name))
        return "-H needs a field in the form `Name: value`";
    value = slice_trim(value);
    if (!http_is_field_value(value))
        return "a field's value holds a control byte; encode it or leave it out";
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (slice_equals_nocase(name, ours[i]))
            return "Host, Connection, Content-Length and Transfer-Encoding are written by credfd; leave out this -H";
    if (call->n_fields == ARRAY_LEN(call->fields))
        return "too many fields; a request may have some 120";
    call->fields[call->n_fields++] = (struct http_field){.name = name, .value = value};
    return NULL;
}

static bool has_field(const struct call *call, struct slice name) {
    for (size_t i = 0; i < call->n_fields; i++)
        if (slice_equals_nocase(call->fields[i].name, name))
            return true;
    return false;
}

/* What is wrong with the request itself, before anything is opened for it; or NULL. */
static const char *request_check(const struct call *call) {
    struct http_target target;

    if (!http_is_token(call->method) || call->method.n > LIMIT_METHOD)
        return "METHOD is no HTTP method, such as GET or DELETE";
    if (slice_equals(call->method, SLICE("CONNECT")))
        return "CONNECT opens a tunnel, and a lease has none";
    if (!slice_starts_with(call->path, SLICE("/")))
        return "PATH must start with `/`: give only what follows the server's name";
    if (call->path.n > LIMIT_TARGET)
        return "PATH is longer than 8 KiB";
    if (http_target_parse(call->method, call->path, &target) != HTTP_OK || target.form != HTTP_TARGET_ORIGIN)
        return "PATH holds a byte that must be percent-encoded, or a wrong percent escape";
    return NULL;
}

/* GOES_ON, or the exit status. */
static int options_read(int argc, char **argv, struct call *call) {
    static const struct option options[] = {
        {"method", required_argument, NULL, 'X'},
        {"data", required_argument, NULL, 'd'},
        {"header", required_argument, NULL, 'H'},
        {"include", no_argument, NULL, 'i'},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *method = NULL, *wrong = NULL;
    int option;

    while (!wrong && (option = getopt_long(argc, argv, ":X:d:H:ic:", options, NULL)) != -1) {
        switch (option) {
        case 'X':
            method = optarg;
            break;
        case 'd':
            wrong = call->data ? "there can be only one -d" : NULL;
            call->data = optarg;
            break;
        case 'H':
            wrong = field_add(call, optarg);
            break;
        case 'i':
            call->shows_head = true;
            break;
        case 'c':
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    if (!wrong && argc - optind != 2)
        wrong = "NAME and PATH are needed, and nothing else";
    if (!wrong) {
        call->lease = argv[optind];
        call->path = slice_of_string(argv[optind + 1]);
        call->method = slice_of_string(method ? method : call->data ? "POST" : "GET");
        wrong = request_check(call);
    }
    return wrong ? usage_refuse(argv[0], wrong) : GOES_ON;
}

/* Methods whose request is expected to have a body: one without says so (S 8.6). */
static bool method_has_body(struct slice method) {
    return slice_equals(method, SLICE("POST")) || slice_equals(method, SLICE("PUT")) ||
           slice_equals(method, SLICE("PATCH"));
}

static int framing_write(struct buf *to, const struct call *call, const struct upload *upload) {
    if (call->data && upload->is_chunked)
        return http_write_field(to, SLICE("Transfer-Encoding"), SLICE("chunked"));
    if (call->data || method_has_body(call->method))
        return http_write_field_number(to, SLICE("Content-Length"), upload->remaining);
    return 0;
}

/* The Host is a placeholder: the broker writes the true one. */
static int head_write(struct buf *to, const struct call *call, const struct upload *upload) {
    static const struct http_field defaults[] = {
        {SLICE("User-Agent"), SLICE("credfd/" CREDFD_VERSION)},
        {SLICE("Accept"), SLICE("*/*")},
        {SLICE("Content-Type"), SLICE("application/x-www-form-urlencoded")}, /* the last: only with a body */
    };
    size_t n_defaults = call->data ? ARRAY_LEN(defaults) : ARRAY_LEN(defaults) - 1;
    char host[CREDFD_NAME_MAX + 32];
    int r;

    (void)snprintf(host, sizeof(host), "%.*s.credfd.local", CREDFD_NAME_MAX, call->lease);
    r = http_write_request_line(to, call->method, call->path);
    if (r == 0)
        r = http_write_field(to, SLICE("Host"), slice_of_string(host));
    for (size_t i = 0; r == 0 && i < n_defaults; i++)
        if (!has_field(call, defaults[i].name))
            r = http_write_fields(to, &defaults[i], 1);
    if (r == 0)
        r = http_write_fields(to, call->fields, call->n_fields);
    if (r == 0)
        r = framing_write(to, call, upload);
    if (r == 0)
        r = http_write_field(to, SLICE("Connection"), SLICE("close"));
    return r < 0 ? r : http_write_head_end(to);
}

/* One line: which call, and what became of it. The query stays out: it may hold what no log should. */
static int complain(const struct call *call, const char *what, const char *why) {
    struct slice rest = call->path, path = slice_cut(&rest, '?');

    log_error("call %.64s: %.*s %.*s: %s%s%s", call->lease, SLICE_ARG(call->method), SLICE_ARG(path), what,
              why ? ": " : "", why ? why : "");
    return EXIT_CREDFD;
}

/* Which leases there are, for who named one that is not there. */
static int complain_of_lease(const struct call *call, int code) {
    char names[512] = "", name[CREDFD_NAME_MAX + 1];
    size_t at = 0;

    if (code != -ENOENT)
        return complain(call, credfd_strerror(code), NULL);
    for (unsigned i = 0; credfd_lease_at(i, name) >= 0 && at + sizeof(name) + 2 < sizeof(names); i++)
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i > 0 ? ", " : "", name);
    return complain(call, "there is no lease of that name here; there is", names);
}

static int conclude_failure(const struct call *call, const struct exchange *x, enum exchange_end end) {
    char cut[128];

    switch (end) {
    case EXCHANGE_NO_ANSWER:
        return complain(call, "the broker closed the stream without an answer; has the lease ended?", NULL);
    case EXCHANGE_CUT:
        (void)snprintf(cut, sizeof(cut), "the body was cut after %llu bytes; what was printed is not all of it",
                       (unsigned long long)x->body_bytes);
        return complain(call, cut, NULL);
    case EXCHANGE_BAD_ANSWER:
        return complain(call, "the answer is not acceptable HTTP", http_fault_reason(x->fault));
    case EXCHANGE_UPLOAD_ERROR:
        if (x->error == -ENODATA)
            return complain(call, "the file became shorter while it was sent; the request was given up", NULL);
        return complain(call, "the body cannot be read; the request was given up", strerror(-x->error));
    case EXCHANGE_OUTPUT_ERROR:
        return complain(call, "the answer cannot be written to standard output", strerror(-x->error));
    case EXCHANGE_ERROR:
    case EXCHANGE_COMPLETE:
    case EXCHANGE_GOES_ON:
        break;
    }
    return complain(call, "the stream failed", strerror(-x->error));
}

static int conclude(const struct call *call, const struct exchange *x, enum exchange_end end) {
    char status[64];

    if (end != EXCHANGE_COMPLETE)
        return conclude_failure(call, x, end);
    if (x->status < 400)
        return 0;
    (void)snprintf(status, sizeof(status), "HTTP %u %s", x->status, http_status_phrase(x->status));
    (void)complain(call, status, NULL);
    return EXIT_HTTP_ERROR;
}

static int call_make(const struct call *call, struct upload *upload) {
    _cleanup_close_ int stream = -EBADF;
    _cleanup_(buf_release) struct buf request = {0};
    struct exchange x = {.method = call->method,
                         .request = &request,
                         .upload = upload,
                         .output = STDOUT_FILENO,
                         .shows_head = call->shows_head};
    int r;

    buf_init(&request, LIMIT_HEAD + LIMIT_READ);
    r = head_write(&request, call, upload);
    if (r == -ENOBUFS)
        return complain(call, "the request's head is larger than 64 KiB; give fewer or shorter fields", NULL);
    if (r < 0)
        return complain(call, "the request cannot be written", strerror(-r));
    stream = credfd_connect(call->lease);
    if (stream < 0)
        return complain_of_lease(call, stream);
    x.stream = stream;
    return conclude(call, &x, exchange_run(&x));
}

int cmd_call(int argc, char **argv) {
    _cleanup_upload_ struct upload upload = UPLOAD_NONE;
    struct call call = {0};
    int r = options_read(argc, argv, &call);

    if (r != GOES_ON)
        return r;
    if (call.data) {
        r = upload_open(call.data, &upload);
        if (r < 0)
            return complain(&call, call.data, strerror(-r)); /* only @FILE can fail */
    }
    return call_make(&call, &upload);
}
