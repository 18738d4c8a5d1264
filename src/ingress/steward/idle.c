#include "ingress/steward/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"

static int make_room(struct use *use, size_t n) {
    struct sighting *seen;

    if (n <= use->n_seen)
        return 0;
    seen = reallocarray(use->seen, n, sizeof(*seen));
    if (!seen)
        return -ENOMEM;
    memset(seen + use->n_seen, 0, (n - use->n_seen) * sizeof(*seen));
    use->seen = seen;
    use->n_seen = n;
    return 0;
}

int use_report(struct use *use, size_t witness, uint64_t now_ms, uint32_t requests, uint32_t open) {
    bool is_quiet = requests == 0 && open == 0;
    int r = make_room(use, witness + 1);

    if (r < 0 || !is_quiet)
        use->last_ms = now_ms;
    if (r == 0)
        use->seen[witness] = (struct sighting){.at_ms = now_ms, .is_quiet = is_quiet};
    return r;
}

void use_done(struct use *use) {
    free(use->seen);
    *use = (struct use){0};
}

/* Whether witness `w` may be serving it now; what a predecessor left open was cut when `w` came, and was use till then. */
static bool may_be_serving(const struct witness *w, const struct sighting *s, uint64_t now_ms, uint64_t *last_ms) {
    if (w->state == WITNESS_NEVER)
        return false;
    if (w->state == WITNESS_GONE || now_ms - w->since_ms < ACTIVITY_LOST)
        return true;
    if (!s || s->at_ms == 0 || s->is_quiet)
        return false;
    if (s->at_ms >= w->since_ms)
        return true;
    *last_ms = MAX_OF(*last_ms, w->since_ms);
    return false;
}

bool use_is_idle(const struct use *use, const struct witness *witnesses, size_t n, uint64_t now_ms, uint64_t idle_ms) {
    uint64_t last_ms = use->last_ms;

    if (last_ms == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (may_be_serving(&witnesses[i], i < use->n_seen ? &use->seen[i] : NULL, now_ms, &last_ms))
            return false;
    return now_ms - last_ms >= idle_ms;
}
