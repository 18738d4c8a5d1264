/*
 * The messages on the pair between a relay and the keeper that carry one exchange: heads as structures, bodies as
 * runs of bytes. The keeper reads requests as if the relay had been taken over: every part is bounded and checked for
 * what could break out of its place in a head.
 */
#pragma once

#include "ipc/message.h"
#include "relay/upstream.h"

/* The whole IPC_REQUEST; `data` is the first of the body, all of it with `is_end`. */
struct ipc_writer request_encode(const struct request_head *request, struct slice data, bool is_end);

/*
 * `fields` is where the fields are put that `ret->fields` then points to. 0, or -EPROTO for anything that a relay of
 * ours would not have sent: no token, a control byte, a path without a slash, Host or a framing field among the fields.
 */
int request_decode(struct ipc_message *m, struct http_fields *fields, struct request_head *ret, struct slice *ret_data,
                   bool *ret_end);

/* IPC_INTERIM, IPC_RESPONSE, IPC_DATA or IPC_ABORT, as the event is. */
struct ipc_writer event_encode(const struct upstream_event *event);

/* Of those four types. 0 or -EPROTO. */
int event_decode(struct ipc_message *m, struct http_fields *fields, struct upstream_event *ret);

/* IPC_DATA and IPC_ABORT on the way from the relay. */
struct ipc_writer data_encode(struct slice data, bool is_end);
int data_decode(struct ipc_message *m, struct slice *ret_data, bool *ret_end);
struct ipc_writer abort_encode(unsigned status, struct slice reason);
int abort_decode(struct ipc_message *m, unsigned *ret_status, struct slice *ret_reason);
