/*
 * For tests that let go of a port, or name one before they listen there: as in tests/lib/ports.py, it comes from below
 * the range whose ports the kernel gives to whoever asks for any, so that nobody else has it meanwhile.
 */
#pragma once

#include <stdio.h>
#include <sys/random.h>

#include "base/fd.h"
#include "net/address.h"
#include "unit.h"

#define LOWEST_PORT 10000 /* below it are the ports that services are known by */

/* How many ports there are from LOWEST_PORT on; where none lies below that range, chance must do. */
static inline unsigned count_ports(void) {
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    unsigned first = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &first), 1);
    (void)fclose(file);
    return (first > LOWEST_PORT ? first : UINT16_MAX) - LOWEST_PORT;
}

static inline bool is_free(uint16_t port) {
    struct address address;
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return address_parse(SLICE("127.0.0.1"), port, &address) == 0 && bind(fd, &address.any, address.n) == 0;
}

/* One that nobody listens at, and never the same twice: in order, from a random place on. */
static inline uint16_t free_port(void) {
    static unsigned n, at;
    uint16_t port;

    if (n == 0) {
        n = count_ports();
        assert_int_equal(getrandom(&at, sizeof(at), 0), sizeof(at));
    }
    do
        port = (uint16_t)(LOWEST_PORT + at++ % n);
    while (!is_free(port));
    return port;
}
