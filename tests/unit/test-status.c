#include "ingress/desk/status.h"

#include <errno.h>
#include <nettle/sha2.h>

#include "unit_people.h"
#include "wire/base64.h"

#define NOW UINT64_C(1795300770852) /* 2026-11-21T22:39:30.852Z */

static struct dispatch_metrics metrics;
static struct people *people;
static struct table table;
static struct buf text;

static int begin(void **state) {
    (void)state;
    table = (struct table){.names = {"alice", "bob", "carol", "dave", "<script>&\"'"}, .number = 4};
    memset(&metrics, 0, sizeof(metrics));
    assert_int_equal(people_new(&people), 0);
    people_table(people, &table);
    dispatch_metrics_table(&metrics, &table, NOW - 180000);
    buf_init(&text, LIMIT_STATUS);
    return 0;
}

static int end(void **state) {
    (void)state;
    people_free(people);
    buf_release(&text);
    return 0;
}

static struct slice page(void) {
    struct status status = {.people = people,
                            .metrics = &metrics,
                            .table = &table,
                            .host = "box<1>",
                            .now_ms = NOW,
                            .started_ms = NOW - 7200000};

    buf_release(&text);
    assert_int_equal(status_write(&status, &text), 0);
    return buf_slice(&text);
}

static const char *find_in(struct slice all, const char *part) {
    return memmem(all.p, all.n, part, strlen(part));
}

#define assert_has(all, part) assert_non_null(find_in((all), (part)))
#define assert_lacks(all, part) assert_null(find_in((all), (part)))

static void see(const char *name, uint64_t ago_ms, uint32_t tunnels) {
    struct seen seen = {
        .name = slice_of_string(name), .requests = 12345, .bytes_in = 999, .bytes_out = 12345678, .tunnels = tunnels};

    people_seen(people, 0, &seen, NOW - ago_ms);
}

static void health(uint32_t number, enum health health) {
    struct instance instance;

    assert_true(table_instance(&table, number, &instance));
    people_health(people, &instance, health, 3, NOW - 60000);
}

static void an_empty_page_is_whole(void **state) {
    struct slice all = page();

    (void)state;
    assert_true(slice_starts_with(all, SLICE("<!doctype html>")));
    assert_true(slice_ends_with(all, SLICE("</html>\n")));
    assert_has(all, "name=\"viewport\"");
    assert_has(all, "2026-11-21 22:39:30 UTC");
    assert_has(all, "serving for 2 h");
    assert_has(all, "Nobody was seen yet.");
    assert_lacks(all, "<script");
    assert_lacks(all, " style=");
    assert_lacks(all, " on");
}

static void the_policy_is_that_of_its_style(void **state) {
    struct slice all = page(), style;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char wanted[128];
    char encoded[64];
    struct sha256_ctx sha;
    size_t n;

    (void)state;
    style.p = find_in(all, "<style>") + strlen("<style>");
    style.n = (size_t)(find_in(all, "</style>") - style.p);
    sha256_init(&sha);
    sha256_update(&sha, style.n, (const uint8_t *)style.p);
    sha256_digest(&sha, SHA256_DIGEST_SIZE, digest);
    n = base64_encode(slice_of(digest, sizeof(digest)), encoded);
    (void)snprintf(wanted, sizeof(wanted), "style-src 'sha256-%.*s';", (int)n, encoded);
    if (!strstr(STATUS_POLICY, wanted))
        fail_msg("STATUS_STYLE_SHA256 must be \"%.*s\"", (int)n, encoded);
}

static void people_stand_there_with_what_they_do(void **state) {
    struct slice all;

    (void)state;
    see("alice", 3 * 60000, 2);
    people_paired(people, SLICE("alice"), PAIRING_WORKED, SLICE_EMPTY, NOW - 5000);
    health(0, HEALTH_UP);
    all = page();
    assert_has(all,
               "<tr><th scope=\"row\">alice</th>"
               "<td data-label=\"Workspace\"><div><span class=\"state up\">up</span> <small>3 ms</small></div></td>"
               "<td data-label=\"Last seen\"><div><time datetime=\"2026-11-21T22:36:30.852Z\" "
               "title=\"2026-11-21 22:36:30 UTC\">3 min ago</time></div></td>"
               "<td data-label=\"Tunnels\"><div>2</div></td>"
               "<td data-label=\"Requests\"><div>12,345 <small>999 B in, 12.3 MB out</small></div></td>");
    assert_has(all, ">5 s ago</time></div></td></tr>");
}

static void a_failed_pairing_says_why(void **state) {
    struct slice all;

    (void)state;
    people_paired(people, SLICE("bob"), PAIRING_REJECTED, SLICE("it said <401>"), NOW - 60000);
    all = page();
    assert_has(all, "<tr class=\"trouble\"><th scope=\"row\">bob</th>");
    assert_has(all, "bootstrap rejected: it said &lt;401&gt;");
    assert_has(all, "1 failed, 0 worked");
}

static void every_text_is_escaped(void **state) {
    struct slice all;

    (void)state;
    see("<script>&\"'", 1000, 0);
    health(4, HEALTH_UP);
    all = page();
    assert_has(all, "&lt;script&gt;&amp;&quot;&#39;");
    assert_lacks(all, "<script>");
    assert_has(all, "box&lt;1&gt;");
}

/* Who was just asked is known in a moment, and the page that asked is soon looked at again. */
static void it_asks_again_soon_while_somebody_in_use_is_unknown(void **state) {
    static const char soon[] = "<meta http-equiv=\"refresh\" content=\"2\">",
                      later[] = "<meta http-equiv=\"refresh\" content=\"10\">";
    struct table without = {.names = {"alice"}};

    (void)state;
    assert_has(page(), soon);
    assert_has(page(), "They are being asked how they are.");
    health(0, HEALTH_UP);
    assert_has(page(), later);
    assert_has(page(), "again in 10 s");
    see("alice", 1000, 0);
    see("bob", HEALTH_USED + 1, 0);
    assert_has(page(), later);
    see("carol", 1000, 0);
    assert_has(page(), soon);
    assert_has(page(), "again in 2 s");
    people_table(people, &without);
    assert_has(page(), later);
    people_table(people, &table);
    health(2, HEALTH_UNKNOWN);
    assert_has(page(), soon);
    health(2, HEALTH_DOWN);
    assert_has(page(), later);
}

static void where_nobody_is_asked_it_does_not_wait(void **state) {
    (void)state;
    metrics.table_instances = LIMIT_HEALTH_ALL + 1;
    assert_has(page(), "content=\"10\"");
    assert_has(page(), "None was asked yet how it is.");
}

static void a_place_is_said_once_and_without_the_account(void **state) {
    (void)state;
    health(0, HEALTH_UP);
    assert_has(page(), "<td data-label=\"Account\"><div>account</div></td>"
                       "<td data-label=\"Place\"><div>PLACE-0 <small>t3</small></div></td>");
}

static void what_was_restarted_is_said_when_there_was_any(void **state) {
    (void)state;
    assert_lacks(page(), "restarted");
    metrics.restarts[0] = 1;
    assert_has(page(), "<dt>Connections open</dt><dd>0<small>1 process restarted</small></dd>");
    metrics.restarts[1] = 1233;
    assert_has(page(), "<small>1,234 processes restarted</small>");
}

static void trouble_stands_first_and_then_who_was_seen_last(void **state) {
    struct slice all;
    struct table without = {.names = {"alice", "bob", "carol"}};

    (void)state;
    see("alice", 1000, 0);
    see("bob", 50000, 0);
    see("carol", 90000, 0);
    see("dave", 10, 0);
    people_paired(people, SLICE("carol"), PAIRING_UNREACHABLE, SLICE_EMPTY, NOW);
    people_table(people, &without);
    all = page();
    assert_true(find_in(all, ">carol<") < find_in(all, ">alice<"));
    assert_true(find_in(all, ">alice<") < find_in(all, ">bob<"));
    assert_true(find_in(all, ">bob<") < find_in(all, ">dave <small>not in the table"));
    people_table(people, &table);
}

static void who_has_an_instance_that_is_down_has_trouble(void **state) {
    (void)state;
    see("alice", 1000, 0);
    see("bob", 50000, 0);
    health(0, HEALTH_UP);
    health(1, HEALTH_DOWN);
    assert_has(page(), "<tr class=\"trouble\"><th scope=\"row\">bob</th>");
    assert_true(find_in(page(), ">bob<") < find_in(page(), ">alice<"));
    assert_has(page(), "<small>1 down, 3 unknown</small>");
}

static void a_table_that_is_not_in_order_is_said_to_be(void **state) {
    (void)state;
    assert_has(page(), "<small>loaded <time");
    dispatch_metrics_table_failed(&metrics, NOW - 1000);
    assert_has(page(), "the file is not in order, seen <time");
    dispatch_metrics_table(&metrics, &table, NOW);
    assert_lacks(page(), "not in order");
}

static size_t count(struct slice all, const char *part) {
    size_t n = 0;

    for (const char *at; (at = find_in(all, part)); n++)
        all = slice_from(all, (size_t)(at - all.p) + strlen(part));
    return n;
}

/* As many people as there can be, with the longest and worst of names: a thousand are shown, and the page fits. */
static void a_thousand_are_shown(void **state) {
    struct table everybody = {.number = 1};
    char name[LIMIT_PERSON + 1], reason[LIMIT_REASON_SHOWN];
    struct slice all;

    (void)state;
    people_table(people, &everybody);
    memset(name, '"', sizeof(name));
    memset(reason, '"', sizeof(reason));
    name[LIMIT_PERSON] = '\0';
    for (unsigned i = 0; i < LIMIT_PEOPLE + 5; i++) {
        (void)snprintf(name + LIMIT_PERSON - 6, 7, "%06u", i);
        see(name, i, 0);
        people_paired(people, slice_of(name, LIMIT_PERSON), PAIRING_UNREACHABLE, slice_of(reason, sizeof(reason)), NOW);
    }
    all = page();
    assert_int_equal(count(all, "<tr class=\"trouble\">"), LIMIT_STATUS_ROWS);
    assert_has(all, "And 15,384 more.");
    assert_has(all, "5 were seen so long ago");
    people_table(people, &table);
}

static void a_page_that_does_not_fit_is_said_to(void **state) {
    struct status status = {.people = people, .metrics = &metrics, .now_ms = NOW, .started_ms = NOW};
    struct buf small;

    (void)state;
    buf_init(&small, 100);
    assert_int_equal(status_write(&status, &small), -ENOBUFS);
    buf_release(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_empty_page_is_whole),
        TEST(the_policy_is_that_of_its_style),
        TEST(people_stand_there_with_what_they_do),
        TEST(a_failed_pairing_says_why),
        TEST(every_text_is_escaped),
        TEST(it_asks_again_soon_while_somebody_in_use_is_unknown),
        TEST(where_nobody_is_asked_it_does_not_wait),
        TEST(a_place_is_said_once_and_without_the_account),
        TEST(what_was_restarted_is_said_when_there_was_any),
        TEST(trouble_stands_first_and_then_who_was_seen_last),
        TEST(who_has_an_instance_that_is_down_has_trouble),
        TEST(a_table_that_is_not_in_order_is_said_to_be),
        TEST(a_thousand_are_shown),
        TEST(a_page_that_does_not_fit_is_said_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
