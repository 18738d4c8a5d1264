/*
 * The sockets that people's connections come in by, for all roles that accept there: made before any of them runs, or
 * inherited, and kept here for as long as the dispatcher serves. So a dispatcher that dies loses what it had accepted,
 * and nothing that waits: its replacement gets the same sockets.
 *
 * Of a TCP address each dispatcher has a socket of its own, among which the kernel spreads connections; all other
 * sockets are shared. Nothing is accepted here.
 */
#pragma once

#include "ingress/desk/inherited.h"
#include "ingress/peer_role.h"
#include "ingress/settings.h"

#define LISTENER_AT_MAX (sizeof("unix:") + sizeof(((struct sockaddr_un *)NULL)->sun_path))

struct listener {
    uint32_t place; /* in the settings: its number, for the roles */
    enum listener_kind kind;
    bool is_tls;     /* the doorman's */
    bool is_shared;  /* every dispatcher accepts there, else only `worker` */
    uint32_t worker; /* from 0 */
    char name[INHERITED_NAME_MAX];
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* of our own making, to be removed; else empty */
    char
        at[LISTENER_AT_MAX]; /* of one that was handed over and that no place names: its address in words; else empty */
    int fd;
};

struct listeners {
    struct listener *items;
    size_t n;
};

/*
 * What `settings` say, of `inherited` what is there already; where they say nothing, what systemd has handed over. 0; or
 * -errno with one line in `*ret_error`, the caller's (NULL without memory): then nothing is left open.
 */
int listeners_open(struct listeners *listeners, const struct dispatch_settings *settings, uint32_t n_workers,
                   struct inherited *inherited, char **ret_error);

/* Where it listens, for the line at the start: "127.0.0.1:3780 (from systemd)". The caller's; NULL without memory. */
char *listeners_describe(const struct listeners *listeners, const struct dispatch_settings *settings);

/* Whether that dispatcher accepts at it. */
bool listener_is_for(const struct listener *listener, uint32_t worker);

/* `is_handed_on`: a successor has them too, so that the paths stay. Harmless when done already. */
void listeners_close(struct listeners *listeners, bool is_handed_on);
