/*
 * A supervisor that lends, for tests: what is lent to whom, it is told on its standard input, a SEQPACKET socket.
 *
 *     lend NUMBER NAME UPSTREAM CA_FILE KEY    CA_FILE is - for the system's
 *     end NUMBER
 *     stop
 *
 * It says:
 *
 *     started
 *     ready NUMBER NUL environment             with the workload's end of the lease channel
 *     failed NUMBER REASON
 *     lost NUMBER                              by itself
 *
 * argv[1], if it is there, is the file for the audit. Numbers are below LENT_MAX.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/secret.h"
#include "base/shortage.h"
#include "egress/desk/broker.h"
#include "net/loop.h"
#include "proc/child.h"

#define LENT_MAX 100000
#define LENDER 0 /* the socket */
#define ENVIRONMENT_MAX (64 * 1024)

struct lent {
    struct holder *holder;
    int end;
};

static struct lent all[LENT_MAX];
static struct broker *broker;
static struct watch watch;
static int status = EXIT_FAILURE;

/* Whoever reads this reads all of it: waiting for that is fine. */
static void say(char *text, size_t n, int fd) {
    struct iovec part = {.iov_base = text, .iov_len = n};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
    }
    if (sendmsg(LENDER, &m, MSG_NOSIGNAL) < 0)
        exit(EXIT_FAILURE);
}

static void say_of(const struct lent *lent, const char *what, const char *more) {
    char text[512];
    int n = snprintf(text, sizeof(text), "%s %td %s", what, lent - all, more);

    say(text, (size_t)n, -EBADF);
}

static void on_ready(void *owner) {
    struct lent *lent = owner;
    static char bytes[ENVIRONMENT_MAX];
    struct buf text;
    size_t n = (size_t)snprintf(bytes, sizeof(bytes), "ready %td", lent - all) + 1;

    buf_init(&text, sizeof(bytes) - n);
    if (holder_environment(lent->holder, 3, &text) < 0)
        exit(EXIT_FAILURE);
    memcpy(bytes + n, buf_slice(&text).p, buf_length(&text));
    say(bytes, n + buf_length(&text), lent->end);
    fd_close(&lent->end);
    buf_release(&text);
}

static void on_lost(void *owner) {
    struct lent *lent = owner;

    const char *fault = holder_fault(lent->holder);
    char text[SHORTAGE_TEXT];
    int n = snprintf(text, sizeof(text), "%s", fault ? fault : "");

    fd_close(&lent->end);
    holder_end(lent->holder);
    lent->holder = NULL;
    say_of(lent, n > 0 ? "failed" : "lost", text);
}

static void lend(struct lent *lent, char *const *words) {
    static char field[] = "Authorization", format[] = "Bearer {}", fd_name[] = "LEASE_FD", fd_value[] = "{fd}";
    struct inject inject = {.kind = INJECT_HEADER, .name = field, .format = format};
    struct env_entry env = {.name = fd_name, .value = fd_value};
    struct credential terms = {.inject = &inject,
                               .n_inject = 1,
                               .allows_all = true,
                               .env = &env,
                               .n_env = 1,
                               .ca_file = strcmp(words[2], "-") == 0 ? NULL : words[2],
                               .response_timeout_ms = TIMEOUT_RESPONSE};
    struct loan loan = {.terms = &terms, .name = words[0], .upstream = words[1]};
    char identity[32], shortage[SHORTAGE_TEXT];
    int r = secret_seal(slice_of_string(words[3]), &loan.key);

    (void)snprintf(identity, sizeof(identity), "task-%td", lent - all);
    if (r == 0)
        r = broker_lend(broker, &loan, identity, on_ready, lent, &lent->end, &lent->holder);
    if (r == 0)
        holder_on_lost(lent->holder, on_lost);
    else
        say_of(lent, "failed", shortage_explain(r, shortage));
}

static void stop(void) {
    watch_remove(&watch);
    broker_stop(broker);
}

static void obey(char *text) {
    char *words[6] = {0}, *rest = text;
    struct lent *lent = NULL;
    uint64_t number;

    for (size_t i = 0; i < ARRAY_LEN(words) && rest; i++)
        words[i] = strsep(&rest, " ");
    if (words[1] && num_parse(slice_of_string(words[1]), LENT_MAX - 1, &number) == 0)
        lent = &all[number];
    if (lent && words[5] && strcmp(words[0], "lend") == 0 && !lent->holder) {
        lend(lent, words + 2);
    } else if (lent && strcmp(words[0], "end") == 0 && lent->holder) {
        fd_close(&lent->end);
        holder_end(lent->holder);
        lent->holder = NULL;
    } else {
        stop();
    }
}

static void told(struct watch *w) {
    char text[4096];
    ssize_t n = recv(LENDER, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN) {
        watch_not_ready(w, EPOLLIN);
        return;
    }
    text[n > 0 ? n : 0] = '\0';
    watch_again(w);
    obey(text);
}

static void started(void *owner) {
    char text[] = "started";

    (void)owner;
    status = EXIT_SUCCESS;
    say(text, strlen(text), -EBADF);
    if (watch_add(&watch, LENDER, told) < 0)
        exit(EXIT_FAILURE);
}

static void failed(void *owner, const char *error) {
    (void)owner;
    log_error("%s", error);
    status = EXIT_FAILURE;
    stop();
}

static void stopped(void *owner) {
    (void)owner;
    loop_stop();
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(const char *audit, struct settings *settings, char **ret_error) {
    const struct broker_owner owner = {.ready = started, .failed = failed, .stopped = stopped};
    int r = audit ? settings_set_audit(settings, audit, "lender") : 0;

    if (r == 0)
        r = child_find_programs();
    if (r == 0)
        r = loop_init();
    return r == 0 ? broker_start(settings, NULL, 0, &owner, &broker, ret_error) : r;
}

int main(int argc, char **argv) {
    _cleanup_settings_ struct settings *settings = settings_new("lender");
    _cleanup_free_ char *error = NULL;
    int r;

    raise_descriptor_limit();
    for (size_t i = 0; i < LENT_MAX; i++)
        all[i].end = -EBADF;
    r = settings ? start(argc > 1 ? argv[1] : NULL, settings, &error) : -ENOMEM;
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_FAILURE;
    }
    r = loop_run();
    broker_free(broker);
    return r < 0 ? EXIT_FAILURE : status;
}
