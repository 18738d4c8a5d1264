/*
 * Defences that a test build may leave out, one at a time (-Dweaken=NAME), to show that the test of each fails without
 * it. In every other build all of these are the constant false and no code remains.
 */
#pragma once

#ifndef CREDFD_WEAKEN
#define CREDFD_WEAKEN WEAKEN_NONE
#endif

enum weakened_defence {
    WEAKEN_NONE,
    WEAKEN_DUMPABLE,    /* our processes stay dumpable */
    WEAKEN_CORE,        /* cores are not limited; with dumpable processes alone they would be written */
    WEAKEN_COPY,        /* a role goes on in the memory in which it was started */
    WEAKEN_CAPS,        /* the workload keeps its capabilities */
    WEAKEN_CLOSE_RANGE, /* descriptors above the leases' are inherited */
    WEAKEN_ENV,         /* the secret's variable stays in the command's environment */
    WEAKEN_DOOR,        /* a malformed dial is answered like a good one */
};

#define WEAKENED_DUMPABLE (CREDFD_WEAKEN == WEAKEN_DUMPABLE || CREDFD_WEAKEN == WEAKEN_CORE)
#define WEAKENED_CORE (CREDFD_WEAKEN == WEAKEN_CORE)
#define WEAKENED_COPY (CREDFD_WEAKEN == WEAKEN_COPY)
#define WEAKENED_CAPS (CREDFD_WEAKEN == WEAKEN_CAPS)
#define WEAKENED_CLOSE_RANGE (CREDFD_WEAKEN == WEAKEN_CLOSE_RANGE)
#define WEAKENED_ENV (CREDFD_WEAKEN == WEAKEN_ENV)
#define WEAKENED_DOOR (CREDFD_WEAKEN == WEAKEN_DOOR)
