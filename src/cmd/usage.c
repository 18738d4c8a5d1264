#include "cmd/usage.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/cmd.h"

int usage_finish(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    log_error("standard output: %s", strerror(errno));
    return EXIT_CREDFD;
}

int usage_print(const char *text) {
    (void)fputs(text, stdout);
    return usage_finish(0);
}

int usage_refuse(const char *command, const char *what) {
    log_error("%s: %s; see credfd %s --help", command, what, command);
    return EXIT_CREDFD;
}

int usage_refuse_option(int answer, char *const argv[]) {
    const char letter[] = {'-', (char)optopt, '\0'};

    /* a long option is a word of its own, and optopt then 0 or no letter; a letter may be one of several in a word */
    const char *option =
        optopt < ' ' || optopt > '~' || strncmp(argv[optind - 1], "--", 2) == 0 ? argv[optind - 1] : letter;
    const char *fault = answer == ':' ? "needs a value" : "is no option here, or takes no value";

    log_error("%s: %s %s; see credfd %s --help", argv[0], option, fault, argv[0]);
    return EXIT_CREDFD;
}

int usage_parse(int argc, char **argv, const char *text, const char **ret_config, bool *ret_json) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"json", no_argument, NULL, 'j'}, /* the last, so that a command without it leaves it off */
        {0},
    };
    struct option taken[ARRAY_LEN(options)];
    int option;

    memcpy(taken, options, sizeof(options));
    if (!ret_json)
        taken[ARRAY_LEN(options) - 2] = (struct option){0};
    while ((option = getopt_long(argc, argv, ":c:", taken, NULL)) != -1) {
        switch (option) {
        case 'c':
            *ret_config = optarg;
            break;
        case 'j':
            if (ret_json)
                *ret_json = true;
            break;
        case 'h':
            return usage_print(text);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    return optind < argc ? usage_refuse(argv[0], "it takes no argument") : -1;
}
