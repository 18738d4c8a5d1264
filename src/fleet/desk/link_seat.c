/*
 * The link's place at the desk: the role itself and the resolver beside it, what they are told, in which order, and
 * again when one of them died; and the results that are on their way to the hub. The token passes through as sealed
 * memory that nobody maps here.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "fleet/desk/runner_state.h"
#include "fleet/link/proxy.h"
#include "names/trust.h"

static int say(struct link_seat *seat, const struct ipc_writer *w, int fd) {
    return channel_send(&seat->link.child.channel, w, fd);
}

/* One that cannot be told anything any more is about to be known as dead. */
static void say_if_serving(struct link_seat *seat, const struct ipc_writer *w, int fd) {
    if (seat->is_serving)
        (void)say(seat, w, fd);
}

static int tell_trust(struct link_seat *seat) {
    struct ipc_writer w;
    int r = 0;

    if (seat->bundle >= 0) {
        w = ipc_begin(IPC_TRUST);
        r = say(seat, &w, seat->bundle);
    }
    if (r == 0 && seat->ca >= 0) {
        w = ipc_begin(IPC_CA_FILE);
        ipc_put_u32(&w, 0);
        r = say(seat, &w, seat->ca);
    }
    return r;
}

/* Anew whenever one of the two is new. */
static int tell_resolver(struct link_seat *seat) {
    struct ipc_writer w = ipc_begin(IPC_RESOLVER);

    return standing_is_ready(&seat->resolver) ? standing_introduce(&seat->resolver, &seat->link.child.channel, &w) : 0;
}

static int tell_token(struct link_seat *seat) {
    struct ipc_writer w = ipc_begin(IPC_SECRET);

    ipc_put_u32(&w, 0);
    ipc_put_u64(&w, 0);
    return say(seat, &w, seat->sealed);
}

/* Where the hub is comes last: it connects then. */
int link_serve(struct runner *runner) {
    struct link_seat *seat = &runner->link;
    struct ipc_writer w;
    int r = tell_trust(seat);

    if (r == 0)
        r = tell_resolver(seat);
    if (r == 0)
        r = tell_token(seat);
    if (r < 0)
        return r;
    w = link_settings_encode(&seat->settings);
    r = say(seat, &w, -EBADF);
    seat->is_serving = r == 0;
    return r;
}

void link_send_output(struct runner *runner, struct slice task_id, enum task_stream stream, struct slice text) {
    struct link_seat *seat = &runner->link;
    struct ipc_writer w;

    if (!seat->is_up || seat->link.child.channel.queued >= LIMIT_OUTPUTS_QUEUED) {
        runner->metrics.outputs_dropped++;
        return;
    }
    w = ipc_begin(IPC_TASK_OUTPUT);
    ipc_put_bytes(&w, task_id);
    ipc_put_u8(&w, (uint8_t)stream);
    ipc_put_bytes(&w, text);
    say_if_serving(seat, &w, -EBADF);
}

/* False: not now. */
static bool send_result(struct runner *runner, const struct spool_entry *entry) {
    struct link_seat *seat = &runner->link;
    _cleanup_close_ int record = spool_open_result(runner->spool, entry->number);
    struct ipc_writer w = ipc_begin(IPC_RESULT);

    if (record == -ENOENT)
        return true; /* it was settled, or is damaged: the spool has said so */
    if (record < 0) {
        log_error("task %.*s: its result cannot be read: %s", SLICE_ARG(entry->task_id), strerror(-record));
        return false;
    }
    ipc_put_u64(&w, entry->number);
    ipc_put_bytes(&w, entry->task_id);
    if (say(seat, &w, record) < 0)
        return false;
    seat->unsettled[seat->n_unsettled++] = entry->number;
    return true;
}

void link_send_results(struct runner *runner) {
    struct link_seat *seat = &runner->link;
    struct spool_entry entry;

    while (seat->is_up && seat->is_serving && seat->n_unsettled < LIMIT_UNSETTLED &&
           spool_next(runner->spool, seat->sent, &entry)) {
        if (!send_result(runner, &entry)) {
            timer_set(&runner->spool_again, SPOOL_RETRY);
            return;
        }
        seat->sent = entry.number;
    }
}

bool link_has_settled(const struct runner *runner) {
    return spool_counts(runner->spool).results == 0;
}

void link_gate_answered(void *owner, bool can_broker) {
    struct runner *runner = owner;
    struct ipc_writer w = ipc_begin(IPC_LINK_CONNECT);

    runner->link.says_broker = can_broker;
    ipc_put_u8(&w, can_broker);
    say_if_serving(&runner->link, &w, -EBADF);
}

void link_went_down(struct runner *runner, uint64_t again_in_ms, struct slice reason) {
    struct link_seat *seat = &runner->link;

    seat->is_up = false;
    seat->has_acks = false;
    seat->sent = 0;
    seat->n_unsettled = 0;
    seat->changed_ms = runner_wall_ms();
    seat->again_ms = again_in_ms > 0 ? seat->changed_ms + again_in_ms : 0;
    runner->metrics.is_up = 0;
    fd_close(&seat->key.fd);
    (void)snprintf(seat->reason, sizeof(seat->reason), "%.*s", (int)MIN_OF(reason.n, (size_t)LIMIT_REASON), reason.p);
    announce_status(runner);
}

static void tell_and_see(struct runner *runner) {
    struct standing *link = &runner->link.link;
    int r = 0;

    if (runner->is_ready && standing_is_ready(link))
        r = link_serve(runner);
    else
        runner_go_on(runner);
    if (r < 0)
        standing_fail(link, r);
}

static void link_ready(struct standing *standing) {
    tell_and_see(((struct link_seat *)standing->owner)->runner);
}

static void resolver_ready(struct standing *standing) {
    struct link_seat *seat = standing->owner;
    int r = seat->is_serving ? tell_resolver(seat) : 0;

    if (r < 0)
        standing_fail(standing, r);
    else if (!seat->is_serving)
        tell_and_see(seat->runner);
}

/* Either has died, or has been stopped. Of the link's tasks nothing is lost: they are the desk's. */
static void role_exited(struct standing *standing, int wait_status) {
    struct link_seat *seat = standing->owner;
    struct runner *runner = seat->runner;
    bool is_link = standing == &seat->link;
    char what[CHILD_END_TEXT];

    if (is_link) {
        seat->is_serving = false;
        link_went_down(runner, 0, SLICE("its process has ended"));
    }
    if (!seat->is_stopping) {
        (void)child_describe_end(&standing->child, wait_status, what);
        if (runner->is_ready) {
            log_error("%s: it is started again", what);
            runner->metrics.restarts[is_link ? RUNNER_LINK : RUNNER_RESOLVER]++;
            standing_again(standing);
        } else {
            runner_fail(runner, what);
        }
    }
    runner_go_on(runner);
}

static struct standing_plan link_plan = {.name = "credfd-link", .on_ready = link_ready, .on_exited = role_exited};

static const struct ipc_permit resolver_permits[] = {{IPC_HELLO, 1, standing_on_hello}, {IPC_LOG, 1, child_on_log}};
static const struct standing_plan resolver_plan = {
    .name = "credfd-resolver",
    .permits = resolver_permits,
    .n_permits = ARRAY_LEN(resolver_permits),
    .on_ready = resolver_ready,
    .on_exited = role_exited,
};

static void token_came(struct secret_feed *feed, int sealed, uint64_t expires_in_ms) {
    struct runner *runner = feed->owner;
    struct link_seat *seat = &runner->link;
    int r = 0;

    (void)expires_in_ms; /* the hub says when it is no good any more */
    secret_source_forget(feed->source);
    fd_close(&seat->sealed);
    seat->sealed = sealed;
    if (seat->is_serving)
        r = tell_token(seat);
    if (r < 0)
        standing_fail(&seat->link, r);
    runner_go_on(runner);
}

/* Without a token there is no beginning. Later the one that there was is tried on. */
static void token_failed(struct secret_feed *feed, const char *error) {
    struct runner *runner = feed->owner;

    if (runner->is_ready)
        log_error("%s; the former token is used on", error);
    else
        runner_fail(runner, error);
}

static void token_quiet(struct secret_feed *feed) {
    runner_go_on(feed->owner);
}

static const struct feed_events token_events = {
    .on_secret = token_came, .on_failure = token_failed, .on_quiet = token_quiet};

static int fit(char *to, size_t size, const char *text) {
    int n = snprintf(to, size, "%s", text ? text : "");

    return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

/* Whom tasks run as: what the hub is told of it. One without an entry is nobody by name. */
static void name_user(struct runner *runner, struct link_settings *settings) {
    const struct passwd *user = runner->first->user ? getpwnam(runner->first->user) : getpwuid(geteuid());

    if (!user)
        return;
    (void)fit(settings->username, sizeof(settings->username), user->pw_name);
    (void)fit(settings->home, sizeof(settings->home), user->pw_dir);
    (void)fit(settings->shell, sizeof(settings->shell), user->pw_shell);
}

static int refuse(char **ret_error, const char *what) {
    if (asprintf(ret_error, "%s", what) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

/* What is wrong with the environment is said at the start: the link, which needs it, could only die of it. */
static int take_proxy(struct runner *runner, char **ret_error) {
    struct link_settings *settings = &runner->link.settings;
    const char *proxy, *no_proxy, *wrong;
    struct proxy chosen;
    bool is_needed;

    proxy_of_environment(&proxy, &no_proxy);
    if (fit(settings->proxy, sizeof(settings->proxy), proxy) < 0 ||
        fit(settings->no_proxy, sizeof(settings->no_proxy), no_proxy) < 0)
        return refuse(ret_error, "HTTPS_PROXY or NO_PROXY: too long; shorten it");
    wrong = proxy_choose(slice_of_string(proxy), slice_of_string(no_proxy), &runner->first->hub, &chosen, &is_needed);
    if (!wrong)
        return 0;
    if (asprintf(ret_error, "HTTPS_PROXY: %s; write http://HOST:PORT, or unset it (or https_proxy)", wrong) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

static int make_settings(struct runner *runner, char **ret_error) {
    struct link_settings *settings = &runner->link.settings;
    int r;

    if (fit(settings->url, sizeof(settings->url), runner->first->url) < 0)
        return refuse(ret_error, "runner.url: too long");
    if (fit(settings->workspace, sizeof(settings->workspace), runner->first->workspace) < 0)
        return refuse(ret_error, "runner.workspace: too long");
    r = take_proxy(runner, ret_error);
    if (r < 0)
        return r;
    (void)fit(settings->version, sizeof(settings->version), CREDFD_VERSION);
    settings->has_ca = runner->first->ca_file != NULL;
    settings->log_level = runner->settings->log_level;
    name_user(runner, settings);
    return 0;
}

static int copy_trust(struct runner *runner, char **ret_error) {
    struct link_seat *seat = &runner->link;
    const char *path = runner->first->ca_file;
    int r = trust_copy_named(&seat->bundle, ret_error);

    if (r < 0 || !path)
        return r;
    r = trust_copy(path, &seat->ca);
    if (r < 0 && asprintf(ret_error, "runner.ca_file: %s: %s; name a file of certificates", path, strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

int link_start(struct runner *runner, char **ret_error) {
    struct link_seat *seat = &runner->link;
    int r = make_settings(runner, ret_error);

    link_plan.permits = link_permits;
    link_plan.n_permits = n_link_permits;
    if (r == 0)
        r = copy_trust(runner, ret_error);
    if (r == 0)
        r = feed_start(&seat->token, &runner->settings->token, &token_events, runner, ret_error);
    secret_source_forget(&runner->settings->token); /* no command's business */
    if (r == 0)
        r = standing_start(&seat->resolver, &resolver_plan, NULL, seat);
    if (r == 0)
        r = standing_start(&seat->link, &link_plan, trust_named_directory(), seat);
    return r;
}

void link_change(struct runner *runner) {
    feed_change(&runner->link.token, &runner->settings->token);
}

bool link_is_ready(const struct runner *runner) {
    const struct link_seat *seat = &runner->link;

    return standing_is_ready(&seat->link) && standing_is_ready(&seat->resolver) && seat->sealed >= 0;
}

void link_stop(struct runner *runner) {
    runner->link.is_stopping = true;
    feed_stop(&runner->link.token);
    standing_stop(&runner->link.link);
    standing_stop(&runner->link.resolver);
}

bool link_is_quiet(const struct runner *runner) {
    const struct link_seat *seat = &runner->link;

    return !child_is_running(&seat->link.child) && !child_is_running(&seat->resolver.child) &&
           feed_is_quiet(&seat->token);
}

void link_done(struct runner *runner) {
    struct link_seat *seat = &runner->link;

    fd_close(&seat->key.fd);
    fd_close(&seat->sealed);
    fd_close(&seat->bundle);
    fd_close(&seat->ca);
}
