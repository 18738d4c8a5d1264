/*
 * The configuration of the dispatcher, `dispatch:` of the one file, as it stands after every check that needs no
 * network: parsed, validated and owned in one object. `dispatch` and `check` read it; roles get what concerns them in
 * messages. Other sections of the file are another command's business and are passed over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "metrics/metrics_settings.h"
#include "net/network.h"
#include "secrets/settings_secret.h"

enum listen_kind { LISTEN_TCP, LISTEN_UNIX, LISTEN_TLS, LISTEN_SYSTEMD };

struct listen_place {
    enum listen_kind kind;
    struct address address; /* of LISTEN_TCP and LISTEN_TLS */
    bool is_half;           /* of the two that ":PORT" stands for: this machine need not have both families */
    char *path;             /* of LISTEN_UNIX */
    char *text;             /* as written */
    char *where;            /* "FILE:LINE: dispatch.listen.0" */
};

/* Who may name a person. What is written must hold, all of it together; `peers` has a default. */
struct trust_settings {
    struct network *peers; /* the addresses that a front may have; by default loopback's */
    size_t n_peers;
    bool is_default;     /* nothing was written: loopback and unix */
    bool names_users;    /* users were written: a unix socket may be open to all, and the kernel says who connects */
    bool takes_all_uids; /* of a unix peer; else one of these */
    uint32_t *uids;
    size_t n_uids;
    struct {
        char *header; /* NULL: no secret is asked for */
        struct secret_source secret;
    } shared_secret;
    struct {
        char *header;   /* NULL: no assertion is asked for */
        char *jwks;     /* an absolute path, or an https URL (http on loopback) */
        char *ca_file;  /* trusted for that URL instead of the system's, or NULL */
        char *issuer;   /* `iss` must be this */
        char *audience; /* `aud` must be, or hold, this */
        char *claim;    /* that names the person; "preferred_username" by default */
    } jwt;
    struct {
        char *certificate, *key, *ca; /* files; NULL without LISTEN_TLS */
        char **names;                 /* a client's certificate has one of them (a DNS SAN, or its CN) */
        size_t n_names;
    } mtls;
};

struct identity_settings {
    char *header;
    char **domains; /* lower case; none: whatever stands behind @ is cut off */
    size_t n_domains;
};

struct command_settings {
    char **argv; /* ended by NULL; "{os_user}", "{name}" and "{recipe}" are replaced in each word; NULL for none */
    uint64_t timeout_ms;
};

struct mint_settings {
    struct command_settings command;
    uint64_t rate_count, rate_ms; /* mints of one person: so many, in that time */
};

/* Instances that are started when somebody comes, and stopped when nobody does. An entry's own `start` goes before. */
struct start_settings {
    char *unit;                          /* "t3@{os_user}.service", or NULL */
    struct command_settings start, stop; /* commands instead of a unit */
    uint64_t wait_ms;                    /* until it must listen */
    uint64_t idle_ms;                    /* without request, tunnel or activity: it is stopped then. 0: never */
    char *activity_path;                 /* a URL of the instance that says idle, or NULL */
    char *activity_field;                /* of the JSON there, true or 0 or "idle" when it is; dotted */
};

struct dispatch_timeouts {
    uint64_t head_ms, idle_ms, body_ms, write_ms, stream_ms, connect_ms, response_ms;
};

struct dispatch_settings {
    char *path; /* of the file */
    struct listen_place *listen;
    size_t n_listen;
    bool listens_by_default; /* no place was written: what systemd hands over goes before the one that stands here */
    uint32_t workers;        /* 0: one for each processor this process may run on */
    struct trust_settings trust;
    struct identity_settings identity;
    char *table;            /* the file; absolute */
    uint64_t table_look_ms; /* it is read again after so long, changed or not */
    char *recipe;           /* of entries that name none: `profile` */
    struct mint_settings mint;
    struct start_settings start;
    char **admins; /* may see the status page */
    size_t n_admins;
    char *status_path; /* where it is */
    char *access_log;  /* absolute, "-" for standard error, or NULL */
    uint64_t drain_ms; /* how long open exchanges and tunnels have after SIGTERM */
    struct dispatch_timeouts timeouts;
    struct metrics_settings metrics;
    enum log_level log_level;
};

/* As egress/settings/settings.h's settings_load. -ENOENT with a complaint, too, when the file has no `dispatch:`. */
int dispatch_settings_load(const char *path, struct dispatch_settings **ret, char **ret_error);
int dispatch_settings_parse(const char *path, struct slice bytes, struct dispatch_settings **ret, char **ret_error);
void dispatch_settings_free(struct dispatch_settings *settings);
void dispatch_settings_free_pointer(struct dispatch_settings **settings);
#define _cleanup_dispatch_settings_ __attribute__((cleanup(dispatch_settings_free_pointer)))

/* The first half of ":PORT" speaks for both. */
static inline bool listen_is_second_half(const struct listen_place *place) {
    return place->is_half && place->address.any.sa_family == AF_INET6;
}

/* Where it listens, as written: "127.0.0.1:3780, unix:/run/x.sock". The caller's; NULL without memory. */
char *listen_describe(const struct dispatch_settings *settings);

/* Who is trusted to name a person, in words for the line at the start: "loopback and unix sockets". The caller's. */
char *trust_describe(const struct trust_settings *trust);
