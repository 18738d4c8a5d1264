/*
 * What is mounted where, as the kernel tells it in /proc/self/mountinfo: one file may be seen at many paths. Changes
 * nothing but the two kinds of mounts that it is told to shut. For sandbox/view*.c alone.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "sandbox/view.h"

struct mount_entry {
    uint64_t id;
    char *device; /* major:minor */
    char *root;   /* within its file system */
    char *path;   /* where it is seen; others may be mounted above it */
    char *type;
};

struct mount_list {
    struct mount_entry *all;
    size_t n;
};

/* 0 or -errno. */
int mount_list_read(struct mount_list *ret);
void mount_list_done(struct mount_list *list);

/* Adds to `paths` where else each of them is seen: by another mount of the same file system. 0 or -errno. */
int mount_list_add_others(const struct mount_list *list, struct view_paths *paths);

/*
 * Nothing can be told to the kernel by another mount of what is /proc and /sys: each of such a kind, wherever it is
 * seen, can no more be written to; the /proc of this process alone stays. 0, or -errno and `fault`.
 */
int mount_list_shut_kernels(struct view_fault *fault);
