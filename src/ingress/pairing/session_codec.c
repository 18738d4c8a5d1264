#include "ingress/pairing/session_codec.h"

#include <errno.h>

#include "base/macros.h"
#include "wire/http_head.h"

#define NAMES_MAX (LIMIT_RECIPE_COOKIES * (LIMIT_COOKIE_NAME + 2))

struct ipc_writer session_question_encode(const struct session_question *question) {
    struct ipc_writer w = ipc_begin(IPC_SESSION);

    ipc_put_u32(&w, question->number);
    ipc_put_u64(&w, question->table);
    ipc_put_u32(&w, question->instance);
    ipc_put_u8(&w, (uint8_t)question->want);
    ipc_put_u64(&w, question->browser);
    ipc_put_bytes(&w, question->host);
    ipc_put_bytes(&w, question->proto);
    ipc_put_bytes(&w, question->cookie);
    return w;
}

/* A host goes into a field of ours: no byte in it may be a blank or a control. */
static bool is_host(struct slice host) {
    for (size_t i = 0; i < host.n; i++)
        if ((unsigned char)host.p[i] <= 0x20 || (unsigned char)host.p[i] >= 0x7f)
            return false;
    return true;
}

int session_question_decode(struct ipc_message *m, struct session_question *ret) {
    struct session_question question = {.number = ipc_get_u32(m), .table = ipc_get_u64(m), .instance = ipc_get_u32(m)};
    uint8_t want = ipc_get_u8(m);

    question.browser = ipc_get_u64(m);
    question.host = ipc_get_bytes(m, LIMIT_AUTHORITY);
    question.proto = ipc_get_bytes(m, sizeof("https") - 1);
    question.cookie = ipc_get_bytes(m, LIMIT_COOKIE);
    if (want > SESSION_PAIR || !is_host(question.host) || !http_is_field_value(question.cookie))
        ipc_fail(m);
    if (!slice_equals(question.proto, SLICE("http")) && !slice_equals(question.proto, SLICE("https")))
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    question.want = want;
    *ret = question;
    return 0;
}

struct ipc_writer session_answer_encode(const struct session_answer *answer) {
    struct ipc_writer w = ipc_begin(IPC_SESSION_ANSWER);

    ipc_put_u32(&w, answer->number);
    ipc_put_u8(&w, (uint8_t)answer->state);
    ipc_put_u8(&w, (uint8_t)answer->fault);
    ipc_put_u32(&w, answer->retry_s);
    ipc_put_u8(&w, answer->is_denied);
    ipc_put_bytes(&w, answer->cookie_names);
    ipc_put_u8(&w, (uint8_t)answer->n_set_cookies);
    for (size_t i = 0; i < answer->n_set_cookies; i++)
        ipc_put_bytes(&w, answer->set_cookies[i]);
    return w;
}

int session_answer_decode(struct ipc_message *m, struct session_answer *ret) {
    struct session_answer answer = {.number = ipc_get_u32(m)};
    uint8_t state = ipc_get_u8(m), fault = ipc_get_u8(m), is_denied;
    size_t left = LIMIT_COOKIE;

    answer.retry_s = ipc_get_u32(m);
    is_denied = ipc_get_u8(m);
    answer.cookie_names = ipc_get_bytes(m, NAMES_MAX);
    answer.n_set_cookies = ipc_get_u8(m);
    if (state > SESSION_STALE || fault >= PAIRING_FAULTS || answer.n_set_cookies > LIMIT_SET_COOKIES ||
        is_denied > (state == SESSION_ROUND))
        ipc_fail(m);
    /* a paired one brings cookies, a failed one its fault, and no other anything of the kind */
    if ((state == SESSION_PAIRED) != (answer.n_set_cookies > 0) ||
        (state == SESSION_FAILED) != (fault > PAIRING_WORKED))
        ipc_fail(m);
    for (size_t i = 0; !m->is_failed && i < answer.n_set_cookies; i++) {
        answer.set_cookies[i] = ipc_get_bytes(m, left);
        left -= answer.set_cookies[i].n;
        if (!http_is_field_value(answer.set_cookies[i]))
            ipc_fail(m);
    }
    if (!http_is_field_value(answer.cookie_names))
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    answer.state = state;
    answer.fault = fault;
    answer.is_denied = is_denied;
    *ret = answer;
    return 0;
}
