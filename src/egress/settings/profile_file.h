/*
 * The file of a profile, read and checked: a description, one credential or several that share a secret, and the hosts
 * that are let through beside them. Part of egress/settings/profile.c, apart for its size; opens no secret, knows no command line.
 */
#pragma once

#include "egress/settings/settings.h"

struct profile_file {
    struct credential one;   /* first: the keys of a profile with one credential stand at the root */
    struct credential *many; /* those of `credentials`; NULL where there is one */
    size_t n_many;
    char *description;
    struct egress_settings egress;
};

/*
 * Fills `*file`, all zero. The credentials have no secret, and one that has no name of its own is called `name`. 0, or
 * -errno with `*ret_error` as profile_load; either way profile_file_done frees it.
 */
int profile_file_read(const char *path, const char *name, struct profile_file *file, char **ret_error);
void profile_file_done(struct profile_file *file);
#define _cleanup_profile_file_ _cleanup_(profile_file_done)

/* The credentials in it, `*ret_n` of them. */
struct credential *profile_file_credentials(struct profile_file *file, size_t *ret_n);
