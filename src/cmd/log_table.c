#include "cmd/log_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/settings/settings.h"

#define UNLIMITED 160 /* the columns stand as on a terminal of that width, but nothing is cut off */
#define YEAR 5        /* columns, of a time that has one: where there is room for everything */
#define GAP 2         /* blanks between columns */
#define CELL_MAX 64   /* of what is formatted here */
#define TARGET_MAX (LIMIT_AUTHORITY + LIMIT_TARGET)
#define ESCAPE_MAX 4 /* columns that one byte may take: \xNN */
#define NOTHING_CUT SIZE_MAX
#define SHARES 8 /* the largest share: so that a division leaves no two columns alike */

#define RESET "\033[0m"
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define YELLOW "\033[33m"

/* From `least` on a column is as wide as there is room for, by its share, up to `most`. */
static const struct column {
    const char *title;
    size_t least, most;
    unsigned share;
    unsigned rank; /* the lowest is left out first where there is not even room for what is least; 0: never */
} columns[COLUMNS] = {
    [COLUMN_TIME] = {"TIME", 14, 14, 0, 8},        [COLUMN_LEASE] = {"LEASE", 8, 20, 2, 7},
    [COLUMN_IDENTITY] = {"IDENTITY", 8, 16, 1, 3}, [COLUMN_PID] = {"PID", 7, 7, 0, 1},
    [COLUMN_PROGRAM] = {"PROGRAM", 8, 16, 1, 4},   [COLUMN_METHOD] = {"METHOD", 7, 7, 0, 9},
    [COLUMN_PATH] = {"PATH", 16, 200, 8, 0},       [COLUMN_STATUS] = {"STATUS", 6, 6, 0, 10},
    [COLUMN_BYTES] = {"BYTES", 6, 6, 0, 2},        [COLUMN_MS] = {"MS", 6, 6, 0, 5},
    [COLUMN_RULE] = {"RULE", 16, 200, 6, 6},
};

static bool is_number(enum log_column i) {
    return i == COLUMN_PID || i == COLUMN_STATUS || i == COLUMN_BYTES || i == COLUMN_MS;
}

static size_t total(const struct log_table *table) {
    size_t sum = 0;

    for (size_t i = 0; i < COLUMNS; i++)
        sum += table->widths[i] > 0 ? table->widths[i] + GAP : 0;
    return sum - GAP;
}

static bool leave_one_out(struct log_table *table) {
    size_t last = COLUMNS;

    for (size_t i = 0; i < COLUMNS; i++)
        if (table->widths[i] > 0 && columns[i].rank > 0 && (last == COLUMNS || columns[i].rank < columns[last].rank))
            last = i;
    if (last == COLUMNS)
        return false;
    table->widths[last] = 0;
    return true;
}

static bool may_widen(const struct log_table *table, size_t i) {
    return table->widths[i] > 0 && columns[i].share > 0 && table->widths[i] < columns[i].most;
}

/* Hands out what is left of the line, a blank at a time to whoever has had least of its share. */
static void widen(struct log_table *table, size_t left) {
    for (; left > 0; left--) {
        size_t next = COLUMNS, least = 0;

        for (size_t i = 0; i < COLUMNS; i++) {
            size_t had = may_widen(table, i) ? (table->widths[i] - columns[i].least) * SHARES / columns[i].share : 0;

            if (may_widen(table, i) && (next == COLUMNS || had < least)) {
                next = i;
                least = had;
            }
        }
        if (next == COLUMNS)
            return;
        table->widths[next]++;
    }
}

void log_table_init(struct log_table *table, size_t width, bool is_coloured) {
    bool is_whole = true;

    *table = (struct log_table){.width = width, .is_coloured = is_coloured};
    width = width > 0 ? width : UNLIMITED;
    for (size_t i = 0; i < COLUMNS; i++)
        table->widths[i] = columns[i].least;
    while (total(table) > width && leave_one_out(table))
        is_whole = false;
    if (is_whole && total(table) + YEAR <= width)
        table->widths[COLUMN_TIME] += YEAR;
    if (total(table) < width)
        widen(table, width - total(table));
}

static bool is_plain(char c) {
    return WEAKENED(LOG) || (c >= ' ' && c <= '~');
}

static size_t columns_of(struct slice text) {
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += is_plain(text.p[i]) ? 1 : ESCAPE_MAX;
    return n;
}

size_t log_print_text(struct slice text, size_t max) {
    bool is_cut = columns_of(text) > max;
    size_t room = max - is_cut, used = 0;

    for (size_t i = 0; i < text.n; i++) {
        size_t n = is_plain(text.p[i]) ? 1 : ESCAPE_MAX;

        if (used + n > room)
            break;
        if (n == 1)
            (void)putchar_unlocked(text.p[i]);
        else
            (void)printf("\\x%02x", (unsigned char)text.p[i]);
        used += n;
    }
    if (is_cut)
        (void)putchar_unlocked('~');
    return used + is_cut;
}

static void print_blanks(size_t n) {
    (void)printf("%*s", (int)n, "");
}

/* The last column is not filled up. (Those between STATUS and RULE are left out before RULE is.) */
static void print_cell(const struct log_table *table, enum log_column i, struct slice text) {
    size_t width = table->widths[i], used = columns_of(text);
    bool is_last = i == COLUMN_RULE || (i == COLUMN_STATUS && table->widths[COLUMN_RULE] == 0);

    if (width == 0)
        return;
    if (is_number(i) && used < width)
        print_blanks(width - used);
    used = log_print_text(text, table->width > 0 ? width : NOTHING_CUT);
    if (is_last)
        return;
    if (!is_number(i) && used < width)
        print_blanks(width - used);
    print_blanks(GAP);
}

static void print_colour(const struct log_table *table, const char *colour) {
    if (table->is_coloured && colour)
        (void)fputs(colour, stdout);
}

static void end_line(const struct log_table *table, const char *colour) {
    print_colour(table, colour ? RESET : NULL);
    (void)putchar('\n');
}

static void print_titles(const struct log_table *table) {
    print_colour(table, BOLD);
    for (enum log_column i = 0; i < COLUMNS; i++)
        print_cell(table, i, slice_of_string(columns[i].title));
    end_line(table, BOLD);
}

static struct slice number_cell(uint64_t value, const char *unit, char cell[static CELL_MAX]) {
    int n = snprintf(cell, CELL_MAX, "%" PRIu64 "%s", value, unit);

    return slice_of(cell, (size_t)n);
}

/* Exact as long as there is room for it. */
static struct slice bytes_cell(uint64_t bytes, char cell[static CELL_MAX]) {
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    size_t unit = 0;

    for (; bytes >= 100000; bytes /= 1024)
        unit++;
    return number_cell(bytes, units[unit], cell);
}

static struct slice ms_cell(uint64_t ms, char cell[static CELL_MAX]) {
    return ms < 1000000 ? number_cell(ms, "", cell) : number_cell(ms / 1000, "s", cell);
}

static struct slice time_cell(const struct log_table *table, const struct log_entry *entry,
                              char cell[static CELL_MAX]) {
    bool has_year = table->widths[COLUMN_TIME] > columns[COLUMN_TIME].most;
    time_t seconds = (time_t)(entry->unix_ms / 1000);
    struct tm local;
    size_t n = 0;

    if (entry->unix_ms > 0 && localtime_r(&seconds, &local))
        n = strftime(cell, CELL_MAX, has_year ? "%Y-%m-%d %H:%M:%S" : "%m-%d %H:%M:%S", &local);
    return n > 0 ? slice_of(cell, n) : SLICE("?");
}

/* Whose it is: the columns that every line of ours has. */
static void print_owner(const struct log_table *table, const struct log_entry *entry) {
    char cell[CELL_MAX];

    print_cell(table, COLUMN_TIME, time_cell(table, entry, cell));
    print_cell(table, COLUMN_LEASE, log_entry_text(entry, "lease"));
    print_cell(table, COLUMN_IDENTITY, log_entry_text(entry, "identity"));
}

static struct slice program_of(const struct log_entry *entry) {
    struct slice path = log_entry_text(entry, "executable");
    const char *slash = path.n > 0 ? memrchr(path.p, '/', path.n) : NULL;

    return slash ? slice_from(path, (size_t)(slash - path.p) + 1) : path;
}

static size_t append(char to[static TARGET_MAX], size_t at, struct slice text) {
    size_t n = MIN_OF(text.n, TARGET_MAX - at);

    if (n > 0)
        memcpy(to + at, text.p, n);
    return at + n;
}

/* An authority leaves the port of its scheme out; what a CONNECT asks for has one. */
static bool has_port(struct slice authority) {
    struct slice rest = slice_from(authority, slice_index(authority, ']'));

    return slice_has(rest.n > 0 ? rest : authority, ':');
}

/* Its path; of a CONNECT, and of a connection to a host that no lease is for, the host before it. */
static struct slice target_of(const struct log_entry *entry, char cell[static TARGET_MAX]) {
    struct slice path = log_entry_text(entry, "path"), authority = log_entry_text(entry, "authority");
    bool is_connect = slice_equals(log_entry_text(entry, "method"), SLICE("CONNECT"));
    size_t n;

    if (!is_connect && !slice_equals(log_entry_text(entry, "lease"), SLICE(AUDIT_WAYS)))
        return path;
    n = append(cell, 0, authority);
    if (is_connect && authority.n > 0 && !has_port(authority))
        n = append(cell, n, SLICE(":443"));
    return slice_of(cell, append(cell, n, path));
}

/* Why it was refused or failed; otherwise what allowed it. */
static struct slice rule_of(const struct log_entry *entry) {
    struct slice reason = log_entry_text(entry, "reason"), refusal = log_entry_text(entry, "refusal");

    /* of a denial the rule says more: the reason is always the same */
    if (slice_equals(refusal, SLICE("denied")))
        return log_entry_text(entry, "rule");
    if (reason.n > 0)
        return reason;
    return refusal.n > 0 ? refusal : log_entry_text(entry, "rule");
}

static const char *colour_of(const struct log_entry *entry) {
    if (log_entry_number(entry, "status") >= 500)
        return YELLOW;
    return log_entry_text(entry, "refusal").n > 0 ? RED : NULL;
}

static void print_exchange(const struct log_table *table, const struct log_entry *entry) {
    uint64_t bytes = log_entry_number(entry, "bytes_in") + log_entry_number(entry, "bytes_out");
    char cell[CELL_MAX], target[TARGET_MAX];

    print_colour(table, colour_of(entry));
    print_owner(table, entry);
    print_cell(table, COLUMN_PID, number_cell(log_entry_number(entry, "pid"), "", cell));
    print_cell(table, COLUMN_PROGRAM, program_of(entry));
    print_cell(table, COLUMN_METHOD, log_entry_text(entry, "method"));
    print_cell(table, COLUMN_PATH, target_of(entry, target));
    print_cell(table, COLUMN_STATUS, number_cell(log_entry_number(entry, "status"), "", cell));
    print_cell(table, COLUMN_BYTES, bytes_cell(bytes, cell));
    print_cell(table, COLUMN_MS, ms_cell(log_entry_number(entry, "duration_ms"), cell));
    print_cell(table, COLUMN_RULE, rule_of(entry));
    end_line(table, colour_of(entry));
}

/* What is left of the line behind the columns of its owner. */
static size_t room_behind_owner(const struct log_table *table) {
    size_t used = 0;

    for (size_t i = COLUMN_TIME; i <= COLUMN_IDENTITY; i++)
        used += table->widths[i] > 0 ? table->widths[i] + GAP : 0;
    return table->width == 0 ? NOTHING_CUT : MAX_OF(table->width, used + 1) - used;
}

static void print_event(const struct log_table *table, const struct log_entry *entry, struct slice event) {
    const struct slice parts[] = {event, SLICE(" "), log_entry_text(entry, "id"), SLICE(": "),
                                  log_entry_text(entry, "reason")};
    size_t room = room_behind_owner(table), n = ARRAY_LEN(parts) - (parts[4].n > 0 ? 0 : 2);

    print_colour(table, DIM);
    print_owner(table, entry);
    for (size_t i = 0; i < n && room > 0; i++)
        room -= log_print_text(parts[i], room);
    end_line(table, DIM);
}

static void print_broken(const struct log_table *table, struct slice line) {
    static const struct slice title = {"not a line of the audit: ", 25};
    size_t room = table->width == 0 ? NOTHING_CUT : MAX_OF(table->width, title.n + 1);

    print_colour(table, YELLOW);
    room -= log_print_text(title, room);
    (void)log_print_text(line, room);
    end_line(table, YELLOW);
}

void log_table_print(struct log_table *table, const struct log_entry *entry, struct slice line) {
    struct slice event = entry->object ? log_entry_text(entry, "event") : SLICE_EMPTY;

    if (!table->has_begun)
        print_titles(table);
    table->has_begun = true;
    if (!entry->object)
        print_broken(table, line);
    else if (event.n > 0)
        print_event(table, entry, event);
    else
        print_exchange(table, entry);
}
