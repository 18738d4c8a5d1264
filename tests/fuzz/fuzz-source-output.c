#include "secrets/source_output.h"
#include "fuzz.h"
#include "wire/timestamp.h"

#define NOW_MS 1700000000000ULL

static struct source_output output;

static void require_sound_secret(void) {
    REQUIRE(output.n > 0 && output.n <= LIMIT_SECRET);
    for (size_t i = 0; i < output.n; i++)
        REQUIRE((unsigned char)output.secret[i] >= 0x20 && output.secret[i] != 0x7f);
    REQUIRE(output.expires_in_ms <= LIMIT_SECRET_LIFE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    enum source_fault line, printed;
    uint64_t unix_ms;

    if (size > SOURCE_OUTPUT_MAX)
        return 0;
    line = source_output_parse(SOURCE_LINE, in, NOW_MS, &output);
    REQUIRE(line < SOURCE_FAULTS);
    if (line == SOURCE_SOUND) {
        require_sound_secret();
        REQUIRE(output.expires_in_ms == 0);
        REQUIRE(slice_starts_with(in, slice_of(output.secret, output.n)) && in.n <= output.n + 2);
    }
    printed = source_output_parse(SOURCE_OUTPUT, in, NOW_MS, &output);
    REQUIRE(printed < SOURCE_FAULTS);
    if (printed == SOURCE_SOUND)
        require_sound_secret();
    /* what begins with no brace is the same from a command as from a file */
    if (size <= LIMIT_COMMAND_OUTPUT && !slice_has(in, '{'))
        REQUIRE(printed == (line == SOURCE_EMPTY ? SOURCE_NO_OUTPUT : line));
    if (timestamp_parse(in, &unix_ms) == 0)
        REQUIRE(unix_ms / 1000 <= TIMESTAMP_MAX_S + 86400 + 1 && size >= sizeof("2030-01-31T12:00:00Z") - 1);
    return 0;
}
