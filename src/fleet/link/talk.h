/*
 * What is said on a link that stands: the welcome, heartbeats, tasks to the supervisor, output and results to the hub.
 * What the hub says and cannot be used is named in the log, at a bounded rate and without a byte of it, and passed over.
 * Used by hub.c, which brings the link about.
 */
#pragma once

#include "fleet/link/hub_words.h"
#include "fleet/link/outbox.h"

enum talk_state {
    NO_LINK,
    WAIT_WELCOME, /* TIMEOUT_WELCOME at most: nothing but a pong is said before that */
    WAIT_WORD,    /* of either side */
};

struct talk {
    enum talk_state state;
    struct frames *frames;
    struct outbox outbox;
    struct worknode worknode;
    const struct link_settings *settings;
    const struct machine *machine;
    struct timer welcome, heartbeat;
    bool has_broker;
    unsigned lines; /* about what cannot be used, since */
    uint64_t lines_since_ms;
    void (*over)(struct talk *talk, const char *why); /* the link is lost */
};

void talk_init(struct talk *talk, const struct link_settings *settings, const struct machine *machine,
               void (*over)(struct talk *talk, const char *why));

/* Takes the stream behind its handshake, also on failure. 0 or -errno. */
int talk_open(struct talk *talk, struct stream *stream, struct slice early, bool has_broker);

/* Says goodbye; `over` comes with `why`, a constant. Harmless without a link. */
void talk_close(struct talk *talk, uint16_t code, const char *why);

void talk_output(struct talk *talk, struct slice task_id, enum task_stream stream, struct slice text);

/*
 * `record` is the talk's from now on. One that comes while there is no link is forgotten: the supervisor sends it again.
 * 0, -EPROTO or -ENOMEM.
 */
int talk_result(struct talk *talk, uint64_t number, struct slice task_id, int record);
