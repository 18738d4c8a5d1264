/*
 * A program of the build, not of the product: prints, as C, the BPF of the list of system calls of each role. To
 * change a list, change the tables here; to find what is missing, build with -Dseccomp_trace=true and run the tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/seccomp.h"

#define MAX_CALLS 40

/* Memory, time, waiting, the end: what every role does. Memory that can be executed is refused below. */
static const char *const common[MAX_CALLS] = {
    "brk",          "clock_gettime", "clock_nanosleep", "close",     "epoll_ctl",    "epoll_pwait", "epoll_wait",
    "exit",         "exit_group",    "futex",           "getrandom", "gettimeofday", "madvise",     "mremap",
    "munmap",       "poll",          "ppoll",           "read",      "recvfrom",     "recvmsg",     "restart_syscall",
    "rt_sigreturn", "sendmsg",       "sendto",          "write",     "getpid",
};

static const char *const of_role[SECCOMP_LISTS][MAX_CALLS] = {
    /* receives, sends, polls and accepts on what it was given, and makes the pairs that it hands out */
    [SECCOMP_RELAY] = {"accept4", "getpeername", "getsockname", "getsockopt", "setsockopt", "shutdown", "socketpair"},
    /* connects, reads certificates, and makes memory for secrets */
    [SECCOMP_KEEPER] = {"connect", "fstat", "ftruncate", "getpeername", "getsockname", "getsockopt", "lseek",
                        "memfd_secret", "mlock", "newfstatat", "setsockopt", "shutdown", "stat", "statx",
                        "getuid", "geteuid", "getgid", "getegid"},
    /* reads one descriptor and makes one piece of memory */
    [SECCOMP_SOURCE] = {"fcntl", "fstat", "ftruncate", "memfd_create", "memfd_secret", "lseek"},
    /* c-ares: its configuration, and sockets to name servers */
    [SECCOMP_RESOLVER] = {"bind", "connect", "fcntl", "fstat", "getpeername", "getsockname", "getsockopt", "lseek",
                          "newfstatat", "setsockopt", "stat", "statx", "uname", "ioctl", "getuid", "geteuid", "getgid",
                          "getegid"},
    /* accepts where it was told to */
    [SECCOMP_EXPORTER] = {"accept4", "shutdown"},
    /* accepts people, connects to their instances, maps the table, writes the access log */
    [SECCOMP_DISPATCHER] = {"accept4", "connect", "fcntl", "fstat", "newfstatat", "getsockopt", "setsockopt",
                            "shutdown"},
    /* connects to instances, and keeps a credential out of the swap */
    [SECCOMP_PAIRER] = {"connect", "fcntl", "fstat", "newfstatat", "getsockopt", "mlock", "setsockopt", "shutdown"},
    /* connects to instances and to the bus */
    [SECCOMP_STEWARD] = {"connect", "fcntl", "fstat", "newfstatat", "getpeername", "getsockname", "getsockopt",
                         "setsockopt", "shutdown", "getuid", "geteuid", "getgid", "getegid", "gettid"},
    /* connects to where keys are published, and reads certificates */
    [SECCOMP_VERIFIER] = {"connect", "fcntl", "fstat", "getsockopt", "lseek", "newfstatat", "pread64", "setsockopt",
                          "shutdown", "stat", "statx", "getuid", "geteuid", "getgid", "getegid"},
    /* accepts TLS */
    [SECCOMP_DOORMAN] = {"accept4", "fcntl", "fstat", "getsockopt", "lseek", "newfstatat", "pread64", "setsockopt",
                         "shutdown", "socketpair", "stat", "getuid", "geteuid", "getgid", "getegid"},
    /* connects to the hub, reads certificates and records, and seals orders and keys */
    [SECCOMP_LINK] = {"connect", "fcntl", "fstat", "ftruncate", "getsockopt", "lseek", "memfd_create", "memfd_secret",
                      "mlock", "newfstatat", "pread64", "setsockopt", "shutdown", "stat", "statx", "getuid", "geteuid",
                      "getgid", "getegid"},
    /* works on files beneath the directories that Landlock leaves it, and makes memory that it hands on */
    [SECCOMP_TASK] = {"fchmod",     "fcntl",      "fdatasync", "flock",   "fstat",        "fstatfs",    "fsync",
                      "ftruncate",  "getdents64", "lseek",     "linkat",  "memfd_create", "mkdirat",    "mlock",
                      "newfstatat", "openat",     "openat2",   "pread64", "pwrite64",     "readlinkat", "renameat",
                      "renameat2",  "statx",      "sysinfo",   "unlinkat"},
    /* reads one descriptor */
    [SECCOMP_PROBE] = {"fstat"},
    /* as a relay, and signs certificates, which it hands on in memory */
    [SECCOMP_PROXY] = {"accept4", "fcntl", "fstat", "ftruncate", "getpeername", "getsockname", "getsockopt", "lseek",
                       "memfd_create", "mlock", "newfstatat", "setsockopt", "shutdown", "socketpair", "stat", "getuid",
                       "geteuid", "getgid", "getegid"},
    /* connects, and hands on */
    [SECCOMP_GATE] = {"connect", "getpeername", "getsockname", "getsockopt", "setsockopt", "shutdown"},
};

/* What the sanitizers' own code needs, in builds made with them. */
static const char *const of_sanitizers[MAX_CALLS] = {
#ifdef CREDFD_SANITIZED
    "mmap",
    "mprotect",
    "rt_sigaction",
    "rt_sigprocmask",
    "sigaltstack",
    "sched_yield",
    "readlink",
    "readlinkat",
    "gettid",
    "prlimit64",
    "sched_getaffinity",
    "openat",
    "open",
    "tgkill",
    "writev",
    "nanosleep",
    "prctl",
    "pread64",
    "fstat",
    "stat",
    "newfstatat",
    "getppid",
    "getuid",
    "geteuid",
    "lseek",
    "ioctl",
    "fcntl",
#endif
};

static void die_unless(int r, const char *what) {
    if (r >= 0)
        return;
    fprintf(stderr, "seccomp_lists: %s: error %d\n", what, -r);
    exit(EXIT_FAILURE);
}

static void allow(scmp_filter_ctx filter, const char *const calls[MAX_CALLS]) {
    for (size_t i = 0; i < MAX_CALLS && calls[i]; i++) {
        int number = seccomp_syscall_resolve_name(calls[i]);
        int r;

        if (number == __NR_SCMP_ERROR)
            number = calls[i][0] == 'm' ? 447 : number; /* memfd_secret: younger than libseccomp 2.5.4's table */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        die_unless(r == -EEXIST ? 0 : r, calls[i]);
    }
}

#ifndef CREDFD_SANITIZED
static void allow_if_masked(scmp_filter_ctx filter, int number, unsigned argument, scmp_datum_t mask,
                            scmp_datum_t value) {
    struct scmp_arg_cmp rule = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);

    die_unless(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &rule), "an argument rule");
}
#endif

static void allow_socket(scmp_filter_ctx filter, int family) {
    struct scmp_arg_cmp rule = SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)family, 0);

    die_unless(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &rule), "socket");
}

static void add_rules(scmp_filter_ctx filter, enum seccomp_list list) {
    allow(filter, common);
    allow(filter, of_role[list]);
    allow(filter, of_sanitizers);
#ifndef CREDFD_SANITIZED
    allow_if_masked(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
    allow_if_masked(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
#endif
    if (list == SECCOMP_RELAY || list == SECCOMP_SOURCE || list == SECCOMP_EXPORTER || list == SECCOMP_DOORMAN ||
        list == SECCOMP_TASK || list == SECCOMP_PROBE || list == SECCOMP_PROXY)
        return;
    allow_socket(filter, AF_INET);
    allow_socket(filter, AF_INET6);
    if (list == SECCOMP_DISPATCHER || list == SECCOMP_PAIRER || list == SECCOMP_STEWARD)
        allow_socket(filter, AF_UNIX);
    if (list == SECCOMP_DISPATCHER || list == SECCOMP_PAIRER || list == SECCOMP_GATE)
        return;
#ifndef CREDFD_SANITIZED
    /* files are opened to be read, never to be made or written */
    allow_if_masked(filter, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);
    allow_if_masked(filter, SCMP_SYS(open), 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY);
#endif
}

static void print_list(enum seccomp_list list, const char *name, uint32_t refusal) {
    scmp_filter_ctx filter = seccomp_init(refusal);
    struct sock_filter instruction;
    FILE *exported = tmpfile();

    if (!filter || !exported)
        die_unless(-ENOMEM, "seccomp_init");
    add_rules(filter, list);
    die_unless(seccomp_export_bpf(filter, fileno(exported)), "seccomp_export_bpf");
    rewind(exported);
    printf("static const struct sock_filter %s[] = {\n", name);
    while (fread(&instruction, sizeof(instruction), 1, exported) == 1)
        printf("    {0x%04x, %u, %u, 0x%08x},\n", instruction.code, instruction.jt, instruction.jf, instruction.k);
    printf("};\n");
    fclose(exported);
    seccomp_release(filter);
}

int main(int argc, char **argv) {
    uint32_t refusal = argc > 1 && argv[1][0] == 't' ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS;

    print_list(SECCOMP_RELAY, "relay_list", refusal);
    print_list(SECCOMP_KEEPER, "keeper_list", refusal);
    print_list(SECCOMP_SOURCE, "source_list", refusal);
    print_list(SECCOMP_RESOLVER, "resolver_list", refusal);
    print_list(SECCOMP_EXPORTER, "exporter_list", refusal);
    print_list(SECCOMP_DISPATCHER, "dispatcher_list", refusal);
    print_list(SECCOMP_PAIRER, "pairer_list", refusal);
    print_list(SECCOMP_STEWARD, "steward_list", refusal);
    print_list(SECCOMP_VERIFIER, "verifier_list", refusal);
    print_list(SECCOMP_DOORMAN, "doorman_list", refusal);
    print_list(SECCOMP_LINK, "link_list", refusal);
    print_list(SECCOMP_TASK, "task_list", refusal);
    print_list(SECCOMP_PROBE, "probe_list", refusal);
    print_list(SECCOMP_PROXY, "proxy_list", refusal);
    print_list(SECCOMP_GATE, "gate_list", refusal);
    return ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
