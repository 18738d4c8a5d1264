/*
 * What the link must know before it connects, between it and the supervisor: IPC_LINK. The token comes apart from it
 * (IPC_SECRET u32 0, u64 0, fd), and so do the certificates to trust (IPC_TRUST beside the system's; IPC_CA_FILE u32 0,
 * fd instead of them; both before IPC_LINK) and the resolver's channel (IPC_RESOLVER).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/limits.h"
#include "base/log.h"
#include "ipc/message.h"
#include "wire/uri.h"

#define LINK_URL (LIMIT_AUTHORITY + LIMIT_BASE_PATH + 8)

struct link_settings {
    char url[LINK_URL + 1];  /* wss://, or ws:// to this machine; without a query: fit for the log */
    struct uri_upstream hub; /* taken apart, its slices look into `url`; link_settings_encode does not look at it */
    bool has_ca;             /* nobody is trusted but whom IPC_CA_FILE names */
    enum log_level log_level;

    /* What $HTTPS_PROXY and $NO_PROXY say (link/proxy.h: proxy_of_environment); empty: nothing. May hold a password. */
    char proxy[LIMIT_PROXY + 1], no_proxy[LIMIT_NO_PROXY + 1];

    /* What the hub is told of the machine, and the link cannot know: whom tasks run as. Empty where it is not known. */
    char version[LIMIT_NAME + 1];
    char workspace[PATH_MAX];
    char username[LIMIT_OS_USER + 1], home[PATH_MAX], shell[PATH_MAX];
};

struct ipc_writer link_settings_encode(const struct link_settings *settings);

/* `*ret` stays where it is, because of its slices. 0 or -EPROTO, and then it is untouched. */
int link_settings_decode(struct ipc_message *m, struct link_settings *ret);
