/*
 * Answers what dispatchers ask about sessions: which cookies are an instance's session, whether it lives and, when they
 * want one and none does, pairs. Everything is kept in one object, so that the pairer's role is its channels and no
 * more. Believes no asker about who is who: it looks the instance up in the table that the supervisor gave.
 */
#pragma once

#include "ingress/pairing/pairing_queue.h"

struct session_desk;

struct session_desk_ops {
    /* From the loop, or from inside session_desk_ask. It must not call back. */
    void (*answer)(void *asker, const struct session_answer *answer);
    struct pairing_queue_ops queue;
};

struct session_desk *session_desk_new(const struct session_desk_ops *ops); /* NULL without memory */
void session_desk_free(struct session_desk *desk);

void session_desk_set_rules(struct session_desk *desk, const struct pairing_rules *rules);

/* Takes the recipe over (`*recipe` is empty then). 0, -EPROTO for a number there cannot be, or -ENOMEM. */
int session_desk_set_recipe(struct session_desk *desk, struct recipe *recipe);

/* Takes the table over. Questions about an older one are SESSION_STALE from now on; those about this one go on. */
void session_desk_set_table(struct session_desk *desk, struct table *table);

/* Copies what it needs of the question. `asker` stands for somebody until session_desk_forget. */
void session_desk_ask(struct session_desk *desk, void *asker, const struct session_question *question);
void session_desk_forget(struct session_desk *desk, void *asker);

struct pairing_queue *session_desk_queue(struct session_desk *desk);
