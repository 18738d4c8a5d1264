#include "sandbox/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "sandbox/seccomp.h"

int harden_against_inspection(void) {
    if (WEAKENED(DUMPABLE))
        return 0;
    if (WEAKENED(CORE))
        return 0;
    /*
     * ptrace_may_access() then wants CAP_SYS_PTRACE over us (ptrace(2)), which covers ptrace, process_vm_readv,
     * pidfd_getfd and the files of /proc/PID; and do_coredump() writes nothing, to a pipe neither (core(5)).
     */
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}

int harden_role(void) {
    const struct rlimit none = {0, 0};
    int r = harden_against_inspection();

    if (r < 0)
        return r;
    if (!WEAKENED(CORE) && setrlimit(RLIMIT_CORE, &none) < 0)
        return -errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

struct capability_sets {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static int read_capabilities(struct capability_sets *sets) {
    sets->header = (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &sets->header, sets->data) < 0 ? -errno : 0;
}

static int write_capabilities(struct capability_sets *sets) {
    return syscall(SYS_capset, &sets->header, sets->data) < 0 ? -errno : 0;
}

int harden_drop_all_capabilities(void) {
    struct capability_sets sets = {.header = {.version = _LINUX_CAPABILITY_VERSION_3}};

    /* the ambient set empties itself when the permitted one does (capabilities(7)) */
    return write_capabilities(&sets);
}

static const unsigned workload_must_not_have[] = {
    CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_BPF, CAP_PERFMON, CAP_CHECKPOINT_RESTORE,
};

static bool is_bounded(unsigned capability) {
    return prctl(PR_CAPBSET_READ, capability) == 1;
}

int harden_drop_workload_capabilities(void) {
    struct capability_sets sets;
    int r = read_capabilities(&sets), left = 0;

    if (WEAKENED(CAPS))
        return 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(workload_must_not_have); i++) {
        unsigned capability = workload_must_not_have[i];
        uint32_t bit = ~(uint32_t)CAP_TO_MASK(capability);
        struct __user_cap_data_struct *data = &sets.data[CAP_TO_INDEX(capability)];

        /* the bounding set first, while CAP_SETPCAP is still ours: it is what root's exec would refill from */
        if (is_bounded(capability) && prctl(PR_CAPBSET_DROP, capability) < 0)
            left = -EPERM;
        data->effective &= bit;
        data->permitted &= bit;
        data->inheritable &= bit;
    }
    r = write_capabilities(&sets);
    if (r < 0)
        return r;
    /*
     * a plain user's bounding set may stay as it is: nothing of it is permitted to them, and a setuid program is not
     * theirs
     */
    return geteuid() == 0 ? left : 0;
}

int harden_is_traced(void) {
    static const char label[] = "\nTracerPid:\t";
    _cleanup_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char status[4096];
    const char *at;
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = fd_read_all(fd, status, sizeof(status) - 1);
    if (n < 0)
        return (int)n;
    status[n] = '\0';
    at = strstr(status, label);
    return !WEAKENED(TRACED) && at && at[sizeof(label) - 1] != '0';
}
