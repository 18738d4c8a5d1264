/*
 * One guest of the doorman: a connection that was accepted, its handshake, and then its bytes to and from a dispatcher
 * until either has ended. Reads nothing of what is said.
 */
#pragma once

#include "ingress/front/doorman_pump.h"
#include "net/address.h"
#include "net/tls_server.h"

struct guest;

enum guest_state {
    WAIT_HANDSHAKE,
    WAIT_END, /* of what it and its dispatcher have to say */
};

struct guest_host {
    /*
     * Its certificate is in order: whether it may enter. 0 with the end that leads to a dispatcher; or -EACCES or
     * -errno, with the reason, a constant; NULL where that has been told already.
     */
    int (*admit)(struct guest *guest, int *ret_fd, const char **ret_reason);
    void (*refused)(struct guest *guest, const char *reason); /* it does not enter; `gone` follows */
    void (*entered)(struct guest *guest);
    void (*gone)(struct guest *guest); /* freed when this returns */
};

struct guest {
    struct guest *next, *before; /* the doorman's, as is all up to `host` */
    uint32_t listener;
    struct address address;
    uint64_t came_ms;
    const struct guest_host *host;
    enum guest_state state;
    struct stream outer, inner;
    struct pump pump;
    struct timer deadline; /* of the handshake */
};

/* Takes `fd` over even on failure. `host` outlives the guest. 0 or -errno; nothing is called back from here. */
int guest_new(int fd, const struct address *address, uint32_t listener, struct tls_server *tls,
              const struct guest_host *host, struct guest **ret);

/* Ends it now; `refused` is called when it had not entered and there is a reason, `gone` in every case. */
void guest_end(struct guest *guest, const char *reason);
