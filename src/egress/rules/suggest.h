/*
 * Which rules would let through what was asked for: requests are noted, those that went well and those that were
 * refused, and the narrowest rules that cover them come out, as YAML for a person to read. Decides nothing, lets nothing
 * through. `credfd log --suggest` and `credfd run --learn` use it.
 *
 * Whatever is noted may be anybody's bytes. A rule that comes out matches the very path that was noted, and that path as
 * the most liberal server reads it (rule.h); where none can be so narrow, it stands in a comment.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/slice.h"
#include "egress/refusal.h"

struct suggest;

/* NULL without memory. */
struct suggest *suggest_new(void);
void suggest_free(struct suggest *suggest);
void suggest_free_pointer(struct suggest **suggest);

/* A request on a lease, and all that the audit says of it. What does not matter is empty or 0. */
struct suggest_request {
    struct slice lease;
    struct slice method, path;
    struct slice authority;  /* host and port, of what was no lease's (AUDIT_WAYS) */
    struct slice rule;       /* that denied it */
    struct slice executable; /* that asked */
    unsigned status;         /* as the upstream answered; 0 where it did not */
    bool is_not_wanted;      /* of a host that was refused: what would have allowed it stands behind a # */
};

/*
 * One that was let through: a rule for it is wanted; as a comment, where the upstream refused it each time (4xx). Of
 * a way that was opened, the host that it led to.
 */
int suggest_used(struct suggest *suggest, const struct suggest_request *request);

/* One that failed on our side: the rule that would have allowed it, or in a comment what else would have to change. */
int suggest_refused(struct suggest *suggest, const struct suggest_request *request, enum refusal refusal);

/*
 * Writes all of it: a fragment of a configuration, credentials by name, each rule once, sorted. Where one credential
 * would get more rules than it may have, segments that look like identifiers become `*`, and then those of which there
 * are most. May be called once. 0 or -ENOMEM; whether `to` took it is for the caller to see.
 */
int suggest_write(struct suggest *suggest, FILE *to);
