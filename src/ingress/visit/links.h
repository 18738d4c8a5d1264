/*
 * The roles that a visit asks, each with its own question and answer: the pairer for sessions, the steward for
 * instances that do not answer, the verifier for assertions, the supervisor for the status page. None is waited for but
 * by whoever asked.
 */
#pragma once

#include "ingress/pairing/session_codec.h"
#include "ingress/peer_role.h"
#include "ingress/visit/asking.h"

/* Each takes its channel over, in place of the one before. 0 or -errno. */
int pairer_link_init(int fd);
int steward_link_init(int fd);
int verifier_link_init(int fd);

/*
 * Each of these: 0, and question->answered is called later; or -errno, and it is not. After ..._forget it is not
 * called either.
 */

/* Fills in what->number. The answer is a struct session_answer. */
int pairer_ask(struct question *question, struct session_question *what);
void pairer_forget(struct question *question);

struct awake {
    enum wake_state state;
    struct slice reason;
};

int steward_ask(struct question *question, uint64_t table, uint32_t instance);
void steward_forget(struct question *question);

/* Nothing happens without a steward. */
void steward_tell(uint64_t table, uint32_t instance, uint32_t requests, uint32_t open);

struct asserted {
    bool is_good;
    struct slice text; /* what names the person, or why it is not good */
};

/* What a good one is remembered by is its bytes: they are asked for once, until it expires. */
int verifier_ask(struct question *question, struct slice assertion);
void verifier_forget(struct question *question);

/* What it says, when it is known to be good; valid until the next call of anything here. NULL: ask. */
const struct asserted *verifier_knows(struct slice assertion);

/* Assertions are to be judged anew, those too that are being judged. */
void verifier_clear(void);

struct status_part {
    bool is_end;
    struct slice html;
};

/* The answer comes in parts; an empty whole: not now. */
int status_ask(struct question *question);
void status_forget(struct question *question);

/* IPC_STATUS has come. */
int status_on_part(void *owner, struct ipc_message *m);
