/*
 * The doors of one workload beside its lease channels, as the supervisor knows them: which are wanted by what the
 * settings say, where they were made, and how the command finds them. `credfd run` makes the sockets (in the command's
 * namespace, where it has one), broker_grant hands them to the relay.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/limits.h"
#include "egress/settings/settings.h"

/* What lies in the directory, beside a NAME.sock for each lease that wants one. */
#define DOORS_BUNDLE "ca.pem"
#define DOORS_JAVA "java.p12"
#define DOORS_JAVA_PASSWORD "changeit" /* everybody's: nothing in it is secret, and Java's own store has the same */
#define DOORS_WGETRC "wgetrc"          /* for wget, where GnuTLS looks at no variable */
#define DOORS_NODE "node.cjs"          /* for the fetch of a Node that knows no proxy */

/* Of one lease. */
struct lease_doors {
    const char *name;              /* the lease's; borrowed */
    bool has_base_url, has_socket; /* wanted: its `env` names {base_url}, {socket} */
    int base_url, socket;          /* listening; -EBADF before they are made, and once they were handed over */
    uint16_t port;                 /* of base_url, on 127.0.0.1 */
    char *socket_path;             /* absolute */
    char prefix[LIMIT_PREFIX + 1]; /* the first segment of every path at base_url; empty: none is asked for */
};

struct doors {
    struct lease_doors lease[LIMIT_LEASES]; /* in the order of the names */
    size_t n_leases;
    bool has_proxy; /* wanted */
    int proxy;      /* likewise */
    uint16_t proxy_port;
    bool is_isolated;    /* what connects there can only be of the command: it has a network of its own */
    int diag;            /* a netlink socket (sock_diag(7)) of that network; -EBADF when nobody connects by TCP */
    uint64_t life_ms;    /* that the authority was asked for with; 0 before */
    pid_t command;       /* whose descendants may connect where it is not isolated; 0 before it is known */
    bool wants_java;     /* there is one on this machine */
    char *bundle, *java; /* files: whom the command is to trust; NULL before they are made, java also for none wanted */
    char *directory;     /* where such files and sockets lie: the command's alone, removed with it; or NULL */
    int lock;            /* on the directory, for as long as it is somebody's */
};

/* Which doors the credentials want; all sockets -EBADF. */
void doors_plan(struct doors *doors, const struct credential *const *credentials, size_t n, bool has_proxy);

/* Closes and frees what is still here; removes the directory, with the sockets and files in it. */
void doors_done(struct doors *doors);

static inline bool lease_doors_is_wanted(const struct lease_doors *doors) {
    return doors->has_base_url || doors->has_socket;
}

/* Whether there is any: then the command is isolated unless somebody says otherwise. */
bool doors_are_wanted(const struct doors *doors);

/* How many sockets of TCP are wanted. */
size_t doors_count_tcp(const struct doors *doors);

/*
 * What the proxy gives to the command's environment: its address in each variable that programs look at, in upper and
 * lower case, and the files of certificates; nothing where there is no proxy. `java_options` and `node_options` are
 * what JAVA_TOOL_OPTIONS and NODE_OPTIONS say already, or NULL. `NAME=VALUE`, each ended by a NUL. 0, -ENOBUFS or
 * -ENOMEM.
 */
int doors_environment(struct buf *to, const struct doors *doors, const char *java_options, const char *node_options);
