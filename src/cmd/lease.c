/*
 * `credfd lease`: which leases this user's commands hold and what they have spent, and the end of one before its time.
 * It asks the supervisors; it reads no configuration and no secret.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/lease_ask.h"
#include "cmd/usage.h"

static const char usage[] =
    "usage: credfd lease list [--json]\n"
    "       credfd lease revoke ID...\n"
    "\n"
    "list    prints the leases of this user's running commands, and what they have spent\n"
    "revoke  ends leases: requests that are under way are cut, and later ones are refused\n"
    "\n"
    "Both ask each supervisor over its control socket, in $XDG_RUNTIME_DIR/credfd or /run/credfd. Root may\n"
    "ask another user's by setting that variable.\n"
    "\n"
    "      --json         list: as one JSON array, with whole numbers\n"
    "  -c, --config FILE  accepted and ignored\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0, or 125 when there is no such lease or it could not be ended.\n";

/* A cell holds an identity with every byte escaped. */
#define CELL_MAX (4 * LIMIT_IDENTITY + 1)

enum column { ID, LEASE, IDENTITY, AGE, REQUESTS, REFUSED, ACTIVE, BYTES, EXPIRES, COLUMNS };

static const struct {
    const char *title;
    bool is_number; /* stands to the right */
} columns[COLUMNS] = {
    [ID] = {"ID"},
    [LEASE] = {"LEASE"},
    [IDENTITY] = {"IDENTITY"},
    [AGE] = {"AGE", true},
    [REQUESTS] = {"REQUESTS", true},
    [REFUSED] = {"REFUSED", true},
    [ACTIVE] = {"ACTIVE", true},
    [BYTES] = {"BYTES", true},
    [EXPIRES] = {"EXPIRES"},
};

static uint64_t now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A name is whatever somebody called themselves; a terminal gets printable bytes only. */
static void put_printable(char cell[static CELL_MAX], const char *p, size_t n) {
    size_t at = 0;

    for (size_t i = 0; i < n && at + 4 < CELL_MAX; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c >= 0x20 && c < 0x7f)
            cell[at++] = (char)c;
        else
            at += (size_t)snprintf(cell + at, 5, "\\x%02x", c);
    }
    cell[at] = '\0';
}

/* In the largest unit that leaves two digits or so: nobody reads more from a list. */
static void put_duration(char cell[static CELL_MAX], uint64_t ms) {
    uint64_t s = ms / 1000;

    if (s < 120)
        (void)snprintf(cell, CELL_MAX, "%" PRIu64 "s", s);
    else if (s < 120 * 60)
        (void)snprintf(cell, CELL_MAX, "%" PRIu64 "m", s / 60);
    else if (s < 48 * 3600)
        (void)snprintf(cell, CELL_MAX, "%" PRIu64 "h", s / 3600);
    else
        (void)snprintf(cell, CELL_MAX, "%" PRIu64 "d", s / 86400);
}

static void put_bytes(char cell[static CELL_MAX], uint64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        (void)snprintf(cell, CELL_MAX, "%" PRIu64 "B", bytes);
        return;
    }
    for (; value >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        value /= 1024;
    (void)snprintf(cell, CELL_MAX, "%.1f%s", value, units[unit]);
}

static void put_end(char cell[static CELL_MAX], const struct lease_info *info) {
    if (info->ended != REFUSAL_NONE)
        (void)snprintf(cell, CELL_MAX, "ended: %s", refusal_text(info->ended)->name);
    else if (info->left_ms == LEASE_FOREVER)
        (void)snprintf(cell, CELL_MAX, "-");
    else
        put_duration(cell, info->left_ms);
}

static uint64_t age_ms(const struct lease_info *info) {
    uint64_t now = now_ms();

    return now > info->started_ms ? now - info->started_ms : 0; /* somebody may have set the clock back */
}

static void fill(char cells[static COLUMNS][CELL_MAX], const struct lease_row *row) {
    const struct lease_info *info = &row->info;

    lease_id_format(row->id, cells[ID]);
    put_printable(cells[LEASE], row->lease, row->lease_n);
    put_printable(cells[IDENTITY], row->identity, row->identity_n);
    put_duration(cells[AGE], age_ms(info));
    (void)snprintf(cells[REQUESTS], CELL_MAX, "%" PRIu64, info->requests);
    (void)snprintf(cells[REFUSED], CELL_MAX, "%" PRIu64, info->refused);
    (void)snprintf(cells[ACTIVE], CELL_MAX, "%" PRIu32, info->active);
    put_bytes(cells[BYTES], info->bytes_in + info->bytes_out);
    put_end(cells[EXPIRES], info);
}

static void print_line(const char *const cells[static COLUMNS], const int widths[static COLUMNS]) {
    for (size_t i = 0; i < COLUMNS; i++) {
        int width = columns[i].is_number ? widths[i] : -widths[i];

        if (i + 1 < COLUMNS)
            (void)printf("%*s  ", width, cells[i]);
        else
            (void)printf("%s\n", cells[i]);
    }
}

static void print_table(const struct lease_rows *rows) {
    char cells[COLUMNS][CELL_MAX];
    const char *texts[COLUMNS];
    int widths[COLUMNS];

    for (size_t i = 0; i < COLUMNS; i++) {
        texts[i] = columns[i].title;
        widths[i] = (int)strlen(columns[i].title);
    }
    for (size_t n = 0; n < rows->n; n++) {
        fill(cells, &rows->at[n]);
        for (size_t i = 0; i < COLUMNS; i++)
            widths[i] = MAX_OF(widths[i], (int)strlen(cells[i]));
    }
    print_line(texts, widths);
    for (size_t n = 0; n < rows->n; n++) {
        fill(cells, &rows->at[n]);
        for (size_t i = 0; i < COLUMNS; i++)
            texts[i] = cells[i];
        print_line(texts, widths);
    }
}

/* As it is where it is UTF-8, otherwise as the table shows it. */
static json_t *text_value(const char *p, size_t n) {
    char cell[CELL_MAX];
    json_t *value = json_stringn(p, n);

    if (value)
        return value;
    put_printable(cell, p, n);
    return json_string(cell);
}

static json_t *object_of(const struct lease_row *row) {
    const struct lease_info *info = &row->info;
    bool has_end = info->ended == REFUSAL_NONE && info->left_ms != LEASE_FOREVER;
    char id[LEASE_ID_MAX];

    lease_id_format(row->id, id);
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "id", id, "pid", (int)row->id.pid, "lease",
        text_value(row->lease, row->lease_n), "identity", text_value(row->identity, row->identity_n), "age_ms",
        (json_int_t)age_ms(info), "expires_in_ms", has_end ? json_integer((json_int_t)info->left_ms) : json_null(),
        "ended", info->ended != REFUSAL_NONE ? json_string(refusal_text(info->ended)->name) : json_null(), "requests",
        (json_int_t)info->requests, "refused", (json_int_t)info->refused, "active", (json_int_t)info->active,
        "bytes_in", (json_int_t)info->bytes_in, "bytes_out", (json_int_t)info->bytes_out);
}

static int print_json(const struct lease_rows *rows) {
    json_t *array = json_array();
    _cleanup_free_ char *text = NULL;
    int r = array ? 0 : -ENOMEM;

    for (size_t n = 0; r == 0 && n < rows->n; n++)
        r = json_array_append_new(array, object_of(&rows->at[n])) < 0 ? -ENOMEM : 0;
    text = r == 0 ? json_dumps(array, JSON_COMPACT) : NULL;
    json_decref(array);
    if (!text)
        return -ENOMEM;
    (void)printf("%s\n", text);
    return 0;
}

static int list(bool as_json) {
    struct lease_rows rows = {0};
    int r = lease_ask_all(&rows);

    if (r == 0 && as_json)
        r = print_json(&rows);
    else if (r == 0)
        print_table(&rows);
    lease_rows_done(&rows);
    if (r == 0)
        return usage_finish(EXIT_SUCCESS);
    log_error("lease list: %s", strerror(-r));
    return EXIT_CREDFD;
}

static const char *why_not(int error) {
    switch (error) {
    case -ENOENT:
        return "no such lease; credfd lease list prints those that there are";
    case -EACCES:
    case -EPERM:
    case -ECONNRESET:
        return "its supervisor does not listen to this user; ask as the user who runs it, or as root";
    case -ETIMEDOUT:
        return "its supervisor does not answer; end the command itself";
    case -EPROTO:
        return "its supervisor speaks otherwise; revoke it with the credfd that runs there";
    default:
        return strerror(-error);
    }
}

static int revoke_one(const char *text) {
    struct lease_id id;
    int r = lease_id_parse(slice_of_string(text), &id);

    if (r < 0) {
        log_error("lease revoke: %s: an id is PID-NUMBER, as credfd lease list prints it", text);
        return r;
    }
    r = lease_ask_revoke(id);
    if (r < 0)
        log_error("lease revoke: %s: %s", text, why_not(r));
    return r;
}

/* Each of them is tried. */
static int revoke_all(char *const ids[], int n) {
    int status = EXIT_SUCCESS;

    for (int i = 0; i < n; i++)
        if (revoke_one(ids[i]) < 0)
            status = EXIT_CREDFD;
    return status;
}

static int perform(char *const words[], int n, bool as_json) {
    if (n == 0)
        return usage_refuse("lease", "list or revoke?");
    if (strcmp(words[0], "list") == 0)
        return n > 1 ? usage_refuse("lease", "list takes no argument") : list(as_json);
    if (strcmp(words[0], "revoke") != 0)
        return usage_refuse("lease", "it lists or revokes, and nothing else");
    if (as_json)
        return usage_refuse("lease", "revoke prints nothing, so it takes no --json");
    return n == 1 ? usage_refuse("lease", "revoke needs the id of a lease") : revoke_all(words + 1, n - 1);
}

int cmd_lease(int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool as_json = false;
    int option;

    while ((option = getopt_long(argc, argv, ":c:", options, NULL)) != -1) {
        switch (option) {
        case 'c': /* as by every command; there is nothing in it to know here */
            break;
        case 'j':
            as_json = true;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    return perform(argv + optind, argc - optind, as_json);
}
