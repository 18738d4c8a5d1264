#include "ingress/pairing/recipe_codec.h"

#include <errno.h>

#include "unit.h"

static char name[] = "t3", field[] = "auth.sessionCookieName", pattern[] = "t3_session*", path[] = "/api/auth/session",
            session[] = "authenticated", post[] = "POST", get[] = "GET", one[] = "/one", two[] = "/two?c={credential}",
            json[] = "{\"credential\":\"{credential}\"}", header[] = "X-User", health[] = "/health",
            head[] = "<link>\n", manifest[] = "{}", manifest_path[] = "/app.webmanifest";

static struct recipe sound(void) {
    return (struct recipe){.number = 31,
                           .name = name,
                           .pairs = true,
                           .cookie_field = field,
                           .cookies = {pattern, session},
                           .n_cookies = 2,
                           .session_path = path,
                           .session_field = session,
                           .dead = {401, 403},
                           .n_dead = 2,
                           .exchanges = {{post, one, RECIPE_JSON, json}, {get, two, RECIPE_NO_BODY, NULL}},
                           .n_exchanges = 2,
                           .accepted = {200},
                           .n_accepted = 1,
                           .identity_header = header,
                           .health_path = health,
                           .app_head = head,
                           .app_manifest = manifest,
                           .app_manifest_path = manifest_path};
}

static int decode(const struct recipe *sent, struct recipe *ret) {
    struct ipc_writer w = recipe_encode(sent);
    struct ipc_message m = ipc_message_of(ipc_writer_bytes(&w));

    return recipe_decode(&m, ret);
}

static void arrives_as_it_was(void **state) {
    struct recipe sent = sound(), got;

    (void)state;
    assert_int_equal(decode(&sent, &got), 0);
    assert_true(got.number == 31 && got.pairs && got.n_cookies == 2 && got.n_exchanges == 2);
    assert_string_equal(got.name, name);
    assert_string_equal(got.cookie_field, field);
    assert_string_equal(got.cookies[0], pattern);
    assert_string_equal(got.session_path, path);
    assert_string_equal(got.session_field, session);
    assert_true(got.n_dead == 2 && got.dead[1] == 403 && got.n_accepted == 1 && got.accepted[0] == 200);
    assert_string_equal(got.exchanges[0].template, json);
    assert_true(got.exchanges[0].body == RECIPE_JSON && got.exchanges[1].body == RECIPE_NO_BODY);
    assert_string_equal(got.exchanges[1].method, get);
    assert_string_equal(got.exchanges[1].path, two);
    assert_null(got.exchanges[1].template);
    assert_string_equal(got.identity_header, header);
    assert_string_equal(got.health_path, health);
    assert_string_equal(got.app_head, head);
    assert_string_equal(got.app_manifest, manifest);
    assert_string_equal(got.app_manifest_path, manifest_path);
    recipe_done(&got);
}

static void what_is_not_there_stays_so(void **state) {
    const struct recipe sent = {.name = name};
    struct recipe got;

    (void)state;
    assert_int_equal(decode(&sent, &got), 0);
    assert_false(got.pairs);
    assert_true(!got.cookie_field && !got.session_path && !got.session_field && !got.identity_header &&
                !got.health_path && !got.app_head && !got.app_manifest && !got.app_manifest_path);
    recipe_done(&got);
}

static void nothing_may_be_missing(void **state) {
    struct recipe sent = sound(), got;
    struct ipc_writer w = recipe_encode(&sent);
    struct slice bytes = ipc_writer_bytes(&w);

    (void)state;
    for (size_t n = 1; n < bytes.n; n++) {
        struct ipc_message m = ipc_message_of(slice_first(bytes, n));

        assert_int_equal(recipe_decode(&m, &got), -EPROTO);
    }
}

static void refuse(struct recipe sent) {
    struct recipe got;

    assert_int_equal(decode(&sent, &got), -EPROTO);
}

static void must_make_sense(void **state) {
    struct recipe sent;

    (void)state;
#define WITH(field_, value) (sent = sound(), sent.field_ = (value), refuse(sent))
    WITH(number, LIMIT_RECIPES);
    WITH(name, NULL);
    WITH(n_exchanges, 0);
    WITH(n_cookies, 0);
    WITH(session_path, NULL);
    WITH(exchanges[0].body, RECIPE_NO_BODY); /* with a template */
    WITH(exchanges[1].body, RECIPE_FORM);    /* without one */
    WITH(exchanges[0].body, RECIPE_FORM + 1);
    WITH(exchanges[0].method, NULL);
    WITH(exchanges[0].path, NULL);
#undef WITH
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrives_as_it_was),
        cmocka_unit_test(what_is_not_there_stays_so),
        cmocka_unit_test(nothing_may_be_missing),
        cmocka_unit_test(must_make_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
