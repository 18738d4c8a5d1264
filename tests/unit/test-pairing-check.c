#include "ingress/pairing/pairing_check.h"

#include <signal.h>

#include "unit_fd.h"
#include "unit_pairing.h"

static struct pairing_check *check;
static struct target *target;
static struct table *table;
static struct pairing_check_result told;
static char cookies[256];
static bool is_done;

static void done(void *owner, const struct pairing_check_result *result) {
    (void)owner;
    is_done = true;
    told = *result;
    (void)snprintf(cookies, sizeof(cookies), "%.*s", SLICE_ARG(result->cookies));
}

static int begin(void **state) {
    (void)state;
    instance_start();
    is_done = false;
    return 0;
}

static int end(void **state) {
    (void)state;
    pairing_check_free(check);
    target_unref(target);
    table_unref(table);
    instance_stop();
    return loop_run();
}

/* `sh -c script` is the mint command. */
static void run(const char *script, bool pairs, uint64_t mint_ms) {
    union {
        const char *given[4];
        char *taken[4]; /* execvp leaves them alone */
    } argv = {.given = {"sh", "-c", script, NULL}};
    struct recipe recipe = t3_recipe();
    struct pairing_check_plan plan = {.mint_argv = argv.taken, .mint_ms = mint_ms, .times = {9000, 9000}, .done = done};
    struct recipe_kept *kept;
    struct instance ann;

    recipe.pairs = pairs;
    kept = recipe_keep(&recipe);
    table = table_of("{\"ann\":{\"os_user\":\"u_ann\",\"port\":PORT}}", 1);
    ann = instance_of(table, "ann");
    target = plan.target = target_new(table, &ann, kept, SLICE("box"), false);
    recipe_unref(kept);
    assert_int_equal(pairing_check_start(&plan, &check), 0);
    loop_until_set(&is_done);
}

#define PRINT_KEY "echo '{\"credential\":\"key-1\"}'"

static void goes_all_the_way(void **state) {
    (void)state;
    instance_says("POST", EXCHANGED);
    instance_says("GET /api/auth/session", SESSION_LIVES_ANSWER);
    run(PRINT_KEY, true, 9000);
    assert_true(told.has_minted && told.has_exchanged && told.has_looked && told.fault == PAIRING_WORKED);
    assert_int_equal(told.verdict, VERDICT_LIVES);
    assert_string_equal(cookies, "t3_session_1=fresh");
    assert_non_null(strstr(instance_request("POST"), "{\"credential\":\"key-1\"}"));
    assert_non_null(strstr(instance_request("GET"), "\r\nCookie: t3_session_1=fresh\r\n"));
}

static void tells_where_it_stopped(void **state) {
    (void)state;
    run("exit 3", true, 9000);
    assert_true(!told.has_minted && told.fault == PAIRING_MINT_FAILED && *told.reason);
}

static void tells_of_a_mint_that_hangs(void **state) {
    (void)state;
    run("sleep 1000", true, 1);
    assert_true(!told.has_minted && told.fault == PAIRING_MINT_FAILED);
    assert_string_equal(told.reason, "the mint command took too long");
}

static void tells_of_an_instance_that_refuses(void **state) {
    (void)state;
    instance_says("POST", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    run(PRINT_KEY, true, 9000);
    assert_true(told.has_minted && !told.has_exchanged && told.fault == PAIRING_REJECTED && told.status == 401);
}

static void tells_of_a_session_that_is_none(void **state) {
    (void)state;
    instance_says("POST", EXCHANGED);
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    run(PRINT_KEY, true, 9000);
    assert_true(told.has_exchanged && told.has_looked && told.verdict == VERDICT_DIED);
}

static void has_nothing_to_do_without_a_pairing(void **state) {
    (void)state;
    run("exit 3", false, 9000);
    assert_true(!told.has_minted && told.fault == PAIRING_WORKED);
    assert_int_equal(instance.n_visitors, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static int init(void **state) {
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    return loop_init();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(goes_all_the_way),
        TEST(tells_where_it_stopped),
        TEST(tells_of_a_mint_that_hangs),
        TEST(tells_of_an_instance_that_refuses),
        TEST(tells_of_a_session_that_is_none),
        TEST(has_nothing_to_do_without_a_pairing),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no pidfd_open(2)");
    return cmocka_run_group_tests(tests, init, NULL);
}
