/*
 * One way being opened, in the gate: is there a rule for that host, which addresses does its name stand for, which of
 * them may it stand for, and a TCP connection to exactly one of those. Reads and writes no byte of the connection.
 * Called by the gate's main file.
 */
#pragma once

#include "egress/refusal.h"
#include "egress/settings/settings.h"

struct opening;

struct opening_plan {
    const struct gate_rule *rules; /* looked at before opening_start returns, and not later */
    size_t n_rules;
    struct slice host; /* likewise */
    uint16_t port;
    uint64_t timeout_ms; /* for all of it */
};

/* How it came out. The texts are valid during the call. */
struct opening_end {
    int fd;               /* connected, now the owner's; or -EBADF, and then: */
    enum refusal refusal; /* why not */
    struct slice rule;    /* that let it through, as it is written; of a refusal the setting */
    struct slice reason, hint;
};

typedef void opening_done(void *owner, struct opening_end *end);

/* `done` is called later, from the loop, once, unless opening_cancel comes first; the opening is gone. 0 or -ENOMEM. */
int opening_start(const struct opening_plan *plan, opening_done *done, void *owner, struct opening **ret);

/* Closes whatever is under way. NULL is fine. */
void opening_cancel(struct opening *opening);
