#include "egress/desk/metrics.h"

#include <errno.h>
#include <stdio.h>

#include "unit.h"

static struct metrics metrics;
static struct buf text;

static int begin(void **state) {
    (void)state;
    memset(&metrics, 0, sizeof(metrics));
    buf_init(&text, LIMIT_METRICS);
    assert_int_equal(metrics_label(&metrics, "api"), 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&text);
    return 0;
}

static void write_anew(void) {
    buf_release(&text);
    assert_int_equal(metrics_write(&metrics, &text), 0);
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

static bool has_text(const char *part) {
    struct slice all = buf_slice(&text);

    return memmem(all.p, all.n, part, strlen(part)) != NULL;
}

static struct exchange_record record_of(unsigned status, enum connection_use connection, uint64_t ms) {
    return (struct exchange_record){.status = status, .connection = connection, .duration_ms = ms};
}

static void exchange(uint32_t lease, struct exchange_record record) {
    metrics_exchange(&metrics, lease, &record);
}

static void statuses_are_counted_by_class(void **state) {
    static const unsigned statuses[] = {200, 204, 299, 301, 400, 404, 499, 500, 0, 99, 600, 999, 65535, 100};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        exchange(0, record_of(statuses[i], CONNECTION_NEW, 1));
    write_anew();
    assert_line("credfd_requests_total{lease=\"api\",status=\"none\"} 5");
    assert_line("credfd_requests_total{lease=\"api\",status=\"1xx\"} 1");
    assert_line("credfd_requests_total{lease=\"api\",status=\"2xx\"} 3");
    assert_line("credfd_requests_total{lease=\"api\",status=\"3xx\"} 1");
    assert_line("credfd_requests_total{lease=\"api\",status=\"4xx\"} 3");
    assert_line("credfd_requests_total{lease=\"api\",status=\"5xx\"} 1");
}

/* Every refusal of the table has its own line from the start; what went through has none. */
static void refusals_are_counted_by_name(void **state) {
    char line[128];

    (void)state;
    for (unsigned i = 0; i < REFUSALS; i++)
        for (unsigned n = 0; n < i; n++)
            exchange(0, (struct exchange_record){.refusal = i});
    write_anew();
    for (unsigned i = 1; i < REFUSALS; i++) {
        (void)snprintf(line, sizeof(line), "credfd_refusals_total{lease=\"api\",reason=\"%s\"} %u",
                       refusal_text(i)->name, i);
        assert_line(line);
    }
    assert_false(has_text("reason=\"\""));
}

static void bytes_and_masks_add_up(void **state) {
    (void)state;
    exchange(0, (struct exchange_record){.bytes_in = 10, .bytes_out = 1ULL << 40, .masked = 2});
    exchange(0, (struct exchange_record){.bytes_in = 5, .bytes_out = 1, .masked = 1});
    write_anew();
    assert_line("credfd_request_bytes_total{lease=\"api\"} 15");
    assert_line("credfd_response_bytes_total{lease=\"api\"} 1099511627777");
    assert_line("credfd_masked_total{lease=\"api\"} 3");
}

static void connections_are_counted_by_how_they_were_had(void **state) {
    (void)state;
    exchange(0, record_of(200, CONNECTION_NEW, 1));
    exchange(0, record_of(200, CONNECTION_REUSED, 1));
    exchange(0, record_of(200, CONNECTION_REUSED, 1));
    exchange(0, record_of(200, CONNECTION_RESUMED, 1));
    exchange(0, record_of(403, CONNECTION_NONE, 1));
    write_anew();
    assert_line("credfd_upstream_connections_total{lease=\"api\",connection=\"new\"} 1");
    assert_line("credfd_upstream_connections_total{lease=\"api\",connection=\"reused\"} 2");
    assert_line("credfd_upstream_connections_total{lease=\"api\",connection=\"resumed\"} 1");
}

/* Cumulative, with inclusive bounds, and without those that never went upstream. */
static void durations_make_a_histogram(void **state) {
    static const uint64_t ms[] = {0, 5, 6, 10, 60000, 60001, 3600000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ms); i++)
        exchange(0, record_of(200, CONNECTION_NEW, ms[i]));
    exchange(0, record_of(403, CONNECTION_NONE, 7));
    write_anew();
    assert_line("credfd_request_duration_seconds_bucket{lease=\"api\",le=\"0.005\"} 2");
    assert_line("credfd_request_duration_seconds_bucket{lease=\"api\",le=\"0.01\"} 4");
    assert_line("credfd_request_duration_seconds_bucket{lease=\"api\",le=\"30\"} 4");
    assert_line("credfd_request_duration_seconds_bucket{lease=\"api\",le=\"60\"} 5");
    assert_line("credfd_request_duration_seconds_bucket{lease=\"api\",le=\"+Inf\"} 7");
    assert_line("credfd_request_duration_seconds_count{lease=\"api\"} 7");
    assert_line("credfd_request_duration_seconds_sum{lease=\"api\"} 3720.022");
}

static void leases_live_and_end(void **state) {
    (void)state;
    metrics_lease_granted(&metrics, 0);
    metrics_lease_granted(&metrics, 0);
    metrics_lease_ended(&metrics, 0);
    write_anew();
    assert_line("credfd_leases{lease=\"api\"} 1");
}

static void refreshes_and_restarts_are_counted(void **state) {
    (void)state;
    metrics_refreshed(&metrics, 0, true);
    metrics_refreshed(&metrics, 0, true);
    metrics_refreshed(&metrics, 0, false);
    metrics_restarted(&metrics, METRICS_KEEPER);
    metrics_restarted(&metrics, METRICS_EXPORTER);
    metrics_restarted(&metrics, METRICS_EXPORTER);
    write_anew();
    assert_line("credfd_source_refreshes_total{lease=\"api\",result=\"ok\"} 2");
    assert_line("credfd_source_refreshes_total{lease=\"api\",result=\"failed\"} 1");
    assert_line("credfd_role_restarts_total{role=\"keeper\"} 1");
    assert_line("credfd_role_restarts_total{role=\"resolver\"} 0");
    assert_line("credfd_role_restarts_total{role=\"exporter\"} 2");
    assert_line("credfd_role_restarts_total{role=\"gate\"} 0");
}

static void ways_are_counted_by_why_they_failed(void **state) {
    struct exchange_record through = {.status = 200, .bytes_in = 10, .bytes_out = 20};
    struct exchange_record refused = {.status = 403, .refusal = REFUSAL_HOST};

    (void)state;
    metrics_way(&metrics, &through);
    metrics_way(&metrics, &through);
    metrics_way(&metrics, &refused);
    write_anew();
    assert_line("credfd_ways_total{reason=\"none\"} 2");
    assert_line("credfd_ways_total{reason=\"host\"} 1");
    assert_line("credfd_ways_total{reason=\"address\"} 0");
    assert_line("credfd_way_bytes_total{direction=\"in\"} 20");
    assert_line("credfd_way_bytes_total{direction=\"out\"} 40");
}

static void each_lease_counts_for_itself(void **state) {
    uint32_t second = metrics_label(&metrics, "second");

    (void)state;
    exchange(0, record_of(200, CONNECTION_NEW, 1));
    exchange(second, record_of(500, CONNECTION_NEW, 1));
    write_anew();
    assert_line("credfd_requests_total{lease=\"api\",status=\"2xx\"} 1");
    assert_line("credfd_requests_total{lease=\"api\",status=\"5xx\"} 0");
    assert_line("credfd_requests_total{lease=\"second\",status=\"5xx\"} 1");
}

/* Leases of one name come and go: what they have done adds up. */
static void a_name_has_one_label_for_good(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t label = metrics_label(&metrics, "lent");

        metrics_lease_granted(&metrics, label);
        exchange(label, record_of(200, CONNECTION_NEW, 1));
        metrics_lease_ended(&metrics, label);
    }
    write_anew();
    assert_line("credfd_requests_total{lease=\"lent\",status=\"2xx\"} 3");
    assert_line("credfd_leases{lease=\"lent\"} 0");
}

static uint32_t label_of(unsigned number) {
    char name[LIMIT_NAME + 1];

    (void)snprintf(name, sizeof(name), "name-%u", number);
    return metrics_label(&metrics, name);
}

/* Whoever chooses the names of what is lent cannot make the text grow. */
static void too_many_names_are_counted_as_one(void **state) {
    uint32_t others;

    (void)state;
    for (unsigned i = 1; i < LIMIT_LEASES; i++)
        assert_int_equal(label_of(i), i);
    others = label_of(LIMIT_LEASES);
    assert_int_equal(others, LIMIT_LEASES);
    for (unsigned i = LIMIT_LEASES; i < 1000; i++) {
        assert_int_equal(label_of(i), others);
        exchange(others, record_of(200, CONNECTION_NEW, 1));
    }
    assert_int_equal(label_of(7), 7);
    assert_int_equal(metrics_label(&metrics, "api"), 0);
    write_anew();
    assert_line("credfd_requests_total{lease=\"" METRICS_OTHERS "\",status=\"2xx\"} 936");
    assert_false(has_text("name-999"));
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
    assert_int_equal(n_help, 12);
}

/* As much as there can ever be fits. */
static void the_longest_text_fits(void **state) {
    (void)state;
    memset(&metrics, 0xff, sizeof(metrics));
    metrics.n_leases = LIMIT_LABELLED;
    for (uint32_t i = 0; i < LIMIT_LABELLED; i++) {
        memset(metrics.leases[i].name, 'x', LIMIT_NAME);
        metrics.leases[i].name[LIMIT_NAME] = '\0';
    }
    write_anew();
    assert_true(has_text("18446744073709551615"));
    assert_true(buf_length(&text) > LIMIT_METRICS / 4); /* nor is the limit far beyond */
}

static void a_text_that_does_not_fit_is_said_to(void **state) {
    struct buf small;

    (void)state;
    buf_init(&small, 100);
    assert_int_equal(metrics_write(&metrics, &small), -ENOBUFS);
    buf_release(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(statuses_are_counted_by_class),
        TEST(refusals_are_counted_by_name),
        TEST(bytes_and_masks_add_up),
        TEST(connections_are_counted_by_how_they_were_had),
        TEST(durations_make_a_histogram),
        TEST(leases_live_and_end),
        TEST(refreshes_and_restarts_are_counted),
        TEST(ways_are_counted_by_why_they_failed),
        TEST(each_lease_counts_for_itself),
        TEST(a_name_has_one_label_for_good),
        TEST(too_many_names_are_counted_as_one),
        TEST(every_family_is_announced_once_before_its_values),
        TEST(the_longest_text_fits),
        TEST(a_text_that_does_not_fit_is_said_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
