/*
 * `credfd profile`: which profiles there are, and what one of them is good for. Reads no configuration and no secret.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/profile_explain.h"
#include "cmd/usage.h"
#include "egress/settings/profile.h"

static const char usage[] =
    "usage: credfd profile list\n"
    "       credfd profile show [--file] NAME\n"
    "\n"
    "A profile is what a key needs but the key itself, ready to be used: credfd run --profile NAME --secret "
    "KIND:VALUE\n"
    "\n"
    "list    prints the profiles that there are, what each is for, and its file\n"
    "show    explains one: where its key may go, what is allowed, which variables the command gets, how to start\n"
    "\n"
    "      --file         show prints the file itself: a start for one of your own, in ~/.config/credfd/profiles\n"
    "  -c, --config FILE  accepted and ignored\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0, or 125 when there is no such profile, or one that is listed is not in order.\n";

static int refuse(const char *error, int r) {
    log_error("%s", error ? error : strerror(-r));
    return EXIT_CREDFD;
}

static int measure(const struct profile_list *list) {
    int width = 0;

    for (size_t i = 0; i < list->n; i++)
        width = MAX_OF(width, (int)strlen(list->items[i].name));
    return width;
}

/* One that is not in order is told, and hides no other. */
static int list_all(void) {
    _cleanup_profile_list_ struct profile_list list = {0};
    _cleanup_free_ char *error = NULL;
    int status = EXIT_SUCCESS, width, r = profile_list(&list, &error);

    if (r < 0)
        return refuse(error, r);
    width = measure(&list);
    for (size_t i = 0; i < list.n; i++) {
        const struct profile *profile = &list.items[i];
        _cleanup_free_ char *description = NULL, *fault = NULL;

        r = profile_describe(profile->path, &description, &fault);
        if (r < 0)
            status = refuse(fault, r);
        else
            (void)printf("%-*s  %s (%s)\n", width, profile->name, description, profile->path);
    }
    return usage_finish(status);
}

static int print_file(const char *path) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *bytes = malloc(LIMIT_CONFIG);
    ssize_t n = !bytes ? -ENOMEM : fd < 0 ? -errno : fd_read_all(fd, bytes, LIMIT_CONFIG);

    if (n < 0) {
        log_error("%s: cannot be read: %s", path, strerror((int)-n));
        return EXIT_CREDFD;
    }
    (void)printf("# %s\n", path);
    (void)fwrite(bytes, 1, (size_t)n, stdout);
    return usage_finish(EXIT_SUCCESS);
}

static int show_file(const char *name) {
    _cleanup_free_ char *path = NULL, *error = NULL;
    int r = profile_find(name, &path, &error);

    return r < 0 ? refuse(error, r) : print_file(path);
}

static int show(const char *name) {
    return profile_explain(name) < 0 ? EXIT_CREDFD : usage_finish(EXIT_SUCCESS);
}

static int perform(char *const words[], int n, bool is_file) {
    if (n == 0)
        return usage_refuse("profile", "list or show?");
    if (strcmp(words[0], "list") == 0)
        return n > 1 || is_file ? usage_refuse("profile", "list takes no argument") : list_all();
    if (strcmp(words[0], "show") != 0)
        return usage_refuse("profile", "it lists or shows, and nothing else");
    if (n != 2)
        return usage_refuse("profile", "show takes one name");
    return is_file ? show_file(words[1]) : show(words[1]);
}

int cmd_profile(int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"file", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool is_file = false;
    int option;

    while ((option = getopt_long(argc, argv, ":c:", options, NULL)) != -1) {
        switch (option) {
        case 'c': /* as by every command; there is nothing in it to know here */
            break;
        case 'f':
            is_file = true;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    return perform(argv + optind, argc - optind, is_file);
}
