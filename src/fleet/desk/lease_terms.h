/*
 * What the lease of a task's credential allows, and to which servers a credential may be bound at all. The hub can
 * narrow what the runner's settings say, and never widen it. Reads profiles, knows no process. Used by the desk.
 */
#pragma once

#include "base/buf.h"
#include "egress/settings/settings.h"
#include "fleet/settings.h"

struct lease_terms {
    struct settings *from;
    const struct credential *credential; /* in it: what struct loan has as its terms, with its name */
};

/*
 * Of that profile, which has one credential and no doors; or with NULL those of Flashduty's own CLI, to which every request is allowed. 0, or -errno with one
 * line in `*ret_error`, the caller's, as profile_load.
 */
int lease_terms_load(const char *profile, struct lease_terms *ret, char **ret_error);
void lease_terms_done(struct lease_terms *terms);

/*
 * Whether a task's key may go to the server of `base_url`, a URL without a trailing slash: one over TLS or on loopback
 * and, where `upstreams` are configured, one of these or below it. 0; -EACCES with the sentence for the hub in
 * `*ret_fault`; -ENOMEM.
 */
int base_url_judge(const struct runner_settings *settings, struct slice base_url, struct buf *ret_fault);
