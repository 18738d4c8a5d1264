#include "secrets/source_fault.h"

const char *source_fault_text(enum source_fault fault) {
    static const char *const texts[SOURCE_FAULTS] = {
        [SOURCE_UNREADABLE] = "the secret cannot be read; check its permissions",
        [SOURCE_EMPTY] = "the secret is empty; put the key there",
        [SOURCE_TOO_LONG] = "the secret is longer than 16 KiB; it should hold the key alone",
        [SOURCE_HAS_NEWLINE] = "the secret has a newline inside; it should hold the key alone, on one line",
        [SOURCE_HAS_CONTROL] = "the secret holds a control byte, which no request can carry; check how it was written",
        [SOURCE_NO_OUTPUT] = "the command gave no output; let it print the key",
        [SOURCE_TOO_MUCH_OUTPUT] = "the command printed more than 64 KiB; let it print the key alone",
        [SOURCE_BAD_JSON] =
            "the command printed a { but no sound JSON behind it (or a key twice); let it print the key "
            "alone, or one object with \"secret\"",
        [SOURCE_BAD_SECRET] = "the command printed JSON without a text \"secret\"; let it print {\"secret\": TEXT}",
        [SOURCE_BAD_EXPIRY] = "the command printed JSON with an \"expires_at\" that is no point in time; give it as in "
                              "\"2030-01-31T12:00:00Z\", or in seconds since 1970",
        [SOURCE_EXPIRED] =
            "the secret that the command printed has expired already; let it ask for a new one, or check "
            "this machine's clock",
        [SOURCE_NO_MEMORY] = "no protected memory is left for the secret; raise the limit on locked memory (ulimit -l)",
    };

    return (unsigned)fault < SOURCE_FAULTS && texts[fault] ? texts[fault] : "the secret could not be had";
}
