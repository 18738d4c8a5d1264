#include "egress/placeholder/canary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/weaken.h"

struct entry {
    uint32_t lease;
    size_t n;
    char text[LIMIT_PLACEHOLDER];
};

struct canary {
    size_t refs;
    struct entry *entries;
    size_t n;
    struct mask *mask; /* over all of them, in their order; NULL before the first look */
};

/* What is looked at, which must not be changed: looking overwrites what it finds. */
static char scratch[LIMIT_DATAGRAM];

int canary_new(struct canary **ret) {
    struct canary *canary = calloc(1, sizeof(*canary));

    if (!canary)
        return -ENOMEM;
    canary->refs = 1;
    *ret = canary;
    return 0;
}

struct canary *canary_ref(struct canary *canary) {
    if (canary)
        canary->refs++;
    return canary;
}

void canary_unref(struct canary *canary) {
    if (!canary || --canary->refs > 0)
        return;
    mask_free(canary->mask);
    free(canary->entries);
    free(canary);
}

static struct slice text_of(const struct entry *entry) {
    return slice_of(entry->text, entry->n);
}

int canary_add(struct canary *canary, uint32_t lease, struct slice text) {
    struct entry *entries;

    if (canary->mask || text.n == 0 || text.n > LIMIT_PLACEHOLDER)
        return -EINVAL;
    for (size_t i = 0; i < canary->n; i++)
        if (slice_equals(text, text_of(&canary->entries[i])))
            return 0;
    entries = reallocarray(canary->entries, canary->n + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    canary->entries = entries;
    entries[canary->n] = (struct entry){.lease = lease, .n = text.n};
    memcpy(entries[canary->n++].text, text.p, text.n);
    return 0;
}

/* A mask is made when it is needed: it is larger than all the rest. */
static int make_mask(struct canary *canary) {
    _cleanup_free_ struct slice *texts = NULL;

    if (canary->mask)
        return 0;
    texts = calloc(canary->n + 1, sizeof(*texts));
    if (!texts)
        return -ENOMEM;
    for (size_t i = 0; i < canary->n; i++)
        texts[i] = text_of(&canary->entries[i]);
    return mask_new(texts, canary->n, &canary->mask);
}

static bool has_any(const struct canary *canary) {
    return canary && canary->n > 0 && !WEAKENED(PLACEHOLDER);
}

int canary_stream_begin(struct canary_stream *s, struct canary *canary) {
    int r = has_any(canary) ? make_mask(canary) : 0;

    *s = (struct canary_stream){0};
    if (r < 0 || !has_any(canary))
        return r;
    s->canary = canary_ref(canary);
    mask_stream_init(&s->stream, canary->mask);
    return 0;
}

void canary_stream_done(struct canary_stream *s) {
    if (!s->canary)
        return;
    mask_stream_done(&s->stream);
    canary_unref(s->canary);
    s->canary = NULL;
}

/* A part of a text that fits into `scratch`. What comes out, masked or not, is of no interest. */
static int look(struct canary_stream *s, struct slice part, bool is_end, uint32_t *ret_lease) {
    size_t before = mask_stream_found(&s->stream);
    int r;

    if (part.n > 0)
        memcpy(scratch, part.p, part.n);
    r = mask_stream_push(&s->stream, scratch, part.n, is_end);
    while (r == 0 && mask_stream_pull(&s->stream, sizeof(scratch)).n > 0) {
    }
    if (r < 0 || mask_stream_found(&s->stream) == before)
        return r;
    *ret_lease = s->canary->entries[mask_stream_secret(&s->stream)].lease;
    return 1;
}

static int look_at_all(struct canary_stream *s, struct slice text, bool is_end, uint32_t *ret_lease) {
    int r = 0;

    if (!s->canary)
        return 0;
    do {
        struct slice part = slice_first(text, sizeof(scratch));

        text = slice_from(text, part.n);
        r = look(s, part, is_end && text.n == 0, ret_lease);
    } while (r == 0 && text.n > 0);
    return r;
}

int canary_stream_look(struct canary_stream *s, struct slice piece, uint32_t *ret_lease) {
    return piece.n > 0 ? look_at_all(s, piece, false, ret_lease) : 0;
}

int canary_look(struct canary *canary, struct slice text, uint32_t *ret_lease) {
    struct canary_stream s;
    int r = canary_stream_begin(&s, canary);

    if (r == 0 && text.n > 0)
        r = look_at_all(&s, text, true, ret_lease);
    canary_stream_done(&s);
    return r;
}

void canary_hide(struct canary *canary, char *text, size_t n) {
    if (!has_any(canary))
        return;
    if (make_mask(canary) < 0)
        memset(text, '*', n);
    else
        (void)mask_apply(canary->mask, text, n);
}
