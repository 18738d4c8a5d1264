#include "egress/keeper/held.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/credential.h"
#include "egress/credential_codec.h"
#include "egress/keeper/inject.h"

/* A definition that an exchange may still look into. */
struct retired {
    struct retired *next;
    struct credential *credential;
};

static void free_retired(struct held *held) {
    while (held->n_exchanges == 0 && held->retired) {
        struct retired *retired = held->retired;

        held->retired = retired->next;
        credential_free(retired->credential);
        free(retired);
    }
}

static int retire(struct held *held) {
    struct retired *retired = malloc(sizeof(*retired));

    if (!retired)
        return -ENOMEM;
    *retired = (struct retired){held->retired, held->credential};
    held->retired = retired;
    held->credential = NULL;
    return 0;
}

int held_new(struct credential *credential, struct held **ret) {
    struct held *held = calloc(1, sizeof(*held));

    if (!held) {
        credential_free(credential);
        return -ENOMEM;
    }
    *held = (struct held){.refs = 1, .credential = credential};
    *ret = held;
    return 0;
}

int held_define(struct held *held, struct credential *credential) {
    int r = credential_is_same_place(held->credential, credential) ? retire(held) : -EINVAL;

    if (r < 0) {
        credential_free(credential);
        return r;
    }
    held->credential = credential;
    free_retired(held);
    return 0;
}

static void secret_unref(struct held_secret *held) {
    if (!held || --held->refs > 0)
        return;
    secret_unref(held->before);
    mask_free(held->mask);
    secret_free(held->secret);
    free(held);
}

struct held *held_ref(struct held *held) {
    held->refs++;
    return held;
}

void held_forget(struct held *held) {
    secret_unref(held->current);
    held->current = NULL;
}

void held_unref(struct held *held) {
    if (--held->refs > 0)
        return;
    held_forget(held);
    free_retired(held); /* no exchange is under way without a lease */
    credential_free(held->credential);
    anchors_unref(held->anchors);
    free(held);
}

/* What a response must not say: the secret and what it was made into, and the same of the one before it. */
static int make_mask(const struct held *held, struct held_secret *used) {
    struct slice forms[2 * (1 + LIMIT_INJECTIONS)];
    struct buf made;
    size_t n = 0;
    int r;

    if (held->credential->is_mask_off || WEAKENED(MASK))
        return 0;
    buf_init_secret(&made, 2 * LIMIT_INJECTIONS * LIMIT_PAIR);
    r = inject_literals(held->credential, used->secret, &made, forms, &n);
    if (r == 0 && used->before)
        r = inject_literals(held->credential, used->before->secret, &made, forms, &n);
    if (r == 0)
        r = mask_new(forms, n, &used->mask);
    buf_release(&made);
    return r;
}

/* A mask is larger than all the rest of a lease, and most leases that wait for their turn have no use for one yet. */
static int begin_use(const struct held *held, struct held_secret *used) {
    int r = used->is_used ? 0 : make_mask(held, used);

    if (r < 0)
        return r;
    used->is_used = true;
    secret_unref(used->before);
    used->before = NULL;
    return 0;
}

/* One that no exchange has gone out with has no predecessor worth to be remembered. */
static void succeed(struct held_secret *fresh, struct held_secret *before) {
    if (before) {
        secret_unref(before->before);
        before->before = NULL;
    }
    fresh->before = before;
}

/* Each request would be refused for it: better said at once, where somebody reads it. */
static void warn_of_misfit(const struct held *held, const struct secret *secret) {
    struct request_head request = {.method = SLICE("GET"), .path = SLICE("/")};
    struct buf head;

    buf_init_secret(&head, 2 * LIMIT_DATAGRAM);
    if (inject_write_head(&head, held->credential, secret, &request) == -EINVAL)
        log_error("credential %s: the secret holds a character that its place in a request cannot; see `inject`, and "
                  "what the secret's source gives",
                  held->credential->name);
    buf_release(&head);
}

/* Takes the secret over, even on failure. */
static int begin_life(struct held *held, struct secret *secret, uint64_t expires_in_ms) {
    struct held_secret *fresh = calloc(1, sizeof(*fresh));

    if (!fresh) {
        secret_free(secret);
        return -ENOMEM;
    }
    fresh->refs = 1;
    fresh->secret = secret;
    fresh->expires_at = expires_in_ms > 0 ? clock_now_ms() + expires_in_ms : 0;
    warn_of_misfit(held, fresh->secret);
    succeed(fresh, held->current);
    held->current = fresh;
    return 0;
}

int held_renew(struct held *held, int fd, uint64_t expires_in_ms) {
    struct secret *secret;
    int r = secret_gather(fd, &secret);

    return r < 0 ? r : begin_life(held, secret, expires_in_ms);
}

int held_claim(struct held *held, struct secret_place place, uint64_t expires_in_ms) {
    struct secret *secret;
    int r = secret_claim(place, &secret);

    return r < 0 ? r : begin_life(held, secret, expires_in_ms);
}

struct held_secret *held_use(struct held *held) {
    if (begin_use(held, held->current) < 0)
        return NULL;
    held->n_exchanges++;
    held->current->refs++;
    return held->current;
}

void held_unuse(struct held *held, struct held_secret *secret) {
    held->n_exchanges--;
    secret_unref(secret);
    free_retired(held);
}

bool held_is_current(const struct held *held) {
    return held->current && (held->current->expires_at == 0 || clock_now_ms() < held->current->expires_at);
}
