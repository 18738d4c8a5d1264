/* What a mint command prints, to the credential in it: a text of the JSON's own, within its limit, or none. */
#include "base/macros.h"
#include "fuzz.h"
#include "ingress/pairing/mint_output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char credential[LIMIT_SECRET];
    static bool is_ready;
    size_t n = 0;

    if (!is_ready)
        mint_json_init();
    is_ready = true;
    if (size > LIMIT_COMMAND_OUTPUT)
        return 0;
    if (mint_credential_parse(slice_of(size > 0 ? (const void *)data : "", size), credential, &n) < 0) {
        REQUIRE(n == 0);
        return 0;
    }
    REQUIRE(n > 0 && n <= LIMIT_SECRET && n <= size);
    REQUIRE(!memchr(credential, '\0', n));
    return 0;
}
