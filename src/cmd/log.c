/*
 * `credfd log`: what the audit holds, for people: as a table, or as it stands there; and whether it is still as it was
 * written.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "cmd/log_follow.h"
#include "cmd/log_suggest.h"
#include "cmd/log_verify.h"
#include "cmd/log_view.h"
#include "cmd/usage.h"
#include "egress/settings/settings.h"
#include "wire/timestamp.h"

#define TERMINAL_WIDTH 80 /* of one that does not say */
#define EXIT_FAULTS 1
#define SINCE_MAX (100ULL * 366 * 24 * 3600000) /* ms: everything that there can be */

static const char usage[] =
    "usage: credfd log [-c FILE] [-f] [--lease NAME] [--since TIME] [--denied] [--json] [AUDIT]\n"
    "       credfd log [-c FILE] [--lease NAME] [--since TIME] --denied --suggest [AUDIT]\n"
    "       credfd log [-c FILE] --verify [AUDIT]\n"
    "\n"
    "Prints the audit as a table, the oldest line first: the file of the configuration, or AUDIT, with\n"
    "the ones that it was before its rotations (AUDIT.1, AUDIT.2, ...). - is standard input.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "  -f, --follow       go on with what is written from now on\n"
    "      --lease NAME   only of this credential, or of the one lease that has this id\n"
    "      --since TIME   only what is younger: a duration (90s, 30m, 12h, 7d), or a time as\n"
    "                     2030-01-31T12:00:00Z\n"
    "      --denied       only what was refused, or failed on our side\n"
    "      --json         the lines as they stand there\n"
    "      --suggest      in the place of lines: the rules that would have allowed what was refused; to be\n"
    "                     read before any of them goes into the configuration\n"
    "      --verify       print whether any line was removed, changed or added, and where\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0; 1 when --verify finds a fault; 125 when credfd failed. NO_COLOR=1 leaves colours out.\n";

struct options {
    const char *config, *file;
    struct log_filter filter;
    bool is_following, is_raw, is_suggesting, is_verifying;
};

static uint64_t now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int parse_since(const char *text, uint64_t *ret_ms) {
    struct slice since = slice_of_string(text);
    uint64_t now = now_ms(), ago;

    if (timestamp_parse(since, ret_ms) == 0)
        return 0;
    if (num_parse_duration(since, SINCE_MAX, &ago) < 0) {
        log_error("log: --since %s: neither a duration, such as 30m or 7d, nor a time, such as 2030-01-31T12:00:00Z",
                  text);
        return -EINVAL;
    }
    *ret_ms = now > ago ? now - ago : 0;
    return 0;
}

static int check_combination(const struct options *options, char **argv) {
    const struct log_filter *filter = &options->filter;

    if (options->is_verifying && (options->is_following || options->is_raw || options->is_suggesting ||
                                  filter->is_denied || filter->lease || filter->since_ms > 0))
        return usage_refuse(argv[0], "--verify looks at every line, so it goes with no other option");
    if (options->is_suggesting && (options->is_following || options->is_raw))
        return usage_refuse(argv[0], "--suggest prints rules and no lines, so it goes without -f and --json");
    if (options->is_following && options->file && strcmp(options->file, "-") == 0)
        return usage_refuse(argv[0], "-f needs a file");
    return -1;
}

/* -1 to go on, else the exit status. */
static int parse_options(struct options *options, int argc, char **argv) {
    enum { LEASE = 256, SINCE, DENIED, JSON, SUGGEST, VERIFY };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},  {"follow", no_argument, NULL, 'f'},
        {"lease", required_argument, NULL, LEASE}, {"since", required_argument, NULL, SINCE},
        {"denied", no_argument, NULL, DENIED},     {"json", no_argument, NULL, JSON},
        {"suggest", no_argument, NULL, SUGGEST},   {"verify", no_argument, NULL, VERIFY},
        {"help", no_argument, NULL, 'h'},          {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, ":c:f", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'f':
            options->is_following = true;
            break;
        case LEASE:
            options->filter.lease = optarg;
            break;
        case SINCE:
            if (parse_since(optarg, &options->filter.since_ms) < 0)
                return EXIT_CREDFD;
            break;
        case DENIED:
            options->filter.is_denied = true;
            break;
        case JSON:
            options->is_raw = true;
            break;
        case SUGGEST:
            options->is_suggesting = options->filter.is_denied = true;
            break;
        case VERIFY:
            options->is_verifying = true;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    options->file = argv[optind];
    return argc - optind > 1 ? usage_refuse(argv[0], "one file at most") : check_combination(options, argv);
}

static int load(const char *config, struct settings **ret, char **ret_error) {
    _cleanup_free_ char *path = NULL;
    int r = settings_find(config, &path, ret_error);

    return r < 0 ? r : settings_load(path, ret, ret_error);
}

/* The one that the configuration names. */
static int find_file(const char *config, char **ret, char **ret_error) {
    _cleanup_settings_ struct settings *settings = NULL;
    int r = load(config, &settings, ret_error);

    if (r < 0)
        return r;
    if (settings->audit.file && strcmp(settings->audit.file, "-") != 0) {
        *ret = steal_pointer(&settings->audit.file);
        return 0;
    }
    if (asprintf(ret_error, "%s: audit.file: names no file%s; name one here, or to `credfd log`", settings->path,
                 settings->audit.is_journal ? " (journalctl -t credfd shows the journal)" : "") < 0)
        *ret_error = NULL;
    return -ENOENT;
}

static size_t terminal_width(void) {
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : TERMINAL_WIDTH;
}

static void view_init(struct log_view *view, const struct options *options) {
    const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org */

    *view = (struct log_view){
        .filter = options->filter, .is_raw = options->is_raw, .is_terminal = isatty(STDOUT_FILENO) == 1};
    log_table_init(&view->table, view->is_terminal ? terminal_width() : 0,
                   view->is_terminal && !(no_colour && *no_colour));
}

static int read_once(const char *path, const struct options *options, struct log_view *view, uint64_t *ret_number) {
    struct log_files files;
    int r = log_files_open(path, &files, ret_number);

    if (r < 0)
        return r;
    r = options->is_verifying    ? log_verify(&files)
        : options->is_suggesting ? log_suggest(&options->filter, &files)
                                 : log_view_read_files(view, &files);
    log_files_close(&files);
    return r;
}

static const char *mend_of(int error) {
    switch (error) {
    case -EACCES:
        return "; it is for its owner alone: ask as the user whose it is, or as root";
    case -ENOENT:
        return "; it is made by the first `credfd run` that names it";
    case -ENOTSUP:
        return "; name a regular file, a FIFO, or - for standard input";
    default:
        return "";
    }
}

/* Whoever stops reading, as head(1) does, has seen enough. */
static int finish(int status) {
    if (fflush(stdout) < 0 && errno == EPIPE)
        return EXIT_SUCCESS;
    return usage_finish(status);
}

static int show(const char *path, const struct options *options) {
    struct log_view view;
    char name[LOG_NAME_MAX];
    uint64_t number;
    int r;

    view_init(&view, options);
    r = options->is_following ? log_follow(&view, path, &number) : read_once(path, options, &view, &number);
    if (r < 0) {
        log_error("log: %s: %s%s", log_file_name(path, number, name), strerror(-r), mend_of(r));
        return EXIT_CREDFD;
    }
    return finish(r > 0 ? EXIT_FAULTS : EXIT_SUCCESS);
}

int cmd_log(int argc, char **argv) {
    _cleanup_free_ char *path = NULL, *error = NULL;
    struct options options = {0};
    int status = parse_options(&options, argc, argv);
    int r = 0;

    if (status >= 0)
        return status;
    if (!options.file)
        r = find_file(options.config, &path, &error);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    return show(options.file ? options.file : path, &options);
}
