/*
 * The probes of `credfd doctor`: small functions that look at one thing each and say in one line what it gives, or
 * what its absence means and how to mend it. They print nothing and change nothing.
 */
#pragma once

#include "base/macros.h"

enum verdict {
    FINDING_OK,
    FINDING_WEAKER,  /* credfd works, and something is less than it could be */
    FINDING_MISSING, /* something needed is not there */
};

struct finding {
    enum verdict verdict;
    char text[512];
};

/* The sentence of a finding; cut where it is too long. */
void finding_set(struct finding *finding, enum verdict verdict, const char *format, ...) _printf_(3, 4);

struct probe {
    const char *name;
    void (*look)(struct finding *ret);
};

/* Each ends with a row without a name. */
extern const struct probe doctor_kernel_probes[];    /* what the kernel can do */
extern const struct probe doctor_isolation_probes[]; /* where a command can be put */
extern const struct probe doctor_place_probes[];     /* the user's limits and rights, and the system's files */
