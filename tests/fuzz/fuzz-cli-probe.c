/* What a CLI prints for `version --json`: yes only where the words stand, or a reason that can be shown. */
#include "fleet/probe/probe_output.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    const char *why_not = probe_output_judge(in);

    if (!why_not)
        REQUIRE(slice_has(in, '{') && memmem(in.p, in.n, "true", 4) != NULL);
    for (const char *p = why_not; p && *p; p++)
        REQUIRE(*p >= 0x20 && *p <= 0x7e);
    return 0;
}
