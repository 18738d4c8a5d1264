/*
 * The files that a configuration names: whether one is there, may be read, and has a sensible size. Its bytes are
 * looked at only where they are no secret. Part of egress/settings/settings.c. No complaint shows a path: it may be the key
 * itself, put in the wrong place.
 */
#pragma once

#include <sys/stat.h>

#include "config/document.h"

/* What a file must be, and what to do about one that is not. */
struct file_rule {
    off_t max;
    const char *mend_absent, *mend_kind, *mend_empty, *mend_large;
};

/*
 * 0, with what stat(2) says of it; -EINVAL, and in `*ret_fault` what is wrong and how to mend it, freed by the caller;
 * -ENOMEM. Whoever opens the file checks it again.
 */
int settings_check_file(const char *path, const struct file_rule *rule, struct stat *ret, char **ret_fault);

/* A handler of config/schema.h; `field` is a char * that becomes the path of a file of certificates in PEM. */
int settings_read_ca_file(const struct node *node, void *field);
