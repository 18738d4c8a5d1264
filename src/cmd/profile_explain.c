#include "cmd/profile_explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "egress/gate/gate_rule.h"
#include "egress/settings/environment.h"
#include "egress/settings/profile.h"

#define COLUMN "  %-12s "

/* A thing of several lines: its name stands before the first alone. */
struct block {
    const char *name;
};

static const char *block_next(struct block *block) {
    const char *name = block->name;

    block->name = "";
    return name;
}

static void print_places(const struct credential *credential) {
    struct block block = {"the key"};

    for (size_t i = 0; i < credential->n_inject; i++) {
        const struct inject *inject = &credential->inject[i];

        (void)printf(COLUMN, block_next(&block));
        switch (inject->kind) {
        case INJECT_QUERY:
            (void)printf("in the query, as %s=KEY\n", inject->name);
            break;
        case INJECT_HEADER:
            (void)printf("in the field %s\n", inject->name);
            break;
        case INJECT_BASIC_USER: /* the other half may be a password, and is not shown */
            (void)printf("as the password of HTTP's Basic authentication\n");
            break;
        case INJECT_BASIC_PASSWORD:
            (void)printf("as the user of HTTP's Basic authentication\n");
            break;
        case INJECT_COOKIE:
            (void)printf("in the cookie %s\n", inject->name);
            break;
        case INJECT_PATH:
            (void)printf("before the path, as %s\n", inject->format);
            break;
        }
    }
}

static void print_rules(const char *name, const struct rule *rules, size_t n) {
    struct block block = {name};

    for (size_t i = 0; i < n; i++)
        (void)printf(COLUMN "%s %s\n", block_next(&block), rules[i].method, rules[i].path);
}

static void print_allowed(const struct credential *credential) {
    if (credential->allows_all)
        (void)printf(COLUMN "everything that `never` does not name\n", "allowed");
    else if (credential->n_allow == 0)
        (void)printf(COLUMN "nothing, until a rule is written in a copy of the file\n", "allowed");
    else
        print_rules("allowed", credential->allow, credential->n_allow);
    print_rules("never", credential->deny, credential->n_deny);
}

static void print_environment(const struct credential *credential) {
    struct block block = {"variables"};

    for (size_t i = 0; i < credential->n_env; i++)
        (void)printf(COLUMN "%s=%s\n", block_next(&block), credential->env[i].name, credential->env[i].value);
    if (credential->placeholder)
        (void)printf(COLUMN "%s, made anew for each run: it opens nothing\n", "placeholder", credential->placeholder);
}

static void print_credential(const struct credential *credential) {
    (void)printf("\n%s, bound to %s\n", credential->name, credential->upstream);
    print_places(credential);
    print_allowed(credential);
    print_environment(credential);
    if (credential->allows_websocket)
        (void)printf(COLUMN "allowed, where a rule allows the GET that begins one\n", "WebSocket");
    if (credential->allows_private)
        (void)printf(COLUMN "its upstream may have one\n", "private address");
    if (credential->is_mask_off)
        (void)printf(COLUMN "off: a response that says the key shows it\n", "mask");
}

static bool wants(const struct settings *settings, struct slice word) {
    for (size_t i = 0; i < settings->n_credentials; i++)
        if (environment_names(&settings->credentials[i], word))
            return true;
    return false;
}

static void print_doors(const struct settings *settings) {
    if (!settings->egress.is_there && !wants(settings, SLICE("base_url")) && !wants(settings, SLICE("socket"))) {
        (void)printf(
            "\nWay in: its descriptor alone, for programs that know leases and for credfd call; the command is\n"
            "not isolated. --proxy opens the door for other programs, and isolates.\n");
        return;
    }
    (void)printf("\nWays in: the descriptor of each lease (credfd call)");
    if (wants(settings, SLICE("base_url")))
        (void)printf(", a URL of its own");
    if (wants(settings, SLICE("socket")))
        (void)printf(", a unix socket");
    if (settings->egress.is_there)
        (void)printf(", and a proxy for programs as they are");
    (void)printf("\n");
}

static void print_hosts(const struct settings *settings) {
    const struct egress_settings *egress = &settings->egress;

    if (!egress->is_there)
        return;
    if (egress->n_allow == 0) {
        (void)printf("Hosts that pass without a key: none\n");
        return;
    }
    (void)printf("Hosts that pass without a key:\n");
    for (size_t i = 0; i < egress->n_allow; i++) {
        char text[GATE_RULE_TEXT_MAX];

        (void)gate_rule_format(&egress->allow[i], text);
        (void)printf("  %s\n", text);
    }
}

/* The variable that the vendor's own programs look at: where people have the key already. NULL: none is known. */
static const char *find_variable(const struct settings *settings) {
    for (size_t i = 0; i < settings->n_credentials; i++)
        for (size_t j = 0; j < settings->credentials[i].n_env; j++)
            if (strcmp(settings->credentials[i].env[j].value, "{placeholder}") == 0)
                return settings->credentials[i].env[j].name;
    return NULL;
}

static void print_start(const char *name, const struct settings *settings) {
    const char *variable = find_variable(settings);

    (void)printf("\nStart:\n  credfd run --profile %s --secret %s%s -- COMMAND\n", name,
                 variable ? "env:" : "file:PATH", variable ? variable : "");
    (void)printf("To change it: credfd profile show --file %s >~/.config/credfd/profiles/my-%s.yaml\n", name, name);
}

int profile_explain(const char *name) {
    _cleanup_free_ char *path = NULL, *description = NULL, *error = NULL;
    _cleanup_settings_ struct settings *settings = NULL;
    int r = profile_read(name, &settings, &path, &description, &error);

    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        return r;
    }
    (void)printf("%s: %s\n  %s\n", name, description, path);
    for (size_t i = 0; i < settings->n_credentials; i++)
        print_credential(&settings->credentials[i]);
    if (settings->n_credentials > 1)
        (void)printf("\nOne secret is the key of all %zu.\n", settings->n_credentials);
    print_doors(settings);
    print_hosts(settings);
    print_start(name, settings);
    return 0;
}
