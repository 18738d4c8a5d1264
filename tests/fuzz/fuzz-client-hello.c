#include "fuzz.h"
#include "wire/client_hello.h"

/* However it comes, in one piece or byte by byte, the verdict is the same, and once it is there it is final. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct client_hello whole = {0}, pieces = {0};
    enum client_hello_verdict at_once, verdict = CLIENT_HELLO_MORE;
    struct slice in = slice_of(data, size);

    if (size > LIMIT_CLIENT_HELLO)
        return 0;
    at_once = client_hello_read(&whole, in);
    for (size_t n = 0; n <= size && verdict == CLIENT_HELLO_MORE; n++)
        verdict = client_hello_read(&pieces, slice_first(in, n));
    REQUIRE(verdict == at_once);
    REQUIRE((verdict == CLIENT_HELLO_BAD) == (whole.fault != NULL));
    if (verdict != CLIENT_HELLO_WHOLE)
        return 0;
    REQUIRE(whole.at <= size && whole.length <= whole.at && whole.content == whole.length);
    REQUIRE(slice_equals(client_hello_name(&whole), client_hello_name(&pieces)));
    REQUIRE(whole.has_name == (whole.name_n > 0) && whole.has_ech == pieces.has_ech);
    for (size_t i = 0; i < whole.name_n; i++)
        REQUIRE(whole.name_text[i] > ' ' && whole.name_text[i] <= 'z' && !strchr("@/:?#\\%,[]", whole.name_text[i]));
    return 0;
}
