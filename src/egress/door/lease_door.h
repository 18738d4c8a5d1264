/*
 * The fd door: the broker's end of one lease's control channel (docs/protocol.md). A datagram of the one byte 0x01 asks
 * for a stream; the answer is 0x01 with one SOCK_STREAM descriptor, or 0xFF with none. Whatever else is asked is
 * answered 0xFF, and descriptors that came with it are closed. Part of the relay: this is where a workload's bytes
 * come in first.
 */
#pragma once

#include <sys/types.h>

#include "base/limits.h"
#include "net/loop.h"
#include "relay/connection.h"

struct lease_door {
    struct watch watch;
    int fd;
    uint32_t number; /* among the workload's leases */
    char lease[LIMIT_NAME + 1];
    char injected[LIMIT_INJECTIONS][LIMIT_NAME + 1]; /* the fields that the keeper puts in: `rules` looks into them */
    struct exchange_rules rules;
    size_t n_streams; /* open, or asked for and not answered yet */
    /* A good dial, to be answered by lease_door_answer under its number. The pidfd, or -EBADF, is the callee's. */
    void (*on_dial)(struct lease_door *door, uint32_t dial, pid_t pid, int pidfd);
    /*
     * What was asked and has not been answered: a ring from `first_dial` to before `next_dial`, in the order of asking.
     */
    uint32_t first_dial, next_dial;
    struct door_answer {
        bool is_known;
        int fd; /* to hand out, or negative: refused */
    } answers[LIMIT_DIALS];
};

/* Takes `fd` over, even on failure. Its SO_PASSCRED is on: whoever made it saw to that. 0 or -errno. */
int lease_door_init(struct lease_door *door, int fd,
                    void (*on_dial)(struct lease_door *door, uint32_t dial, pid_t pid, int pidfd));
void lease_door_done(struct lease_door *door);

/* Whether that number is of a dial that waits for its answer. */
bool lease_door_is_waiting(const struct lease_door *door, uint32_t dial);

/*
 * Answers a waiting dial with `fd` (taken over), or refuses it when that is negative. Answers leave in the order of
 * asking.
 */
void lease_door_answer(struct lease_door *door, uint32_t dial, int fd);
