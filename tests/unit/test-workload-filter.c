#include "sandbox/workload_filter.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "unit_child.h"
#include "unit_fd.h"

#define IO_URING_SETUP 425

/* One bit each: what went as it should. */
enum outcome {
    FAMILIES = 1 << 0,
    REQUESTS = 1 << 1,
    KEYS = 1 << 2,
    RINGS = 1 << 3,
    HIGH_HALF = 1 << 4,
    ALL_ELSE = 1 << 5,
    LIMITS = 1 << 6,
};

static bool opens(int family) {
    _cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fd >= 0;
}

static bool is_refused(int family) {
    return socket(family, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT;
}

static bool families(void) {
    int pair[2];
    bool is_good = opens(AF_UNIX) && opens(AF_INET) && fd_pair(SOCK_STREAM, pair) == 0;

    for (int family = AF_UNSPEC; family < 64; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            is_good = is_good && is_refused(family);
    return is_good;
}

static bool requests(void) {
    char byte = 'x';
    int size;

    return ioctl(STDIN_FILENO, TIOCSTI, &byte) < 0 && errno == EPERM && ioctl(STDIN_FILENO, TIOCLINUX, &byte) < 0 &&
           errno == EPERM && (ioctl(STDIN_FILENO, FIONREAD, &size) == 0 || errno != EPERM);
}

static bool keys(void) {
    return syscall(SYS_keyctl, 0, -3, 0) < 0 && errno == EPERM && syscall(SYS_request_key, "user", "x", "", 0) < 0 &&
           errno == EPERM && syscall(SYS_add_key, "user", "x", "y", 1, -3) < 0 && errno == EPERM;
}

/* The kernel cuts both to 32 bits; so does the filter. */
static bool high_half(void) {
    return syscall(SYS_socket, (int64_t)1 << 40 | AF_VSOCK, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT &&
           syscall(SYS_ioctl, STDIN_FILENO, (int64_t)1 << 40 | TIOCSTI, "x") < 0 && errno == EPERM;
}

/* Its own are its own affair, and those of others may be read. */
static bool limits(void) {
    struct rlimit64 limit;
    pid_t parent = getppid();

    return syscall(SYS_prlimit64, parent, RLIMIT_FSIZE, NULL, &limit) == 0 &&
           syscall(SYS_prlimit64, parent, RLIMIT_FSIZE, &limit, NULL) < 0 && errno == EPERM &&
           syscall(SYS_prlimit64, parent, RLIMIT_FSIZE, (int64_t)1 << 40, NULL) < 0 && errno == EPERM &&
           syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &limit, NULL) == 0;
}

static int try_all(const void *of) {
    char bytes[64];
    int done = 0;

    (void)of;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || workload_filter_enter() < 0)
        return 255;
    done |= families() ? FAMILIES : 0;
    done |= requests() ? REQUESTS : 0;
    done |= keys() ? KEYS : 0;
    done |= syscall(IO_URING_SETUP, 8, bytes) < 0 && errno == ENOSYS ? RINGS : 0;
    done |= high_half() ? HIGH_HALF : 0;
    done |= limits() ? LIMITS : 0;
    done |= open_descriptors() > 0 && getppid() > 0 ? ALL_ELSE : 0;
    return done;
}

static void what_leads_out_is_refused_and_nothing_else(void **state) {
    (void)state;
    assert_int_equal(WEXITSTATUS(status_of_child(try_all, NULL)),
                     FAMILIES | REQUESTS | KEYS | RINGS | HIGH_HALF | ALL_ELSE | LIMITS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_leads_out_is_refused_and_nothing_else)};

    return is_in_valgrind() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
