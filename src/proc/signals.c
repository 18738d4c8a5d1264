#include "proc/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_restore(void) {
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for those that cannot be changed anyway */
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}
