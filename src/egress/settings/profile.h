/*
 * Profiles: ready-made credentials, each a YAML file NAME.yaml that says everything but where the secret comes from: one
 * credential, or several that the same secret is for, and the hosts that are let through beside them.
 * They lie in the user's own folder ($XDG_CONFIG_HOME/credfd/profiles, below ~/.config without the variable), in
 * /etc/credfd/profiles, and with what was installed; one in an earlier folder hides those of its name in later ones.
 * `credfd run` makes settings of them that need no configuration file, `credfd profile` shows them.
 */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "egress/settings/settings.h"

/* A profile, and its secret as KIND:VALUE: what a command line says. */
struct profile_choice {
    const char *name;
    const char *secret;
};

/*
 * Settings with the credentials of each choice, in their order, and every host that one of them lets through; every
 * default, no audit. The secret of a choice is the secret of each of its credentials, and is had once (`group`). 0, and
 * `*ret` is freed by settings_free. -errno on failure, and in `*ret_error` one line for a person, freed by the caller,
 * or NULL when memory is out: it names the line of the profile's file, the profile, or --secret. Nothing of a secret's
 * VALUE is ever in it.
 *
 * `paths` has the file of each choice, the caller's, or NULL for one to be looked for, whose file is then put there: a
 * second reading takes the file that the first one found, whatever has come into an earlier folder meanwhile. NULL: all
 * are looked for.
 */
int profile_load(const struct profile_choice *choices, size_t n, char **paths, struct settings **ret, char **ret_error);

/* The file of the profile; `*ret_path` is the caller's. -EINVAL (no name for one) or -ENOENT, with `*ret_error`. */
int profile_find(const char *name, char **ret_path, char **ret_error);

/*
 * What the profile of that name says, its credentials without a secret. 0; `*ret_path` is the file, `*ret_description`
 * what it is for, both the caller's, as `*ret`. -errno with `*ret_error` as profile_load or profile_find.
 */
int profile_read(const char *name, struct settings **ret, char **ret_path, char **ret_description, char **ret_error);

/*
 * Whether it is one credential that needs no door but its descriptor: all that a lease of a runner's task can have. 0,
 * or -EINVAL with `*ret_error` as profile_load.
 */
int profile_check_plain(const char *name, const struct settings *settings, char **ret_error);

/* Checks the whole file and gives its `description`, the caller's. -errno with `*ret_error` as profile_load. */
int profile_describe(const char *path, char **ret_description, char **ret_error);

struct profile {
    char *name;
    char *path; /* of the file that profile_find finds */
};

struct profile_list {
    struct profile *items; /* by name */
    size_t n;
};

/* Every profile there is; freed by profile_list_done. -errno with `*ret_error`, which names the folder. */
int profile_list(struct profile_list *ret, char **ret_error);
void profile_list_done(struct profile_list *list);
#define _cleanup_profile_list_ _cleanup_(profile_list_done)
