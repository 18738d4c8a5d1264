/*
 * What `credfd lease` or `credfd runner status` and a supervisor say to each other on the control socket: the messages,
 * nothing of the socket. The client asks; a LIST is answered by one message for each lease and an end, a REVOKE by its
 * outcome, a RUNNER_ASK by a status in parts, or by LEASE_END where there is none. Both ends use this, and neither takes
 * a byte of the other's for granted.
 */
#pragma once

#include <stdint.h>

#include "egress/refusal.h"
#include "ipc/message.h"

/* One lease, as people see it. */
struct lease_info {
    uint32_t number;       /* from 1, never used again by its supervisor */
    struct slice lease;    /* the credential's name, of at most LIMIT_NAME bytes */
    struct slice identity; /* in whose name, of at most LIMIT_IDENTITY bytes, whatever they are */
    uint64_t started_ms;   /* since 1970 */
    uint64_t left_ms;      /* until its ttl is over; LEASE_FOREVER without one */
    uint64_t requests;     /* all that it was asked for, the refused ones too */
    uint64_t refused;      /* of these: by credfd itself */
    uint32_t active;       /* streams that are open: each carries one request at a time */
    uint64_t bytes_in;     /* of the requests' content */
    uint64_t bytes_out;    /* of the responses' content */
    enum refusal ended;    /* what its requests are refused with; REFUSAL_NONE while it lives */
};
#define LEASE_FOREVER UINT64_MAX

/* How people name a lease: "PID-NUMBER", of its supervisor's PID. */
struct lease_id {
    uint32_t pid, number;
};
#define LEASE_ID_MAX 22 /* with its NUL */
void lease_id_format(struct lease_id id, char text[static LEASE_ID_MAX]);

/* 0, or -EINVAL: not of that form, or a number that no process or no lease has. */
int lease_id_parse(struct slice text, struct lease_id *ret);

/* `type` is IPC_LEASE_LIST, IPC_RUNNER_ASK, or IPC_LEASE_REVOKE for the lease of that number. */
struct control_request {
    enum ipc_type type;
    uint32_t number;
};
struct ipc_writer control_request_encode(const struct control_request *request);
int control_request_decode(struct ipc_message *m, struct control_request *ret); /* 0 or -EPROTO */

enum revocation { REVOCATION_DONE, REVOCATION_NO_SUCH_LEASE, REVOCATION_FAILED, REVOCATIONS };

/*
 * `type` is IPC_LEASE, with `info`; IPC_LEASE_END; IPC_LEASE_REVOKED, with `outcome`; or IPC_RUNNER_STATUS, with a part of
 * LIMIT_READ bytes at most in `status`.
 */
struct control_answer {
    enum ipc_type type;
    struct lease_info info;
    enum revocation outcome;
    struct slice status;
    bool is_end; /* of the status */
};
struct ipc_writer control_answer_encode(const struct control_answer *answer);
int control_answer_decode(struct ipc_message *m, struct control_answer *ret); /* likewise; slices look into it */
