#include "egress/mask/mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/weaken.h"

struct mask {
    struct matcher matcher;
    size_t held_max; /* bytes that a beginning of a form can have */
    bool is_plain;   /* no form has a byte but those of is_plain_byte */
    size_t n;
    char secrets[]; /* one after the other; the matcher's forms look into them */
};

/* The secrets' bytes one after the other in `to`, and in `ret` where each stands. */
static void copy_secrets(const struct slice *secrets, size_t n, char *to, struct slice *ret) {
    for (size_t i = 0; i < n; i++) {
        if (secrets[i].n > 0)
            memcpy(to, secrets[i].p, secrets[i].n);
        ret[i] = slice_of(to, secrets[i].n);
        to += secrets[i].n;
    }
}

/* What keys are made of, and what their spellings add to that: but for quotes, blanks and brackets. */
static bool is_plain_byte(char c) {
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           (c != '\0' && strchr("-._~+/=:%&#;\\", c));
}

static bool has_plain_forms(const struct matcher *m) {
    for (unsigned byte = 0; byte < ARRAY_LEN(m->may_hold); byte++)
        if (m->may_hold[byte] && !is_plain_byte((char)byte))
            return false;
    return true;
}

/* Hexadecimal is the longest form. */
static size_t longest_text(const struct slice *secrets, size_t n) {
    size_t longest = 0;

    for (size_t i = 0; i < n; i++)
        longest = MAX_OF(longest, secrets[i].n);
    return 2 * longest * SPELLING_MAX;
}

int mask_new(const struct slice *secrets, size_t n, struct mask **ret) {
    _cleanup_free_ struct slice *copies = calloc(n + 1, sizeof(*copies));
    _cleanup_mask_ struct mask *mask = NULL;
    size_t total = 0;
    int r;

    for (size_t i = 0; i < n; i++)
        total += secrets[i].n;
    mask = calloc(1, sizeof(*mask) + total);
    if (!mask || !copies)
        return -ENOMEM;
    mask->n = total;
    mask->held_max = longest_text(secrets, n);
    copy_secrets(secrets, n, mask->secrets, copies);
    r = matcher_init(&mask->matcher, copies, n, scan_best_way());
    if (r < 0)
        return r;
    mask->is_plain = has_plain_forms(&mask->matcher);
    *ret = steal_pointer(&mask);
    return 0;
}

void mask_free(struct mask *mask) {
    if (!mask)
        return;
    matcher_done(&mask->matcher);
    explicit_bzero(mask->secrets, mask->n);
    free(mask);
}

void mask_free_pointer(struct mask **mask) {
    mask_free(*mask);
}

size_t mask_apply(const struct mask *mask, char *bytes, size_t n) {
    struct progress progress = {0};

    (void)matcher_read(&mask->matcher, &progress, NULL, bytes, n);
    return progress.found;
}

/* A form that ends where its text ends is seen too: what stands behind that only adds to what may begin there. */
bool mask_may_find(const struct mask *mask, struct slice texts) {
    return mask_scan_find(&mask->matcher.scan, texts.p, texts.n, 0) < texts.n;
}

void mask_stream_init(struct mask_stream *s, const struct mask *mask) {
    *s = (struct mask_stream){.mask = mask};
    /* what was held back and is ready now, and behind it what is held back of a new piece */
    buf_init_secret(&s->held, 2 * mask->held_max);
}

static void forget_threads(struct mask_stream *s) {
    free(s->threads);
    s->threads = s->progress.threads = NULL;
    s->progress.n_threads = 0;
}

void mask_stream_done(struct mask_stream *s) {
    forget_threads(s);
    buf_release(&s->held);
    s->given = s->held_ready = s->run = 0;
    s->ready = SLICE_EMPTY;
}

/* Threads stand in room that belongs to whichever text is read next: keeps a copy of them. */
static int keep_threads(struct mask_stream *s) {
    size_t size = s->progress.n_threads * sizeof(*s->threads);

    free(s->threads);
    s->threads = size > 0 ? malloc(size) : NULL;
    if (size > 0 && !s->threads) {
        forget_threads(s);
        return -ENOMEM;
    }
    if (size > 0)
        memcpy(s->threads, s->progress.threads, size);
    s->progress.threads = s->threads;
    return 0;
}

static void drop_given(struct mask_stream *s) {
    buf_consume(&s->held, s->given);
    s->given = 0;
    if (buf_is_empty(&s->held))
        buf_release(&s->held);
}

/* A form holds no control byte, whatever the secret. */
static bool may_be_held(const struct mask *mask, char c) {
    return mask->is_plain ? is_plain_byte(c) : (unsigned char)c >= 0x20;
}

/*
 * How many bytes at the end of the text are held back: all that could be the beginning of a form by what kind of bytes
 * they are. Whether they are one must not count: whoever saw what is held back and what is not, of a text that he
 * chose himself, could guess the secret character by character.
 */
static size_t run_at_end(const struct mask_stream *s, const char *bytes, size_t n) {
    size_t run = 0;

    while (run < n && run < s->mask->held_max && may_be_held(s->mask, bytes[n - run - 1]))
        run++;
    return run == n ? MIN_OF(s->run + n, s->mask->held_max) : run;
}

int mask_stream_push(struct mask_stream *s, char *bytes, size_t n, bool is_end) {
    size_t before, keep, kept_here;
    int r = 0;

    drop_given(s);
    before = buf_length(&s->held);
    s->run = is_end ? 0 : run_at_end(s, bytes, n);
    keep = matcher_read(&s->mask->matcher, &s->progress, before > 0 ? s->held.memory + s->held.end : NULL, bytes, n);
    keep = WEAKENED(ORACLE) ? keep : MAX_OF(keep, s->run);
    if (is_end || WEAKENED(PIECES)) {
        s->progress.n_threads = 0;
        keep = s->run = 0;
    }
    kept_here = MIN_OF(keep, n);
    s->held_ready = before + kept_here - keep;
    s->ready = slice_of(bytes, n - kept_here);
    if (kept_here > 0)
        r = buf_append(&s->held, slice_of(bytes + s->ready.n, kept_here));
    return r == 0 ? keep_threads(s) : r;
}

struct slice mask_stream_pull(struct mask_stream *s, size_t max) {
    struct slice next;

    drop_given(s);
    if (s->held_ready > 0) {
        next = slice_first(slice_first(buf_slice(&s->held), s->held_ready), max);
        s->held_ready -= next.n;
        s->given = next.n;
        return next;
    }
    next = slice_first(s->ready, max);
    s->ready = slice_from(s->ready, next.n);
    return next;
}

bool mask_stream_is_drained(const struct mask_stream *s) {
    return s->held_ready == 0 && s->ready.n == 0;
}
