/*
 * Where a credential's secret comes from, as a configuration or a command line says it. What is said is read here, and
 * not whether it is there: settings_check_secret looks, at those that are used. Apart because no complaint here may
 * show what was written. Called by whoever reads a configuration with secrets in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/document.h"

enum secret_kind { SECRET_FILE, SECRET_ENV, SECRET_FD, SECRET_COMMAND, SECRET_SYSTEMD };

struct secret_source {
    enum secret_kind kind;
    char *path;     /* of SECRET_FILE; of SECRET_SYSTEMD, below $CREDENTIALS_DIRECTORY or NULL without it; absolute */
    char *variable; /* of SECRET_ENV */
    int fd;         /* of SECRET_FD, 3 or above; borrowed: whoever started credfd opened it */
    char **argv;    /* of SECRET_COMMAND, ended by NULL; the program is a path from / on, or is sought in $PATH */
    char *program;  /* of SECRET_COMMAND: the file that argv[0] is, once settings_find_program has looked; else NULL */
    uint64_t timeout_ms; /* of SECRET_COMMAND: a longer run has failed */
    uint64_t refresh_ms; /* of SECRET_COMMAND: from one run to the next; 0 when only an expiry brings the next */
    uint32_t group;      /* not 0: one and the same as that of every other one with this number, and had once for all */
    bool is_digest_enough; /* nobody needs the secret itself: source_digest.h is what is handed over */
    char *where;           /* "FILE:LINE: credentials.NAME.secret": the start of every complaint about it; printable */
};

/* A handler of config/schema.h. `field` is a struct secret_source, all zero. */
int settings_read_secret(const struct node *node, void *field);

/*
 * Makes `secret`, all zero or failed, one of that kind, as `value` says: a path, a variable's name, a descriptor's
 * number, the name of systemd's, or words with blanks between them and no quotes. What is relative starts from
 * `directory`. 0; -ENOMEM; or -EINVAL, and `*ret_fault` is a literal: what is wrong, and how to mend it. Either way
 * secret_source_done frees it.
 */
int secret_source_set(struct secret_source *secret, enum secret_kind kind, struct slice value, const char *directory,
                      const char **ret_fault);

/*
 * The same from a command line, as KIND:VALUE: the word that a configuration has as its key, and the value as there,
 * relative to the current folder. `where` starts every complaint, and is copied. As settings_check_secret returns.
 */
int secret_source_parse(struct secret_source *secret, const char *where, const char *text, char **ret_error);

void secret_source_done(struct secret_source *secret);

/*
 * Whether the secret is where it comes from, as far as can be seen without having it: the variable is set, the
 * descriptor open, the file readable and not by everybody, the program there. 0; or -EINVAL (-ENOMEM), and in
 * `*ret_error` one line for a person, freed by the caller: it starts with `where` and shows nothing of what stands
 * behind that. Whoever is about to use a secret asks, before the environment is wiped.
 */
int settings_check_secret(const struct secret_source *secret, char **ret_error);

/*
 * Of a SECRET_COMMAND, and else nothing: looks once where its program lies, behind every link, so that nothing that
 * comes into $PATH or into a link later is run in its stead. `earlier` is the program that was found for the same word
 * in an earlier reading, and taken again while it is there; NULL for none. One that is nowhere stays as it is
 * (settings_check_secret says so). 0 or -ENOMEM.
 */
int settings_find_program(struct secret_source *secret, const char *earlier);
