/*
 * An instance as the steward knows it: since somebody has used it or asked for it, until it was forgotten. It stays
 * itself from one table to the next, by the instance's key. What is done with it is in wake.h and rest.h.
 */
#pragma once

#include "ingress/steward/ask.h"
#include "ingress/steward/bus.h"
#include "ingress/steward/idle.h"
#include "net/loop.h"

enum ward_state {
    AT_REST,     /* nothing is waited for */
    WAIT_START,  /* for its unit or its command to have been started */
    WAIT_LISTEN, /* for it to accept a connection */
    WAIT_IDLE,   /* for what it says at its activity URL */
    WAIT_STOP,   /* for its unit or its command to have stopped it */
    WARD_STATES
};

struct ward {
    struct ward *next;
    struct slice key;         /* its own */
    struct instance instance; /* of the table that holds now */
    uint64_t table;           /* the number of that table */
    struct use use;
    bool is_running; /* as far as the steward knows: it was used, or started, and not stopped since */

    /* wake.c's */
    enum ward_state state;
    struct timer deadline; /* of a start or a stop */
    struct timer look;     /* when it is tried to be reached again */
    struct instance_call *ask;
    struct bus_job *job;
    uint32_t command;             /* the number of the one that runs for it, or 0 */
    bool is_wanted;               /* somebody has asked for it while it was being stopped */
    char fault[LIMIT_REASON + 1]; /* of its last start; "": none */
    uint64_t failed_at_ms;        /* then */
    uint64_t up_at_ms;            /* when it was reached after a start */
    uint64_t ask_again_ms;        /* it has said that it is busy */
};

struct ward *ward_find(struct slice key);

/* Finds it, or makes it. NULL at LIMIT_WARDS and without memory. */
struct ward *ward_get(const struct instance *instance, uint64_t table);

/* Nothing may be under way for it (wake_forget). */
void ward_drop(struct ward *ward);

/* `visit` may drop the ward that it is shown. */
void ward_each(void (*visit)(struct ward *ward));
