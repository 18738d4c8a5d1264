#include "proc/rest.h"

#include <malloc.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/pages.h"
#include "ipc/message.h"
#include "net/loop.h"

#define STACK_BELOW (1024 * 1024) /* deeper none of ours goes */
#define STACK_NEAR 1024           /* for what is called from here */

/* Nothing lives below a function's own frame. What of it was never touched has no pages to give. */
static __attribute__((noinline)) void rest_stack(void) {
#ifndef CREDFD_SANITIZED
    char *here = __builtin_frame_address(0);

    pages_give_back(here - STACK_BELOW, STACK_BELOW - STACK_NEAR);
#endif
}

static void rest(struct timer *timer) {
    (void)timer;
    buf_rest();
    (void)malloc_trim(0);
    ipc_rest();
    rest_stack();
}

void rest_soon(void) {
    static struct timer resting = {.on_expiry = rest};

    if (!timer_is_set(&resting))
        timer_set(&resting, REST_AFTER);
}
