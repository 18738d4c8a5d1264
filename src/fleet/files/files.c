#include "fleet/files/files.h"

#include <errno.h>

#include "fleet/files/operations.h"

int files_run(const struct files *files, const struct order *order, struct buf *result, char **ret_error) {
    *ret_error = NULL;
    switch (order->operation) {
    case OPERATION_READ:
        return operation_read(files, order, result, ret_error);
    case OPERATION_WRITE:
        return operation_write(files, order, result, ret_error);
    case OPERATION_LIST:
        return operation_list(files, order, result, ret_error);
    case OPERATION_GLOB:
        return operation_glob(files, order, result, ret_error);
    case OPERATION_GREP:
        return operation_grep(files, order, result, ret_error);
    case OPERATION_BASH:
    case OPERATION_UNKNOWN:
    case OPERATIONS:
        break;
    }
    return -EINVAL;
}
