/*
 * What the files of the desk share: runner.c (its life), places.c (what it needs before it begins), link_seat.c (the
 * link, its resolver and its token), hear_link.c (what the link says), intake.c (tasks that come, wait, and are refused),
 * task_run.c (one that runs), task_parts.c (what its processes are given), status.c, announce.c. Nobody else includes it.
 */
#pragma once

#include "egress/desk/broker.h"
#include "fleet/desk/cgroups.h"
#include "fleet/desk/gate.h"
#include "fleet/desk/lease_terms.h"
#include "fleet/desk/queue.h"
#include "fleet/desk/runner.h"
#include "fleet/desk/runner_metrics.h"
#include "fleet/link/link_codec.h"
#include "fleet/spool/spool.h"
#include "fleet/task/task_user.h"
#include "proc/standing.h"
#include "secrets/secret_feed.h"

/* Each named for what the task waits for. */
enum task_stage {
    TASK_WAITS_TURN,   /* in the queue */
    TASK_WAITS_LEASE,  /* its processes are on their way; its relay is not listening yet */
    TASK_WAITS_RESULT, /* it has its order */
    TASK_WAITS_END,    /* its result is in the spool; not all of its processes have gone */
    TASK_STAGES
};

/* One that was accepted and has not come to its end. */
struct task {
    struct runner *runner;
    struct name_place by_id;
    struct turn turn;
    struct task *next, *before; /* of those that run, in the order in which they began */
    enum task_stage stage;
    enum operation operation;
    uint64_t number;                          /* its cgroup's */
    uint64_t since_ms;                        /* since 1970: it waits, or runs */
    uint64_t at_most_ms;                      /* that it may run, once it has its order */
    struct slice id, trace, source, base_url; /* in `texts` */
    int order, key;                           /* -EBADF once they are elsewhere */
    bool is_leased;                           /* the hub was told that a key of it becomes a lease */
    bool has_cgroup;
    bool is_starting; /* not all of its processes have said hello */
    bool is_cancelled;
    bool is_late; /* and was killed for it */
    enum cancel_reason cancel_reason;
    struct holder *holder;   /* of its lease, for as long as the broker has it */
    struct child task, exec; /* credfd-task; for bash, credfd-exec */
    struct timer late;
    char texts[];
};

/* A key that has come, for the task that comes next. */
struct coming_key {
    char task_id[LIMIT_TASK_ID + 1], base_url[LIMIT_BASE_URL + 1];
    int fd; /* -EBADF: none */
};

/* The link: a role, what it must be told, and what it is known to do. */
struct link_seat {
    struct runner *runner;
    struct standing link, resolver;
    struct secret_feed token;
    int sealed; /* the token, or -EBADF */
    int bundle, ca;
    struct link_settings settings;
    struct coming_key key;
    bool is_serving; /* its process was told everything */
    bool is_stopping;
    bool is_up;       /* a hub is there */
    bool says_broker; /* to that hub */
    bool has_acks;    /* of that hub */
    uint64_t sent;    /* the last result that this connection has got */
    uint64_t unsettled[LIMIT_UNSETTLED];
    size_t n_unsettled;
    uint64_t changed_ms; /* since 1970: when it came up, or went down */
    uint64_t again_ms;   /* since 1970: when it tries again */
    char worknode_id[LIMIT_WORKNODE + 1], name[LIMIT_WORKNODE + 1], reason[LIMIT_REASON + 1];
};

/* Of the log, since then. */
struct line_count {
    uint64_t since_ms;
    unsigned n;
};

struct runner {
    const struct runner_settings *first, *settings; /* url, workspace, spool and user are the first's */
    const struct settings *common;
    struct runner_owner owner;
    struct broker *broker;
    struct spool *spool;
    struct timer spool_again;
    struct link_seat link;
    struct gate gate;
    struct cgroups cgroups;
    struct lease_terms terms;
    struct task_user user;
    char *task_place;       /* credfd-task's argument */
    struct buf environment; /* of every command */
    struct queue queue;
    struct name_index tasks;
    struct task *oldest, *newest; /* that run */
    size_t n_running, max_running, n_starting;
    uint64_t numbered, started_ms;
    struct runner_metrics metrics;
    struct line_count lines;         /* about tasks that the hub asks for in vain */
    struct timer refusing;           /* in a drain, or at the end: while some still wait */
    struct timer deadline, watchdog; /* deadline: of the drain, then of the end */
    bool is_broker_ready, is_broker_stopped;
    bool is_ready, is_draining, is_settling, is_stopping, is_ending_roles, is_stopped;
    bool is_spool_full; /* and that was said */
    bool is_beginning;  /* tasks are being begun, further up */
    bool is_told;       /* the owner was told that it failed */
};

/* Milliseconds since 1970. */
uint64_t runner_wall_ms(void);

/* runner.c */

/* Whether it can begin, or begin another task, or come to its end: something that it may wait for has happened. */
void runner_go_on(struct runner *runner);

/* It cannot begin: tells its owner, once. */
void runner_fail(struct runner *runner, const char *error);

/* There is something new in the spool, or less in it. */
void runner_spool_changed(struct runner *runner);

/* places.c; 0 or -errno, with `*ret_error` as runner_start. */
int places_check_programs(char **ret_error);

/* The workspace and the spool, both made where they are not there, and the user of the tasks. */
int places_open(struct runner *runner, char **ret_error);

/* As many tasks as the settings say, or as there are descriptors for. */
void places_fit_descriptors(struct runner *runner);

/* link_seat.c */

/* 0, or -errno with `*ret_error` as runner_start. */
int link_start(struct runner *runner, char **ret_error);
void link_change(struct runner *runner); /* the settings have changed */
bool link_is_ready(const struct runner *runner);
void link_stop(struct runner *runner);
bool link_is_quiet(const struct runner *runner);
void link_done(struct runner *runner);

/* Tells the link everything, once everything is there. 0 or -errno. */
int link_serve(struct runner *runner);

/* Sends results that are next, as many as may be on their way. */
void link_send_results(struct runner *runner);

/* Whether the hub has all there are. */
bool link_has_settled(const struct runner *runner);

/* Not while there is no hub, or one that is slower than the tasks: then it is dropped, and counted. */
void link_send_output(struct runner *runner, struct slice task_id, enum task_stream stream, struct slice text);

/* For struct gate. */
void link_gate_answered(void *owner, bool can_broker);

/* hear_link.c */

/* What the link may say; its handlers' owner is its struct child. */
extern const struct ipc_permit link_permits[];
extern const size_t n_link_permits;

/* The connection has ended, or its process. */
void link_went_down(struct runner *runner, uint64_t again_in_ms, struct slice reason);

/* intake.c */

/* What the hub asks for. The descriptors are the callee's. */
struct task_request {
    enum operation operation;
    struct slice task_id, trace_id, source_id;
    struct slice fault;    /* a sentence: it is refused with it */
    struct slice base_url; /* of the key */
    int order, key;        /* -EBADF where one was lost on its way: it is refused */
    bool has_key;
    bool is_leased; /* the hub was told that keys become leases */
};
void intake_take(struct runner *runner, const struct task_request *request);
void intake_cancel(struct runner *runner, struct slice task_id);

/* Begins what can begin. */
void intake_go_on(struct runner *runner);

/* Nothing that waits begins any more: it is refused, some of it now and the rest in a moment. */
void intake_refuse_waiting(struct runner *runner);

/* It runs no more, or never did, and its result is in the spool. */
void task_free(struct task *task);

/* A line of the log about a task: it begins with who that is. */
void task_log(enum log_level level, struct slice id, struct slice trace, const char *format, ...) _printf_(4, 5);

/* task_run.c */

/* It has a slot. It may have come to its end when this returns. */
void task_begin(struct task *task);
void task_cancel(struct task *task, enum cancel_reason reason);

/* Its processes are killed, whatever that leaves. */
void task_kill(struct task *task);

/* task_parts.c */

/* What the processes of a task are heard with, and who hears that one has gone. */
struct task_hearing {
    const struct ipc_permit *task_permits, *exec_permits;
    size_t n_task_permits, n_exec_permits;
    child_exited *task_exited, *exec_exited;
    void (*lease_ready)(void *owner);
    void (*lease_lost)(void *owner);
};

/*
 * Starts its processes and its lease, and tells them all but the order. 0, or -errno with the sentence for the hub in
 * `ret_error`; then some of them may run.
 */
int task_start_parts(struct task *task, const struct task_hearing *hearing, struct buf *ret_error);

/* status.c: for struct broker_owner. */
int runner_write_status(void *owner, struct buf *to);
int runner_write_metrics(void *owner, struct buf *to);

/* announce.c */
void announce_runner(const struct runner *runner);
void announce_ready(struct runner *runner);
void announce_status(const struct runner *runner);
void announce_runner_reload(const struct runner *runner, bool is_begin);
void announce_runner_stop(void);
