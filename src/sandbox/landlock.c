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
#include "base/weaken.h"

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
    if (abi >= LANDLOCK_ABI_SCOPES)
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return attr;
}

/* An older kernel takes a shorter structure and refuses a longer one with unknown bits only if they are set. */
static size_t attr_size(int abi) {
    return abi >= LANDLOCK_ABI_SCOPES ? sizeof(struct ruleset_attr)
           : abi >= 4                 ? 2 * sizeof(uint64_t)
                                      : sizeof(uint64_t);
}

/* What is done with files and directories: none is executed, and no device, socket or pipe is made. */
static uint64_t writing(int abi) {
    uint64_t access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
                      LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                      LANDLOCK_ACCESS_FS_REMOVE_DIR;

    if (abi >= 2)
        access |= ACCESS_FS_REFER;
    if (abi >= 3)
        access |= ACCESS_FS_TRUNCATE;
    return access;
}

/* A file takes the rights alone that are about files. */
#define ACCESS_FS_FILE                                                                                                 \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | ACCESS_FS_TRUNCATE |  \
     ACCESS_FS_IOCTL_DEV)

static int permit(int ruleset, const char *path, uint64_t access) {
    _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr beneath;
    struct stat st;

    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    beneath = (struct landlock_path_beneath_attr){
        .allowed_access = S_ISDIR(st.st_mode) ? access : access & ACCESS_FS_FILE, .parent_fd = fd};
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ? -errno : 0;
}

static int permit_all(int ruleset, const char *const *paths, size_t n, uint64_t access) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = permit(ruleset, paths[i], access);
    return r;
}

static int enter(const struct landlock_want *want, const struct ruleset_attr *attr, int abi, uint64_t reads,
                 uint64_t writes) {
    _cleanup_close_ int ruleset = (int)syscall(SYS_landlock_create_ruleset, attr, attr_size(abi), 0);
    int r;

    if (ruleset < 0)
        return -errno;
    r = permit_all(ruleset, want->readable, want->n_readable, reads);
    if (r == 0)
        r = permit_all(ruleset, want->writable, want->n_writable, writes);
    if (r == 0 && want->may_list)
        r = permit(ruleset, "/", LANDLOCK_ACCESS_FS_READ_DIR);
    if (r < 0)
        return r;
    return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : abi;
}

int landlock_enter(const struct landlock_want *want) {
    int abi = landlock_abi();
    struct ruleset_attr attr = everything(abi, want->may_connect);

    return abi == 0 ? 0
                    : enter(want, &attr, abi, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, writing(abi));
}

int landlock_enter_scopes(void) {
    const struct ruleset_attr attr = {.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL};
    const struct landlock_want nothing = {.n_readable = 0};
    int abi = landlock_abi();

    return abi < LANDLOCK_ABI_SCOPES || WEAKENED(NETWORK) ? 0 : enter(&nothing, &attr, abi, 0, 0);
}

int landlock_enter_command(const struct landlock_want *want) {
    int abi = landlock_abi();
    struct ruleset_attr attr = everything(abi, 1);

    attr.handled_access_net = 0;
    return abi == 0 ? 0
                    : enter(want, &attr, abi,
                            LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE,
                            attr.handled_access_fs & ~(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK));
}
