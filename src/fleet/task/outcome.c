#include "fleet/task/outcome.h"

const char *task_outcome_name(enum task_outcome outcome) {
    static const char *const names[TASK_OUTCOMES] = {
        [TASK_RAN] = "ran",
        [TASK_DENIED] = "denied",
        [TASK_CANCELLED] = "cancelled",
        [TASK_TIMED_OUT] = "timed out",
        [TASK_FAILED] = "failed",
        [TASK_INTERRUPTED] = "interrupted",
    };

    return (unsigned)outcome < TASK_OUTCOMES ? names[outcome] : "unknown";
}
