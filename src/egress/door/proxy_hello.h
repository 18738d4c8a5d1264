/*
 * Whether a tunnel may be what it was asked to be: what the client says first is TLS, and names the host that it asked
 * for (an address is named by nobody). What is no such thing is cut before a byte of it has left. Pure. Called by
 * proxy_client.c.
 */
#pragma once

#include "wire/client_hello.h"
#include "wire/connect_target.h"

enum proxy_hello {
    HELLO_MORE,  /* not whole yet */
    HELLO_GOOD,  /* it may pass */
    HELLO_WRONG, /* never */
};

/* `in` is all that has come. `*ret_reason`, a constant, is of HELLO_WRONG. */
enum proxy_hello proxy_hello_judge(struct client_hello *hello, struct slice in, const struct connect_target *target,
                                   const char **ret_reason);

/* What a client of TLS is told whose hello is wrong: a record that says it in its own language. */
struct slice proxy_hello_alert(const struct client_hello *hello);
