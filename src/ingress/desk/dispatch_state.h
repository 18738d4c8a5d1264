/*
 * What the files of the desk share: dispatch.c (its life), seats.c (the roles, and who knows whom), tell.c (what roles
 * are told), hear.c (what they say), proofs.c (what fronts are believed by, where that changes by itself), succession.c
 * (binary upgrade), announce.c (the line at the start, and systemd). Nobody else includes it.
 */
#pragma once

#include "ingress/desk/dispatch.h"
#include "ingress/desk/dispatch_metrics.h"
#include "ingress/desk/errands.h"
#include "ingress/desk/listeners.h"
#include "ingress/desk/people.h"
#include "ingress/desk/recipes.h"
#include "ingress/desk/table_keeper.h"
#include "ingress/front/doorman_part.h"
#include "metrics/metrics_server.h"
#include "proc/standing.h"
#include "secrets/secret_feed.h"

/* A role, and its place among the others. */
struct seat {
    struct dispatch *dispatch;
    enum peer_role role;
    uint32_t number; /* among those of its role */
    struct standing standing;
    bool is_used;    /* the settings ask for it */
    bool is_told;    /* its process has been told everything, and is told what changes */
    bool is_drained; /* nothing is open there any more */
};

#define SEATS_MAX (LIMIT_WORKERS + PEER_ROLES - 1)

/* What fronts are believed by, of which this process sees a digest, or nothing. */
struct proofs {
    struct secret_feed secret;
    bool is_secret_fed;
    int digest; /* or -EBADF */
    struct watched_file {
        struct file_watch watch;
        struct dispatch *dispatch;
    } keys, tls[TLS_PARTS]; /* keys that sign assertions; the doorman's */
};

struct succession {
    /* towards a successor */
    pid_t pid; /* 0: there is none */
    int pidfd, successor;
    struct watch exit, word;
    struct timer deadline;
    bool is_served; /* it has said so */
    /* towards a predecessor */
    int predecessor; /* -EBADF: there was none, or it has let go */
    bool is_main;    /* it has told the service manager that this is the main process now */
    struct watch gone;
};

struct dispatch {
    const struct dispatch_settings *settings;
    struct dispatch_owner owner;
    struct listeners listeners;
    struct recipes recipes;
    struct table_keeper table;
    struct errands errands;
    struct seat seats[SEATS_MAX]; /* in the order in which they are told: who listens comes last */
    size_t n_seats;
    uint32_t n_workers;
    struct proofs proofs;
    struct succession succession;
    struct people *people;
    struct dispatch_metrics metrics;
    struct metrics_server *metrics_server;
    struct timer watchdog, deadline; /* deadline: of a drain, then of the end */
    int access_log;
    uint64_t started_ms;                                          /* since 1970 */
    bool is_ready, is_draining, is_stopping, is_stopped, is_told; /* is_told: the owner was told that it failed */
};

/* Milliseconds since 1970. */
uint64_t dispatch_wall_ms(void);

/* dispatch.c */

/* Whether it can begin, or come to its end: something that it may wait for has happened. */
void dispatch_go_on(struct dispatch *dispatch);

/* It cannot begin: tells its owner, once. */
void dispatch_fail(struct dispatch *dispatch, const char *error);

/* Where metrics are served, from now on. */
void dispatch_start_metrics(struct dispatch *dispatch);

/* seats.c */

/* 0, or -errno with `*ret_error` as dispatch_start. */
int seats_start(struct dispatch *dispatch, char **ret_error);

/* The settings have changed: roles that are wanted now are started, those that are not are ended. */
void seats_adjust(struct dispatch *dispatch);
bool seats_are_ready(const struct dispatch *dispatch);
bool seats_are_drained(const struct dispatch *dispatch);
bool seats_are_quiet(const struct dispatch *dispatch);
void seats_stop(struct dispatch *dispatch);

/* Tells every role everything, and makes them known to each other. 0 or -errno. */
int seats_serve(struct dispatch *dispatch);

/* That is the role whose process sent a message: `owner` is its handler's. */
struct seat *seat_of(void *owner);

/* Tells one, or each of a role, what is put together; a process that cannot be told is about to be known as dead. */
void seat_send(struct seat *seat, const struct ipc_writer *w, int fd);
void seats_send(struct dispatch *dispatch, enum peer_role role, const struct ipc_writer *w, int fd);

/* Calls `tell` for each that is told of changes. */
void seats_tell(struct dispatch *dispatch, enum peer_role role, int (*tell)(struct seat *seat));

/* tell.c; 0 or -errno. */

/* Everything that the role must know, before it is made known to others. */
int tell_seat(struct seat *seat);

/* Where it accepts; last of all. */
int tell_listeners(struct seat *seat);
int tell_front(struct seat *seat);
int tell_access_log(struct seat *seat);
int tell_assertions(struct seat *seat);
int tell_doorman(struct seat *seat);

/* To all whom it concerns: there is a new table; the settings have changed. */
void tell_table(struct dispatch *dispatch);
void tell_settings(struct dispatch *dispatch);

/* (Re)opens what access lines are appended to. 0, or -errno with one line in `*ret_error`, the caller's. */
int access_log_open(struct dispatch *dispatch, char **ret_error);

/* hear.c */

struct permits {
    const struct ipc_permit *items;
    size_t n;
};

/* What a role may say. */
struct permits hear_permits(enum peer_role role);

/* For struct errands. */
void hear_errand_ended(void *owner, enum errand_kind kind, uint32_t number, enum command_end end, int wait_status);

/* proofs.c */

int proofs_start(struct dispatch *dispatch, char **ret_error); /* as seats_start */
bool proofs_are_there(const struct dispatch *dispatch);
void proofs_change(struct dispatch *dispatch);
void proofs_stop(struct dispatch *dispatch);
bool proofs_are_quiet(const struct dispatch *dispatch);
void proofs_done(struct dispatch *dispatch);

/* succession.c */

/* Takes what a predecessor has left in the environment, if there is one. */
void succession_take(struct dispatch *dispatch);

/* Says to the predecessor that it may drain. */
void succession_serve(struct dispatch *dispatch);

/* Whether there is a predecessor that still has what only one can have. */
static inline bool succession_is_waiting(const struct dispatch *dispatch) {
    return dispatch->succession.predecessor >= 0;
}

/* This service is to end: one that does not serve yet ends with it. */
void succession_cancel(struct dispatch *dispatch);

/* Towards the successor: what only one can have is free. */
void succession_let_go(struct dispatch *dispatch);
void succession_stop(struct dispatch *dispatch);

/* announce.c */

/* It serves: the line on standard error. */
void announce_place(const struct dispatch *dispatch);

/*
 * systemd hears that it serves, from now on. As all that follows, nothing while this is not the main process: only that
 * is listened to (NotifyAccess=main), since a command that runs as somebody else could speak as well as a successor.
 */
void announce_start(struct dispatch *dispatch);
void announce_table(const struct dispatch *dispatch);
void announce_reload_begin(const struct dispatch *dispatch);
void announce_reload_end(const struct dispatch *dispatch);
void announce_stop(const struct dispatch *dispatch);
