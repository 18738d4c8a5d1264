/*
 * Reads a table's bytes, from either format, into a draft. Each fault is told with its line and key.
 */
#pragma once

#include "config/events.h"
#include "ingress/table/table_build.h"
#include "ingress/table/table_draft.h"

/* 0; -EINVAL or -E2BIG with the complaint in `*ret_error`, the caller's; -ENOMEM. */
int table_read(const char *path, struct events *events, const struct table_recipes *recipes, struct draft *draft,
               char **ret_error);
