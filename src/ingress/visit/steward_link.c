#include "ingress/visit/links.h"

#include <errno.h>

#include "base/macros.h"

static struct asking steward;

static int on_awake(void *owner, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    uint8_t state = ipc_get_u8(m);
    struct awake awake = {.state = (enum wake_state)state, .reason = ipc_get_bytes(m, LIMIT_REASON)};
    struct question *question;

    (void)owner;
    if (ipc_end(m) < 0 || state >= WAKE_STATES)
        return -EPROTO;
    question = asking_find(&steward, number, false);
    if (question)
        question->answered(question, &awake);
    return 0;
}

int steward_link_init(int fd) {
    static const struct ipc_permit permits[] = {{IPC_AWAKE, 1, on_awake}};

    return asking_init(&steward, fd, permits, ARRAY_LEN(permits));
}

int steward_ask(struct question *question, uint64_t table, uint32_t instance) {
    uint32_t number = asking_open(&steward, question);
    struct ipc_writer w = ipc_begin(IPC_WAKE);

    ipc_put_u32(&w, number);
    ipc_put_u64(&w, table);
    ipc_put_u32(&w, instance);
    return asking_send(&steward, question, &w);
}

void steward_forget(struct question *question) {
    asking_close(&steward, question);
}

void steward_tell(uint64_t table, uint32_t instance, uint32_t requests, uint32_t open) {
    struct ipc_writer w = ipc_begin(IPC_ACTIVITY);

    ipc_put_u64(&w, table);
    ipc_put_u32(&w, instance);
    ipc_put_u32(&w, requests);
    ipc_put_u32(&w, open);
    (void)channel_send(&steward.channel, &w, -EBADF); /* one that is started again is told the next time */
}
