/*
 * A credential as the keeper holds it: what the configuration says of it, the secret that the next request goes out
 * with, and what of a response must not be seen. Definitions and secrets are replaced while requests are under way:
 * those finish with the ones that they began with. The keeper alone has any.
 */
#pragma once

#include "base/secret_vault.h"
#include "egress/keeper/anchors.h"
#include "egress/mask/mask.h"
#include "egress/settings/settings.h"

/* One secret of a credential's life, shared by the exchanges that went out with it. */
struct held_secret {
    size_t refs;
    struct secret *secret;
    struct held_secret *before; /* its predecessor, which a response may still say: until there is the mask */
    struct mask *mask;          /* of both, from the first exchange on; NULL where nothing is masked */
    bool is_used;               /* an exchange went out with it */
    uint64_t expires_at;        /* base/clock.h; 0: never */
};

struct held {
    size_t refs;                   /* of the keeper, and of each lease */
    struct credential *credential; /* never NULL */
    struct held_secret *current;   /* NULL until there is one, and once it is forgotten */
    struct anchors *anchors;       /* of its ca_file; NULL for the system's */
    struct tls_context *tls;       /* NULL for http, and before it is needed */
    size_t n_exchanges;            /* that may look into a definition */
    struct retired *retired;       /* definitions that were replaced meanwhile */
};

/* Takes the definition over, even on failure. 0 with `*ret` for held_unref, or -ENOMEM. */
int held_new(struct credential *credential, struct held **ret);
struct held *held_ref(struct held *held);
void held_unref(struct held *held);

/* Takes the definition over, instead of the one that there was. 0, -EINVAL (not the same place), -ENOMEM. */
int held_define(struct held *held, struct credential *credential);

/*
 * The secret from now on; takes `fd` over. `expires_in_ms` is 0 for never. 0, -EINVAL, -ENOMEM or -errno. One that
 * cannot stand where it is to be put is taken all the same, and said so in the log.
 */
int held_renew(struct held *held, int fd, uint64_t expires_in_ms);

/* Likewise, with a secret that the keeper before had there. */
int held_claim(struct held *held, struct secret_place place, uint64_t expires_in_ms);

/*
 * An exchange begins, and is over: in between the definition and the secret that it got stay where they are. NULL
 * without memory: then none has begun.
 */
struct held_secret *held_use(struct held *held);
void held_unuse(struct held *held, struct held_secret *secret);

/* Its secret is gone; what exchanges that are under way have of it goes with them. */
void held_forget(struct held *held);

/* Whether there is a secret that has not expired. */
bool held_is_current(const struct held *held);
