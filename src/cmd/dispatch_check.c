/*
 * `credfd dispatch check`: tries the whole way of one person, as one who comes for the first time: the table, the
 * instance, a session, the page, a WebSocket. In a process of its own: no dispatcher needs to run, and none notices.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/dispatch_walk.h"
#include "cmd/usage.h"
#include "egress/settings/settings.h"
#include "ingress/desk/recipes.h"
#include "ingress/table/person.h"
#include "ingress/table/table_build.h"
#include "net/loop.h"
#include "sandbox/harden.h"

static const char usage[] =
    "usage: credfd dispatch check [-c FILE] [OPTION]... USER\n"
    "\n"
    "Tries the whole way of one person, as `credfd dispatch` would lead them on their first visit: the\n"
    "entry in the table, a connection to the instance, the mint command, the exchange for a session, and\n"
    "then the page and a WebSocket with it. A session is made at the instance, and shown to nobody.\n"
    "Run it as the user that `credfd dispatch` runs as.\n"
    "\n"
    "  -c, --config FILE     the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --host HOST       as the browser would send it; `localhost` without\n"
    "      --path PATH       of the page; `/` without\n"
    "      --websocket PATH  open one there; the recipe's without\n"
    "      --json            print one object of JSON\n"
    "      --help            print this\n"
    "\n"
    "The exit status is 0 when every step worked, 1 when one failed, and 125 when it could not begin.\n";

struct check {
    const char *config, *host, *path, *websocket, *name;
    bool is_json;
    struct dispatch_settings *settings;
    struct recipes recipes;
    struct table *table;
    struct dispatch_report *report;
};

/* -1 to go on; otherwise the exit status. */
static int read_arguments(int argc, char **argv, struct check *check) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"host", required_argument, NULL, 'H'},
        {"path", required_argument, NULL, 'p'},
        {"websocket", required_argument, NULL, 'w'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, ":c:", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            check->config = optarg;
            break;
        case 'H':
            check->host = optarg;
            break;
        case 'p':
            check->path = optarg;
            break;
        case 'w':
            check->websocket = optarg;
            break;
        case 'j':
            check->is_json = true;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    if (argc - optind != 1)
        return usage_refuse(argv[0], argc == optind ? "no user is given" : "one user, and no more");
    check->name = argv[optind];
    if (check->path[0] != '/' || (check->websocket && check->websocket[0] != '/'))
        return usage_refuse(argv[0], "a path begins with /");
    return -1;
}

static int complain(const char *error, int r) {
    log_error("%s", error ? error : strerror(-r));
    return r;
}

/* A command's process is awaited, and a socket that nobody reads is no reason to die. */
static int prepare(void) {
    int r = harden_against_inspection(); /* a credential passes through here */

    if (r == 0 && (signal(SIGCHLD, SIG_DFL) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR))
        r = -errno;
    return r == 0 ? loop_init() : r;
}

static int load(struct check *check) {
    _cleanup_free_ char *path = NULL, *error = NULL;
    int r = settings_find(check->config, &path, &error);

    if (r < 0)
        return complain(error, r);
    r = dispatch_settings_load(path, &check->settings, &error);
    if (r < 0)
        return complain(error, r);
    check->report = dispatch_report_new(check->name, check->is_json);
    if (!check->report)
        return complain(NULL, -ENOMEM);
    dispatch_report_ok(check->report, "configuration", "%s is in order", path);
    return 0;
}

static int open_table(struct check *check) {
    const struct table_recipes numbers = {
        .number = recipes_number, .owner = &check->recipes, .fallback = check->settings->recipe};
    _cleanup_free_ char *error = NULL;
    int fd, r = table_build(check->settings->table, 1, &numbers, &fd, &error);

    if (r == 0)
        r = table_open(fd, &check->table);
    if (r < 0)
        dispatch_report_fail(check->report, "table", "mend the table; until then the one before it is used", "%s",
                             error ? error : strerror(-r));
    else
        dispatch_report_ok(check->report, "table", "%s has %u name%s", check->settings->table,
                           table_names(check->table), table_names(check->table) == 1 ? "" : "s");
    return r;
}

static bool find_entry(struct check *check, struct instance *ret) {
    struct slice name = slice_of_string(check->name);
    const char *hint = "add an entry for that name to the table";

    if (!person_is_name(name)) {
        dispatch_report_fail(check->report, "entry", "give the name as it stands in the table, without what follows @",
                             "this can be nobody's name");
        return false;
    }
    if (table_find(check->table, name, slice_of_string(check->host), slice_of_string(check->path), ret)) {
        dispatch_report_ok(check->report, "entry", "%s leads to instance %.*s", check->name, SLICE_ARG(ret->key));
        return true;
    }
    if (table_has(check->table, name))
        hint = "the entries of that name are for other hosts or paths: see --host and --path";
    dispatch_report_fail(check->report, "entry", hint, "no t3 instance provisioned for this user: %s", check->name);
    return false;
}

static int walk(struct check *check, const struct instance *instance) {
    struct recipe_kept *kept = recipe_keep(&check->recipes.items[instance->recipe]);
    struct dispatch_walk_plan plan = {
        .settings = check->settings, .path = check->path, .websocket = check->websocket, .report = check->report};
    int r = -EINVAL;

    if (kept)
        plan.target = target_new(check->table, instance, kept, slice_of_string(check->host), false);
    recipe_unref(kept);
    if (plan.target)
        r = dispatch_walk(&plan);
    target_unref(plan.target);
    return r < 0 ? complain(plan.target ? NULL : "dispatch check: --host is too long", r) : 0;
}

static int run(struct check *check) {
    struct instance instance;
    int status;

    if (prepare() < 0 || load(check) < 0)
        return EXIT_CREDFD;
    if (open_table(check) == 0 && find_entry(check, &instance) && walk(check, &instance) < 0)
        return EXIT_CREDFD;
    dispatch_report_end(check->report);
    status = dispatch_report_is_good(check->report) ? EXIT_SUCCESS : EXIT_FAILURE;
    return usage_finish(status);
}

int cmd_dispatch_check(int argc, char **argv) {
    static char name[] = "dispatch check";
    struct check check = {.host = "localhost", .path = "/"};
    int status;

    argv[0] = name; /* what it is called in complaints */
    status = read_arguments(argc, argv, &check);
    if (status < 0)
        status = run(&check);
    dispatch_report_free(check.report);
    recipes_done(&check.recipes);
    table_unref(check.table);
    dispatch_settings_free(check.settings);
    return status;
}
