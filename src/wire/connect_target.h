/*
 * Where a client of a proxy wants to go: host and port, written so that everybody reads the same in it. What one reader
 * takes for a name and another for an address (2130706433, 0177.0.0.1, 127.1) is refused, each oddity with its own
 * reason. Pure; resolves nothing. Called by the proxy (egress/door/proxy_head.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

enum connect_fault {
    CONNECT_OK = 0,
    CONNECT_EMPTY,        /* no host */
    CONNECT_NUL,          /* a NUL in it */
    CONNECT_NOT_ASCII,    /* an internationalised name as it is read, and not in its xn-- form */
    CONNECT_USERINFO,     /* user@ */
    CONNECT_ODD_BYTE,     /* a path, a blank, an escape, a list */
    CONNECT_NO_PORT,      /* none, where one must be */
    CONNECT_BAD_PORT,     /* 0, above 65535, not digits, a zero before them */
    CONNECT_BAD_BRACKETS, /* no IPv6 address between them, or one with a zone, or without brackets */
    CONNECT_ODD_ADDRESS,  /* ends in a number, and is no IPv4 address of four decimal parts */
    CONNECT_LAST_DOT,     /* a name with a dot at its end */
    CONNECT_BAD_NAME,     /* an empty label, one of more than 63 bytes, more than LIMIT_HOST altogether */
    CONNECT_FAULTS
};

struct connect_target {
    char host_text[LIMIT_HOST + 1]; /* lower case, an IPv6 address in its one form and without brackets */
    size_t host_n;
    bool is_address;
    bool is_ipv6;
    uint16_t port;
};

/*
 * `default_port` is for what stands before a path, where the port may be left out; 0: it may not (CONNECT). `*ret` is
 * untouched on failure.
 */
enum connect_fault connect_target_parse(struct slice text, uint16_t default_port, struct connect_target *ret);

/* A whole sentence, never text from the target. */
const char *connect_fault_reason(enum connect_fault fault);

static inline struct slice connect_target_host(const struct connect_target *target) {
    return slice_of(target->host_text, target->host_n);
}

#define CONNECT_TARGET_MAX (LIMIT_HOST + sizeof("[]:65535"))

/* "host:port", with brackets around an IPv6 address. Returns the length. */
size_t connect_target_format(const struct connect_target *target, char to[static CONNECT_TARGET_MAX]);
