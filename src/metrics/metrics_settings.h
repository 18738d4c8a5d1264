/*
 * Where the metrics are served, as a configuration says it: `metrics:`.
 */
#pragma once

#include "config/document.h"

struct metrics_settings {
    char *listen; /* "ADDRESS:PORT" or "unix:/PATH"; NULL for nowhere */
    char *where;  /* "FILE:LINE: metrics" */
};

/* A handler of config/schema.h; `field` is a struct metrics_settings, all zero. */
int settings_read_metrics(const struct node *node, void *field);
