/* What a task may ask for: fleet/protocol's words for it. */
#pragma once

#include "base/slice.h"

enum operation {
    OPERATION_BASH,
    OPERATION_READ,
    OPERATION_WRITE,
    OPERATION_LIST,
    OPERATION_GLOB,
    OPERATION_GREP,
    OPERATION_UNKNOWN, /* refused; the name of it goes into the answer */
    OPERATIONS
};

enum task_stream { TASK_STDOUT, TASK_STDERR, TASK_STREAMS };

/* "bash"; "unknown" for OPERATION_UNKNOWN. */
const char *operation_name(enum operation operation);
enum operation operation_by_name(struct slice name);
