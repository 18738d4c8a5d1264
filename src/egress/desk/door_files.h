/*
 * The files through which a command finds its doors, in the supervisor: a directory of this run's own, with the unix
 * sockets of {socket}, and, where there is a proxy, whom the command is to trust: a bundle of certificates and a trust
 * store for Java. The supervisor copies certificates and takes none apart; the authority is the relay's. For
 * `credfd run` and the holder. doors_done removes everything.
 */
#pragma once

#include "egress/desk/doors.h"
#include "ipc/message.h"

struct holder;

/*
 * Makes the directory and in it the listening sockets that are wanted; what earlier runs left because they were killed
 * goes. 0, or -errno with `*ret_error`, one line for a person, freed by the caller (NULL without memory).
 */
int door_files_make(struct doors *doors, char **ret_error);

/* Asks the relay, which was told of every place, for its authority; without a proxy nothing happens. 0 or -errno. */
int door_files_ask(struct holder *holder);

/* A lease is to live as its credential says now: warns where the authority does not live so long. */
void door_files_warn(const struct doors *doors, const struct credential *credential);

/*
 * The relay's IPC_AUTHORITY, for the permits of a relay with a proxy: lays the files. With the last one, doors->bundle,
 * it calls holder_go_on. `owner` is the holder's struct child. 0, -EPROTO, or -errno after a word in the log.
 */
int door_files_take(void *owner, struct ipc_message *m);
