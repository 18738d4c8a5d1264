#include "cmd/check_runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/cmd.h"
#include "fleet/desk/cli_look.h"
#include "fleet/desk/lease_terms.h"
#include "fleet/desk/places_check.h"
#include "fleet/settings.h"

static void warn_about(const struct runner_settings *settings) {
    const struct command_rules *rules = &settings->permission;
    bool is_open = rules->allows_all;

    for (size_t i = 0; i < rules->n; i++)
        is_open |= rules->rules[i].allows && strcmp(rules->rules[i].pattern, "*") == 0;
    if (is_open)
        log_warning("%s: runner.permission: the control plane may run anything here as the runner's user",
                    settings->path);
    if (!rules->allows_all && rules->n == 0)
        log_warning("%s: runner.permission: no command is allowed; add permission: { bash: { \"kubectl get *\": "
                    "allow } }",
                    settings->path);
    if (settings->n_upstreams == 0)
        log_warning(
            "%s: runner.upstreams: missing: a task's key goes wherever the control plane says; list the servers",
            settings->path);
}

/* Leases are off without it, and nothing else: so it is a warning. */
static void warn_about_cli(const struct runner_settings *settings) {
    struct cli_look look;
    int r = settings->cli ? cli_find(settings->cli, getenv("PATH"), &look) : 0;

    if (r < 0)
        log_warning("%s: runner.cli: %s: %s; without it keys go into the environment of commands: install it, or name "
                    "its path",
                    settings->path, settings->cli, r == -ENOENT ? "not found" : "cannot be executed");
}

static int check_profile(const struct runner_settings *settings, char **ret_error) {
    _cleanup_free_ char *error = NULL;
    struct lease_terms terms = {0};
    int r = settings->profile ? lease_terms_load(settings->profile, &terms, &error) : 0;

    lease_terms_done(&terms);
    if (r < 0 && asprintf(ret_error, "%s: runner.profile: %s", settings->path, error ? error : strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

static void print_line(const struct runner_settings *settings) {
    const struct command_rules *rules = &settings->permission;
    char permission[64];

    (void)snprintf(permission, sizeof(permission), "%zu rule%s", rules->n, rules->n == 1 ? "" : "s");
    (void)printf("runner  %s  %s  workspace %s  cli %s\n", settings->url,
                 rules->allows_all ? "every command" : permission, settings->workspace,
                 settings->cli ? settings->cli : "none");
}

int check_runner(const char *path) {
    static const struct runner_overrides none;
    _cleanup_runner_settings_ struct runner_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;
    int r = runner_settings_load(path, &none, &settings, &error);

    if (r == 0) {
        warn_about(settings);
        warn_about_cli(settings);
        print_line(settings);
        r = check_profile(settings, &error);
    }
    if (r == 0)
        r = places_check(settings, &error);
    if (r == 0)
        r = runner_settings_check(settings, &error);
    if (r < 0)
        log_error("%s", error ? error : strerror(-r));
    return r < 0 ? EXIT_CREDFD : EXIT_SUCCESS;
}
