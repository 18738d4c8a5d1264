/*
 * What every command has in common that serves until it is told to end: its process is hardened, finds its roles'
 * programs, has a loop, and takes its signals there. Used by dispatch.c and runner.c.
 */
#pragma once

#include "net/loop.h"

struct service {
    void (*reload)(struct service *service); /* SIGHUP, but for a terminal that is gone */
    void (*end)(struct service *service); /* SIGTERM, SIGINT, a terminal that is gone; also when it was called before */
    void (*replace)(struct service *service); /* SIGUSR2; NULL: that ends it, as by default */
    struct watch signals;
    int signal_fd; /* -EBADF until service_init */
};

/* `name` is the command's, for the complaint. 0, or -errno after a word in the log. */
int service_init(struct service *service, const char *name);
void service_done(struct service *service);
