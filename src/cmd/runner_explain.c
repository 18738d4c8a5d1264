/*
 * `credfd runner explain`: what the rules of the runner's configuration say about a command: each simple command that bash
 * would run of it, and the rule that decides. Runs nothing.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/usage.h"
#include "egress/settings/settings.h"
#include "fleet/shell/permission.h"

static const char usage[] =
    "usage: credfd runner explain [-c FILE] [--json] [--] COMMAND\n"
    "\n"
    "Prints each simple command that bash would run of COMMAND, and which rule of `permission` in the\n"
    "configuration allows or denies it. Runs nothing. See credfd-permission(5).\n"
    "\n"
    "  -c, --config FILE  the configuration; see credfd.yaml(5) for where it is looked for without\n"
    "      --json         one object instead of lines\n"
    "      --help         print this\n"
    "\n"
    "The exit status is 0 when it would be run, 1 when it is denied, 125 when credfd cannot tell.\n";

#define EXIT_DENIED 1

struct question {
    const char *config, *command;
    bool is_json;
};

/* By its line, or by its text where it was not read from a file. */
static void print_rule(const struct judgement *judgement) {
    if (!judgement->rule)
        (void)printf("no rule matches");
    else if (judgement->rule->line > 0)
        (void)printf("line %zu: \"%s\"", judgement->rule->line, judgement->rule->pattern);
    else
        (void)printf("\"%s\"", judgement->rule->pattern);
}

static void print_lines(const struct command_rules *rules, const struct verdict *verdict) {
    for (size_t i = 0; i < verdict->n; i++) {
        const struct judgement *judgement = &verdict->judgements[i];

        (void)printf("%-5s  %s", judgement->is_allowed ? "allow" : "deny", judgement->text);
        if (judgement->within)
            (void)printf("  (in %s)", judgement->within);
        (void)printf("  <- ");
        print_rule(judgement);
        (void)printf("\n");
    }
    if (verdict->fault)
        (void)printf("deny   not understood: %s\n", verdict->fault);
    if (rules->allows_all)
        (void)printf("allow  everything: permission.bash is `allow`\n");
}

static json_t *object_of(const struct judgement *judgement) {
    json_t *rule = judgement->rule ? json_pack("{s:s, s:I}", "pattern", judgement->rule->pattern, "line",
                                               (json_int_t)judgement->rule->line)
                                   : json_null();

    return json_pack("{s:s%, s:b, s:s?, s:o}", "command", judgement->text, strlen(judgement->text), "allowed",
                     judgement->is_allowed, "within", judgement->within, "rule", rule);
}

static int print_json(const struct verdict *verdict) {
    json_t *commands = json_array(), *whole;
    int r = 0;

    for (size_t i = 0; i < verdict->n; i++)
        if (json_array_append_new(commands, object_of(&verdict->judgements[i])) < 0)
            r = -ENOMEM;
    whole =
        json_pack("{s:b, s:s?, s:o}", "allowed", verdict->is_allowed, "fault", verdict->fault, "commands", commands);
    if (!whole || r < 0 || json_dumpf(whole, stdout, JSON_INDENT(2)) < 0)
        r = -ENOMEM;
    else
        (void)printf("\n");
    json_decref(whole);
    return r;
}

/* The exit status. */
static int explain(const struct question *question, const struct command_rules *rules) {
    struct verdict verdict;
    int r = permission_judge(rules, slice_of_string(question->command), &verdict), status;

    if (r == 0 && question->is_json)
        r = print_json(&verdict);
    else if (r == 0)
        print_lines(rules, &verdict);
    status = verdict.is_allowed ? EXIT_SUCCESS : EXIT_DENIED;
    verdict_done(&verdict);
    if (r < 0) {
        log_error("runner explain: %s", strerror(-r));
        return EXIT_CREDFD;
    }
    return usage_finish(status);
}

static int load_and_explain(const struct question *question) {
    static const struct runner_overrides none;
    _cleanup_runner_settings_ struct runner_settings *settings = NULL;
    _cleanup_free_ char *path = NULL, *error = NULL;
    int r = settings_find(question->config, &path, &error);

    if (r == 0)
        r = runner_settings_load(path, &none, &settings, &error);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return EXIT_CREDFD;
    }
    return explain(question, &settings->permission);
}

/* -1 to go on; otherwise the exit status. */
static int parse(struct question *question, int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, ":c:", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            question->config = optarg;
            break;
        case 'j':
            question->is_json = true;
            break;
        case 'h':
            return usage_print(usage);
        default:
            return usage_refuse_option(option, argv);
        }
    }
    if (argc - optind != 1)
        return usage_refuse("runner explain", "it takes one argument, the command; put it into quotes");
    question->command = argv[optind];
    return -1;
}

int cmd_runner_explain(int argc, char **argv) {
    static char name[] = "runner explain";
    struct question question = {0};
    int status;

    argv[0] = name; /* of complaints */
    status = parse(&question, argc, argv);
    return status < 0 ? load_and_explain(&question) : status;
}
