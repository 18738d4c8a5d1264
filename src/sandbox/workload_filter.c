#include "sandbox/workload_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/weaken.h"

/*
 * Whose numbers the list knows; on another machine it does not compile. The numbers of a second instruction set are
 * known on x86, and refused whole elsewhere.
 */
#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000U
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

/* arch/x86/entry/syscalls/syscall_32.tbl */
#define I386_IOCTL 54
#define I386_SOCKETCALL 102
#define I386_ADD_KEY 286
#define I386_REQUEST_KEY 287
#define I386_KEYCTL 288
#define I386_PRLIMIT64 340
#define I386_SOCKET 359
#define I386_SOCKETPAIR 360
#define IO_URING_SETUP 425 /* everywhere */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* The low half: what the kernel looks at of a family and of a request. (Both machines are little-endian.) */
#define LOAD_ARGUMENT(n) LOAD(args[n])
#define LOAD_ARGUMENT_HIGH(n)                                                                                          \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + sizeof(uint32_t))
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Goes on with the next instruction when it is so, else `n` further. */
#define UNLESS_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define REFUSE_CALL(number, error) UNLESS_SKIP(number, 1), REFUSE(error)
#define REFUSE_VALUE(value, error) UNLESS_SKIP(value, 1), REFUSE(error)
#define ALLOW_VALUE(value) UNLESS_SKIP(value, 1), ALLOW

/* One of the few families that stay in the network namespace; of 10 instructions. */
#define JUDGE_FAMILY                                                                                                   \
    LOAD_ARGUMENT(0), ALLOW_VALUE(AF_UNIX), ALLOW_VALUE(AF_INET), ALLOW_VALUE(AF_INET6), ALLOW_VALUE(AF_NETLINK),      \
        REFUSE(EAFNOSUPPORT)
#define FAMILY_SIZE 10

/* ioctl_tty(2): TIOCSTI types, and TIOCLINUX pastes, for whoever reads next; of 6 instructions. */
#define JUDGE_REQUEST LOAD_ARGUMENT(1), REFUSE_VALUE(TIOCSTI, EPERM), REFUSE_VALUE(TIOCLINUX, EPERM), ALLOW
#define REQUEST_SIZE 6

/* prlimit(2): of a process itself, or without new limits, which are behind a pointer; of 9 instructions. */
#define JUDGE_LIMITS                                                                                                   \
    LOAD_ARGUMENT(0), ALLOW_VALUE(0), LOAD_ARGUMENT(2), UNLESS_SKIP(0, 3), LOAD_ARGUMENT_HIGH(2), ALLOW_VALUE(0),      \
        REFUSE(EPERM)
#define LIMITS_SIZE 9

#define JUDGE_CALLS(socket_, socketpair_, ioctl_, add_key_, request_key_, keyctl_, prlimit_)                           \
    REFUSE_CALL(IO_URING_SETUP, ENOSYS), REFUSE_CALL(add_key_, EPERM), REFUSE_CALL(request_key_, EPERM),               \
        REFUSE_CALL(keyctl_, EPERM), UNLESS_SKIP(ioctl_, REQUEST_SIZE), JUDGE_REQUEST,                                 \
        UNLESS_SKIP(prlimit_, LIMITS_SIZE), JUDGE_LIMITS, UNLESS_SKIP(socketpair_, FAMILY_SIZE), JUDGE_FAMILY,         \
        UNLESS_SKIP(socket_, FAMILY_SIZE), JUDGE_FAMILY, ALLOW
#define CALLS_SIZE (8 + 1 + REQUEST_SIZE + 1 + LIMITS_SIZE + 2 * (1 + FAMILY_SIZE) + 1)

int workload_filter_enter(void) {
    static struct sock_filter list[] = {
        LOAD(arch),
        UNLESS_SKIP(NATIVE, CALLS_SIZE + 1 + (NATIVE == AUDIT_ARCH_X86_64 ? 2 : 0)),
        LOAD(nr),
#ifdef X32_BIT
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
        REFUSE(ENOSYS),
#endif
        JUDGE_CALLS(SYS_socket, SYS_socketpair, SYS_ioctl, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_prlimit64),
#ifdef X32_BIT
        UNLESS_SKIP(AUDIT_ARCH_I386, CALLS_SIZE + 1 + 2),
        LOAD(nr),
        REFUSE_CALL(I386_SOCKETCALL, ENOSYS),
        JUDGE_CALLS(I386_SOCKET, I386_SOCKETPAIR, I386_IOCTL, I386_ADD_KEY, I386_REQUEST_KEY, I386_KEYCTL,
                    I386_PRLIMIT64),
#endif
        REFUSE(ENOSYS),
    };
    const struct sock_fprog program = {ARRAY_LEN(list), list};

    if (WEAKENED(NETWORK))
        return 0;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
