/*
 * `credfd doctor`: what this kernel and this user give, one line each, in the order of the tables of probes.
 */
#include "cmd/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/usage.h"
#include "egress/settings/settings.h"

static const char usage[] = "usage: credfd doctor [-c FILE]\n"
                            "\n"
                            "Says what this kernel and this user give, one line each: `ok`, `~~` for what is weaker\n"
                            "than it could be, `--` for what is missing.\n"
                            "\n"
                            "  -c, --config FILE  read this configuration too, and say whether it is in order\n"
                            "      --help         print this\n"
                            "\n"
                            "The exit status is 0 when nothing needed is missing, otherwise 1.\n";

void finding_set(struct finding *finding, enum verdict verdict, const char *format, ...) {
    va_list args;

    finding->verdict = verdict;
    va_start(args, format);
    (void)vsnprintf(finding->text, sizeof(finding->text), format, args);
    va_end(args);
}

/* One line whatever the text holds: some of it comes from the environment and from files. */
static void finding_print(const char *name, const struct finding *finding) {
    static const char *const marks[] = {[FINDING_OK] = "ok", [FINDING_WEAKER] = "~~", [FINDING_MISSING] = "--"};

    (void)printf("%s  %s: ", marks[finding->verdict], name);
    for (const char *p = finding->text; *p; p++)
        (void)putchar((unsigned char)*p >= 0x20 && *p != 0x7f ? *p : '?');
    (void)putchar('\n');
}

static bool run_probes(const struct probe *probe) {
    bool is_whole = true;

    for (; probe->name; probe++) {
        struct finding finding = {0};

        probe->look(&finding);
        finding_print(probe->name, &finding);
        is_whole = is_whole && finding.verdict != FINDING_MISSING;
    }
    return is_whole;
}

static bool look_at_settings(const char *path) {
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *error = NULL;
    struct finding finding;
    int r = settings_load(path, &settings, &error);

    if (r < 0)
        finding_set(&finding, FINDING_MISSING, "%.400s", error ? error : "out of memory");
    else
        finding_set(&finding, FINDING_OK, "%.400s, %zu credential%s%s", path, settings->n_credentials,
                    settings->n_credentials == 1 ? "" : "s", settings->has_dispatch ? ", a dispatcher" : "");
    finding_print("configuration", &finding);
    return r >= 0;
}

int cmd_doctor(int argc, char **argv) {
    const char *config = NULL;
    int status = usage_parse(argc, argv, usage, &config, NULL);
    bool is_whole;

    if (status >= 0)
        return status;
    is_whole = run_probes(doctor_kernel_probes);
    is_whole = run_probes(doctor_isolation_probes) && is_whole;
    is_whole = run_probes(doctor_place_probes) && is_whole;
    if (config)
        is_whole = look_at_settings(config) && is_whole;
    return usage_finish(is_whole ? EXIT_SUCCESS : EXIT_FAILURE);
}
