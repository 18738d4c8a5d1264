/*
 * Overwrites secrets in what an upstream sends back, byte for byte by '*', so that every length stays true. Only the
 * keeper calls it: for each name and value of a response's head with mask_apply, for a body with a mask_stream, across
 * reads, TLS records and chunks. It never grows, shortens or reorders a text.
 *
 * A secret is found in each of these forms, wherever they overlap:
 *     itself; hexadecimal digits of either case; base64, standard and URL-safe, in each of its three alignments;
 *     every character of those plain or escaped, one like this and the next like that: %XX; JSON's \uXXXX, \/, \" and
 *     \\; HTML's &#NN;, &#xHH; (with zeros in front, up to LIMIT_ENTITY_DIGITS) and &name;. A + may be a blank. What is
 *     UTF-8 may be escaped by code points, or by bytes.
 * Not found is what is encoded twice, base64 that is broken into lines, what is reversed, compressed, cut or otherwise
 * changed. Of base64, a character at either end that tells two bits of the secret and four of its neighbour is left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"
#include "egress/mask/mask_match.h"

struct mask;

/*
 * Compiles `n` secrets, of 1 to LIMIT_SECRET bytes each, into `*ret`, for mask_free. They are copied, into memory that
 * is wiped; what else must not be shown, such as the base64 of "user:secret", is handed in as a further one. An empty
 * one counts for nothing. 0 or -ENOMEM.
 */
int mask_new(const struct slice *secrets, size_t n, struct mask **ret);

/* NULL is fine. No stream may use it any more. */
void mask_free(struct mask *mask);
void mask_free_pointer(struct mask **mask);
#define _cleanup_mask_ _cleanup_(mask_free_pointer)

/* Masks a whole text in place. Returns how many occurrences there were; what overlaps an earlier one is not counted. */
size_t mask_apply(const struct mask *mask, char *bytes, size_t n);

/*
 * A quick look at texts that stand beside each other in memory: false when mask_apply would find nothing in any of them.
 * It may say yes too often.
 */
bool mask_may_find(const struct mask *mask, struct slice texts);

/*
 * Masks one text that comes in pieces; what comes out is the same however it was cut. Held back is what may be the
 * beginning of a form by what kind of bytes it is made of, whether or not it is one: at most as much as the longest
 * form has, and nothing behind a control byte (behind a quote, a blank or a bracket neither, with a secret that has
 * none). With nothing held back a stream holds no memory.
 */
struct mask_stream {
    const struct mask *mask;
    struct progress progress;
    struct thread *threads; /* a copy of those under way between two pieces */
    struct buf held;        /* what was given, what is ready, what is held back: in this order */
    size_t given;           /* by the last pull, and still looked at */
    size_t run;             /* bytes at the end of the text that are held back */
    size_t held_ready;
    struct slice ready; /* of the piece that was pushed; goes out behind what is ready in `held` */
};

/* The mask must outlive the stream. */
void mask_stream_init(struct mask_stream *s, const struct mask *mask);

/* Gives all memory back, wiped. The stream may be initialised again. */
void mask_stream_done(struct mask_stream *s);

/*
 * Takes the next piece, once all of the last one was pulled. It is masked in place and stays the caller's, who leaves
 * it alone until it is pulled. At the end nothing is held back any more: a beginning that came to nothing goes out as
 * it is. 0, or -ENOMEM, after which only mask_stream_done may be called.
 */
int mask_stream_push(struct mask_stream *s, char *bytes, size_t n, bool is_end);

/*
 * The next bytes that may go out, at most `max`, masked; empty when there are none. Valid until the stream is called
 * again. They stand in the pushed piece itself, but for what was held back before.
 */
struct slice mask_stream_pull(struct mask_stream *s, size_t max);

/* Whether there is nothing to pull. */
bool mask_stream_is_drained(const struct mask_stream *s);

/* Occurrences so far, as mask_apply counts them. */
static inline size_t mask_stream_found(const struct mask_stream *s) {
    return s->progress.found;
}

/* Which secret was found last, by its place among those of mask_new: none of them empty, no two the same. */
static inline size_t mask_stream_secret(const struct mask_stream *s) {
    return s->progress.form / FORMS_OF_SECRET;
}
