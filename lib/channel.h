/*
 * A lease's channel: a SOCK_SEQPACKET socket on which one datagram of one byte asks for a stream and one datagram of
 * one byte answers, with the stream's descriptor or without. Everything that comes is checked; nothing that came with
 * a bad answer stays open. Used by credfd.c alone.
 */
#pragma once

/* Whether `channel` can be a lease's channel: 0, -EBADF or -ENOTSOCK as in credfd.h. */
int credfd_channel_check(int channel);

/* A fresh stream, the caller's; or an error as in credfd.h, from -ECONNREFUSED on. */
int credfd_channel_dial(int channel);
