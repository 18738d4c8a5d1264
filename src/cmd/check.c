/*
 * `credfd check`: whether the configuration is in order, what each credential in it lets through, and what is in order
 * but weaker than it could be.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/check_dispatch.h"
#include "cmd/check_runner.h"
#include "cmd/usage.h"
#include "egress/credential.h"
#include "egress/gate/gate_rule.h"
#include "egress/rules/rule_lint.h"
#include "egress/settings/settings.h"
#include "wire/glob.h"

static const char usage[] =
    "usage: credfd check [-c FILE]\n"
    "\n"
    "Reads the configuration as `credfd run`, `credfd dispatch` and `credfd runner` would. Prints a line\n"
    "for each credential: its name, its upstream, how the key is put in, and how many rules let a request\n"
    "through; one for each host that `egress` lets through; and one for the dispatcher and for the runner.\n"
    "What is in order and yet hardly meant, such as a rule that another one makes needless, is warned of.\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0 when it is in order, otherwise 125, and a line says what to mend.\n";

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

/* The half of a basic pair that stands in the configuration may be a password too, and is not shown. */
static void print_place(const struct inject *inject) {
    switch (inject->kind) {
    case INJECT_QUERY:
        (void)printf("query %s", inject->name);
        break;
    case INJECT_HEADER:
        (void)printf("header %s", inject->name);
        break;
    case INJECT_BASIC_USER:
        (void)printf("basic password");
        break;
    case INJECT_BASIC_PASSWORD:
        (void)printf("basic user");
        break;
    case INJECT_COOKIE:
        (void)printf("cookie %s", inject->name);
        break;
    case INJECT_PATH:
        (void)printf("path %s", inject->format);
        break;
    }
}

static void print_credential(const struct credential *credential, struct widths widths) {
    (void)printf("%-*s  %-*s  ", widths.name, credential->name, widths.upstream, credential->upstream);
    for (size_t i = 0; i < credential->n_inject; i++) {
        print_place(&credential->inject[i]);
        (void)printf("%s", i + 1 < credential->n_inject ? ", " : "  ");
    }
    if (credential->allows_all)
        (void)printf("all\n");
    else if (credential->n_allow == 0)
        (void)printf("nothing allowed\n");
    else
        (void)printf("%zu rule%s\n", credential->n_allow, credential->n_allow == 1 ? "" : "s");
}

/* Hosts without a credential that the proxy lets through; of names, what they stand for is judged when they are used. */
static void print_egress(const struct egress_settings *egress, struct widths widths) {
    char rule[GATE_RULE_TEXT_MAX];

    if (egress->is_there && egress->n_allow == 0)
        (void)printf("%-*s  no other host\n", widths.name, AUDIT_WAYS);
    for (size_t i = 0; i < egress->n_allow; i++) {
        (void)gate_rule_format(&egress->allow[i], rule);
        (void)printf("%-*s  %s\n", widths.name, AUDIT_WAYS, rule);
    }
}

/* Where the rules of a credential stand. */
struct place {
    const char *file, *credential;
};

/* Of a rule, as much as makes it known: the line has to have room for two. */
#define RULE_FORMAT "%s %.200s"
#define RULE_ARG(rule) (rule)->method, (rule)->path

static void say_reading(const struct rule_warning *warning, char *to, size_t size) {
    struct slice reading = slice_first(warning->reading, 200);

    if (warning->is_denial)
        (void)snprintf(to, size, "servers read its path as %.*s, which it denies too; write the path that is meant",
                       SLICE_ARG(reading));
    else if (glob_check(warning->reading))
        (void)snprintf(to, size, "never used: servers undo its escapes, and no rule allows that; write * for them");
    else
        (void)snprintf(to, size, "never used: servers read its path as %.*s, which no rule allows; write it so",
                       SLICE_ARG(reading));
}

static void say_why(const struct rule_warning *warning, char *to, size_t size) {
    const struct rule *other = warning->other;

    switch (warning->kind) {
    case RULE_NEVER_SENT:
        (void)snprintf(to, size,
                       "never used: a request of this method, or with this escape, is refused before any "
                       "rule is asked; remove it");
        break;
    case RULE_UNREADABLE:
        (void)snprintf(to, size, "%snobody can say which path that is to a server; write the path that is meant",
                       warning->is_denial ? "" : "never used: ");
        break;
    case RULE_READS_OTHERWISE:
        say_reading(warning, to, size);
        break;
    case RULE_ALWAYS_DENIED:
        (void)snprintf(to, size, "never used: `" RULE_FORMAT "` of `deny` on line %zu covers it; remove one of the two",
                       RULE_ARG(other), other->line);
        break;
    case RULE_DUPLICATE:
        (void)snprintf(to, size, "stands on line %zu already; remove one of the two", other->line);
        break;
    case RULE_COVERED:
        (void)snprintf(to, size, "needless: `" RULE_FORMAT "` on line %zu covers it; remove one of the two",
                       RULE_ARG(other), other->line);
        break;
    }
}

static void warn_of_rule(const struct rule_warning *warning, void *context) {
    const struct place *place = context;
    char why[512];

    say_why(warning, why, sizeof(why));
    log_warning("%s:%zu: credentials.%s.%s: " RULE_FORMAT ": %s", place->file, warning->rule->line, place->credential,
                warning->is_denial ? "deny" : "allow", RULE_ARG(warning->rule), why);
}

/* The kernel names a program by the file that it is, never by a link to it. A pattern says nothing of one file. */
static void warn_about_executable(const struct credential *credential, const char *program, const char *path) {
    _cleanup_free_ char *real = strchr(program, '*') ? NULL : realpath(program, NULL);

    if (strchr(program, '*') || (real && strcmp(real, program) == 0))
        return;
    if (real)
        log_warning("%s: credentials.%s.executables: %s never dials by that name: it is %s; write that", path,
                    credential->name, program, real);
    else
        log_warning("%s: credentials.%s.executables: %s: %s; write the path of a program", path, credential->name,
                    program, strerror(errno));
}

static void warn_about(const struct credential *credential, const char *path) {
    const struct secret_source *secret = &credential->secret;
    struct place place = {path, credential->name};

    /* with the real ids, which are the command's */
    if (secret->path && access(secret->path, R_OK) == 0)
        log_warning("%s: a command of this user can read the file itself; use `fd`, `env` or a file of another user",
                    secret->where);
    for (size_t i = 0; i < credential->n_executables; i++)
        warn_about_executable(credential, credential->executables[i], path);
    if (credential->is_mask_off)
        log_warning("%s: credentials.%s.mask: off: a response that says the key shows it to the command", path,
                    credential->name);
    if (credential->allows_all)
        log_warning("%s: credentials.%s.allow: `all` permits whatever %s; list rules to narrow it", path,
                    credential->name, credential->n_deny > 0 ? "`deny` does not name" : "the key can do");
    else if (credential->n_allow == 0)
        log_warning("%s: credentials.%s.allow: no rule, so every request would be refused; list what may pass, as "
                    "[ \"GET /path/**\" ]",
                    path, credential->name);
    rule_lint(credential, warn_of_rule, &place);
}

/* With `egress` there is a proxy, and `run` refuses both at once. */
static void warn_about_twins(const struct settings *settings) {
    const struct credential *credentials[LIMIT_LEASES];
    size_t n = MIN_OF(settings->n_credentials, ARRAY_LEN(credentials)), first, second;

    for (size_t i = 0; i < n; i++)
        credentials[i] = &settings->credentials[i];
    if (settings->egress.is_there && credential_find_twins(credentials, n, &first, &second))
        log_warning("%s: " CREDENTIAL_TWINS, settings->path, credentials[first]->name, credentials[second]->name);
}

/* Whether the secret is there: `run` looks at those that it uses, this at all. */
static bool is_secret_there(const struct credential *credential) {
    _cleanup_free_ char *error = NULL;
    int r = settings_check_secret(&credential->secret, &error);

    if (r < 0)
        log_error("%s", error ? error : strerror(-r));
    return r == 0;
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
    int status = EXIT_SUCCESS;
    int r = load(config, &settings, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    widths = measure(settings);
    for (size_t i = 0; i < settings->n_credentials; i++) {
        print_credential(&settings->credentials[i], widths);
        warn_about(&settings->credentials[i], settings->path);
        if (!is_secret_there(&settings->credentials[i]))
            status = EXIT_CREDFD;
    }
    print_egress(&settings->egress, widths);
    warn_about_twins(settings);
    if (settings->has_dispatch && check_dispatch(settings->path) != EXIT_SUCCESS)
        status = EXIT_CREDFD;
    if (settings->has_runner && check_runner(settings->path) != EXIT_SUCCESS)
        status = EXIT_CREDFD;
    return usage_finish(status);
}

int cmd_check(int argc, char **argv) {
    const char *config = NULL;
    int status = usage_parse(argc, argv, usage, &config, NULL);

    return status < 0 ? check(config) : status;
}
