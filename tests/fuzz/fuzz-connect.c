#include <arpa/inet.h>

#include "fuzz.h"
#include "wire/connect_target.h"

/* What is accepted has one form, which means the same again, and the C library takes no name of it for an address. */
static void try_target(struct slice text, uint16_t default_port) {
    struct connect_target target, again;
    enum connect_fault fault = connect_target_parse(text, default_port, &target);
    char form[CONNECT_TARGET_MAX + 1];
    struct in_addr address;
    size_t n;

    REQUIRE(fault < CONNECT_FAULTS && (fault == CONNECT_OK || *connect_fault_reason(fault)));
    if (fault != CONNECT_OK)
        return;
    n = connect_target_format(&target, form);
    REQUIRE(n <= CONNECT_TARGET_MAX && target.port > 0 && target.host_n > 0 && target.host_n <= LIMIT_HOST);
    REQUIRE(connect_target_parse(slice_of(form, n), 0, &again) == CONNECT_OK);
    REQUIRE(slice_equals(connect_target_host(&target), connect_target_host(&again)) && again.port == target.port);
    REQUIRE(strlen(target.host_text) == target.host_n && again.is_address == target.is_address);
    REQUIRE(target.is_address || inet_aton(target.host_text, &address) == 0);
    for (size_t i = 0; i < target.host_n; i++)
        REQUIRE(target.host_text[i] > ' ' && target.host_text[i] <= 'z' && !strchr("@/?#\\%,[]", target.host_text[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size);

    try_target(in, 0);
    try_target(in, 80);
    return 0;
}
