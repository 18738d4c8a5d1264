/*
 * The doors of a workload beside its lease channels: their sockets go to its relay, with what that must know of each
 * lease's upstream.
 */
#include <errno.h>

#include "base/fd.h"
#include "egress/desk/broker_state.h"
#include "egress/desk/door_files.h"
#include "egress/door/door.h"
#include "egress/door/place_codec.h"
#include "proc/orphans.h"

/* Hands a socket over, where there is one. */
static int hand_over(struct holder *holder, enum door_kind kind, uint32_t door, struct slice prefix, int *listener) {
    struct ipc_writer w = ipc_begin(IPC_DOOR_LISTEN);
    int r;

    if (*listener < 0)
        return 0;
    ipc_put_u8(&w, (uint8_t)kind);
    ipc_put_u32(&w, door);
    ipc_put_bytes(&w, prefix);
    r = channel_send(&holder->relay.channel, &w, *listener);
    fd_close(listener);
    return r;
}

static int open_lease(struct holder *holder, uint32_t door, struct lease_doors *doors) {
    int r = hand_over(holder, DOOR_KIND_BASE_URL, door, slice_of_string(doors->prefix), &doors->base_url);

    return r == 0 ? hand_over(holder, DOOR_KIND_SOCKET, door, SLICE_EMPTY, &doors->socket) : r;
}

static int tell_place(struct holder *holder, uint32_t door) {
    struct ipc_writer w = place_encode(door, holder->grants[door].possession->credential);

    return channel_send(&holder->relay.channel, &w, -EBADF);
}

/* The places come first: by them it knows whose upstream it is asked for, and what its authority is to be good for. */
static int open_proxy(struct holder *holder) {
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < holder->n_grants; i++)
        r = tell_place(holder, i);
    if (r == 0)
        r = hand_over(holder, DOOR_KIND_PROXY, 0, SLICE_EMPTY, &holder->doors->proxy);
    return r == 0 ? door_files_ask(holder) : r;
}

int holder_open_doors(struct holder *holder) {
    struct doors *doors = holder->doors;
    int r = 0;

    if (!doors || holder->is_open)
        return 0;
    r = orphans_adopt(); /* whoever is left behind by the command still belongs to it, and may connect */
    for (uint32_t i = 0; r == 0 && i < holder->n_grants; i++)
        r = open_lease(holder, i, &doors->lease[i]);
    if (r == 0 && doors->has_proxy)
        r = open_proxy(holder);
    if (r < 0)
        return r;
    holder->is_open = true;
    holder_go_on(holder);
    return 0;
}
