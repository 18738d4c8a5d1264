/*
 * `credfd version`: which build this is and, for the program that starts it, whether it can be a broker here.
 */
#include "cmd/cmd.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/build_commit.h"
#include "cmd/kernel.h"
#include "cmd/usage.h"
#include "egress/desk/broker.h"
#include "proc/child.h"

static const char usage[] = "usage: credfd version [--json]\n"
                            "\n"
                            "Prints this build's version and commit.\n"
                            "\n"
                            "      --json         as one JSON object, which also says whether this build and this\n"
                            "                     kernel can serve leases (broker_egress)\n"
                            "  -c, --config FILE  accepted and ignored\n"
                            "      --help         print this\n";

static bool can_broker(void) {
    _cleanup_free_ char *error = NULL;

    return kernel_gives_broker() && child_find_programs() == 0 && broker_check_programs(&error) == 0;
}

/* The field names that a prober reads (`broker_egress` above all) are a contract: docs/protocol.md. */
static int print_json(void) {
    json_t *object = json_pack("{s:s, s:s, s:s, s:b}", "name", "credfd", "version", CREDFD_VERSION, "commit",
                               CREDFD_COMMIT, "broker_egress", can_broker());
    _cleanup_free_ char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!text) {
        log_error("version: out of memory");
        return EXIT_CREDFD;
    }
    (void)printf("%s\n", text);
    return usage_finish(0);
}

int cmd_version(int argc, char **argv) {
    const char *config = NULL; /* taken as by every command; it changes nothing here */
    bool as_json = false;
    int status = usage_parse(argc, argv, usage, &config, &as_json);

    if (status >= 0)
        return status;
    if (as_json)
        return print_json();
    (void)printf("credfd %s (%s)\n", CREDFD_VERSION, CREDFD_COMMIT);
    return usage_finish(EXIT_SUCCESS);
}
