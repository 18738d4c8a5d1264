#include "fuzz.h"
#include "relay/refusal.h"

/* Whatever was refused, and for whatever: what is told of it lies within, and is as bounded as it says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct exchange_rules rules = {.protected_fields = {{"X-User-Name", 11}}, .n_protected = 1};
    struct slice bytes = slice_of(data, size);
    struct refusal refusal;

    for (enum http_fault fault = HTTP_BAD_START; fault < HTTP_FAULTS; fault++) {
        refusal_read(bytes, fault, &rules, &refusal);
        REQUIRE(refusal.field.n <= LIMIT_FIELD_SHOWN && refusal.method.n <= LIMIT_METHOD);
        REQUIRE(!slice_has(refusal.path, '?') && !slice_has(refusal.field, '\n') && !slice_has(refusal.host, '\n'));
        for (size_t i = 0; i < refusal.fields.n; i++)
            REQUIRE(http_is_token(refusal.fields.at[i].name) && http_is_field_value(refusal.fields.at[i].value));
    }
    return 0;
}
