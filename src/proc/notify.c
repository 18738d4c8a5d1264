#include "proc/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

#define WATCHDOG_MAX_USEC (UINT64_C(86400) * 1000000)

static struct {
    char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* a path, or @ and a name; empty: nobody listens */
    uint64_t watchdog_usec;
} notify;

static bool is_for_us(const char *pid) {
    uint64_t number;

    return !pid || (num_parse(slice_of_string(pid), INT32_MAX, &number) == 0 && number == (uint64_t)getpid());
}

void notify_init(void) {
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");

    memset(&notify, 0, sizeof(notify));
    if (path && (path[0] == '/' || path[0] == '@') && strlen(path) < sizeof(notify.socket))
        memcpy(notify.socket, path, strlen(path));
    if (usec && is_for_us(getenv("WATCHDOG_PID")))
        (void)num_parse(slice_of_string(usec), WATCHDOG_MAX_USEC, &notify.watchdog_usec);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_send(const char *state) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(notify.socket);
    _cleanup_close_ int fd = -EBADF;

    if (n == 0)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    memcpy(address.sun_path, notify.socket, n);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

uint64_t notify_watchdog_ms(void) {
    return notify.watchdog_usec / 1000;
}

int notify_bequeath(pid_t successor) {
    char text[32];

    if (notify.socket[0] && setenv("NOTIFY_SOCKET", notify.socket, 1) < 0)
        return -errno;
    if (notify.watchdog_usec == 0)
        return 0;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)notify.watchdog_usec);
    if (setenv("WATCHDOG_USEC", text, 1) < 0)
        return -errno;
    (void)snprintf(text, sizeof(text), "%ld", (long)successor);
    return setenv("WATCHDOG_PID", text, 1) < 0 ? -errno : 0;
}
