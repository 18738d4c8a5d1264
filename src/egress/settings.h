/*
 * The configuration of credentials, as it stands after every check that needs no network: parsed, validated and owned
 * in one object. Knows no process and opens no secret. `run`, `check` and `call` read it; roles never see it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/uri.h"

enum secret_kind { SECRET_FILE, SECRET_ENV, SECRET_FD };

struct secret_source {
    enum secret_kind kind;
    char *path;     /* of SECRET_FILE; relative ones were made absolute from the configuration's directory */
    char *variable; /* of SECRET_ENV */
    int fd;         /* of SECRET_FD, 3 or above; borrowed: whoever started credfd opened it */
    char *where;    /* "FILE:LINE: credentials.NAME.secret": the start of every complaint about it; printable */
};

enum inject_kind { INJECT_QUERY, INJECT_HEADER };

struct inject {
    enum inject_kind kind;
    char *name;   /* of the query parameter or the header field */
    char *format; /* of INJECT_HEADER: "{}" stands for the secret, exactly once; "{}" alone by default */
};

struct rule {
    char *method; /* a token, or "*" for every method */
    char *path;   /* a pattern of wire/glob.h */
};

struct env_entry {
    char *name;
    char *value; /* a template: {fd} {name} {upstream} {host} */
};

struct credential {
    char *name; /* 1 to LIMIT_NAME of [A-Za-z0-9._-] */
    struct secret_source secret;
    char *upstream;                /* as written, without a trailing slash */
    struct uri_upstream authority; /* taken apart; its slices look into `upstream` */
    struct inject inject;
    bool allows_all;
    struct rule *allow; /* nothing here and not allows_all: every request is refused */
    size_t n_allow;
    struct env_entry *env;
    size_t n_env;
    char *ca_file; /* absolute, or NULL for the system's store */
    bool allows_private;
    uint64_t response_timeout_ms;
};

/* All in milliseconds; base/limits.h has the defaults. */
struct timeouts {
    uint64_t head, idle, body, write, stream, connect;
};

struct settings {
    char *path; /* of the file */
    struct credential *credentials;
    size_t n_credentials;
    char *audit_file;  /* absolute; "-" for standard error; NULL for none */
    char *audit_where; /* "FILE:LINE: audit.file": the start of every complaint about it; NULL without one */
    struct timeouts timeouts;
};

/*
 * Reads and checks the file. On success `*ret` is the caller's, freed by settings_free. On failure returns -errno
 * (-EINVAL for bad content) and, in `*ret_error`, one line for a person, freed by the caller: "FILE:LINE: KEY: what is
 * wrong; how to mend it"; NULL there when memory is out. Never holds a secret's text: secrets are not opened here, only
 * their files' modes are looked at (a world-readable one is refused, a missing one too).
 */
int settings_load(const char *path, struct settings **ret, char **ret_error);

/* As settings_load, of bytes that the caller has; `path` is what complaints call them and relative paths start from. */
int settings_parse(const char *path, struct slice bytes, struct settings **ret, char **ret_error);

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

/* NULL when there is none of that name. */
const struct credential *settings_credential(const struct settings *settings, const char *name);
