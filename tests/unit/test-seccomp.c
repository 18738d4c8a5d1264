#include "sandbox/seccomp.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "unit_child.h"
#include "unit_fd.h"

#define BIT(list) (1U << (list))
#define RELAY BIT(SECCOMP_RELAY)
#define KEEPER BIT(SECCOMP_KEEPER)
#define SOURCE BIT(SECCOMP_SOURCE)
#define RESOLVER BIT(SECCOMP_RESOLVER)
#define EXPORTER BIT(SECCOMP_EXPORTER)
#define DISPATCHER BIT(SECCOMP_DISPATCHER)
#define PAIRER BIT(SECCOMP_PAIRER)
#define STEWARD BIT(SECCOMP_STEWARD)
#define VERIFIER BIT(SECCOMP_VERIFIER)
#define DOORMAN BIT(SECCOMP_DOORMAN)
#define LINK BIT(SECCOMP_LINK)
#define TASK BIT(SECCOMP_TASK)
#define PROBE BIT(SECCOMP_PROBE)
#define PROXY BIT(SECCOMP_PROXY)
#define GATE BIT(SECCOMP_GATE)
#define EVERY (BIT(SECCOMP_LISTS) - 1)
#define NONE 0U

/* Who connects to something by an address; and of these, who connects by a path as well. */
#define OUTWARD (GATE | KEEPER | RESOLVER | VERIFIER | LINK | LOCAL)
#define LOCAL (DISPATCHER | PAIRER | STEWARD)

/* Who opens files, to read them; a task's are bounded by Landlock, and where they lie. */
#define READING (KEEPER | RESOLVER | STEWARD | VERIFIER | LINK)

static const char *const names[SECCOMP_LISTS] = {"relay",      "keeper", "source",  "resolver", "exporter",
                                                 "dispatcher", "pairer", "steward", "verifier", "doorman",
                                                 "link",       "task",   "probe",   "proxy",    "gate"};

/* Made before the sandbox closes. */
static int pair[2];
static char *page;

/* One call. What it answers does not count, only that it is made: the filter looks at the call before the kernel does. */
struct attempt {
    const char *what;
    unsigned permitted; /* to whom */
    long number, a, b, c, d;
};

static long address_of(const void *p) {
    return (long)(uintptr_t)p;
}

static int make(const void *of) {
    const struct attempt *attempt = of;
    enum seccomp_list list = (enum seccomp_list)attempt->permitted;
    const struct rlimit no_core = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_enter(list) < 0)
        return 2;
    (void)syscall(attempt->number, attempt->a, attempt->b, attempt->c, attempt->d, 0L, 0L);
    return 0;
}

/* Whether the role's process ended because of it; and if not, it must have ended well. */
static bool is_killed(enum seccomp_list list, const struct attempt *attempt) {
    struct attempt mine = *attempt;
    int status;

    mine.permitted = list;
    status = status_of_child(make, &mine);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s, %s: ended with status %x", names[list], attempt->what, (unsigned)status);
    return false;
}

static void try_all(const struct attempt *attempts, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (unsigned list = 0; list < SECCOMP_LISTS; list++)
            if (is_killed((enum seccomp_list)list, &attempts[i]) != !(attempts[i].permitted & BIT(list)))
                fail_msg("%s: %s should be %s", names[list], attempts[i].what,
                         attempts[i].permitted & BIT(list) ? "permitted" : "the end");
}

static void sockets(void **state) {
    const struct attempt attempts[] = {
        {"an IPv4 socket", OUTWARD, SYS_socket, AF_INET, SOCK_STREAM, 0, 0},
        {"an IPv6 socket", OUTWARD, SYS_socket, AF_INET6, SOCK_STREAM, 0, 0},
        {"a unix socket", LOCAL, SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0},
        {"a netlink socket", NONE, SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0},
        {"a packet socket", NONE, SYS_socket, AF_PACKET, SOCK_RAW, 0, 0},
        {"connect", OUTWARD, SYS_connect, -1, 0, 0, 0},
        {"bind", RESOLVER, SYS_bind, -1, 0, 0, 0},
        {"listen", NONE, SYS_listen, -1, 1, 0, 0},
        {"accept4", RELAY | PROXY | EXPORTER | DISPATCHER | DOORMAN, SYS_accept4, -1, 0, 0, 0},
        {"socketpair", RELAY | PROXY | DOORMAN, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, address_of(pair)},
        {"shutdown", EVERY & ~(SOURCE | RESOLVER | TASK | PROBE), SYS_shutdown, -1, SHUT_WR, 0, 0},
    };

    (void)state;
    try_all(attempts, ARRAY_LEN(attempts));
}

static void files(void **state) {
    static const char path[] = "/proc/self/exe", made[] = "/tmp/credfd-test-seccomp";
    const long p = address_of(path), m = address_of(made);
    const struct attempt attempts[] = {
        {"open to read", READING | TASK, SYS_openat, AT_FDCWD, p, O_RDONLY | O_CLOEXEC, 0},
        {"open to write", TASK, SYS_openat, AT_FDCWD, m, O_WRONLY, 0},
        {"open to read and write", TASK, SYS_openat, AT_FDCWD, m, O_RDWR, 0},
        {"open to make", TASK, SYS_openat, AT_FDCWD, m, O_RDONLY | O_CREAT, 0600},
        {"open to truncate", TASK, SYS_openat, AT_FDCWD, m, O_RDONLY | O_TRUNC, 0},
        {"open without a name", TASK, SYS_openat, AT_FDCWD, m, O_TMPFILE | O_RDWR, 0600},
        {"open for neither", TASK, SYS_openat, AT_FDCWD, p, O_ACCMODE, 0},
        {"old open to read", READING, SYS_open, p, O_RDONLY, 0, 0},
        {"old open to write", NONE, SYS_open, m, O_WRONLY | O_CREAT, 0600, 0},
        {"openat2", TASK, SYS_openat2, AT_FDCWD, p, 0, 0},
        {"open_by_handle_at", NONE, SYS_open_by_handle_at, -1, 0, 0, 0},
        {"creat", NONE, SYS_creat, m, 0600, 0, 0},
        {"unlink", NONE, SYS_unlink, m, 0, 0, 0},
        {"rename", NONE, SYS_rename, m, m, 0, 0},
        {"mkdir", NONE, SYS_mkdir, m, 0700, 0, 0},
        {"chmod", NONE, SYS_chmod, m, 0600, 0, 0},
        {"chdir", NONE, SYS_chdir, p, 0, 0, 0},
        {"mount", NONE, SYS_mount, 0, 0, 0, 0},
        {"memfd_create", SOURCE | LINK | TASK | PROXY, SYS_memfd_create, p, MFD_CLOEXEC, 0, 0},
        {"dup2", NONE, SYS_dup2, 0, 0, 0, 0},
    };

    (void)state;
    try_all(attempts, ARRAY_LEN(attempts));
}

static void processes(void **state) {
    static char path[] = "/bin/true";
    char *const arguments[] = {path, NULL};
    static struct clone_args clone_args = {.exit_signal = SIGCHLD};
    const struct attempt attempts[] = {
        {"execve", NONE, SYS_execve, address_of(path), address_of(arguments), 0, 0},
        {"execveat", NONE, SYS_execveat, AT_FDCWD, address_of(path), address_of(arguments), 0},
        {"fork", NONE, SYS_fork, 0, 0, 0, 0},
        {"vfork", NONE, SYS_vfork, 0, 0, 0, 0},
        {"clone", NONE, SYS_clone, SIGCHLD, 0, 0, 0},
        {"clone3", NONE, SYS_clone3, address_of(&clone_args), sizeof(clone_args), 0, 0},
        {"ptrace", NONE, SYS_ptrace, PTRACE_ATTACH, 1, 0, 0},
        {"process_vm_readv", NONE, SYS_process_vm_readv, 1, 0, 0, 0},
        {"process_vm_writev", NONE, SYS_process_vm_writev, 1, 0, 0, 0},
        {"pidfd_open", NONE, SYS_pidfd_open, 1, 0, 0, 0},
        {"pidfd_getfd", NONE, SYS_pidfd_getfd, -1, 0, 0, 0},
        {"kill", NONE, SYS_kill, 0, 0, 0, 0},
        {"prctl", NONE, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0},
        {"seccomp", NONE, SYS_seccomp, 0, 0, 0, 0},
        {"setuid", NONE, SYS_setuid, 0, 0, 0, 0},
        {"capset", NONE, SYS_capset, 0, 0, 0, 0},
        {"unshare", NONE, SYS_unshare, 0, 0, 0, 0},
        {"setns", NONE, SYS_setns, -1, 0, 0, 0},
        {"personality", NONE, SYS_personality, 0x0400000, 0, 0, 0},
        {"setrlimit", NONE, SYS_setrlimit, RLIMIT_CORE, 0, 0, 0},
        {"prlimit64", NONE, SYS_prlimit64, 0, RLIMIT_CORE, 0, 0},
        {"bpf", NONE, SYS_bpf, 0, 0, 0, 0},
        {"perf_event_open", NONE, SYS_perf_event_open, 0, 0, 0, 0},
        {"userfaultfd", NONE, SYS_userfaultfd, 0, 0, 0, 0},
        {"io_uring_setup", NONE, SYS_io_uring_setup, 1, 0, 0, 0},
        {"keyctl", NONE, SYS_keyctl, 0, 0, 0, 0},
        {"rt_sigaction", NONE, SYS_rt_sigaction, 0, 0, 0, 0},
        {"a number that is none", NONE, 100000, 0, 0, 0, 0},
        /* the bit of the x32 ABI: a filter that looked at the number alone would let its calls past */
        {"an x32 call", NONE, 0x40000000 | SYS_write, -1, 0, 0, 0},
    };

    (void)state;
    try_all(attempts, ARRAY_LEN(attempts));
}

/* syscall(2) gives four arguments and two zeros: an anonymous mapping is refused by the kernel for its descriptor, later. */
static void memory(void **state) {
    const long p = address_of(page), size = sysconf(_SC_PAGESIZE);
    const struct attempt attempts[] = {
        {"memory to read and write", EVERY, SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS},
        {"memory to execute", NONE, SYS_mmap, 0, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS},
        {"memory to write and execute", NONE, SYS_mmap, 0, size, PROT_READ | PROT_WRITE | PROT_EXEC,
         MAP_PRIVATE | MAP_ANONYMOUS},
        {"memory made read-only", EVERY, SYS_mprotect, p, size, PROT_READ, 0},
        {"memory made executable", NONE, SYS_mprotect, p, size, PROT_READ | PROT_EXEC, 0},
        {"memory made executable, with more bits", NONE, SYS_mprotect, p, size, PROT_READ | PROT_EXEC | 0x01000000, 0},
        {"pkey_mprotect", NONE, SYS_pkey_mprotect, p, size, PROT_READ | PROT_EXEC, -1},
        {"shmat", NONE, SYS_shmat, -1, 0, 0, 0},
        {"remap_file_pages", NONE, SYS_remap_file_pages, p, size, 0, 0},
        {"memory moved", EVERY, SYS_mremap, p, size, size, 0},
        {"memory given back", EVERY, SYS_munmap, p, size, 0, 0},
        {"memory locked", KEEPER | PAIRER | LINK | TASK | PROXY, SYS_mlock, p, size, 0, 0},
    };

    (void)state;
    try_all(attempts, ARRAY_LEN(attempts));
}

/* What every role lives from. */
static void what_every_role_does(void **state) {
    static struct pollfd none;
    static struct timespec ts;
    const struct attempt attempts[] = {
        {"read", EVERY, SYS_read, -1, address_of(page), 1, 0},
        {"write", EVERY, SYS_write, -1, address_of(page), 1, 0},
        {"sendmsg", EVERY, SYS_sendmsg, -1, 0, 0, 0},
        {"recvmsg", EVERY, SYS_recvmsg, -1, 0, 0, 0},
        {"close", EVERY, SYS_close, -1, 0, 0, 0},
        {"epoll_ctl", EVERY, SYS_epoll_ctl, -1, EPOLL_CTL_DEL, -1, 0},
        {"epoll_wait", EVERY, SYS_epoll_wait, -1, 0, 0, 0},
        {"poll", EVERY, SYS_poll, address_of(&none), 0, 0, 0},
        {"clock_gettime", EVERY, SYS_clock_gettime, 1, address_of(&ts), 0, 0},
        {"getrandom", EVERY, SYS_getrandom, address_of(page), 1, 0, 0},
        {"brk", EVERY, SYS_brk, 0, 0, 0, 0},
        {"exit_group", EVERY, SYS_exit_group, 0, 0, 0, 0},
    };

    (void)state;
    try_all(attempts, ARRAY_LEN(attempts));
}

/* Without it, any program could bend a setuid one: the kernel wants to hear that no more privileges are to come. */
static int enter_at_once(const void *of) {
    (void)of;
    return seccomp_enter(SECCOMP_RELAY) < 0 ? 3 : 0;
}

static void no_new_privileges_come_first(void **state) {
    int status = status_of_child(enter_at_once, NULL);

    (void)state;
    if (geteuid() == 0) {
        print_message("root may do without\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static int set_up(void **state) {
    (void)state;
    page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    return munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

/* Why this build, or this way of running it, has other lists than the product's; NULL when it has the product's. */
static const char *reason_to_skip(void) {
#if defined(CREDFD_SANITIZED)
    return "the lists of a sanitized build are wider, for the sanitizer's own sake";
#elif defined(CREDFD_SECCOMP_TRACE)
    return "a build with seccomp_trace refuses nothing";
#else
    return is_in_valgrind() ? "valgrind makes calls of its own, and dies of them" : NULL;
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets),
        cmocka_unit_test(files),
        cmocka_unit_test(processes),
        cmocka_unit_test(memory),
        cmocka_unit_test(what_every_role_does),
        cmocka_unit_test(no_new_privileges_come_first),
    };
    const char *reason = reason_to_skip();

    if (reason) {
        printf("skipped: %s\n", reason);
        return 77; /* meson's number for it */
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
