/* What a dispatcher that was taken over may send the pairer, and the pairer a dispatcher; and cookies from browsers. */
#include "base/macros.h"
#include "fuzz.h"
#include "ingress/pairing/cookie.h"
#include "ingress/pairing/recipe_codec.h"
#include "ingress/pairing/session_codec.h"
#include "wire/http_head.h"

static void require_cookies(struct slice in) {
    struct slice rest = in, name, pair;
    struct buf all;

    buf_init_secret(&all, LIMIT_COOKIE);
    while (cookie_next(&rest, &name, &pair))
        REQUIRE(is_inside(name, in) && is_inside(pair, in) && http_is_token(name) && !slice_has(pair, ';'));
    if (cookie_select(in, SLICE("*"), &all) == 0) {
        REQUIRE(buf_is_empty(&all) == !cookie_has(in, SLICE("*")));
        REQUIRE(buf_length(&all) <= in.n * 2);
    }
    buf_release(&all);
}

static void require_question(const struct session_question *question) {
    REQUIRE(question->want <= SESSION_PAIR && question->host.n <= LIMIT_AUTHORITY);
    REQUIRE(question->cookie.n <= LIMIT_COOKIE && http_is_field_value(question->cookie));
    REQUIRE(http_is_field_value(question->host) && question->proto.n >= 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    struct ipc_message question_message = ipc_message_of(in), answer_message = ipc_message_of(in),
                       recipe_message = ipc_message_of(in);
    struct session_question question;
    struct session_answer answer;
    struct recipe recipe;

    require_cookies(in);
    if (session_question_decode(&question_message, &question) == 0)
        require_question(&question);
    if (session_answer_decode(&answer_message, &answer) == 0) {
        REQUIRE(answer.state <= SESSION_STALE && answer.fault < PAIRING_FAULTS);
        REQUIRE(answer.n_set_cookies <= LIMIT_SET_COOKIES);
        for (size_t i = 0; i < answer.n_set_cookies; i++)
            REQUIRE(http_is_field_value(answer.set_cookies[i]));
    }
    if (recipe_decode(&recipe_message, &recipe) == 0) {
        REQUIRE(recipe.name && recipe.number < LIMIT_RECIPES);
        REQUIRE(!recipe.pairs || (recipe.n_exchanges > 0 && recipe.n_cookies > 0));
        recipe_done(&recipe);
    }
    return 0;
}
