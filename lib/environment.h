/*
 * What CREDFD says: which leases this process was given, by name and number. It reads text and opens nothing; whether
 * a number is a live channel is for channel.h. The whole value is checked before any of it is believed. Used by
 * credfd.c alone.
 *
 *     CREDFD   = lease *( "," lease )
 *     lease    = name "=" number
 *     name     = 1*64( ALPHA / DIGIT / "." / "_" / "-" ), none twice
 *     number   = decimal, 3 to INT_MAX, no leading zero
 */
#pragma once

#include <stddef.h>

struct credfd_entry {
    const char *name; /* looks into the environment; not NUL-terminated */
    size_t name_length;
    int number;
};

/* The lease `name`; NULL for the only one. 0, -ENODATA, -ENOENT, -ENOTUNIQ or -EINVAL as in credfd.h. */
int credfd_environment_find(const char *name, struct credfd_entry *ret);

/* The lease at `index`. 0, -ENODATA, -ENOENT or -EINVAL. */
int credfd_environment_at(unsigned index, struct credfd_entry *ret);
