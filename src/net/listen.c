#include "net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

/* Nobody listens at that socket any more. A connection that cannot be had for another reason leaves it in doubt. */
static bool is_left_over(const struct sockaddr_un *address, int type) {
    _cleanup_close_ int fd = socket(AF_UNIX, type | FLAGS, 0);
    struct stat state;

    if (fd < 0 || lstat(address->sun_path, &state) < 0 || !S_ISSOCK(state.st_mode))
        return false;
    return connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
}

static int bind_for_owner(int fd, const struct sockaddr_un *address) {
    mode_t before = umask(0177); /* right from birth: a chmod would come too late for whoever is quick */
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

    (void)umask(before);
    return r;
}

int listen_unix(const char *path, int type, int backlog, int *ret_fd) {
    _cleanup_close_ int fd = socket(AF_UNIX, type | FLAGS, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    r = bind_for_owner(fd, &address);
    if (r == -EADDRINUSE && is_left_over(&address, type)) {
        (void)unlink(path);
        r = bind_for_owner(fd, &address);
    }
    if (r < 0)
        return r;
    if (listen(fd, backlog) < 0) {
        r = -errno;
        (void)unlink(path);
        return r;
    }
    *ret_fd = fd_steal(&fd);
    return 0;
}

static int listen_address(const struct address *address, int reuse, int backlog, int *ret_fd) {
    _cleanup_close_ int fd = socket(address->any.sa_family, SOCK_STREAM | FLAGS, 0);
    const int on = 1;

    if (fd < 0)
        return -errno;
    /* connections of an earlier run that linger do not keep the port; one that listens does (socket(7)) */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, reuse, &on, sizeof(on)) < 0)
        return -errno;
    if (address->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -errno;
    if (bind(fd, &address->any, address->n) < 0 || listen(fd, backlog) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

int listen_tcp(const struct address *address, int backlog, int *ret_fd) {
    return listen_address(address, SO_REUSEADDR, backlog, ret_fd);
}

int listen_tcp_beside(const struct address *address, int backlog, int *ret_fd) {
    return listen_address(address, SO_REUSEPORT, backlog, ret_fd);
}
