/*
 * `credfd check`: whether the configuration is in order, what each credential in it lets through, and what is in order
 * but weaker than it could be.
 */
#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/usage.h"
#include "egress/settings.h"

static const char usage[] =
    "usage: credfd check [-c FILE]\n"
    "\n"
    "Reads the configuration as `credfd run` would. Prints a line for each credential: its name,\n"
    "its upstream, how the key is put in, and how many rules let a request through.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0 when it is in order, otherwise 125, and one line says what to mend.\n";

/* How wide the first columns are. */
struct widths {
    int name, upstream;
};

static struct widths measure(const struct settings *settings) {
    struct widths widths = {0};

    for (size_t i = 0; i < settings->n_credentials; i++) {
        const struct credential *credential = &settings->credentials[i];

        widths.name = MAX_OF(widths.name, (int)strlen(credential->name));
        widths.upstream = MAX_OF(widths.upstream, (int)strlen(credential->upstream));
    }
    return widths;
}

static void print_credential(const struct credential *credential, struct widths widths) {
    (void)printf("%-*s  %-*s  %s %s  ", widths.name, credential->name, widths.upstream, credential->upstream,
                 credential->inject.kind == INJECT_QUERY ? "query" : "header", credential->inject.name);
    if (credential->allows_all)
        (void)printf("all\n");
    else if (credential->n_allow == 0)
        (void)printf("nothing allowed\n");
    else
        (void)printf("%zu rule%s\n", credential->n_allow, credential->n_allow == 1 ? "" : "s");
}

static void warn_about(const struct credential *credential, const char *path) {
    const struct secret_source *secret = &credential->secret;

    /* with the real ids, which are the command's */
    if (secret->kind == SECRET_FILE && access(secret->path, R_OK) == 0)
        log_warning("%s: a command of this user can read the file itself; use `fd`, `env` or a file of another user",
                    secret->where);
    if (credential->allows_all)
        log_warning("%s: credentials.%s.allow: `all` permits whatever the key can do; list rules to narrow it", path,
                    credential->name);
    else if (credential->n_allow == 0)
        log_warning("%s: credentials.%s.allow: no rule, so every request would be refused; list what may pass, as "
                    "[ \"GET /path/**\" ]",
                    path, credential->name);
}

static int load(const char *config, struct settings **ret, char **ret_error) {
    _cleanup_free_ char *path = NULL;
    int r = settings_find(config, &path, ret_error);

    return r < 0 ? r : settings_load(path, ret, ret_error);
}

static int check(const char *config) {
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *error = NULL;
    struct widths widths;
    int r = load(config, &settings, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    widths = measure(settings);
    for (size_t i = 0; i < settings->n_credentials; i++) {
        print_credential(&settings->credentials[i], widths);
        warn_about(&settings->credentials[i], settings->path);
    }
    return usage_finish(EXIT_SUCCESS);
}

int cmd_check(int argc, char **argv) {
    const char *config = NULL;
    int status = usage_parse(argc, argv, usage, &config, NULL);

    return status < 0 ? check(config) : status;
}
