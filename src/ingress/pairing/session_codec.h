/*
 * What a dispatcher asks the pairer about one person's session, and the answer. The dispatcher names an instance by its
 * number in a table: whom to mint for, the pairer looks up in the same table, so that a dispatcher which was taken over
 * can ask for people in the table and for nobody else.
 */
#pragma once

#include "base/limits.h"
#include "ipc/message.h"

enum session_want {
    SESSION_LOOK, /* only say which cookies are sessions and, when one is there, whether it lives */
    SESSION_PAIR, /* the same, and when none lives: mint, exchange, and hand back the cookies */
};

struct session_question {
    uint32_t number; /* the asker's */
    uint64_t table;  /* table_number */
    uint32_t instance;
    enum session_want want;
    struct slice host;   /* the Host that the browser sent: the instance compares it, and may name its cookie by it */
    struct slice proto;  /* "http" or "https", as the browser sees it */
    uint64_t browser;    /* tells the browsers of one person apart, as well as can be: who is sent round and round */
    struct slice cookie; /* every Cookie field of the request, joined by "; " */
};

enum session_state {
    SESSION_NONE, /* no cookie of that name was there */
    SESSION_LIVES,
    SESSION_DIED,    /* the instance says so, definitely */
    SESSION_UNKNOWN, /* it could not be asked: fail open */
    SESSION_PAIRED,  /* `set_cookies` are the browser's */
    SESSION_FAILED,  /* pairing did not work: `fault` */
    SESSION_LIMITED, /* too many mints: `retry_s` */
    SESSION_ROUND,   /* it was made twice just now, and here he is again: another would not help */
    SESSION_STALE,   /* that table is not the pairer's any more: ask again with a new one */
};

/* Why pairing failed, with the status and the words of contract: session_fault_status, session_fault_words. */
enum pairing_fault {
    PAIRING_WORKED,
    PAIRING_MINT_FAILED, /* 500 pairing mint failed */
    PAIRING_UNPARSEABLE, /* 500 unparseable pairing output */
    PAIRING_UNREACHABLE, /* 502 bootstrap request failed */
    PAIRING_REJECTED,    /* 502 bootstrap rejected */
    PAIRING_FAULTS
};

struct session_answer {
    uint32_t number;
    enum session_state state;
    enum pairing_fault fault;
    uint32_t retry_s;
    bool is_denied; /* with SESSION_ROUND: the browser has kept it, and the instance denies that it is one */
    struct slice
        cookie_names; /* of the instance's sessions, patterns of wire/glob.h joined by "; ": for the asker to cache */
    struct slice set_cookies[LIMIT_SET_COOKIES]; /* values of Set-Cookie, as the instance sent them */
    size_t n_set_cookies;
};

struct ipc_writer session_question_encode(const struct session_question *question);
int session_question_decode(struct ipc_message *m, struct session_question *ret); /* 0 or -EPROTO */
struct ipc_writer session_answer_encode(const struct session_answer *answer);
int session_answer_decode(struct ipc_message *m, struct session_answer *ret); /* 0 or -EPROTO */

unsigned pairing_fault_status(enum pairing_fault fault);
const char *pairing_fault_words(enum pairing_fault fault);
