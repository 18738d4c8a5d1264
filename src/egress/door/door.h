/*
 * The ways into a relay, as words that the supervisor and the relay share. The fd door is the lease channel
 * (egress/door/lease_door.h); at the others the relay listens, on sockets that it was given.
 */
#pragma once

enum door_kind {
    DOOR_KIND_BASE_URL, /* a TCP port on the loopback, for one lease: plain HTTP */
    DOOR_KIND_SOCKET,   /* a unix socket, likewise */
    DOOR_KIND_PROXY,    /* a TCP port on the loopback, for all leases and for ways to other hosts */
    DOOR_KINDS
};

/* What a relay with a proxy makes, and the supervisor lays where the command finds it. */
enum authority_part {
    AUTHORITY_CERTIFICATE, /* PEM: whom the command is to trust beside the system's */
    AUTHORITY_JAVA,        /* a PKCS#12 trust store: the system's and ours */
    AUTHORITY_PARTS
};
