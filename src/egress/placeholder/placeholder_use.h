/*
 * What a request does with placeholders: it may carry its own lease's where the key goes, or nothing there. Pure; the
 * keeper asks before anything of a request goes upstream.
 */
#pragma once

#include "egress/placeholder/canary.h"
#include "egress/settings/settings.h"
#include "relay/upstream.h"

enum placeholder_use {
    PLACEHOLDER_USE_GOOD,
    PLACEHOLDER_USE_FOREIGN,   /* something else stands where the key goes */
    PLACEHOLDER_USE_ASTRAY,    /* a placeholder stands where it does not belong */
    PLACEHOLDER_USE_NO_MEMORY, /* it cannot be told */
};

#define PLACEHOLDER_WHERE_MAX 96

/* Of PLACEHOLDER_USE_ASTRAY. */
struct placeholder_stray {
    uint32_t lease;                    /* whose it is: the canary's number */
    char where[PLACEHOLDER_WHERE_MAX]; /* "the query", "field X-Copy" */
};

/*
 * The path without the lease's own placeholder in front of it, as an SDK writes it where the key is a part of the path:
 * "/botPLACEHOLDER/getMe" becomes "/getMe". So rules are written without it. Any other path as it is.
 */
struct slice placeholder_cut_path(const struct credential *credential, struct slice own, struct slice path);

/*
 * Judges a request whose path was cut, but for its body. `own` is the lease's, empty for one without; `canary` is all
 * of its holder's, or NULL.
 */
enum placeholder_use placeholder_judge(const struct credential *credential, struct slice own, struct canary *canary,
                                       const struct request_head *request, struct placeholder_stray *ret);
