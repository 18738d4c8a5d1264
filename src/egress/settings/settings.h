/*
 * The configuration of credentials, as it stands after every check that needs no network: parsed, validated and owned
 * in one object. Knows no process and opens no secret. `run`, `check` and `call` read it; roles never see it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/slice.h"
#include "metrics/metrics_settings.h"
#include "secrets/settings_secret.h"
#include "wire/uri.h"

enum inject_kind {
    INJECT_QUERY,          /* name=SECRET */
    INJECT_HEADER,         /* name: format with the secret in it */
    INJECT_BASIC_USER,     /* Authorization: Basic base64(name:SECRET) */
    INJECT_BASIC_PASSWORD, /* Authorization: Basic base64(SECRET:name) */
    INJECT_COOKIE,         /* Cookie: name=SECRET */
    INJECT_PATH,           /* format with the secret in it, before the path */
};

struct inject {
    enum inject_kind kind;
    char *name;   /* of the parameter, the field or the cookie; the other half of a basic pair; NULL for a path */
    char *format; /* of INJECT_HEADER and INJECT_PATH: "{}" stands for the secret, exactly once; else NULL */
};

struct rule {
    char *method; /* a token, or "*" for every method */
    char *path;   /* a pattern of wire/glob.h */
    size_t line;  /* of the file that it was read from; 0 where that is not known */
};

/* What a lease may spend; 0 is no limit. */
struct limits {
    uint64_t requests;   /* in its whole life */
    uint64_t bytes;      /* of content, both ways together, in its whole life */
    uint64_t rate_count; /* requests a `rate_ms`; as many at once */
    uint64_t rate_ms;
    uint64_t concurrent; /* exchanges at a time */
    uint64_t ttl_ms;     /* its life, from the grant */
    uint64_t max_body;   /* bytes of one request's content */
};

struct env_entry {
    char *name;
    char *value; /* a template: {fd} {name} {upstream} {host} {base_url} {socket} {placeholder} */
};

struct credential {
    char *name; /* 1 to LIMIT_NAME of [A-Za-z0-9._-] */
    struct secret_source secret;
    char *upstream;                /* as written, without a trailing slash */
    struct uri_upstream authority; /* taken apart; its slices look into `upstream` */
    struct inject *inject;         /* one at least */
    size_t n_inject;
    bool allows_all;
    struct rule *allow; /* nothing here and not allows_all: every request is refused */
    size_t n_allow;
    struct rule *deny; /* wins over `allow` */
    size_t n_deny;
    char **executables; /* patterns of wire/glob.h over absolute paths: who may dial; none listed: everybody */
    size_t n_executables;
    struct limits limits;
    struct env_entry *env;
    size_t n_env;
    char *ca_file; /* absolute, or NULL for the system's store */
    bool allows_private;
    bool is_mask_off;    /* responses are passed on as they come, the secret in them too */
    bool passes_cookies; /* Set-Cookie reaches the workload */
    bool allows_websocket;
    char *
        placeholder; /* the shape of what stands for the key in the workload (egress/placeholder/placeholder.h); NULL for none */
    uint64_t response_timeout_ms;
};

struct audit_settings {
    char *file;              /* absolute; "-" for standard error; NULL for none */
    char *where;             /* "FILE:LINE: audit.file": the start of every complaint about it; NULL without one */
    bool is_journal;         /* the system's journal gets every line too */
    bool continues_on_error; /* requests go on although their lines are lost; without it they wait */
    uint64_t rotate_bytes;   /* a file of that size becomes FILE.1; 0: never */
    uint64_t keep;           /* how many of those stay: FILE.1 to FILE.keep */
};

/* What stands in the audit in the place of a credential's name, for hosts without one. */
#define AUDIT_WAYS "egress"

/* A host that the proxy lets through although no credential is bound to it. */
struct gate_rule {
    char *host; /* lower case, no brackets; of a wildcard what stands behind "*." */
    uint16_t port;
    bool is_wildcard; /* every name below it, not itself */
    bool is_special;  /* an address, or localhost: it means what it says, public or not */
    size_t line;      /* of the file; 0 where that is not known */
};

struct egress_settings {
    bool is_there; /* the proxy is opened */
    struct gate_rule *allow;
    size_t n_allow;
};

/* All in milliseconds; base/limits.h has the defaults. */
struct timeouts {
    uint64_t head, idle, body, write, stream, connect;
};

struct settings {
    char *path;                     /* of the file */
    struct credential *credentials; /* none only in a file with `egress`, or one that is another command's too */
    size_t n_credentials;
    bool has_dispatch, has_runner; /* sections that are passed over here */
    struct egress_settings egress;
    struct audit_settings audit;
    struct metrics_settings metrics;
    struct timeouts timeouts;
    enum log_level log_level; /* of the process that reads this */
};

/*
 * Reads and checks the file. On success `*ret` is the caller's, freed by settings_free. On failure returns -errno
 * (-EINVAL for bad content) and, in `*ret_error`, one line for a person, freed by the caller: "FILE:LINE: KEY: what is
 * wrong; how to mend it"; NULL there when memory is out. Never holds a secret's text: where secrets come from is read
 * here, and not whether they are there.
 */
int settings_load(const char *path, struct settings **ret, char **ret_error);

/* As settings_load, of bytes that the caller has; `path` is what complaints call them and relative paths start from. */
int settings_parse(const char *path, struct slice bytes, struct settings **ret, char **ret_error);

/* Settings without a credential, every default in place; NULL without memory. `path` is what complaints call them. */
struct settings *settings_new(const char *path);

void settings_free(struct settings *settings);
void settings_free_pointer(struct settings **settings);
#define _cleanup_settings_ __attribute__((cleanup(settings_free_pointer)))

/*
 * The file to use. `option` (from --config) if given, else $CREDFD_CONFIG: whoever named a file means that one, so it
 * is not looked for here, and settings_load says when it is not there. Else the first that exists of ./credfd.yaml,
 * $XDG_CONFIG_HOME/credfd/config.yaml (~/.config without the variable) and /etc/credfd/config.yaml. 0 with `*ret_path`
 * the caller's; -ENOENT with `*ret_error` as above, naming the places looked at.
 */
int settings_find(const char *option, char **ret_path, char **ret_error);

/* The audit goes to `path` instead; complaints about it begin with `where`. 0 or -ENOMEM. */
int settings_set_audit(struct settings *settings, const char *path, const char *where);

/* NULL when there is none of that name. */
const struct credential *settings_credential(const struct settings *settings, const char *name);
