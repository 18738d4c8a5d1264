#include "ingress/steward/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/limits.h"
#include "base/macros.h"
#include "ingress/steward/steward_codec.h"
#include "net/loop.h"

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"

struct bus_job {
    struct bus_job *next;
    sd_bus_slot *call; /* the answer to it is waited for; then for the end of the job of that path */
    char *path;
    char *unit;
    bus_done *done;
    void *owner;
};

static char place[STEWARD_BUS + 1] = SYSTEM_BUS;
static sd_bus *bus;
static struct watch watch;
static struct timer due; /* when sd-bus wants to be called although nothing has come */
static struct bus_job *jobs;
static uint64_t retry_at_ms;

void bus_forget(struct bus_job *job) {
    for (struct bus_job **at = &jobs; job && *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            sd_bus_slot_unref(job->call);
            free(job->path);
            free(job->unit);
            free(job);
            return;
        }
}

/* `words` go on behind the unit's name; NULL: all is well. */
static void job_over(struct bus_job *job, const char *words, const char *detail) {
    bus_done *done = job->done;
    void *owner = job->owner;
    char fault[LIMIT_REASON + 1];

    (void)snprintf(fault, sizeof(fault), "%s%s", job->unit, words ? words : "");
    bus_forget(job);
    done(owner, words ? fault : NULL, detail);
}

static void disconnect(void) {
    char words[STEWARD_BUS + 64];

    watch_remove(&watch);
    timer_cancel(&due);
    bus = sd_bus_close_unref(bus);
    retry_at_ms = loop_now_ms() + BUS_RETRY;
    (void)snprintf(words, sizeof(words), ": the connection to systemd, by %s, was lost", place);
    /* whoever hears of it may not begin another: the bus is not tried again before then */
    while (jobs)
        job_over(jobs, words, NULL);
}

/* sd-bus tells what it waits for after each turn; edges are enough, because it was let go on until it had to wait. */
static void wait_for_more(void) {
    uint64_t at_us = UINT64_MAX;

    if (sd_bus_get_events(bus) & EPOLLOUT)
        watch_not_ready(&watch, EPOLLOUT);
    if (sd_bus_get_timeout(bus, &at_us) >= 0 && at_us != UINT64_MAX)
        timer_set(&due, at_us / 1000 > loop_now_ms() ? at_us / 1000 - loop_now_ms() + 1 : 0);
    else
        timer_cancel(&due);
}

static void go_on(void) {
    int r;

    do
        r = sd_bus_process(bus, NULL);
    while (r > 0);
    if (r < 0)
        disconnect();
    else
        wait_for_more();
}

static void bus_ready(struct watch *ready) {
    (void)ready;
    go_on();
}

static void bus_due(struct timer *timer) {
    (void)timer;
    go_on();
}

/* What a job's end says (org.freedesktop.systemd1(5)), behind the unit's name. */
static const char *fault_of_result(const char *result) {
    static const char *const faults[][2] = {
        {"done", NULL},
        {"skipped", NULL}, /* it does not apply: whether it listens will be seen */
        {"canceled", ": its job was cancelled"},
        {"timeout", " took too long; see its status and the journal"},
        {"failed", " failed; see its status and the journal"},
        {"dependency", ": what it needs failed; see its status and the journal"},
    };

    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        if (strcmp(faults[i][0], result) == 0)
            return faults[i][1];
    return ": its job did not work";
}

static const char *fault_of_error(const sd_bus_error *error) {
    if (sd_bus_error_has_name(error, MANAGER ".NoSuchUnit"))
        return ": there is no such unit";
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
        return ": the dispatcher's user may neither start nor stop it; let polkit allow it, by a rule such as "
               "/etc/polkit-1/rules.d/50-credfd.rules";
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
        return ": there is no systemd on the bus";
    return ": systemd refused";
}

static int job_removed(sd_bus_message *m, void *owner, sd_bus_error *ret_error) {
    const char *path, *unit, *result;
    uint32_t id;

    (void)owner;
    (void)ret_error;
    if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
        return 0;
    for (struct bus_job *job = jobs; job; job = job->next)
        if (job->path && strcmp(job->path, path) == 0) {
            job_over(job, fault_of_result(result), NULL);
            return 0;
        }
    return 0;
}

static int replied(sd_bus_message *m, void *owner, sd_bus_error *ret_error) {
    const sd_bus_error *error = sd_bus_message_get_error(m);
    struct bus_job *job = owner;
    const char *path;

    (void)ret_error;
    job->call = sd_bus_slot_unref(job->call);
    if (error)
        job_over(job, fault_of_error(error), error->message);
    else if (sd_bus_message_read(m, "o", &path) < 0)
        job_over(job, ": systemd's answer makes no sense", NULL);
    else if (!(job->path = strdup(path)))
        job_over(job, ": out of memory", NULL);
    return 0;
}

/* Everything here only begins: the connection is made, and what is queued by then is sent, on the loop. */
static int open_bus(void) {
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus, place);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved", job_removed,
                                      NULL, NULL);
    if (r >= 0)
        r = watch_add(&watch, sd_bus_get_fd(bus), bus_ready);
    return r;
}

static int connect_bus(void) {
    int r;

    if (bus)
        return 0;
    if (loop_now_ms() < retry_at_ms)
        return -EHOSTDOWN;
    due.on_expiry = bus_due;
    r = open_bus();
    if (r < 0)
        disconnect();
    return r < 0 ? -EHOSTDOWN : 0;
}

int bus_begin(enum bus_verb verb, const char *unit, bus_done *done, void *owner, struct bus_job **ret) {
    struct bus_job *job;
    int r = connect_bus();

    if (r < 0)
        return r;
    job = calloc(1, sizeof(*job));
    if (!job)
        return -ENOMEM;
    *job = (struct bus_job){.next = jobs, .unit = strdup(unit), .done = done, .owner = owner};
    if (!job->unit) {
        free(job);
        return -ENOMEM;
    }
    jobs = job;
    r = sd_bus_call_method_async(bus, &job->call, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                 verb == BUS_START ? "StartUnit" : "StopUnit", replied, job, "ss", unit, "replace");
    if (r < 0) {
        bus_forget(job);
        return r;
    }
    watch_again(&watch); /* what could not be sent yet, and the time that sd-bus waits for the answer */
    *ret = job;
    return 0;
}

const char *bus_address(void) {
    return place;
}

void bus_set_address(const char *address) {
    const char *wanted = *address ? address : SYSTEM_BUS;

    if (strcmp(place, wanted) == 0)
        return;
    (void)snprintf(place, sizeof(place), "%s", wanted);
    if (bus)
        disconnect();
    retry_at_ms = 0;
}
