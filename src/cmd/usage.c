#include "cmd/usage.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
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

    /* optopt is 0 for an unknown long option, which is a word of its own; a letter may be one of several in a word */
    const char *option = optopt == 0 ? argv[optind - 1] : letter;
    const char *fault = answer == ':' ? "needs a value" : "is no option here, or takes no value";

    log_error("%s: %s %s; see credfd %s --help", argv[0], option, fault, argv[0]);
    return EXIT_CREDFD;
}
