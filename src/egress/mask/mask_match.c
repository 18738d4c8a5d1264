#include "egress/mask/mask_match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"

/*
 * Threads that have just begun do not count against the limit: how many there are depends on how far mask_scan.c could
 * look ahead, so on where the text is cut, and what comes out must not. Those are, of each form, two that are one byte
 * old, three that are two bytes old, and three in their first character's escape.
 */
#define YOUNG_THREADS 8

/* A byte may make two of a thread: one for which it stands for itself, and one for which it begins a spelling. */
static size_t room_for(size_t n_forms) {
    return 2 * (LIMIT_MASK_THREADS + YOUNG_THREADS * n_forms + n_forms) + GHOSTS;
}

/* One text is read at a time, whoever's: room for the matcher with the most forms is room for all. */
static struct {
    struct thread *now, *next;
    size_t n_forms;
} room;

static bool make_room(size_t n_forms) {
    struct thread *now, *next;

    if (room.now && n_forms <= room.n_forms)
        return true;
    now = calloc(room_for(n_forms), sizeof(*now));
    next = calloc(room_for(n_forms), sizeof(*next));
    if (!now || !next) {
        free(now);
        free(next);
        return false;
    }
    free(room.now);
    free(room.next);
    room.now = now;
    room.next = next;
    room.n_forms = n_forms;
    return true;
}

/* Whether there is nothing to look for, or nothing that was not there before. */
static bool is_idle(const struct slice *secrets, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (slice_equals(secrets[i], secrets[at]))
            return true;
    return secrets[at].n == 0;
}

static void add_forms(struct matcher *m, const struct slice *secrets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (is_idle(secrets, i))
            continue;
        forms_init(secrets[i], m->forms + m->n_forms);
        m->n_forms += FORMS_OF_SECRET;
        form_mark_bytes(secrets[i], m->may_hold);
    }
    for (size_t i = 0; i < m->n_forms; i++) {
        mask_scan_add(&m->scan, &m->forms[i], i);
        m->numbers[i] = (uint32_t)m->n_characters;
        m->n_characters += m->forms[i].n;
    }
}

int matcher_init(struct matcher *m, const struct slice *secrets, size_t n, enum scan_way way) {
    *m = (struct matcher){.forms = calloc(n * FORMS_OF_SECRET + 1, sizeof(*m->forms)),
                          .numbers = calloc(n * FORMS_OF_SECRET + 1, sizeof(*m->numbers))};
    mask_scan_init(&m->scan, way);
    if (m->forms && m->numbers)
        add_forms(m, secrets, n);
    m->claimed = calloc(m->n_characters / 64 + 1, sizeof(*m->claimed));
    if (m->forms && m->numbers && m->claimed && make_room(m->n_forms))
        return 0;
    matcher_done(m);
    return -ENOMEM;
}

void matcher_done(struct matcher *m) {
    free(m->forms);
    free(m->numbers);
    free(m->claimed);
    explicit_bzero(m, sizeof(*m)); /* what is looked for are the beginnings of secrets */
}

/* The piece that is being read. */
struct run {
    const struct matcher *m;
    struct progress *progress;
    char *before_end, *piece;
    struct thread *next; /* the threads as they are behind the byte at hand */
    size_t n_next;
};

/* The bytes from `from` to `to`; those below 0 stand before the piece. */
static void overwrite(const struct run *run, ptrdiff_t from, ptrdiff_t to) {
    if (from < 0)
        memset(run->before_end + from, '*', (size_t)(MIN_OF(to, 0) - from));
    from = MAX_OF(from, 0);
    if (from < to)
        memset(run->piece + from, '*', (size_t)(to - from));
}

/*
 * An occurrence. What overlaps what was masked last is not written again: a secret that overlaps itself would cost its
 * whole length at every byte.
 */
static void mask_occurrence(const struct run *run, ptrdiff_t start, ptrdiff_t end) {
    struct progress *p = run->progress;

    if (start >= p->masked_to)
        p->found++;
    if (start >= p->masked_to || start < p->masked_from) {
        overwrite(run, start, end);
        p->masked_from = start;
    } else {
        overwrite(run, p->masked_to, end);
    }
    p->masked_to = end;
}

static uint64_t *claims_of(const struct matcher *m, uint32_t form, size_t at, uint64_t *ret_bit) {
    size_t number = m->numbers[form] + at;

    *ret_bit = (uint64_t)1 << number % 64;
    return &m->claimed[number / 64];
}

/* Whether nobody has come so far with a form yet. Of two that do, the older one masks what the other would. */
static bool claim(const struct matcher *m, uint32_t form, size_t at) {
    uint64_t bit, *claims = claims_of(m, form, at, &bit);
    bool is_free = (*claims & bit) == 0;

    *claims |= bit;
    return is_free;
}

static void release_claims(const struct run *run) {
    for (size_t i = 0; i < run->n_next; i++) {
        uint64_t bit, *claims = claims_of(run->m, run->next[i].form, run->next[i].at, &bit);

        *claims &= ~bit;
    }
}

/*
 * What becomes of a thread by byte `c`, after which the text has come to `end`. Threads come here in the order of their
 * starts, and leave so.
 */
static void advance(struct run *run, const struct thread *thread, char c, ptrdiff_t end) {
    const struct form *form = &run->m->forms[thread->form];
    struct spelling spelling = thread->spelling;
    unsigned widths = form_advance(form, thread->at, &spelling, c);

    run->progress->steps++;
    if (spelling.state != WAIT_NOTHING)
        run->next[run->n_next++] = (struct thread){thread->start, thread->form, thread->at, spelling};
    for (uint32_t width = 1; widths >> width != 0; width++) {
        uint32_t at = thread->at + width;

        if (!(widths >> width & 1))
            continue;
        if (at == form->n) {
            mask_occurrence(run, thread->start, end);
            run->progress->form = thread->form;
        } else if (claim(run->m, thread->form, at)) {
            run->next[run->n_next++] = (struct thread){.start = thread->start, .form = thread->form, .at = at};
        }
    }
}

/*
 * The ghost of a thread that begins. When there are too many, those there are begin anew in its stead: so long as one
 * thread may live, they are as many as can be.
 */
static void add_ghost(struct progress *p, uint32_t form) {
    if (p->n_ghosts < GHOSTS) {
        p->ghosts[p->n_ghosts++] = (struct ghost){.form = form};
        return;
    }
    for (size_t i = 0; i < p->n_ghosts; i++)
        p->ghosts[i].at = 0;
}

/*
 * Every spelling is one character, and every byte beside them: no thread that began with the ghost reads more of the
 * text before its form ends.
 */
static void ghost_read(struct ghost *ghost, char c) {
    if (ghost->spelling.state != WAIT_NOTHING) {
        enum spelling_outcome outcome = spelling_read(&ghost->spelling, c);

        if (outcome == SPELLING_OPEN)
            return;
        ghost->spelling = (struct spelling){.state = WAIT_NOTHING};
        ghost->at++;
        if (outcome == SPELLING_DONE)
            return;
    }
    if (!spelling_begin(c, &ghost->spelling))
        ghost->at++;
}

static void move_ghosts(const struct run *run, char c) {
    struct progress *p = run->progress;
    size_t n = 0;

    for (size_t i = 0; i < p->n_ghosts; i++) {
        struct ghost ghost = p->ghosts[i];

        ghost_read(&ghost, c);
        if (ghost.at < run->m->forms[ghost.form].n)
            p->ghosts[n++] = ghost;
    }
    p->n_ghosts = n;
}

/*
 * The work of advance, for a thread that is no more, as though it had matched. What comes of it stands behind the
 * threads, to be dropped.
 */
static void pretend(struct run *run, const struct ghost *ghost, char c) {
    const struct form *form = &run->m->forms[ghost->form];
    struct spelling spelling = ghost->spelling;
    uint32_t next = ghost->at + 1;

    (void)form_advance(form, ghost->at, &spelling, c);
    run->progress->steps++;
    if (spelling.state != WAIT_NOTHING)
        run->next[run->n_next++] = (struct thread){.form = ghost->form, .at = ghost->at, .spelling = spelling};
    else if (next < form->n && claim(run->m, ghost->form, next))
        run->next[run->n_next++] = (struct thread){.form = ghost->form, .at = next};
}

static bool is_young(const struct thread *thread, ptrdiff_t end) {
    return thread->at == 0 || thread->start > end - SCAN_DEPTH;
}

/* The oldest thread that counts, if too many of them do; else NULL. */
static const struct thread *find_too_many(const struct progress *p, ptrdiff_t end) {
    const struct thread *oldest = NULL;
    size_t n = 0;

    for (size_t i = p->n_threads; p->n_threads > LIMIT_MASK_THREADS && i-- > 0;) {
        if (is_young(&p->threads[i], end))
            continue;
        oldest = &p->threads[i];
        n++;
    }
    return n > LIMIT_MASK_THREADS ? oldest : NULL;
}

/* One byte, of the `n` in the piece. It may be overwritten for the first thread before the last one has seen it. */
static void step(struct run *run, ptrdiff_t at, size_t n) {
    struct progress *p = run->progress;
    struct thread *threads = p->threads;
    form_set beginning = mask_scan_look(&run->m->scan, run->piece + at, n - (size_t)at);
    size_t n_ghosts = p->n_ghosts, n_alive;
    const struct thread *oldest;
    char c = run->piece[at];

    run->n_next = 0;
    for (size_t i = 0; i < p->n_threads; i++)
        advance(run, &threads[i], c, at + 1);
    for (uint32_t i = 0; beginning != 0 && i < run->m->n_forms; i++) {
        if (!(beginning & form_set_of(i)))
            continue;
        advance(run, &(struct thread){.start = at, .form = i}, c, at + 1);
        add_ghost(p, i);
    }
    n_alive = run->n_next;
    for (size_t i = p->n_threads; i < n_ghosts; i++)
        pretend(run, &p->ghosts[i], c);
    release_claims(run);
    move_ghosts(run, c);
    p->threads = run->next;
    p->n_threads = n_alive;
    run->next = threads;
    oldest = find_too_many(p, at + 1);
    if (oldest) { /* of one that is older still, a part of its first escape may be seen */
        mask_occurrence(run, oldest->start, at + 1);
        p->n_threads = 0;
        p->is_blind = true;
    }
}

/* Goes on blindly from `at`. Returns where it can see again, or `n`. */
static size_t step_blindly(struct run *run, size_t at, size_t n) {
    size_t end = at;

    while (end < n && run->m->may_hold[(unsigned char)run->piece[end]])
        end++;
    overwrite(run, (ptrdiff_t)at, (ptrdiff_t)end);
    run->progress->is_blind = end == n;
    return end;
}

/* Positions are counted from the next piece on. */
static void shift(struct progress *p, ptrdiff_t n) {
    for (size_t i = 0; i < p->n_threads; i++)
        p->threads[i].start -= n;
    p->masked_from -= n;
    p->masked_to -= n;
}

size_t matcher_read(const struct matcher *m, struct progress *progress, char *before_end, char *piece, size_t n) {
    struct run run = {.m = m, .progress = progress, .piece = piece, .next = room.next};

    run.before_end = before_end;
    if (progress->n_threads > 0)
        memcpy(room.now, progress->threads, progress->n_threads * sizeof(*room.now));
    progress->threads = room.now;
    for (size_t at = 0; at < n;) {
        if (progress->is_blind) {
            at = step_blindly(&run, at, n);
        } else if (progress->n_threads > 0 || progress->n_ghosts > 0) {
            step(&run, (ptrdiff_t)at++, n);
        } else {
            at = mask_scan_find(&m->scan, piece, n, at);
            if (at < n)
                step(&run, (ptrdiff_t)at++, n);
        }
    }
    shift(progress, (ptrdiff_t)n);
    return progress->n_threads > 0 ? (size_t)-progress->threads[0].start : 0;
}
