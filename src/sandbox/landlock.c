#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

/* Debian 12's headers end at ABI 2; the kernel's are kept in Documentation/userspace-api/landlock.rst */
struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4 */
    uint64_t scoped;             /* ABI 6 */
};
#define ACCESS_FS_ABI_1 ((1ULL << 13) - 1)
#define ACCESS_FS_REFER (1ULL << 13)     /* ABI 2 */
#define ACCESS_FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define ACCESS_NET_BIND_TCP (1ULL << 0)
#define ACCESS_NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

int landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : (int)abi;
}

static struct ruleset_attr everything(int abi, int may_connect) {
    struct ruleset_attr attr = {.handled_access_fs = ACCESS_FS_ABI_1};

    if (abi >= 2)
        attr.handled_access_fs |= ACCESS_FS_REFER;
    if (abi >= 3)
        attr.handled_access_fs |= ACCESS_FS_TRUNCATE;
    if (abi >= 4)
        attr.handled_access_net = ACCESS_NET_BIND_TCP | (may_connect ? 0 : ACCESS_NET_CONNECT_TCP);
    if (abi >= 5)
        attr.handled_access_fs |= ACCESS_FS_IOCTL_DEV;
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return attr;
}

/* An older kernel takes a shorter structure and refuses a longer one with unknown bits only if they are set. */
static size_t attr_size(int abi) {
    return abi >= 6 ? sizeof(struct ruleset_attr) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static int permit_reading(int ruleset, const char *path) {
    _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr beneath;
    struct stat st;

    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    beneath = (struct landlock_path_beneath_attr){.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE, .parent_fd = fd};
    if (S_ISDIR(st.st_mode))
        beneath.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ? -errno : 0;
}

int landlock_enter(const struct landlock_want *want) {
    int abi = landlock_abi();
    struct ruleset_attr attr = everything(abi, want->may_connect);
    _cleanup_close_ int ruleset = -EBADF;

    if (abi == 0)
        return 0;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
    if (ruleset < 0)
        return -errno;
    for (size_t i = 0; i < want->n_readable; i++) {
        int r = permit_reading(ruleset, want->readable[i]);
        if (r < 0)
            return r;
    }
    return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : abi;
}
