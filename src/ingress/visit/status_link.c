#include "ingress/visit/links.h"

#include <errno.h>

#include "proc/role.h"

/* Over the role's own channel, which is never replaced: only the questions are kept here. */
static struct asking supervisor;

int status_ask(struct question *question) {
    uint32_t number = asking_open(&supervisor, question);
    struct ipc_writer w = ipc_begin(IPC_STATUS_ASK);

    ipc_put_u32(&w, number);
    role_send(&w, -EBADF);
    return 0;
}

void status_forget(struct question *question) {
    asking_close(&supervisor, question);
}

int status_on_part(void *owner, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    uint8_t is_end = ipc_get_u8(m);
    struct status_part part = {.is_end = is_end == 1, .html = ipc_get_bytes(m, LIMIT_READ)};
    struct question *question;

    (void)owner;
    if (ipc_end(m) < 0 || is_end > 1)
        return -EPROTO;
    question = asking_find(&supervisor, number, !part.is_end);
    if (question)
        question->answered(question, &part);
    return 0;
}
