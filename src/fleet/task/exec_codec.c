#include "fleet/task/exec_codec.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

/*
 * In memory: four numbers, little-endian, of 64 bits: the lengths of command, workdir and environment, and how many
 * variables; then the three, the first two each with a NUL behind it.
 */
#define NUMBERS 4

static int write_all(int fd, struct slice bytes) {
    return fd_write_all(fd, bytes.p, bytes.n);
}

static int write_text(int fd, struct slice text) {
    int r = write_all(fd, text);

    return r < 0 ? r : fd_write_all(fd, "", 1);
}

int exec_request_seal(const struct exec_request *request) {
    _cleanup_close_ int fd = memfd_create("credfd-exec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const uint64_t numbers[NUMBERS] = {htole64(request->command.n), htole64(request->workdir.n),
                                       htole64(request->environment.n), htole64(request->n_environment)};
    int r;

    if (fd < 0)
        return -errno;
    r = write_all(fd, slice_of(numbers, sizeof(numbers)));
    if (r == 0)
        r = write_text(fd, request->command);
    if (r == 0)
        r = write_text(fd, request->workdir);
    if (r == 0)
        r = write_all(fd, request->environment);
    if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        r = -errno;
    return r < 0 ? r : fd_steal(&fd);
}

/* The first `n` bytes of what is left. Lengths are looked at before they are added to anything. */
static int take(struct slice *rest, uint64_t n, struct slice *ret) {
    if (n > rest->n)
        return -EBADMSG;
    *ret = slice_first(*rest, (size_t)n);
    *rest = slice_from(*rest, (size_t)n);
    return 0;
}

static int take_text(struct slice *rest, uint64_t n, struct slice *ret) {
    struct slice end;

    if (take(rest, n, ret) < 0 || take(rest, 1, &end) < 0)
        return -EBADMSG;
    return end.p[0] == '\0' && !slice_has(*ret, '\0') ? 0 : -EBADMSG;
}

static size_t count_strings(struct slice bytes) {
    size_t n = 0;

    for (; bytes.n > 0; n++)
        bytes = slice_from(bytes, slice_index(bytes, '\0') + 1);
    return n;
}

int exec_request_parse(struct slice bytes, struct exec_request *ret) {
    struct exec_request request = {0};
    uint64_t numbers[NUMBERS];
    struct slice rest = bytes, head;

    if (take(&rest, sizeof(numbers), &head) < 0)
        return -EBADMSG;
    memcpy(numbers, head.p, sizeof(numbers));
    for (size_t i = 0; i < NUMBERS; i++)
        numbers[i] = le64toh(numbers[i]);
    if (take_text(&rest, numbers[0], &request.command) < 0 || take_text(&rest, numbers[1], &request.workdir) < 0 ||
        take(&rest, numbers[2], &request.environment) < 0 || rest.n > 0)
        return -EBADMSG;
    if (request.environment.n > 0 && request.environment.p[request.environment.n - 1] != '\0')
        return -EBADMSG;
    request.n_environment = count_strings(request.environment);
    if (request.n_environment != numbers[3])
        return -EBADMSG;
    *ret = request;
    return 0;
}

const char *exec_step_name(enum exec_step step) {
    static const char *const names[EXEC_STEPS] = {
        [STEP_ALIVE] = "its beginning", [STEP_NAMESPACE] = "a namespace",       [STEP_CGROUP] = "a cgroup",
        [STEP_FORK] = "a process",      [STEP_LIMITS] = "its limits",           [STEP_USER] = "its user",
        [STEP_WORKDIR] = "workdir",     [STEP_DESCRIPTORS] = "its descriptors", [STEP_BASH] = "bash",
    };

    return (unsigned)step < EXEC_STEPS ? names[step] : "unknown";
}
