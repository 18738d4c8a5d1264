#include "fleet/operation.h"

static const struct slice names[OPERATIONS] = {
    [OPERATION_BASH] = SLICE("bash"),       [OPERATION_READ] = SLICE("read"), [OPERATION_WRITE] = SLICE("write"),
    [OPERATION_LIST] = SLICE("list"),       [OPERATION_GLOB] = SLICE("glob"), [OPERATION_GREP] = SLICE("grep"),
    [OPERATION_UNKNOWN] = SLICE("unknown"),
};

const char *operation_name(enum operation operation) {
    return names[operation < OPERATIONS ? operation : OPERATION_UNKNOWN].p;
}

enum operation operation_by_name(struct slice name) {
    for (unsigned i = 0; i < OPERATION_UNKNOWN; i++)
        if (slice_equals(names[i], name))
            return (enum operation)i;
    return OPERATION_UNKNOWN;
}
