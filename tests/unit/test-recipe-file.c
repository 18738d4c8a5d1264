/* Recipes: those that are shipped say what the instances' contracts say, and every fault in one is told with its mend. */
#include "ingress/pairing/recipe_file.h"

#include <errno.h>
#include <stdio.h>

#include "unit.h"

static struct recipe recipe;
static char *error;

static int forget(void **state) {
    (void)state;
    recipe_done(&recipe);
    free(error);
    error = NULL;
    return 0;
}

static void read_shipped(const char *name) {
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s.yaml", RECIPES, name);
    (void)forget(NULL);
    if (recipe_read(path, name, &recipe, &error) < 0)
        fail_msg("%s", error ? error : "no error");
    assert_string_equal(recipe.name, name);
}

static void t3_is_contract_4(void **state) {
    (void)state;
    read_shipped("t3");
    assert_true(recipe.pairs);
    assert_string_equal(recipe.cookie_field, "auth.sessionCookieName");
    assert_string_equal(recipe.cookies[0], "t3_session*");
    assert_string_equal(recipe.session_path, "/api/auth/session");
    assert_string_equal(recipe.session_field, "authenticated");
    assert_int_equal(recipe.n_exchanges, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(recipe.exchanges[i].method, "POST");
        assert_string_equal(recipe.exchanges[i].template, "{\"credential\":\"{credential}\"}");
        assert_int_equal(recipe.exchanges[i].body, RECIPE_JSON);
    }
    assert_string_equal(recipe.exchanges[0].path, "/api/auth/browser-session");
    assert_string_equal(recipe.exchanges[1].path, "/api/auth/bootstrap");
    assert_true(recipe.n_accepted == 1 && recipe.accepted[0] == 200);
    assert_null(recipe.identity_header);
    assert_true(!recipe.app_head && !recipe.app_manifest); /* off by default */
}

static void the_others_pair_or_name_people(void **state) {
    (void)state;
    read_shipped("jupyter");
    assert_true(recipe.pairs && recipe.n_exchanges == 1 && recipe.exchanges[0].body == RECIPE_FORM);
    assert_null(strstr(recipe.exchanges[0].path, "{credential}")); /* it would stand in a log */
    assert_true(recipe.n_dead == 1 && recipe.dead[0] == 403 && recipe.accepted[0] == 302);
    read_shipped("code-server");
    assert_true(recipe.pairs && recipe.n_cookies == 2 && recipe.accepted[0] == 302);
    read_shipped("ttyd");
    assert_false(recipe.pairs);
    assert_string_equal(recipe.identity_header, "X-WEBAUTH-USER");
    read_shipped("none");
    assert_true(!recipe.pairs && !recipe.identity_header);
}

static void an_app_has_its_parts(void **state) {
    (void)state;
    assert_int_equal(recipe_parse("f.yaml", "x",
                                  SLICE("app:\n  head: |\n    <link rel=\"manifest\" href=\"/m\">\n    <meta>\n"
                                        "  manifest: |\n    { \"name\": \"X\" }\n  manifest_path: /m\n"),
                                  &recipe, &error),
                     0);
    assert_string_equal(recipe.app_head, "<link rel=\"manifest\" href=\"/m\">\n<meta>\n");
    assert_string_equal(recipe.app_manifest, "{ \"name\": \"X\" }\n");
    assert_string_equal(recipe.app_manifest_path, "/m");
}

#define EXCHANGE "exchange: [ { path: /login, form: \"p={credential}\" } ]\n"
#define COOKIES "cookies: [ s ]\n"

static void has_defaults(void **state) {
    (void)state;
    assert_int_equal(recipe_parse("f.yaml", "x", SLICE(COOKIES EXCHANGE), &recipe, &error), 0);
    assert_true(recipe.pairs && recipe.n_accepted == 1 && recipe.accepted[0] == 200);
    assert_string_equal(recipe.exchanges[0].method, "POST");
    assert_null(recipe.session_path);
}

static const struct {
    const char *yaml, *error;
} faults[] = {
    {"cookie: [ s ]\n", "f.yaml:1: cookie: unknown key; did you mean `cookies`"},
    {EXCHANGE, "f.yaml:1: cookies: is missing"},
    {COOKIES, "f.yaml:1: cookies: says nothing without `exchange`"},
    {"accepted: [ 200 ]\n", "f.yaml:1: accepted: says nothing without `exchange`"},
    {"session: { path: /s, dead: [ 401 ] }\n", "f.yaml:1: session: says nothing without `exchange`"},
    {"cookies: [ \"*\" ]\n" EXCHANGE, "f.yaml:1: cookies[0]: would make every cookie a session"},
    {"cookies: [ \"a b\" ]\n" EXCHANGE, "f.yaml:1: cookies[0]: must be a cookie's name"},
    {"cookies: [ \"a/**\" ]\n" EXCHANGE, "f.yaml:1: cookies[0]: must be a cookie's name"},
    {"cookies: []\n" EXCHANGE, "f.yaml:1: cookies: "},
    {COOKIES "exchange: []\n", "f.yaml:2: exchange: "},
    {COOKIES "exchange: [ { form: \"p={credential}\" } ]\n", "f.yaml:2: exchange[0].path: is missing"},
    {COOKIES "exchange: [ { path: login, form: \"p={credential}\" } ]\n", "f.yaml:2: exchange[0].path: must be a path"},
    {COOKIES "exchange: [ { path: \"/a b\", form: \"p={credential}\" } ]\n",
     "f.yaml:2: exchange[0].path: must be a path"},
    {COOKIES "exchange: [ { path: //evil/x, form: \"{credential}\", method: PUT } ]\n",
     "f.yaml:2: exchange[0].method: "},
    {COOKIES "exchange: [ { path: /login, form: \"p=secret\" } ]\n",
     "f.yaml:2: exchange[0]: does not say where the credential goes"},
    {COOKIES "exchange: [ { path: /login } ]\n", "f.yaml:2: exchange[0]: does not say where the credential goes"},
    {COOKIES "exchange: [ { path: /login, method: GET, form: \"p={credential}\" } ]\n",
     "f.yaml:2: exchange[0]: a GET has no body"},
    {COOKIES "exchange: [ { path: /login, json: '{\"c\":{credential}}' } ]\n",
     "f.yaml:2: exchange[0].json: is no JSON"},
    {COOKIES "exchange: [ { path: /login, json: '[\"{credential}\"]', form: \"{credential}\" } ]\n",
     "f.yaml:2: exchange[0].form: a request has one body"},
    {COOKIES EXCHANGE "accepted: [ 404 ]\n", "f.yaml:3: accepted[0]: no status that says this"},
    {COOKIES EXCHANGE "accepted: [ 1000 ]\n", "f.yaml:3: accepted[0]: "},
    {COOKIES EXCHANGE "session: { field: a }\n", "f.yaml:3: session.path: is missing"},
    {COOKIES EXCHANGE "session: { path: /s }\n", "f.yaml:3: session: does not say how a dead session is told"},
    {COOKIES EXCHANGE "session: { path: /s, field: a, dead: [ 401 ] }\n", "f.yaml:3: session: has both"},
    {COOKIES EXCHANGE "session: { path: /s, field: a..b }\n", "f.yaml:3: session.field: must be names with dots"},
    {COOKIES EXCHANGE "session: { path: \"/{credential}\", field: a }\n",
     "f.yaml:3: session.path: a credential goes into an `exchange` alone"},
    {"identity_header: Cookie\n", "f.yaml:1: identity_header: has a meaning of its own"},
    {"identity_header: X_USER\n", "f.yaml:1: identity_header: must be a header's name"},
    {"health: \"health\"\n", "f.yaml:1: health: must be a path"},
    {"app: { manifest: \"{}\" }\n", "f.yaml:1: app: `manifest` and `manifest_path`"},
    {"app: { manifest: \"{\", manifest_path: /m }\n", "f.yaml:1: app.manifest: must be one object of JSON"},
    {"app: { head: [ a ] }\n", "f.yaml:1: app.head: must be text"},
};

static void tells_every_fault(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        (void)forget(NULL);
        assert_int_equal(recipe_parse("f.yaml", "x", slice_of_string(faults[i].yaml), &recipe, &error), -EINVAL);
        if (!error || strncmp(error, faults[i].error, strlen(faults[i].error)) != 0)
            fail_msg("%s\nis not: %s", error ? error : "no error", faults[i].error);
        assert_non_null(strchr(error, ';')); /* and how to mend it */
    }
}

static void a_name_stays_in_its_folder(void **state) {
    static const char *const names[] = {"../t3", "", ".t3", "T3", "a/b", "a b"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)forget(NULL);
        assert_int_equal(recipe_load(names[i], &recipe, &error), -EINVAL);
        assert_non_null(error);
    }
    (void)forget(NULL);
    assert_int_equal(recipe_load("no-such-kind", &recipe, &error), -ENOENT);
    assert_non_null(strstr(error, "/etc/credfd/instances"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(t3_is_contract_4, forget),
        cmocka_unit_test_teardown(the_others_pair_or_name_people, forget),
        cmocka_unit_test_teardown(an_app_has_its_parts, forget),
        cmocka_unit_test_teardown(has_defaults, forget),
        cmocka_unit_test_teardown(tells_every_fault, forget),
        cmocka_unit_test_teardown(a_name_stays_in_its_folder, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
