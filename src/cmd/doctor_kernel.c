#include "cmd/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/secret.h"
#include "cmd/kernel.h"
#include "sandbox/landlock.h"

/* The first line of a file of /proc, without its newline; empty when there is no such file. */
static void line_of(const char *path, char *line, size_t size) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : fd_read_all(fd, line, size - 1);

    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

static void channels(struct finding *ret) {
    if (kernel_has_channels())
        finding_set(ret, FINDING_OK, "leases and roles can be wired");
    else
        finding_set(ret, FINDING_MISSING,
                    "no SOCK_SEQPACKET between processes: nothing can run; is a sandbox in the way?");
}

static void secret_memory(struct finding *ret) {
    int r = secret_memory_is_secret();

    if (r == 0 && kernel_keeps_secrets())
        finding_set(ret, FINDING_OK, "memfd_secret: secrets live outside the kernel's own map of memory");
    else if (kernel_keeps_secrets())
        finding_set(ret, FINDING_WEAKER,
                    "no memfd_secret (%s): secrets live in sealed memory that is locked and kept out of cores; "
                    "start Linux 5.14 or later, before 6.5 with secretmem.enable=1",
                    strerror(-r));
    else
        finding_set(ret, FINDING_MISSING,
                    "neither memfd_secret nor memfd_create gives memory for a secret; raise the limit (ulimit -l)");
}

static void seccomp(struct finding *ret) {
    if (kernel_has_seccomp_filters())
        finding_set(ret, FINDING_OK, "each role is held to its list of system calls");
    else
        finding_set(ret, FINDING_MISSING,
                    "no filters: roles cannot be held to their system calls; the kernel needs CONFIG_SECCOMP_FILTER");
}

static void no_new_privs(struct finding *ret) {
    int r = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

    if (r < 0)
        finding_set(ret, FINDING_MISSING, "the kernel knows none: roles could gain privileges; Linux 3.5 or later");
    else if (r > 0)
        finding_set(ret, FINDING_OK, "already set by whoever started this: sudo and its like will not work inside");
    else
        finding_set(ret, FINDING_OK, "no role can gain a privilege by executing a program");
}

static void landlock(struct finding *ret) {
    int abi = landlock_abi();

    if (abi > 0)
        finding_set(ret, FINDING_OK, "ABI %d: files%s that a role does not need are shut to it", abi,
                    abi >= 4 ? " and ports" : "");
    else
        finding_set(ret, FINDING_WEAKER,
                    "not there: seccomp alone keeps roles from files; Linux 5.13 or later, with landlock in lsm=");
}

static void pidfd(struct finding *ret) {
    if (kernel_has_pidfd())
        finding_set(ret, FINDING_OK, "roles are watched and signalled without a race");
    else
        finding_set(ret, FINDING_MISSING,
                    "no pidfd_open: roles cannot be watched; Linux 5.3 or later, not hidden by a sandbox");
}

static void asker(struct finding *ret) {
    if (kernel_names_askers())
        finding_set(ret, FINDING_OK, "SO_PASSPIDFD: the audit names the very process that asked");
    else
        finding_set(ret, FINDING_WEAKER,
                    "no SO_PASSPIDFD: the audit knows an asker by its pid alone, which may have been given away again; "
                    "Linux 6.5 or later");
}

static void ptrace_scope(struct finding *ret) {
    char scope[16];

    line_of("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
    if (scope[0] == '\0')
        finding_set(ret, FINDING_OK,
                    "no Yama: a user's processes may trace one another, but never credfd's roles, "
                    "which are not dumpable");
    else if (strcmp(scope, "0") == 0)
        finding_set(ret, FINDING_OK,
                    "Yama 0: a user's processes may trace one another, but never credfd's roles, "
                    "which are not dumpable");
    else
        finding_set(ret, FINDING_OK, "Yama %s: a second lock beside roles that are not dumpable", scope);
}

static void cores(struct finding *ret) {
    char pattern[256];

    line_of("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
    if (pattern[0] == '|')
        finding_set(ret, FINDING_OK, "piped to %s; none is made of a role, which is not dumpable", pattern + 1);
    else
        finding_set(ret, FINDING_OK, "written to files; none is made of a role, which is not dumpable");
}

const struct probe doctor_kernel_probes[] = {
    {"channels", channels}, {"secret memory", secret_memory},
    {"seccomp", seccomp},   {"no_new_privs", no_new_privs},
    {"landlock", landlock}, {"pidfd", pidfd},
    {"asker", asker},       {"ptrace", ptrace_scope},
    {"core dumps", cores},  {NULL, NULL},
};
