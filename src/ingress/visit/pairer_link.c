#include "ingress/visit/links.h"

#include <errno.h>

#include "base/macros.h"

static struct asking pairer;

static int on_answer(void *owner, struct ipc_message *m) {
    struct session_answer answer;
    struct question *question;

    (void)owner;
    if (session_answer_decode(m, &answer) < 0)
        return -EPROTO;
    question = asking_find(&pairer, answer.number, false);
    if (question)
        question->answered(question, &answer);
    return 0;
}

int pairer_link_init(int fd) {
    static const struct ipc_permit permits[] = {{IPC_SESSION_ANSWER, 1, on_answer}};

    return asking_init(&pairer, fd, permits, ARRAY_LEN(permits));
}

int pairer_ask(struct question *question, struct session_question *what) {
    struct ipc_writer w;

    what->number = asking_open(&pairer, question);
    w = session_question_encode(what);
    return asking_send(&pairer, question, &w);
}

void pairer_forget(struct question *question) {
    asking_close(&pairer, question);
}
