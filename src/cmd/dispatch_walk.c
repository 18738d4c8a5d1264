#include "cmd/dispatch_walk.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "ingress/desk/errands.h"
#include "ingress/pairing/cookie.h"
#include "ingress/pairing/pairing_check.h"
#include "ingress/pairing/recipe_request.h"
#include "wire/http_write.h"

/* In this order; each begins the next when it has worked. */
enum walk_step { WALK_CONNECTION, WALK_MINT, WALK_EXCHANGE, WALK_SESSION, WALK_PAGE, WALK_WEBSOCKET, WALK_STEPS };

struct walk {
    const struct dispatch_walk_plan *plan;
    enum walk_step step;           /* that is being made */
    struct addrinfo *found, *next; /* addresses of an instance that has a name */
    struct instance_call *call;
    struct pairing_check *pairing;
    char **mint_argv;
    struct buf cookies;
};

static const char *const names[WALK_STEPS] = {
    [WALK_CONNECTION] = "connection", [WALK_MINT] = "mint", [WALK_EXCHANGE] = "exchange",
    [WALK_SESSION] = "session",       [WALK_PAGE] = "page", [WALK_WEBSOCKET] = "websocket"};

static void begin_connection(struct walk *walk);
static void begin_pairing(struct walk *walk);
static void begin_page(struct walk *walk);
static void begin_websocket(struct walk *walk);

/* What is told of mint, exchange and session comes together, when the pairing is over. */
static void (*const begins[WALK_STEPS])(struct walk *walk) = {[WALK_CONNECTION] = begin_connection,
                                                              [WALK_MINT] = begin_pairing,
                                                              [WALK_PAGE] = begin_page,
                                                              [WALK_WEBSOCKET] = begin_websocket};

static void go_to(struct walk *walk, enum walk_step step) {
    walk->step = step;
    if (step == WALK_STEPS)
        loop_stop();
    else
        begins[step](walk);
}

/* The rest is not come to. */
static void give_up(struct walk *walk, enum walk_step failed) {
    for (unsigned step = failed + 1; step < WALK_STEPS; step++)
        dispatch_report_skip(walk->plan->report, names[step], "not tried");
    walk->step = WALK_STEPS;
    loop_stop();
}

static void fail(struct walk *walk, enum walk_step failed, const char *hint, const char *format, ...) _printf_(4, 5);
static void fail(struct walk *walk, enum walk_step failed, const char *hint, const char *format, ...) {
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    dispatch_report_fail(walk->plan->report, names[failed], hint, "%s", text);
    give_up(walk, failed);
}

static struct call_times times_of(const struct walk *walk) {
    const struct dispatch_timeouts *timeouts = &walk->plan->settings->timeouts;

    return (struct call_times){timeouts->connect_ms, timeouts->response_ms};
}

static struct slice key_of(const struct walk *walk) {
    return walk->plan->target->instance.key;
}

static const char *start_hint(const struct walk *walk) {
    const struct start_settings *start = &walk->plan->settings->start;

    if (walk->plan->target->instance.unit.n > 0 || start->unit || start->start.argv)
        return "it is started when somebody comes: open it in a browser first, or start it by hand; then check again";
    return "start the instance; it must listen at the place that the table names";
}

static bool take_next_address(struct walk *walk) {
    struct instance *instance = &walk->plan->target->instance;
    struct addrinfo *next = walk->next;

    if (!next)
        return false;
    walk->next = next->ai_next;
    instance->place = INSTANCE_ADDRESS;
    instance->address.n = MIN_OF(next->ai_addrlen, (socklen_t)sizeof(instance->address.in6));
    memcpy(&instance->address.in6, next->ai_addr, instance->address.n);
    return true;
}

static void connected(void *owner, const struct call_answer *answer) {
    struct walk *walk = owner;

    walk->call = NULL;
    if (answer->end == CALL_ANSWERED) {
        dispatch_report_ok(walk->plan->report, names[WALK_CONNECTION], "%.*s accepts connections",
                           SLICE_ARG(key_of(walk)));
        go_to(walk, WALK_MINT);
    } else if (take_next_address(walk)) {
        go_to(walk, WALK_CONNECTION);
    } else {
        fail(walk, WALK_CONNECTION, start_hint(walk), "%.*s: %s", SLICE_ARG(key_of(walk)), answer->reason);
    }
}

static void begin_connection(struct walk *walk) {
    int r =
        instance_call_start(&walk->plan->target->instance, SLICE_EMPTY, times_of(walk), connected, walk, &walk->call);

    if (r < 0)
        fail(walk, WALK_CONNECTION, "try again", "%s", strerror(-r));
}

/* Why a mint did not lead to a credential, or to a session: what an administrator looks at first. */
static const char *pairing_hint(enum pairing_fault fault) {
    switch (fault) {
    case PAIRING_MINT_FAILED:
        return "run this check as the user of `credfd dispatch`, and the command of dispatch.mint.command by hand: it "
               "must end with 0. What credfd-mint ends with is in credfd-mint(8)";
    case PAIRING_UNPARSEABLE:
        return "the command of dispatch.mint.command must print an object of JSON with a text called `credential`, and "
               "nothing else";
    case PAIRING_UNREACHABLE:
        return "the instance broke the connection off: see its log";
    case PAIRING_REJECTED:
        return "see the instance's log: is the credential minted for this very instance, and is its profile the right "
               "one";
    case PAIRING_WORKED:
    case PAIRING_FAULTS:
    default:
        return NULL;
    }
}

/* The names alone; what stands behind them opens the instance. */
static void tell_cookies(struct walk *walk, const struct pairing_check_result *result) {
    struct slice rest = result->cookies, name, pair;
    char text[512] = "";
    size_t n = 0;

    while (cookie_next(&rest, &name, &pair) && n + name.n + 3 < sizeof(text)) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", n > 0 ? ", " : "", SLICE_ARG(name));
    }
    dispatch_report_ok(walk->plan->report, names[WALK_EXCHANGE],
                       "the instance set the cookie%s %s, by endpoint %zu of %zu", strchr(text, ',') ? "s" : "", text,
                       result->exchange + 1, walk->plan->target->recipe->n_exchanges);
}

static void tell_session(struct walk *walk, const struct pairing_check_result *result) {
    const char *path = walk->plan->target->recipe->session_path;

    if (!path) {
        dispatch_report_skip(walk->plan->report, names[WALK_SESSION], "this kind of instance cannot be asked");
        go_to(walk, WALK_PAGE);
    } else if (result->verdict == VERDICT_LIVES) {
        dispatch_report_ok(walk->plan->report, names[WALK_SESSION], "%s says that it lives", path);
        go_to(walk, WALK_PAGE);
    } else if (result->verdict == VERDICT_DIED) {
        fail(walk, WALK_SESSION,
             "the instance does not honour its own cookie: it may compare the Host that the browser sends; see --host",
             "%s says that there is none", path);
    } else {
        fail(walk, WALK_SESSION, "see the instance's log, and whether its profile is the right one",
             "%s gave no answer that is understood%s%s", path, *result->look_reason ? ": " : "", result->look_reason);
    }
}

static void paired(void *owner, const struct pairing_check_result *result) {
    struct walk *walk = owner;
    enum walk_step failed = result->has_minted ? WALK_EXCHANGE : WALK_MINT;

    if (result->has_minted)
        dispatch_report_ok(walk->plan->report, names[WALK_MINT], "%s printed a credential", walk->mint_argv[0]);
    if (result->fault != PAIRING_WORKED) {
        if (result->status > 0)
            fail(walk, failed, pairing_hint(result->fault), "%s: %s (%s: %u)", pairing_fault_words(result->fault),
                 result->reason, walk->plan->target->recipe->exchanges[result->exchange].path, result->status);
        else if (!result->has_minted)
            fail(walk, failed, pairing_hint(result->fault), "%s: %s: %s", walk->mint_argv[0],
                 pairing_fault_words(result->fault), result->reason);
        else
            fail(walk, failed, pairing_hint(result->fault), "%s: %s", pairing_fault_words(result->fault),
                 result->reason);
        return;
    }
    if (buf_append(&walk->cookies, result->cookies) < 0) {
        fail(walk, WALK_EXCHANGE, "try again", "no memory is left");
        return;
    }
    tell_cookies(walk, result);
    tell_session(walk, result);
}

static void begin_pairing(struct walk *walk) {
    const struct command_settings *command = &walk->plan->settings->mint.command;
    struct target *target = walk->plan->target;
    struct pairing_check_plan plan = {
        .target = target, .mint_ms = command->timeout_ms, .times = times_of(walk), .done = paired, .owner = walk};
    int r;

    if (!target->recipe->pairs) {
        for (enum walk_step step = WALK_MINT; step <= WALK_SESSION; step++)
            dispatch_report_skip(walk->plan->report, names[step], "this kind of instance needs no session");
        go_to(walk, WALK_PAGE);
        return;
    }
    if (!command->argv) {
        fail(walk, WALK_MINT, "add dispatch.mint.command to the configuration", "there is no mint command");
        return;
    }
    walk->mint_argv = errand_argv(command->argv, &target->instance, target->recipe->name);
    plan.mint_argv = walk->mint_argv;
    r = walk->mint_argv ? pairing_check_start(&plan, &walk->pairing) : -ENOMEM;
    if (r < 0)
        fail(walk, WALK_MINT, "see dispatch.mint.command", "%s: %s", command->argv[0], strerror(-r));
}

/* A redirect is an answer too: many an instance leads from / to where its page is. */
static void answered(void *owner, const struct call_answer *answer) {
    struct walk *walk = owner;
    bool is_whole = answer->end == CALL_ANSWERED || answer->end == CALL_TOO_LONG;

    walk->call = NULL;
    if (!is_whole) {
        fail(walk, WALK_PAGE, "see the instance's log", "GET %s: %s", walk->plan->path, answer->reason);
    } else if (answer->status < 200 || answer->status >= 400) {
        fail(walk, WALK_PAGE, "see the instance's log; another page can be tried with --path", "GET %s: %u",
             walk->plan->path, answer->status);
    } else {
        dispatch_report_ok(walk->plan->report, names[WALK_PAGE], "GET %s: %u", walk->plan->path, answer->status);
        go_to(walk, WALK_WEBSOCKET);
    }
}

static void begin_page(struct walk *walk) {
    const struct target *target = walk->plan->target;
    struct buf request;
    int r;

    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    r = recipe_write_get(target, walk->plan->path, buf_slice(&walk->cookies), &request);
    if (r == 0)
        r = instance_call_start(&target->instance, buf_slice(&request), times_of(walk), answered, walk, &walk->call);
    buf_release(&request);
    if (r < 0)
        fail(walk, WALK_PAGE, "write --path as it stands in a URL", "GET %s: %s", walk->plan->path, strerror(-r));
}

#define WEBSOCKET_KEY SLICE("dGhlIHNhbXBsZSBub25jZQ==") /* RFC 6455 §1.3: nobody relies on it being new */

static const char *websocket_path(const struct walk *walk) {
    return walk->plan->websocket ? walk->plan->websocket : walk->plan->target->recipe->websocket_path;
}

static void upgraded(void *owner, const struct call_answer *answer) {
    struct walk *walk = owner;
    const char *path = websocket_path(walk);

    walk->call = NULL;
    if (answer->end == CALL_ANSWERED && answer->status == 101) {
        dispatch_report_ok(walk->plan->report, names[WALK_WEBSOCKET], "%s opens", path);
        go_to(walk, WALK_STEPS);
    } else if (answer->end == CALL_ANSWERED || answer->end == CALL_TOO_LONG) {
        fail(walk, WALK_WEBSOCKET, "see the instance's log: it may compare Origin with the Host; see --host",
             "%s: %u instead of 101", path, answer->status);
    } else {
        fail(walk, WALK_WEBSOCKET, "see the instance's log", "%s: %s", path, answer->reason);
    }
}

static int write_upgrade(const struct walk *walk, const char *path, struct buf *to) {
    const struct target *target = walk->plan->target;
    struct slice host = slice_of_string(*target->host ? target->host : "localhost");
    char origin[LIMIT_AUTHORITY + 16];
    int r = http_write_request_line(to, SLICE("GET"), slice_of_string(path));

    (void)snprintf(origin, sizeof(origin), "http%s://%.*s", target->is_https ? "s" : "", SLICE_ARG(host));
    if (r == 0)
        r = buf_append(to, SLICE("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    if (r == 0)
        r = http_write_field(to, SLICE("Sec-WebSocket-Key"), WEBSOCKET_KEY);
    if (r == 0)
        r = http_write_field(to, SLICE("Host"), host);
    if (r == 0)
        r = http_write_field(to, SLICE("Origin"), slice_of_string(origin));
    if (r == 0 && target->recipe->identity_header)
        r = http_write_field(to, slice_of_string(target->recipe->identity_header), target->instance.name);
    if (r == 0 && !buf_is_empty(&walk->cookies))
        r = http_write_field(to, SLICE("Cookie"), buf_slice(&walk->cookies));
    return r == 0 ? http_write_head_end(to) : r;
}

static void begin_websocket(struct walk *walk) {
    const char *path = websocket_path(walk);
    struct buf request;
    int r;

    if (!path) {
        dispatch_report_skip(walk->plan->report, names[WALK_WEBSOCKET], "no path is known; see --websocket");
        go_to(walk, WALK_STEPS);
        return;
    }
    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    r = write_upgrade(walk, path, &request);
    if (r == 0)
        r = instance_call_start(&walk->plan->target->instance, buf_slice(&request), times_of(walk), upgraded, walk,
                                &walk->call);
    if (r == 0)
        instance_call_expect_switch(walk->call, WEBSOCKET_KEY);
    buf_release(&request);
    if (r < 0)
        fail(walk, WALK_WEBSOCKET, "write --websocket as it stands in a URL", "%s: %s", path, strerror(-r));
}

/* Nobody else is served here: it may block. */
static bool look_up(struct walk *walk) {
    const struct instance *instance = &walk->plan->target->instance;
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char host[LIMIT_HOST + 1], port[NUM_DIGITS + 1];
    int r;

    if (instance->place != INSTANCE_NAME)
        return true;
    (void)snprintf(host, sizeof(host), "%.*s", SLICE_ARG(instance->host));
    (void)snprintf(port, sizeof(port), "%u", instance->port);
    r = getaddrinfo(host, port, &wanted, &walk->found);
    walk->next = walk->found;
    if (r == 0 && take_next_address(walk))
        return true;
    fail(walk, WALK_CONNECTION, "see the name in the table, and the name servers", "%s: %s", host, gai_strerror(r));
    return false;
}

int dispatch_walk(const struct dispatch_walk_plan *plan) {
    struct walk walk = {.plan = plan};
    int r = 0;

    buf_init_secret(&walk.cookies, LIMIT_COOKIE);
    if (look_up(&walk))
        go_to(&walk, WALK_CONNECTION);
    if (walk.step < WALK_STEPS)
        r = loop_run();
    instance_call_cancel(walk.call);
    pairing_check_free(walk.pairing);
    errand_argv_free(walk.mint_argv);
    if (walk.found)
        freeaddrinfo(walk.found);
    buf_release(&walk.cookies);
    return r;
}
