#include "ingress/visit/links.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/macros.h"
#include "ingress/visit/key_hash.h"

/*
 * A good assertion, by its bytes. One place for each hash: a front sends the same few again and again, and what another
 * has driven out is asked for once more. Compared are all of the bytes.
 */
struct remembered {
    char *bytes; /* the assertion, and behind it what it says */
    size_t n, text_n;
    uint64_t until_ms;
};

/* Who waits is found by the question; what was asked stands here until the answer, to be remembered by. */
struct pending {
    struct pending *next;
    uint32_t number;
    size_t n;
    char bytes[];
};

static struct asking verifier;
static struct remembered cache[LIMIT_ASSERTED];
static struct pending *pending;

static struct remembered *place_of(struct slice assertion) {
    return &cache[key_hash(assertion) % LIMIT_ASSERTED];
}

static void forget(struct remembered *one) {
    free(one->bytes);
    *one = (struct remembered){0};
}

static void drop_pending(void) {
    while (pending) {
        _cleanup_free_ struct pending *one = pending;

        pending = one->next;
    }
}

/* What is under way was asked of the old rules: whoever waits hears the answer, and nobody after him. */
void verifier_clear(void) {
    drop_pending();
    for (size_t i = 0; i < LIMIT_ASSERTED; i++)
        forget(&cache[i]);
}

static void remember(struct slice assertion, struct slice text, uint64_t good_ms) {
    struct remembered *one = place_of(assertion);
    char *bytes = malloc(assertion.n + text.n);

    if (!bytes)
        return;
    memcpy(bytes, assertion.p, assertion.n);
    memcpy(bytes + assertion.n, text.p, text.n);
    forget(one);
    *one = (struct remembered){.bytes = bytes, .n = assertion.n, .text_n = text.n, .until_ms = loop_now_ms() + good_ms};
}

const struct asserted *verifier_knows(struct slice assertion) {
    static struct asserted known;
    struct remembered *one = place_of(assertion);

    if (!one->bytes || !slice_equals(slice_of(one->bytes, one->n), assertion))
        return NULL;
    if (one->until_ms <= loop_now_ms()) {
        forget(one);
        return NULL;
    }
    known = (struct asserted){.is_good = true, .text = slice_of(one->bytes + one->n, one->text_n)};
    return &known;
}

static struct pending *take_pending(uint32_t number) {
    for (struct pending **at = &pending; *at; at = &(*at)->next)
        if ((*at)->number == number) {
            struct pending *one = *at;

            *at = one->next;
            return one;
        }
    return NULL;
}

static int on_asserted(void *owner, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    uint8_t is_good = ipc_get_u8(m);
    uint64_t good_ms = ipc_get_u64(m);
    struct asserted asserted = {.is_good = is_good == 1, .text = ipc_get_bytes(m, LIMIT_REASON)};
    _cleanup_free_ struct pending *asked = NULL;
    struct question *question;

    (void)owner;
    if (ipc_end(m) < 0 || is_good > 1)
        return -EPROTO;
    asked = take_pending(number);
    if (!asserted.is_good)
        log_info("an assertion does not hold: %.*s", SLICE_ARG(asserted.text));
    else if (asked && good_ms > 0)
        remember(slice_of(asked->bytes, asked->n), asserted.text, MIN_OF(good_ms, (uint64_t)LIFE_ASSERTION));
    question = asking_find(&verifier, number, false);
    if (question)
        question->answered(question, &asserted);
    return 0;
}

int verifier_link_init(int fd) {
    static const struct ipc_permit permits[] = {{IPC_ASSERTED, 1, on_asserted}};

    verifier_clear();
    return asking_init(&verifier, fd, permits, ARRAY_LEN(permits));
}

int verifier_ask(struct question *question, struct slice assertion) {
    struct pending *asked = assertion.n <= LIMIT_ASSERTION ? malloc(sizeof(*asked) + assertion.n) : NULL;
    struct ipc_writer w;
    int r;

    if (!asked)
        return -ENOMEM;
    *asked = (struct pending){.number = asking_open(&verifier, question), .n = assertion.n};
    memcpy(asked->bytes, assertion.p, assertion.n);
    w = ipc_begin(IPC_ASSERTION);
    ipc_put_u32(&w, asked->number);
    ipc_put_bytes(&w, assertion);
    r = asking_send(&verifier, question, &w);
    if (r < 0) {
        free(asked);
        return r;
    }
    asked->next = pending;
    pending = asked;
    return 0;
}

void verifier_forget(struct question *question) {
    asking_close(&verifier, question);
}
