#include "ingress/desk/people.h"

#include "unit_people.h"

static struct people *people;
static struct table table;

static int begin(void **state) {
    (void)state;
    table = (struct table){.names = {"alice", "bob", "carol"}};
    assert_int_equal(people_new(&people), 0);
    people_table(people, &table);
    return 0;
}

static int end(void **state) {
    (void)state;
    people_free(people);
    assert_int_equal(table.references, 0);
    return 0;
}

static const struct person *find(const char *name) {
    const struct person **all = calloc(people_count(people) + 1, sizeof(*all)), *found = NULL;

    assert_non_null(all);
    people_list(people, all);
    for (size_t i = 0; i < people_count(people); i++)
        if (strcmp(all[i]->name, name) == 0)
            found = all[i];
    free(all);
    return found;
}

static void see(unsigned dispatcher, const char *name, uint64_t requests, uint32_t tunnels, uint64_t now_ms) {
    struct seen seen = {.name = slice_of_string(name), .requests = requests, .bytes_in = 1, .tunnels = tunnels};

    people_seen(people, dispatcher, &seen, now_ms);
}

static void what_dispatchers_tell_adds_up(void **state) {
    const struct person *alice;

    (void)state;
    see(0, "alice", 2, 3, 100);
    see(1, "alice", 5, 1, 200);
    see(0, "alice", 1, 2, 300);
    alice = find("alice");
    assert_non_null(alice);
    assert_int_equal(alice->requests, 8);
    assert_int_equal(alice->bytes_in, 3);
    assert_int_equal(alice->seen_ms, 300);
    assert_int_equal(person_tunnels(alice), 3);
    assert_int_equal(people_count(people), 1);
}

static void a_dispatcher_that_died_has_no_tunnels(void **state) {
    (void)state;
    see(0, "alice", 0, 3, 1);
    see(1, "alice", 0, 1, 1);
    see(0, "bob", 0, 9, 1);
    people_dispatcher_ended(people, 0);
    assert_int_equal(person_tunnels(find("alice")), 1);
    assert_int_equal(person_tunnels(find("bob")), 0);
    people_dispatcher_ended(people, LIMIT_WORKERS); /* there is no such */
    see(LIMIT_WORKERS, "alice", 0, 9, 1);
    assert_int_equal(person_tunnels(find("alice")), 1);
}

static void nobody_is_made_up(void **state) {
    struct people *empty;
    struct seen seen = {.name = SLICE("alice")};

    (void)state;
    see(0, "mallory", 1, 1, 1);
    people_paired(people, SLICE("mallory"), PAIRING_WORKED, SLICE_EMPTY, 1);
    assert_int_equal(people_count(people), 0);
    assert_int_equal(people_new(&empty), 0); /* before there is a table */
    people_seen(empty, 0, &seen, 1);
    assert_int_equal(people_count(empty), 0);
    people_free(empty);
}

static void a_failure_is_trouble_until_it_works(void **state) {
    (void)state;
    people_paired(people, SLICE("alice"), PAIRING_REJECTED, SLICE("the instance said 401"), 10);
    assert_true(find("alice")->has_trouble);
    assert_int_equal(find("alice")->fault, PAIRING_REJECTED);
    assert_string_equal(find("alice")->reason, "the instance said 401");
    assert_int_equal(find("alice")->seen_ms, 0);
    people_paired(people, SLICE("alice"), PAIRING_WORKED, SLICE_EMPTY, 10);
    assert_false(find("alice")->has_trouble);
    assert_int_equal(find("alice")->pairings, 1);
    assert_int_equal(find("alice")->pairing_failures, 1);
    assert_int_equal(find("alice")->failed_ms, 10);
    people_paired(people, SLICE("alice"), PAIRING_MINT_FAILED, SLICE_EMPTY, 10);
    assert_true(find("alice")->has_trouble);
}

static void a_reason_that_is_too_long_is_cut(void **state) {
    char reason[LIMIT_REASON_SHOWN + 50];

    (void)state;
    memset(reason, 'x', sizeof(reason));
    people_paired(people, SLICE("alice"), PAIRING_REJECTED, slice_of(reason, sizeof(reason)), 1);
    assert_int_equal(strlen(find("alice")->reason), LIMIT_REASON_SHOWN);
}

static void who_is_removed_is_marked_and_who_returns_is_not(void **state) {
    struct table without = {.names = {"bob"}};

    (void)state;
    see(0, "alice", 1, 1, 1);
    people_table(people, &without);
    assert_int_equal(table.references, 0);
    assert_true(find("alice")->is_gone);
    see(0, "alice", 0, 0, 2); /* the end of what was open */
    assert_int_equal(person_tunnels(find("alice")), 0);
    people_table(people, &table);
    people_table(people, &table);
    assert_false(find("alice")->is_gone);
    assert_int_equal(without.references, 0);
    assert_int_equal(table.references, 1);
}

static void who_was_seen_longest_ago_gives_way(void **state) {
    struct table everybody = {.number = 1};
    char name[32];

    (void)state;
    people_table(people, &everybody);
    see(0, "with a tunnel", 1, 1, 1);
    see(0, "without", 1, 0, 2);
    see(0, "seen again", 1, 0, 3);
    for (unsigned i = 3; i < LIMIT_PEOPLE; i++) {
        (void)snprintf(name, sizeof(name), "p%u", i);
        see(0, name, 1, 0, 4);
    }
    see(0, "seen again", 1, 0, 5);
    assert_int_equal(people_count(people), LIMIT_PEOPLE);
    assert_int_equal(people_forgotten(people), 0);
    see(0, "one more", 1, 0, 6);
    see(0, "two more", 1, 0, 6);
    assert_int_equal(people_count(people), LIMIT_PEOPLE);
    assert_int_equal(people_forgotten(people), 2);
    assert_null(find("without"));
    assert_null(find("p3"));
    assert_non_null(find("with a tunnel"));
    assert_non_null(find("seen again"));
    assert_non_null(find("two more"));
    people_table(people, &table);
}

static void tell(uint32_t number, enum health health, uint64_t now_ms) {
    struct instance instance;

    assert_true(table_instance(&table, number, &instance));
    people_health(people, &instance, health, 7, now_ms);
}

static void health_is_known_since_it_changed(void **state) {
    const struct instance_health *alices;
    size_t counts[HEALTHS];

    (void)state;
    tell(0, HEALTH_UP, 10);
    tell(1, HEALTH_DOWN, 10);
    tell(0, HEALTH_UP, 20);
    alices = people_find_instance(people, SLICE("account PLACE-0 t3"));
    assert_non_null(alices);
    assert_string_equal(alices->name, "alice");
    assert_string_equal(alices->os_user, "account");
    assert_int_equal(alices->since_ms, 10);
    assert_int_equal(alices->asked_ms, 20);
    assert_int_equal(alices->answer_ms, 7);
    tell(0, HEALTH_DOWN, 30);
    assert_int_equal(alices->since_ms, 30);
    people_count_health(people, counts);
    assert_int_equal(counts[HEALTH_DOWN], 2);
    assert_int_equal(counts[HEALTH_UP], 0);
    assert_null(people_find_instance(people, SLICE("account PLACE-2 t3")));
}

static void an_instance_that_is_removed_is_forgotten(void **state) {
    struct table without = {.names = {"alice"}};

    (void)state;
    tell(0, HEALTH_UP, 1);
    tell(1, HEALTH_UP, 1);
    tell(2, HEALTH_UP, 1);
    people_table(people, &without);
    assert_int_equal(people_count_instances(people), 1);
    assert_non_null(people_find_instance(people, SLICE("account PLACE-0 t3")));
    people_table(people, &table);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_dispatchers_tell_adds_up),
        TEST(a_dispatcher_that_died_has_no_tunnels),
        TEST(nobody_is_made_up),
        TEST(a_failure_is_trouble_until_it_works),
        TEST(a_reason_that_is_too_long_is_cut),
        TEST(who_is_removed_is_marked_and_who_returns_is_not),
        TEST(who_was_seen_longest_ago_gives_way),
        TEST(health_is_known_since_it_changed),
        TEST(an_instance_that_is_removed_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
