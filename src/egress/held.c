#include "egress/held.h"

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
#include "egress/inject.h"

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

int held_define(struct held *held, struct credential *credential) {
    int r = 0;

    if (held->credential && !credential_is_same_place(held->credential, credential))
        r = -EINVAL;
    else if (held->credential)
        r = retire(held);
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
    mask_free(held->mask);
    secret_free(held->secret);
    free(held);
}

/* What a response must not say: the secret and what it was made into, and the same of the one before it. */
static int make_mask(const struct held *held, struct held_secret *fresh) {
    struct slice forms[2 * (1 + LIMIT_INJECTIONS)];
    struct buf made;
    size_t n = 0;
    int r;

    if (held->credential->is_mask_off || WEAKENED(MASK))
        return 0;
    buf_init_secret(&made, 2 * LIMIT_INJECTIONS * LIMIT_PAIR);
    r = inject_literals(held->credential, fresh->secret, &made, forms, &n);
    if (r == 0 && held->current)
        r = inject_literals(held->credential, held->current->secret, &made, forms, &n);
    if (r == 0)
        r = mask_new(forms, n, &fresh->mask);
    buf_release(&made);
    return r;
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

int held_renew(struct held *held, int fd, uint64_t expires_in_ms) {
    struct held_secret *fresh = calloc(1, sizeof(*fresh));
    int r = fresh ? 0 : -ENOMEM;

    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    fresh->refs = 1;
    fresh->expires_at = expires_in_ms > 0 ? clock_now_ms() + expires_in_ms : 0;
    r = secret_open(fd, &fresh->secret);
    if (r == 0)
        r = make_mask(held, fresh);
    if (r < 0) {
        secret_unref(fresh);
        return r;
    }
    warn_of_misfit(held, fresh->secret);
    secret_unref(held->current);
    held->current = fresh;
    return 0;
}

struct held_secret *held_use(struct held *held) {
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
