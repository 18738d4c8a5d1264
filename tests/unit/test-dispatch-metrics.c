#include "ingress/desk/dispatch_metrics.h"

#include <errno.h>

#include "unit_people.h"

static struct dispatch_metrics metrics;
static struct people *people;
static struct table table;
static struct buf text;

static int begin(void **state) {
    (void)state;
    table = (struct table){.names = {"alice", "bob", "carol"}, .number = 4};
    memset(&metrics, 0, sizeof(metrics));
    assert_int_equal(people_new(&people), 0);
    people_table(people, &table);
    dispatch_metrics_table(&metrics, &table, 1700000000123);
    buf_init(&text, LIMIT_METRICS);
    return 0;
}

static int end(void **state) {
    (void)state;
    people_free(people);
    buf_release(&text);
    return 0;
}

static void write_anew(void) {
    buf_release(&text);
    assert_int_equal(dispatch_metrics_write(&metrics, people, &text), 0);
}

/* Whether the text has that very line, once. */
static void assert_line(const char *line) {
    struct slice rest = buf_slice(&text);
    unsigned n = 0;

    while (rest.p && rest.n > 0)
        n += slice_equals(slice_cut(&rest, '\n'), slice_of_string(line));
    if (n != 1)
        fail_msg("%u times: %s", n, line);
}

static void requests_are_counted_over_all_dispatchers(void **state) {
    struct tally tally = {.bytes_in = 10, .bytes_out = 20, .connections = 3};

    (void)state;
    tally_request(&tally, 200, 4000);
    tally_request(&tally, 404, 70000000);
    dispatch_metrics_tally(&metrics, 0, &tally);
    dispatch_metrics_tally(&metrics, 1, &tally);
    write_anew();
    assert_line("credfd_dispatch_requests_total{status=\"2xx\"} 2");
    assert_line("credfd_dispatch_requests_total{status=\"4xx\"} 2");
    assert_line("credfd_dispatch_requests_total{status=\"none\"} 0");
    assert_line("credfd_dispatch_request_bytes_total 20");
    assert_line("credfd_dispatch_response_bytes_total 40");
    assert_line("credfd_dispatch_connections_total 6");
    assert_line("credfd_dispatch_request_duration_seconds_bucket{le=\"0.005\"} 2");
    assert_line("credfd_dispatch_request_duration_seconds_bucket{le=\"60\"} 2");
    assert_line("credfd_dispatch_request_duration_seconds_bucket{le=\"+Inf\"} 4");
    assert_line("credfd_dispatch_request_duration_seconds_count 4");
    assert_line("credfd_dispatch_request_duration_seconds_sum 140.008000");
}

static void what_is_open_is_told_by_each_dispatcher_anew(void **state) {
    struct tally first = {.open_connections = 5, .open_tunnels = 2},
                 second = {.open_connections = 7, .open_tunnels = 1};

    (void)state;
    dispatch_metrics_tally(&metrics, 0, &first);
    dispatch_metrics_tally(&metrics, 1, &second);
    first.open_connections = 1;
    dispatch_metrics_tally(&metrics, 0, &first);
    assert_int_equal(dispatch_metrics_connections(&metrics), 8);
    assert_int_equal(dispatch_metrics_tunnels(&metrics), 3);
    dispatch_metrics_ended(&metrics, 1);
    dispatch_metrics_ended(&metrics, LIMIT_WORKERS); /* there is no such */
    write_anew();
    assert_line("credfd_dispatch_open_connections 1");
    assert_line("credfd_dispatch_open_tunnels 2");
}

static void tunnels_say_who_ended_them(void **state) {
    struct tally tally = {.tunnels_opened = 9};

    (void)state;
    for (size_t i = 0; i < TUNNEL_ENDS; i++)
        tally.tunnels_ended[i] = i + 1;
    dispatch_metrics_tally(&metrics, 0, &tally);
    write_anew();
    assert_line("credfd_dispatch_tunnels_total 9");
    assert_line("credfd_dispatch_tunnels_ended_total{cause=\"client\"} 1");
    assert_line("credfd_dispatch_tunnels_ended_total{cause=\"instance\"} 2");
    assert_line("credfd_dispatch_tunnels_ended_total{cause=\"reset\"} 3");
    assert_line("credfd_dispatch_tunnels_ended_total{cause=\"timeout\"} 4");
    assert_line("credfd_dispatch_tunnels_ended_total{cause=\"drain\"} 5");
    assert_line("credfd_dispatch_tunnels_ended_total{cause=\"removed\"} 6");
}

static void refusals_and_upstreams_have_their_words(void **state) {
    struct tally tally = {.refused = {1, 2, 3}, .upstream_reused = 4, .upstream_opened = 5, .upstream_failed = 6};

    (void)state;
    dispatch_metrics_tally(&metrics, 0, &tally);
    write_anew();
    assert_line("credfd_dispatch_refused_total{reason=\"stranger\"} 1");
    assert_line("credfd_dispatch_refused_total{reason=\"badly_named\"} 2");
    assert_line("credfd_dispatch_refused_total{reason=\"nobody\"} 3");
    assert_line("credfd_dispatch_upstream_connections_total{connection=\"reused\"} 4");
    assert_line("credfd_dispatch_upstream_connections_total{connection=\"new\"} 5");
    assert_line("credfd_dispatch_upstream_connections_total{connection=\"failed\"} 6");
}

static void pairings_are_counted_by_how_they_went(void **state) {
    struct tally tally = {.limited = 3};

    (void)state;
    dispatch_metrics_paired(&metrics, PAIRING_WORKED, false);
    dispatch_metrics_paired(&metrics, PAIRING_WORKED, true);
    dispatch_metrics_paired(&metrics, PAIRING_REJECTED, true);
    dispatch_metrics_paired(&metrics, PAIRING_MINT_FAILED, false);
    dispatch_metrics_tally(&metrics, 0, &tally);
    write_anew();
    assert_line("credfd_dispatch_pairings_total{result=\"ok\"} 2");
    assert_line("credfd_dispatch_pairings_total{result=\"rejected\"} 1");
    assert_line("credfd_dispatch_pairings_total{result=\"mint_failed\"} 1");
    assert_line("credfd_dispatch_pairings_total{result=\"unreachable\"} 0");
    assert_line("credfd_dispatch_pairings_by_fallback_total 1");
    assert_line("credfd_dispatch_pairings_limited_total 3");
}

static void instances_of_which_nothing_was_told_are_unknown(void **state) {
    struct instance instance;

    (void)state;
    assert_true(table_instance(&table, 0, &instance));
    people_health(people, &instance, HEALTH_DOWN, 0, 1);
    write_anew();
    assert_line("credfd_dispatch_instances{health=\"down\"} 1");
    assert_line("credfd_dispatch_instances{health=\"up\"} 0");
    assert_line("credfd_dispatch_instances{health=\"unknown\"} 2");
}

static void the_table_says_when_it_came_and_when_it_did_not(void **state) {
    (void)state;
    write_anew();
    assert_line("credfd_dispatch_table_names 3");
    assert_line("credfd_dispatch_table_number 4");
    assert_line("credfd_dispatch_table_loaded_timestamp_seconds 1700000000.123");
    assert_line("credfd_dispatch_table_failures_total 0");
    assert_line("credfd_dispatch_table_failed_timestamp_seconds 0.000");
    dispatch_metrics_table_failed(&metrics, 1700000001000);
    write_anew();
    assert_line("credfd_dispatch_table_failures_total 1");
    assert_line("credfd_dispatch_table_failed_timestamp_seconds 1700000001.000");
}

static void every_role_has_its_restarts(void **state) {
    (void)state;
    for (unsigned role = 0; role < DISPATCH_ROLES; role++)
        for (unsigned i = 0; i <= role; i++)
            dispatch_metrics_restarted(&metrics, role);
    write_anew();
    assert_line("credfd_role_restarts_total{role=\"dispatcher\"} 1");
    assert_line("credfd_role_restarts_total{role=\"pairer\"} 2");
    assert_line("credfd_role_restarts_total{role=\"steward\"} 3");
    assert_line("credfd_role_restarts_total{role=\"verifier\"} 4");
    assert_line("credfd_role_restarts_total{role=\"doorman\"} 5");
    assert_line("credfd_role_restarts_total{role=\"resolver\"} 6");
    assert_line("credfd_role_restarts_total{role=\"exporter\"} 7");
    assert_line("credfd_role_restarts_total{role=\"source\"} 8");
}

static void no_label_is_a_persons_name(void **state) {
    struct seen seen = {.name = SLICE("alice"), .requests = 1};
    struct slice all;

    (void)state;
    people_seen(people, 0, &seen, 1);
    people_paired(people, SLICE("alice"), PAIRING_REJECTED, SLICE("PLACE-0"), 1);
    write_anew();
    all = buf_slice(&text);
    assert_null(memmem(all.p, all.n, "alice", 5));
    assert_null(memmem(all.p, all.n, "PLACE", 5));
}

static void every_family_is_announced_once_before_its_values(void **state) {
    struct slice rest, line, announced = SLICE_EMPTY;
    size_t n_help = 0, n_type = 0;

    (void)state;
    write_anew();
    rest = buf_slice(&text);
    assert_true(slice_ends_with(rest, SLICE("\n")));
    while ((line = slice_cut(&rest, '\n')).n > 0) {
        if (slice_starts_with(line, SLICE("# HELP "))) {
            n_help++;
        } else if (slice_starts_with(line, SLICE("# TYPE "))) {
            n_type++;
            announced = slice_from(line, strlen("# TYPE "));
            announced = slice_first(announced, slice_index(announced, ' '));
        } else {
            assert_true(slice_starts_with(line, announced));
        }
    }
    assert_int_equal(n_help, n_type);
    assert_int_equal(n_help, 21);
}

static void a_text_that_does_not_fit_is_said_to(void **state) {
    struct buf small;

    (void)state;
    buf_init(&small, 100);
    assert_int_equal(dispatch_metrics_write(&metrics, people, &small), -ENOBUFS);
    buf_release(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(requests_are_counted_over_all_dispatchers),
        TEST(what_is_open_is_told_by_each_dispatcher_anew),
        TEST(tunnels_say_who_ended_them),
        TEST(refusals_and_upstreams_have_their_words),
        TEST(pairings_are_counted_by_how_they_went),
        TEST(instances_of_which_nothing_was_told_are_unknown),
        TEST(the_table_says_when_it_came_and_when_it_did_not),
        TEST(every_role_has_its_restarts),
        TEST(no_label_is_a_persons_name),
        TEST(every_family_is_announced_once_before_its_values),
        TEST(a_text_that_does_not_fit_is_said_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
