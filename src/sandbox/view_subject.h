/*
 * What a view does something about, by name: files that are hidden or kept, the ways that lead to them, and sockets of
 * others; each wherever it is seen, for one file system may be mounted twice. Found before anything is changed, then
 * dealt with. For sandbox/view*.c alone.
 */
#pragma once

#include "sandbox/view.h"

struct view_subjects {
    struct view_paths sockets, hidden, kept;
    struct view_paths steps; /* view_pin.h */
};

/* 0, or -errno and `fault`. */
int view_subjects_find(const struct view_want *want, const struct view_paths *sockets, struct view_subjects *ret,
                       struct view_fault *fault);
void view_subjects_done(struct view_subjects *subjects);

/* Sockets and what is hidden are covered, what is kept is kept, below `root`. 0, or -errno and `fault`. */
int view_subjects_cover(const char *root, const struct view_subjects *subjects, const char *doors, const char *cwd,
                        struct view_fault *fault);
