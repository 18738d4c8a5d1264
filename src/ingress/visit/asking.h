/*
 * Questions to another role and their answers, over a channel that comes with IPC_PEER. An answer finds its question by
 * a number; when the role dies, or is replaced, every open question is answered with nothing. Knows no role's language:
 * that is pairer_link, steward_link and verifier_link.
 */
#pragma once

#include "proc/channel.h"

#define ASKING_BUCKETS 256

/* Part of whoever asks. */
struct question {
    struct question *next;
    uint32_t number;
    bool is_open;
    /* `answer` is of the link's own kind, and valid during the call; NULL: there will be none. From the loop. */
    void (*answered)(struct question *question, const void *answer);
};

struct asking {
    struct channel channel;
    struct question *open[ASKING_BUCKETS];
    uint32_t last;
};

/* Takes `fd` over, even on failure; whatever was open is answered with nothing. 0 or -errno. */
int asking_init(struct asking *asking, int fd, const struct ipc_permit *permits, size_t n_permits);

/* The question's number from now on. */
uint32_t asking_open(struct asking *asking, struct question *question);

/* Nobody wants to know any more. Harmless on one that is not open. */
void asking_close(struct asking *asking, struct question *question);

/* Sends it; the question is open then. 0 or -errno: it is not. */
int asking_send(struct asking *asking, struct question *question, const struct ipc_writer *w);

/* The open question of that number, which is open no longer unless `stays`. NULL: it was closed meanwhile. */
struct question *asking_find(struct asking *asking, uint32_t number, bool stays);
