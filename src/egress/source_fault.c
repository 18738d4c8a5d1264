#include "egress/source_fault.h"

const char *source_fault_text(enum source_fault fault) {
    static const char *const texts[SOURCE_FAULTS] = {
        [SOURCE_UNREADABLE] = "the secret cannot be read; check its permissions",
        [SOURCE_EMPTY] = "the secret is empty; put the key there",
        [SOURCE_TOO_LONG] = "the secret is longer than 16 KiB; it should hold the key alone",
        [SOURCE_HAS_NEWLINE] = "the secret has a newline inside; it should hold the key alone, on one line",
        [SOURCE_HAS_CONTROL] = "the secret holds a control byte, which no request can carry; check how it was written",
        [SOURCE_NO_MEMORY] = "no protected memory is left for the secret; raise the limit on locked memory (ulimit -l)",
    };

    return (unsigned)fault < SOURCE_FAULTS ? texts[fault] : "the secret could not be had";
}
