/*
 * Whether nobody uses an instance: decided from what the dispatchers said of it. Pure, the time is given. Whatever is
 * not known counts as use: a dispatcher that has just come, or one that has gone and has no successor yet, may be
 * serving anybody; one whose last word about an instance was not that it went quiet may still be serving it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum witness_state { WITNESS_NEVER, WITNESS_THERE, WITNESS_GONE };

/* One dispatcher, by its number. */
struct witness {
    enum witness_state state;
    uint64_t since_ms; /* the one that is there now has come, or has last said what we could not place */
};

/* What one dispatcher said last of one instance. */
struct sighting {
    uint64_t at_ms; /* 0: nothing */
    bool is_quiet;  /* no request since its last word, and nothing open */
};

/* `seen[i]` is what witness i said; it has fewer rows where later ones have said nothing. All zero: never used. */
struct use {
    uint64_t last_ms; /* the last use that is known; 0: none */
    struct sighting *seen;
    size_t n_seen;
};

/* A dispatcher's word: so many requests since its last, so many exchanges and tunnels open. 0 or -ENOMEM. */
int use_report(struct use *use, size_t witness, uint64_t now_ms, uint32_t requests, uint32_t open);
void use_done(struct use *use);

/* Nobody can have used it for `idle_ms`. False for one that was never used. */
bool use_is_idle(const struct use *use, const struct witness *witnesses, size_t n, uint64_t now_ms, uint64_t idle_ms);
