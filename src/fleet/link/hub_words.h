/*
 * What the runner says to the hub: each message as the JSON that goes out. Sends nothing. Used by hub_talk.c and outbox.c.
 */
#pragma once

#include "fleet/link/hub_message.h"
#include "fleet/link/machine.h"

/* Who the hub says that we are: of its welcome. Empty without one. */
struct worknode {
    char id[LIMIT_WORKNODE + 1], name[LIMIT_WORKNODE + 1];
    struct buf labels; /* as a list in JSON; empty: none */
};

void worknode_init(struct worknode *worknode);
void worknode_take(struct worknode *worknode, const struct hub_message *welcome);
void worknode_done(struct worknode *worknode);

/* All append to `to`: 0, -ENOBUFS or -ENOMEM. `machine` is NULL but in the first of a connection. */
int hub_words_heartbeat(const struct worknode *worknode, const struct link_settings *settings,
                        const struct machine *machine, struct buf *to);
int hub_words_output(struct slice task_id, enum task_stream stream, struct slice text, struct buf *to);
int hub_words_no_call(struct slice call_id, struct buf *to); /* mcp.result, for one that cannot be served */

/*
 * What stands before and behind the payload of a task.result. The id is the same for the same task each time, so that the
 * hub can know a second one.
 */
int hub_words_result(struct slice task_id, uint64_t at_ms, struct buf *before, struct buf *behind);
