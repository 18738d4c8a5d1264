/*
 * An order: what a task is to do, as the link understood it, on its way to the task's own process in sealed memory that
 * nobody between them maps. The link writes it, a task reads it; a task believes no length in it.
 */
#pragma once

#include <stdint.h>

#include "fleet/operation.h"

struct order_variable {
    struct slice name, value;
};

/* What an operation does not have is empty. Slices of a parsed order look into the bytes that it was parsed from. */
struct order {
    enum operation operation;
    struct slice command, workdir;    /* bash; `workdir` as the hub said it */
    uint64_t timeout_ms;              /* bash; 0: none was named */
    struct order_variable *variables; /* bash: LIMIT_TASK_VARIABLES at most; order_done frees the list */
    size_t n_variables;
    struct slice path;      /* read, write, list */
    uint64_t offset, limit; /* read; `limit` 0: to the end */
    struct slice content;   /* write: the bytes, decoded */
    bool is_recursive;      /* list */
    struct slice pattern;   /* glob, grep */
    struct slice *globs;    /* list: ignore; grep: include. LIMIT_TASK_GLOBS at most; order_done frees the list */
    size_t n_globs;
};

/* A sealed memfd that holds it, the caller's; or -errno. */
int order_seal(const struct order *order);

/* 0, -EBADMSG or -ENOMEM; either way order_done frees what was made. */
int order_parse(struct slice bytes, struct order *ret);
void order_done(struct order *order);
