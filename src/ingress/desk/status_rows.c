#include "ingress/desk/status_rows.h"

#include <inttypes.h>

#include "base/json_line.h"

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

void status_put_number(struct text *text, uint64_t value) {
    char digits[NUM_DIGITS];
    struct slice rest = num_format(value, digits);
    size_t n = rest.n % 3 == 0 ? 3 : rest.n % 3;

    text_put(text, slice_first(rest, n));
    for (rest = slice_from(rest, n); rest.n > 0; rest = slice_from(rest, 3)) {
        text_put(text, SLICE(","));
        text_put(text, slice_first(rest, 3));
    }
}

void status_put_bytes(struct text *text, uint64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    size_t unit = 0;
    uint64_t tenths = bytes / 100;

    if (bytes < 1000) {
        text_add(text, "%" PRIu64 " B", bytes);
        return;
    }
    for (; tenths >= 10000 && unit + 1 < ARRAY_LEN(units); unit++)
        tenths /= 1000;
    text_add(text, "%" PRIu64 ".%u %s", tenths / 10, (unsigned)(tenths % 10), units[unit]);
}

void status_put_span(struct text *text, uint64_t ms) {
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{DAY, "d"}, {HOUR, "h"}, {MINUTE, "min"}, {SECOND, "s"}};
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(units) && ms < units[i].ms)
        i++;
    text_add(text, "%" PRIu64 " %s", ms / units[i].ms, units[i].name);
}

void status_put_time(struct text *text, uint64_t unix_ms) {
    char form[JSON_TIME];

    json_format_time(form, unix_ms);
    text_add(text, "%.10s %.8s UTC", form, form + 11);
}

void status_put_ago(struct text *text, uint64_t unix_ms, uint64_t now_ms) {
    char form[JSON_TIME];

    if (unix_ms == 0) {
        text_put(text, SLICE("never"));
        return;
    }
    json_format_time(form, unix_ms);
    text_add(text, "<time datetime=\"%.*s\" title=\"%.10s %.8s UTC\">", (int)sizeof(form), form, form, form + 11);
    status_put_span(text, now_ms > unix_ms ? now_ms - unix_ms : 0);
    text_put(text, SLICE(" ago</time>"));
}

static void put_string(struct text *text, const char *string) {
    text_put_html(text, slice_of_string(string));
}

/* A cell; its label is what a narrow screen shows before it, where there is no head of the table. */
static void open_cell(struct text *text, const char *label) {
    text_add(text, "<td data-label=\"%s\"><div>", label);
}

static void close_cell(struct text *text) {
    text_put(text, SLICE("</div></td>"));
}

/* Never by its colour alone. */
static void put_health(struct text *text, enum health health) {
    static const char *const words[HEALTHS] = {
        [HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down"};

    text_add(text, "<span class=\"state %s\">%s</span>", words[health], words[health]);
}

static void put_answer(struct text *text, const struct instance_health *instance) {
    if (instance->health == HEALTH_UP)
        text_add(text, "%" PRIu32 " ms", instance->answer_ms);
    else
        text_put(text, SLICE("&ndash;"));
}

static void put_workspace(struct text *text, const struct instance_health *instance) {
    if (!instance) {
        put_health(text, HEALTH_UNKNOWN);
        return;
    }
    put_health(text, instance->health);
    if (instance->health == HEALTH_UP) {
        text_put(text, SLICE(" <small>"));
        put_answer(text, instance);
        text_put(text, SLICE("</small>"));
    }
}

static void put_failure(struct text *text, const struct person *person, uint64_t now_ms) {
    text_put(text, SLICE("<span class=\"state down\">failed</span> "));
    status_put_ago(text, person->failed_ms, now_ms);
    text_put(text, SLICE("<br><small>"));
    put_string(text, pairing_fault_words(person->fault));
    if (person->reason[0] != '\0') {
        text_put(text, SLICE(": "));
        put_string(text, person->reason);
    }
    text_put(text, SLICE("</small>"));
}

static void put_pairing(struct text *text, const struct person *person, uint64_t now_ms) {
    if (person->has_trouble)
        put_failure(text, person, now_ms);
    else if (person->paired_ms != 0)
        status_put_ago(text, person->paired_ms, now_ms);
    else
        text_put(text, SLICE("&ndash;"));
    if (person->pairing_failures > 0) {
        text_put(text, SLICE("<br><small>"));
        status_put_number(text, person->pairing_failures);
        text_put(text, SLICE(" failed, "));
        status_put_number(text, person->pairings);
        text_put(text, SLICE(" worked</small>"));
    }
}

void status_put_person(struct text *text, const struct status_person *row, uint64_t now_ms) {
    const struct person *person = row->person;

    text_add(text, "<tr%s><th scope=\"row\">", row->has_trouble ? " class=\"trouble\"" : "");
    put_string(text, person->name);
    if (person->is_gone)
        text_put(text, SLICE(" <small>not in the table</small>"));
    text_put(text, SLICE("</th>"));
    open_cell(text, "Workspace");
    put_workspace(text, row->instance);
    close_cell(text);
    open_cell(text, "Last seen");
    status_put_ago(text, person->seen_ms, now_ms);
    close_cell(text);
    open_cell(text, "Tunnels");
    status_put_number(text, person_tunnels(person));
    close_cell(text);
    open_cell(text, "Requests");
    status_put_number(text, person->requests);
    text_put(text, SLICE(" <small>"));
    status_put_bytes(text, person->bytes_in);
    text_put(text, SLICE(" in, "));
    status_put_bytes(text, person->bytes_out);
    text_put(text, SLICE(" out</small>"));
    close_cell(text);
    open_cell(text, "Session made");
    put_pairing(text, person, now_ms);
    close_cell(text);
    text_put(text, SLICE("</tr>\n"));
}

/* A key is "ACCOUNT PLACE RECIPE" (table.h); the account has a column of its own. A path may have blanks. */
static void put_place(struct text *text, struct slice key) {
    struct slice place = key, recipe;

    (void)slice_cut(&place, ' ');
    recipe = place;
    while (slice_has(recipe, ' '))
        (void)slice_cut(&recipe, ' ');
    text_put_html(text, slice_trim(slice_first(place, place.n - recipe.n)));
    text_put(text, SLICE(" <small>"));
    text_put_html(text, recipe);
    text_put(text, SLICE("</small>"));
}

void status_put_instance(struct text *text, const struct instance_health *instance, uint64_t now_ms) {
    text_add(text, "<tr%s><th scope=\"row\">", instance->health == HEALTH_DOWN ? " class=\"trouble\"" : "");
    put_string(text, instance->name);
    text_put(text, SLICE("</th>"));
    open_cell(text, "State");
    put_health(text, instance->health);
    close_cell(text);
    open_cell(text, "Since");
    status_put_ago(text, instance->since_ms, now_ms);
    close_cell(text);
    open_cell(text, "Answer");
    put_answer(text, instance);
    close_cell(text);
    open_cell(text, "Account");
    put_string(text, instance->os_user);
    close_cell(text);
    open_cell(text, "Place");
    put_place(text, instance->item.key);
    close_cell(text);
    text_put(text, SLICE("</tr>\n"));
}
