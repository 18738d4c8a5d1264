/* The five of files.h, each in a file of its own. The inside of fleet/files; files.c alone uses it. */
#pragma once

#include "fleet/files/files.h"

/* As files_run. */
int operation_read(const struct files *files, const struct order *order, struct buf *result, char **ret_error);
int operation_write(const struct files *files, const struct order *order, struct buf *result, char **ret_error);
int operation_list(const struct files *files, const struct order *order, struct buf *result, char **ret_error);
int operation_glob(const struct files *files, const struct order *order, struct buf *result, char **ret_error);
int operation_grep(const struct files *files, const struct order *order, struct buf *result, char **ret_error);
