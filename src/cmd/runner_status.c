/*
 * `credfd runner status`: how the runners of this user do, as they say themselves over their control sockets. Changes
 * nothing.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/control_ask.h"
#include "cmd/usage.h"

static const char usage[] =
    "usage: credfd runner status [--json]\n"
    "\n"
    "Says of each running `credfd runner` of this user whether it is connected, what it runs, and what it\n"
    "still has to send.\n"
    "\n"
    "      --json         one object a line instead\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0 when one is running and connected, 1 when one is running without a connection,\n"
    "125 when there is none.\n";

#define EXIT_NOT_CONNECTED 1

struct report {
    bool is_json;
    unsigned n_runners, n_connected;
};

static const char *text_of(const json_t *status, const char *name) {
    const char *text = json_string_value(json_object_get(status, name));

    return text ? text : "?";
}

static json_int_t number_of(const json_t *status, const char *name) {
    return json_integer_value(json_object_get(status, name));
}

/* Ids are the control plane's words: of printable ASCII, as the runner takes no others. */
static void print_tasks(const json_t *tasks) {
    size_t i;
    json_t *task;

    json_array_foreach(tasks, i, task) {
        (void)printf("  %-10s %-24s %6" JSON_INTEGER_FORMAT " s", text_of(task, "operation"), text_of(task, "task_id"),
                     number_of(task, "seconds"));
        if (json_object_get(task, "trace_id"))
            (void)printf("  trace %s", text_of(task, "trace_id"));
        (void)printf("\n");
    }
}

static void print_status(uint32_t pid, const json_t *status) {
    bool is_connected = json_is_true(json_object_get(status, "connected"));

    (void)printf("runner %" PRIu32 ": %s %s", pid, is_connected ? "connected to" : "not connected to",
                 text_of(status, "url"));
    if (is_connected)
        (void)printf(" as %s (%s)", text_of(status, "name"), text_of(status, "worknode_id"));
    (void)printf("\n  leases %s", json_is_true(json_object_get(status, "broker")) ? "on" : "off");
    if (json_object_get(status, "why_not"))
        (void)printf(": %s", text_of(status, "why_not"));
    (void)printf("\n  %" JSON_INTEGER_FORMAT " running, %" JSON_INTEGER_FORMAT " queued, %" JSON_INTEGER_FORMAT
                 " results to be sent (%" JSON_INTEGER_FORMAT " bytes)\n",
                 number_of(status, "running"), number_of(status, "queued"), number_of(status, "results"),
                 number_of(status, "spool_bytes"));
    if (json_is_true(json_object_get(status, "spool_full")))
        (void)printf("  the spool is full: no task begins until the control plane takes results\n");
    print_tasks(json_object_get(status, "tasks"));
}

/* Another version may say more, or less: what is not there is shown as a question mark. */
static int take_status(struct report *report, uint32_t pid, struct slice text) {
    json_t *status = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(status)) {
        json_decref(status);
        return -EPROTO;
    }
    report->n_runners++;
    report->n_connected += json_is_true(json_object_get(status, "connected"));
    if (report->is_json)
        (void)printf("%.*s\n", (int)text.n, text.p);
    else
        print_status(pid, status);
    json_decref(status);
    return 0;
}

/* The whole of it, which comes in parts. -ENOENT: it is a supervisor of another kind. */
static int receive(const struct control_asked *asked, struct buf *to) {
    struct control_answer answer = {0};
    int r;

    do {
        r = control_wait(asked, &answer);
        if (r == 0 && answer.type != IPC_RUNNER_STATUS)
            r = -ENOENT;
        if (r == 0)
            r = buf_append(to, answer.status);
    } while (r == 0 && !answer.is_end);
    return r == -ENOBUFS ? -EPROTO : r;
}

static int ask_one(void *owner, const struct control_place *place, uint32_t pid) {
    struct control_asked asked = {.fd = -EBADF};
    struct buf text;
    int r = control_ask(place, pid, &(struct control_request){.type = IPC_RUNNER_ASK}, &asked);

    buf_init(&text, LIMIT_RUNNER_STATUS);
    if (r == 0)
        r = receive(&asked, &text);
    fd_close(&asked.fd);
    if (r == 0)
        r = take_status(owner, pid, buf_slice(&text));
    buf_release(&text);
    return r;
}

static int tell(struct report *report) {
    int r = control_ask_each("runner status", ask_one, report);

    if (r == 0 && report->n_runners == 0)
        r = -ESRCH;
    if (r < 0) {
        log_error("runner status: %s",
                  r == -ESRCH ? "this user has no running runner; start one with credfd runner" : strerror(-r));
        return EXIT_CREDFD;
    }
    return usage_finish(report->n_connected > 0 ? EXIT_SUCCESS : EXIT_NOT_CONNECTED);
}

/* -1 to go on; otherwise the exit status. */
static int parse(struct report *report, int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            report->is_json = true;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    return optind < argc ? usage_refuse(argv[0], "it takes no argument") : -1;
}

int cmd_runner_status(int argc, char **argv) {
    static char name[] = "runner status";
    struct report report = {0};
    int status;

    argv[0] = name; /* of complaints */
    status = parse(&report, argc, argv);
    return status < 0 ? tell(&report) : status;
}
