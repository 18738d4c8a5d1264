#include "cmd/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/num.h"
#include "cmd/kernel.h"
#include "egress/desk/broker.h"
#include "proc/child.h"
#include "sandbox/harden.h"

/* For a dozen secrets of a page each. */
#define MEMLOCK_WANTED (64 * 1024)

/* A stream costs a relay two, its own end and the line to the keeper; the rest is for leases and channels. */
#define DESCRIPTORS_WANTED (2 * LIMIT_STREAMS + 2 * LIMIT_LEASES)

static void memory_limit(struct finding *ret) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        finding_set(ret, FINDING_WEAKER, "unknown: %s", strerror(errno));
    else if (limit.rlim_cur == RLIM_INFINITY)
        finding_set(ret, FINDING_OK, "no limit on locked memory");
    else if (limit.rlim_cur >= MEMLOCK_WANTED)
        finding_set(ret, FINDING_OK, "%llu KiB of locked memory", (unsigned long long)limit.rlim_cur / 1024);
    else
        finding_set(ret, FINDING_WEAKER, "%llu KiB of locked memory: for few secrets only; raise it to %d (ulimit -l)",
                    (unsigned long long)limit.rlim_cur / 1024, MEMLOCK_WANTED / 1024);
}

static void descriptor_limit(struct finding *ret) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        finding_set(ret, FINDING_WEAKER, "unknown: %s", strerror(errno));
    else if (limit.rlim_max >= DESCRIPTORS_WANTED)
        finding_set(ret, FINDING_OK, "up to %llu a process", (unsigned long long)limit.rlim_max);
    else
        finding_set(ret, FINDING_WEAKER,
                    "at most %llu a process: fewer streams at once than the %d a lease may have; raise the hard limit "
                    "to %d (ulimit -Hn)",
                    (unsigned long long)limit.rlim_max, LIMIT_STREAMS, DESCRIPTORS_WANTED);
}

/* How OpenSSL names a certificate in a hashed directory: eight hexadecimal digits, a dot, a number. */
static bool is_hash_link(const char *name) {
    for (size_t i = 0; i < 8; i++)
        if (num_hex_digit(name[i]) < 0)
            return false;
    return name[8] == '.' && name[9] >= '0' && name[9] <= '9';
}

static bool has_hashed_certificates(const char *directory) {
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    bool found = false;

    if (!dir)
        return false;
    while (!found && (entry = readdir(dir)) != NULL)
        found = is_hash_link(entry->d_name);
    (void)closedir(dir);
    return found;
}

static void certificates(struct finding *ret) {
    const char *file = getenv("SSL_CERT_FILE"), *directory = getenv("SSL_CERT_DIR");
    bool has_file = file && *file;

    if (!directory || !*directory)
        directory = "/etc/ssl/certs";
    if (has_file && access(file, R_OK) < 0)
        finding_set(ret, FINDING_MISSING, "$SSL_CERT_FILE, %.300s: %s; unset it or mend it", file, strerror(errno));
    else if (has_hashed_certificates(directory))
        finding_set(ret, FINDING_OK, "upstreams are verified against %.200s%s%.200s", directory,
                    has_file ? " and " : "", has_file ? file : "");
    else if (has_file)
        finding_set(ret, FINDING_OK, "upstreams are verified against %.200s", file);
    else
        finding_set(ret, FINDING_WEAKER,
                    "no hashed certificate in %.300s: only upstreams with a ca_file can be verified; "
                    "install ca-certificates, or run openssl rehash on it",
                    directory);
}

static void resolver(struct finding *ret) {
    if (access("/etc/resolv.conf", R_OK) == 0)
        finding_set(ret, FINDING_OK, "names are resolved as /etc/resolv.conf says");
    else
        finding_set(ret, FINDING_WEAKER,
                    "/etc/resolv.conf: %s: only upstreams written as addresses, or in /etc/hosts, "
                    "can be reached",
                    strerror(errno));
}

static bool may_trace(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return syscall(SYS_capget, &header, sets) == 0 &&
           (sets[CAP_TO_INDEX(CAP_SYS_PTRACE)].permitted & CAP_TO_MASK(CAP_SYS_PTRACE)) != 0;
}

/* Asked by doing it, in a child: some sandboxes let one see a capability and not lay it down. */
static void capabilities(struct finding *ret) {
    int r = kernel_try(harden_drop_workload_capabilities);

    if (r < 0)
        finding_set(ret, FINDING_MISSING,
                    "the command would keep capabilities with which it can read a role's memory (%s): "
                    "run credfd as a plain user, or with CAP_SETPCAP too",
                    strerror(-r));
    else if (may_trace())
        finding_set(ret, FINDING_OK, "CAP_SYS_PTRACE and its like are taken from the command");
    else
        finding_set(
            ret, FINDING_OK,
            "none here with which a command could read a role's memory; what a set-uid program gets is its own");
}

static void user(struct finding *ret) {
    if (geteuid() == 0)
        finding_set(ret, FINDING_WEAKER,
                    "root: the command, root too, can read every file that holds a secret; run credfd as a plain user");
    else
        finding_set(ret, FINDING_OK,
                    "uid %u: what this user can read, the command can read; give a secret in such a file by fd",
                    (unsigned)geteuid());
}

static void programs(struct finding *ret) {
    _cleanup_free_ char *error = NULL;

    if (child_find_programs() < 0)
        finding_set(ret, FINDING_MISSING, "credfd cannot tell where it lies: is /proc mounted?");
    else if (broker_check_programs(&error) < 0)
        finding_set(ret, FINDING_MISSING, "%.400s", error ? error : "out of memory");
    else
        finding_set(ret, FINDING_OK, "each role has its program");
}

const struct probe doctor_place_probes[] = {
    {"programs", programs},
    {"locked memory", memory_limit},
    {"descriptors", descriptor_limit},
    {"capabilities", capabilities},
    {"user", user},
    {"certificates", certificates},
    {"resolver", resolver},
    {NULL, NULL},
};
