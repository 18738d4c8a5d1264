#include "proc/orphans.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "net/loop.h"

static bool is_adopting;
static struct timer again;
static pid_t seen; /* it had ended when we looked, and nobody had reaped it; 0: none */

/* One child that has ended and is not reaped; 0 where there is none. */
static pid_t find_ended(void) {
    siginfo_t info = {0};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? 0 : info.si_pid;
}

static void look(struct timer *timer) {
    pid_t ended = find_ended();

    (void)timer;
    while (ended > 0 && ended == seen) {
        (void)waitpid(ended, NULL, WNOHANG);
        ended = find_ended();
    }
    seen = ended;
    if (seen > 0)
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
