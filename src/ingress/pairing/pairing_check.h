/*
 * The deep check of one instance's pairing, for `credfd dispatch check`: the steps of the pairer (mint, exchange, is
 * the session alive) in the caller's own process, with the caller's own mint command. Changes nothing but that a
 * session is made. A name is looked up through names/lookup.h: the caller gives it a resolver (lookup_init) where a
 * table has any.
 */
#pragma once

#include "base/buf.h"
#include "ingress/pairing/pairing.h"
#include "ingress/pairing/session_report.h"

struct pairing_check;

/* Valid during `done`. Steps that were not come to are false. */
struct pairing_check_result {
    bool has_minted, has_exchanged, has_looked;
    enum pairing_fault fault; /* PAIRING_WORKED when a session was had, or the recipe has no pairing */
    const char *reason;       /* a constant; "" */
    unsigned status;          /* of the last exchange */
    size_t exchange;
    enum session_verdict verdict; /* what the instance says of the new session; VERDICT_LIVES is what it should be */
    const char *look_reason;      /* why it could not be asked; a constant, "" */
    struct slice cookies;         /* "NAME=VALUE; NAME=VALUE": for a Cookie field. A secret */
};

struct pairing_check_plan {
    struct target *target;  /* a reference is taken */
    char *const *mint_argv; /* ends with NULL; every {…} replaced. Not looked at when the recipe has no pairing */
    uint64_t mint_ms;
    struct call_times times;
    void (*done)(void *owner, const struct pairing_check_result *result); /* from the loop, once */
    void *owner;
};

/* 0 or -errno. The check is the caller's: pairing_check_free, from `done` on. */
int pairing_check_start(const struct pairing_check_plan *plan, struct pairing_check **ret);
void pairing_check_free(struct pairing_check *check); /* kills the mint command that runs. NULL is fine */
