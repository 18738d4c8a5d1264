#include "ingress/desk/status.h"

#include <errno.h>
#include <stdlib.h>

#include "ingress/desk/status_rows.h"

/* Its hash stands in STATUS_POLICY: tests/unit/test-status.c says what it must be when this is changed. */
#define STYLE                                                                                                          \
    ":root{color-scheme:light dark;--ground:#f4f5f7;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#e2e6ec;"          \
    "--good:#14713d;--bad:#b3261e;--bad-ground:#fdf0ef}"                                                               \
    "@media(prefers-color-scheme:dark){:root{--ground:#11151b;--card:#1a2029;--ink:#e6eaf0;--soft:#97a3b4;"            \
    "--line:#2b3441;--good:#6fd39a;--bad:#ff9b93;--bad-ground:#33201f}}"                                               \
    "*{box-sizing:border-box}"                                                                                         \
    "body{margin:0;background:var(--ground);color:var(--ink);"                                                         \
    "font:1rem/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;font-variant-numeric:tabular-nums}"                   \
    "main{max-width:76rem;margin:0 auto;padding:1.5rem 1rem 4rem}"                                                     \
    "h1{margin:0;font-size:1.5rem}"                                                                                    \
    "h2{margin:2.25rem 0 .75rem;font-size:1.125rem}"                                                                   \
    "h2 span,small,.when,.more{color:var(--soft);font-weight:400}"                                                     \
    "small{font-size:.8125rem}"                                                                                        \
    ".when,.more{margin:.25rem 0 0;font-size:.875rem}"                                                                 \
    "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.5rem 0 0}"          \
    "dl div{padding:.75rem 1rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}"             \
    "dl .trouble{border-color:var(--bad);background:var(--bad-ground)}"                                                \
    "dt{color:var(--soft);font-size:.8125rem}"                                                                         \
    "dd{margin:0;font-size:1.375rem;font-weight:600;line-height:1.3}"                                                  \
    "dd small{display:block}"                                                                                          \
    "table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line);"                   \
    "border-radius:.75rem;overflow:hidden}"                                                                            \
    "th,td{padding:.6rem .9rem;border-top:1px solid var(--line);text-align:left;vertical-align:top;"                   \
    "overflow-wrap:anywhere}"                                                                                          \
    "thead th{border-top:0;color:var(--soft);font-size:.8125rem;font-weight:600}"                                      \
    "tbody th{font-weight:600}"                                                                                        \
    "thead th,time{white-space:nowrap}"                                                                                \
    "tbody .trouble{background:var(--bad-ground);box-shadow:inset .25rem 0 var(--bad)}"                                \
    ".state{white-space:nowrap}"                                                                                       \
    ".state::before{content:'';display:inline-block;width:.6em;height:.6em;margin-right:.45em;border-radius:50%;"      \
    "border:.13em solid currentColor}"                                                                                 \
    ".up{color:var(--good)}.up::before{background:currentColor}"                                                       \
    ".down{color:var(--bad);font-weight:600}.down::before{border-radius:0;background:currentColor}"                    \
    ".unknown{color:var(--soft)}"                                                                                      \
    "@media(max-width:46rem){thead{display:none}table,tbody,tr,tbody th,td{display:block}"                             \
    "table{border:0;background:none;border-radius:0}"                                                                  \
    "tr{margin-bottom:.75rem;padding:.5rem 0;background:var(--card);border:1px solid var(--line);"                     \
    "border-radius:.75rem;overflow:hidden}"                                                                            \
    "th,td{padding:.3rem 1rem;border:0}"                                                                               \
    "td{display:grid;grid-template-columns:7.5rem 1fr;gap:.75rem}"                                                     \
    "td::before{content:attr(data-label);color:var(--soft);font-size:.8125rem;line-height:1.85}"                       \
    "}"

#define REFRESH_S 10
#define REFRESH_SOON_S (HEALTH_SOONEST / 1000) /* while somebody was just asked how they are */

#define HEAD                                                                                                           \
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"                                          \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"                                       \
    "<meta name=\"robots\" content=\"noindex\">\n"

#define TITLE                                                                                                          \
    "<title>credfd: people and workspaces</title>\n"                                                                   \
    "<style>" STYLE "</style>\n</head>\n<body>\n<main>\n<h1>People and workspaces</h1>\n"

/* The two lists: what the page is made from. */
struct lists {
    struct status_person *people;
    const struct instance_health **instances;
    size_t n_people, n_instances;
    bool is_waiting; /* this look, or the one before, has asked for what is unknown */
};

static void put_header(struct text *text, const struct status *status, unsigned refresh_s) {
    text_put(text, SLICE(HEAD));
    text_add(text, "<meta http-equiv=\"refresh\" content=\"%u\">\n", refresh_s);
    text_put(text, SLICE(TITLE "<p class=\"when\">"));
    if (status->host) {
        text_put_html(text, slice_of_string(status->host));
        text_put(text, SLICE(" &middot; "));
    }
    status_put_time(text, status->now_ms);
    text_put(text, SLICE(" &middot; serving for "));
    status_put_span(text, status->now_ms > status->started_ms ? status->now_ms - status->started_ms : 0);
    text_add(text, " &middot; again in %u s</p>\n", refresh_s);
}

static void open_tile(struct text *text, const char *label, bool has_trouble) {
    text_add(text, "<div%s><dt>%s</dt><dd>", has_trouble ? " class=\"trouble\"" : "", label);
}

static void close_tile(struct text *text) {
    text_put(text, SLICE("</dd></div>\n"));
}

static void put_tile(struct text *text, const char *label, uint64_t value) {
    open_tile(text, label, false);
    status_put_number(text, value);
    close_tile(text);
}

static void put_table_tile(struct text *text, const struct status *status) {
    const struct dispatch_metrics *m = status->metrics;
    bool has_failed = m->table_failed_ms > m->table_loaded_ms;

    open_tile(text, "Names in the table", has_failed);
    status_put_number(text, m->table_names);
    text_put(text, has_failed ? SLICE("<small>the file is not in order, seen ") : SLICE("<small>loaded "));
    status_put_ago(text, has_failed ? m->table_failed_ms : m->table_loaded_ms, status->now_ms);
    text_put(text, SLICE("</small>"));
    close_tile(text);
}

static void put_health_tile(struct text *text, const struct status *status) {
    size_t known[HEALTHS];
    uint64_t all = status->metrics->table_instances, asked;

    people_count_health(status->people, known);
    asked = known[HEALTH_UP] + known[HEALTH_DOWN];
    open_tile(text, "Workspaces up", known[HEALTH_DOWN] > 0);
    status_put_number(text, known[HEALTH_UP]);
    text_put(text, SLICE("<small>"));
    status_put_number(text, known[HEALTH_DOWN]);
    text_put(text, SLICE(" down, "));
    status_put_number(text, all > asked ? all - asked : 0);
    text_put(text, SLICE(" unknown</small>"));
    close_tile(text);
}

static void put_pairing_tile(struct text *text, const struct status *status) {
    const struct dispatch_metrics *m = status->metrics;
    uint64_t failed = 0;

    for (size_t i = PAIRING_WORKED + 1; i < PAIRING_FAULTS; i++)
        failed += m->pairings[i];
    open_tile(text, "Sessions made", false);
    status_put_number(text, m->pairings[PAIRING_WORKED]);
    text_put(text, SLICE("<small>"));
    status_put_number(text, failed);
    text_put(text, SLICE(" failed, "));
    status_put_number(text, m->total.limited);
    text_put(text, SLICE(" too soon</small>"));
    close_tile(text);
}

/* What a process that had to be started again has cost: connections. */
static void put_connections_tile(struct text *text, const struct status *status) {
    uint64_t restarts = 0;

    for (size_t i = 0; i < DISPATCH_ROLES; i++)
        restarts += status->metrics->restarts[i];
    open_tile(text, "Connections open", false);
    status_put_number(text, dispatch_metrics_connections(status->metrics));
    if (restarts > 0) {
        text_put(text, SLICE("<small>"));
        status_put_number(text, restarts);
        text_put(text, restarts == 1 ? SLICE(" process restarted</small>") : SLICE(" processes restarted</small>"));
    }
    close_tile(text);
}

static void put_totals(struct text *text, const struct status *status) {
    const struct dispatch_metrics *m = status->metrics;
    uint64_t requests = 0;

    for (size_t i = 0; i < TALLY_STATUSES; i++)
        requests += m->total.requests[i];
    text_put(text, SLICE("<dl>\n"));
    put_table_tile(text, status);
    put_health_tile(text, status);
    put_tile(text, "Tunnels open", dispatch_metrics_tunnels(m));
    put_connections_tile(text, status);
    put_tile(text, "Requests", requests);
    put_pairing_tile(text, status);
    text_put(text, SLICE("</dl>\n"));
}

static int compare_numbers(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

/* Trouble first, those who are gone last; then by last seen, the latest first. */
static int compare_persons(const void *pa, const void *pb) {
    const struct status_person *a = pa, *b = pb;
    int r = b->has_trouble - a->has_trouble;

    if (r == 0)
        r = a->person->is_gone - b->person->is_gone;
    if (r == 0)
        r = compare_numbers(b->person->seen_ms, a->person->seen_ms);
    return r != 0 ? r : strcmp(a->person->name, b->person->name);
}

/* Those that are down first, those that are up last; then the latest change first. */
static int compare_instances(const void *pa, const void *pb) {
    static const int ranks[HEALTHS] = {[HEALTH_DOWN] = 0, [HEALTH_UNKNOWN] = 1, [HEALTH_UP] = 2};
    const struct instance_health *const *a = pa, *const *b = pb;
    int r = ranks[(*a)->health] - ranks[(*b)->health];

    if (r == 0)
        r = compare_numbers((*b)->since_ms, (*a)->since_ms);
    return r != 0 ? r : strcmp((*a)->key, (*b)->key);
}

/* The steward asks instances that were used so lately, whenever somebody looks. */
static bool is_in_use(const struct person *person, uint64_t now_ms) {
    return !person->is_gone && now_ms < MAX_OF(person->seen_ms, person->paired_ms) + HEALTH_USED;
}

static struct status_person row_of(const struct status *status, const struct person *person) {
    struct status_person row = {.person = person};
    struct instance instance;

    if (status->table && table_find(status->table, person->item.key, SLICE_EMPTY, SLICE("/"), &instance)) {
        row.instance = people_find_instance(status->people, instance.key);
        row.is_waiting = is_in_use(person, status->now_ms) && (!row.instance || row.instance->health == HEALTH_UNKNOWN);
    }
    row.has_trouble =
        !person->is_gone && (person->has_trouble || (row.instance && row.instance->health == HEALTH_DOWN));
    return row;
}

static void lists_done(struct lists *lists) {
    free(lists->people);
    free(lists->instances);
}

static int lists_init(struct lists *lists, const struct status *status) {
    size_t n = people_count(status->people), n_instances = people_count_instances(status->people);
    const struct person **persons = calloc(n + 1, sizeof(*persons));
    uint64_t all = status->metrics->table_instances;

    *lists = (struct lists){.people = calloc(n + 1, sizeof(*lists->people)),
                            .instances = calloc(n_instances + 1, sizeof(*lists->instances)),
                            .n_people = n,
                            .n_instances = n_instances,
                            .is_waiting = n_instances == 0 && all > 0 && all <= LIMIT_HEALTH_ALL};
    if (!persons || !lists->people || !lists->instances) {
        free(persons);
        lists_done(lists);
        return -ENOMEM;
    }
    people_list(status->people, persons);
    for (size_t i = 0; i < n; i++) {
        lists->people[i] = row_of(status, persons[i]);
        lists->is_waiting = lists->is_waiting || lists->people[i].is_waiting;
    }
    free(persons);
    people_list_instances(status->people, lists->instances);
    qsort(lists->people, n, sizeof(*lists->people), compare_persons);
    qsort(lists->instances, n_instances, sizeof(struct instance_health *), compare_instances);
    return 0;
}

static void open_list(struct text *text, const char *title, size_t n) {
    text_add(text, "<h2>%s <span>", title);
    status_put_number(text, n);
    text_put(text, SLICE("</span></h2>\n"));
}

static void put_more(struct text *text, size_t n, uint64_t forgotten) {
    if (n > LIMIT_STATUS_ROWS) {
        text_put(text, SLICE("<p class=\"more\">And "));
        status_put_number(text, n - LIMIT_STATUS_ROWS);
        text_put(text, SLICE(" more.</p>\n"));
    }
    if (forgotten > 0) {
        text_put(text, SLICE("<p class=\"more\">"));
        status_put_number(text, forgotten);
        text_put(text, SLICE(" were seen so long ago that they are not kept any more.</p>\n"));
    }
}

/* `columns` is what stands between the cells' tags. */
static void open_table(struct text *text, const char *title, size_t n, struct slice columns, const char *nobody) {
    open_list(text, title, n);
    if (n == 0) {
        text_add(text, "<p>%s</p>\n", nobody);
        return;
    }
    text_put(text, SLICE("<table>\n<thead><tr><th>"));
    text_put(text, columns);
    text_put(text, SLICE("</th></tr></thead>\n<tbody>\n"));
}

static void close_table(struct text *text, size_t n, uint64_t forgotten) {
    if (n > 0)
        text_put(text, SLICE("</tbody>\n</table>\n"));
    put_more(text, n, forgotten);
}

static void put_people(struct text *text, const struct status *status, const struct lists *lists) {
    open_table(text, "People", lists->n_people,
               SLICE("Person</th><th>Workspace</th><th>Last seen</th><th>Tunnels</th><th>Requests</th>"
                     "<th>Session made"),
               "Nobody was seen yet.");
    for (size_t i = 0; i < lists->n_people && i < LIMIT_STATUS_ROWS; i++)
        status_put_person(text, &lists->people[i], status->now_ms);
    close_table(text, lists->n_people, people_forgotten(status->people));
}

static void put_instances(struct text *text, const struct status *status, const struct lists *lists) {
    open_table(text, "Workspaces", lists->n_instances,
               SLICE("Person</th><th>State</th><th>Since</th><th>Answer</th><th>Account</th><th>Place"),
               lists->is_waiting ? "They are being asked how they are." : "None was asked yet how it is.");
    for (size_t i = 0; i < lists->n_instances && i < LIMIT_STATUS_ROWS; i++)
        status_put_instance(text, lists->instances[i], status->now_ms);
    close_table(text, lists->n_instances, 0);
}

int status_write(const struct status *status, struct buf *to) {
    struct text text = {.to = to};
    struct lists lists;
    int r = lists_init(&lists, status);

    if (r < 0)
        return r;
    put_header(&text, status, lists.is_waiting ? REFRESH_SOON_S : REFRESH_S);
    put_totals(&text, status);
    put_people(&text, status, &lists);
    put_instances(&text, status, &lists);
    text_put(&text, SLICE("</main>\n</body>\n</html>\n"));
    lists_done(&lists);
    return text.error;
}
