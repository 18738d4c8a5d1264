#include "proc/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/slice.h"
#include "net/loop.h"

#define CHILDREN_MAX (64 * 1024) /* of the kernel's list of our children, as text */

static bool is_adopting;
static struct timer again;
static pid_t seen[LIMIT_REAPED]; /* they had ended when we looked, and nobody had reaped them */
static size_t n_seen;

/* One child that has ended and is not reaped, of all or by its number; 0 where there is none. */
static pid_t find_ended(idtype_t of, pid_t pid) {
    siginfo_t info = {0};

    return waitid(of, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? 0 : info.si_pid;
}

/* proc(5), /proc/thread-self/children: numbers, each with a blank behind it. */
static ssize_t read_children(char *text, size_t size) {
    _cleanup_close_ int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd_read_all(fd, text, size);
}

/* All that there are; where the kernel has no list, or a longer one than is read, at least one. */
static void find_all_ended(void) {
    static char text[CHILDREN_MAX];
    pid_t one = find_ended(P_ALL, 0);
    ssize_t n = one > 0 ? read_children(text, sizeof(text)) : 0;
    struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0);

    n_seen = 0;
    while (n_seen < ARRAY_LEN(seen) && slice_has(rest, ' ')) {
        uint64_t pid;

        if (num_parse(slice_cut(&rest, ' '), INT32_MAX, &pid) == 0 && find_ended(P_PID, (pid_t)pid) > 0)
            seen[n_seen++] = (pid_t)pid;
    }
    if (n_seen == 0 && one > 0)
        seen[n_seen++] = one;
}

static void look(struct timer *timer) {
    (void)timer;
    while (n_seen > 0)
        (void)waitpid(seen[--n_seen], NULL, WNOHANG);
    find_all_ended();
    if (n_seen > 0)
        timer_set(&again, REAP_AFTER);
}

int orphans_adopt(void) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -errno;
    again.on_expiry = look;
    is_adopting = true;
    return 0;
}

void orphans_look(void) {
    if (is_adopting && !timer_is_set(&again))
        timer_set(&again, REAP_AFTER);
}
