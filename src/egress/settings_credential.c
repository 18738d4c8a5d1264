#include "egress/settings_credential.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/schema.h"
#include "config/value.h"
#include "egress/settings_secret.h"
#include "wire/glob.h"
#include "wire/http_head.h"

static bool is_alphanumeric(char c) {
    c = ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Letters, digits and the bytes of `also`. */
static bool is_made_of(struct slice text, struct slice also) {
    for (size_t i = 0; i < text.n; i++)
        if (!is_alphanumeric(text.p[i]) && !slice_has(also, text.p[i]))
            return false;
    return true;
}

static bool is_one_of(struct slice text, const struct slice *words, size_t n_words) {
    for (size_t i = 0; i < n_words; i++)
        if (slice_equals_nocase(text, words[i]))
            return true;
    return false;
}

static int copy_text(struct slice text, char **ret) {
    char *copy = strndup(text.p, text.n);

    if (!copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int settings_read_timeout(const struct node *node, void *field) {
    return value_duration(node, TIMEOUT_MAX, field);
}

static int read_name(const struct node *node, void *field) {
    char **name = field;
    int r = value_string(node, name);

    if (r < 0)
        return r;
    if (strlen(*name) > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    if (!is_made_of(slice_of_string(*name), SLICE("._-")))
        return node_fail(node, "has a character that no name may have; use letters, digits and any of . _ -");
    return 0;
}

/* Written so: a name that merely resolves to a loopback address may resolve to another one tomorrow. */
static bool is_loopback(const struct uri_upstream *upstream) {
    char host[INET6_ADDRSTRLEN];
    struct in6_addr ipv6;
    struct in_addr ipv4;

    if (slice_equals_nocase(upstream->host, SLICE("localhost")))
        return true;
    if (upstream->host.n >= sizeof(host))
        return false;
    memcpy(host, upstream->host.p, upstream->host.n);
    host[upstream->host.n] = '\0';
    if (upstream->is_ipv6_literal)
        return inet_pton(AF_INET6, host, &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
    return inet_pton(AF_INET, host, &ipv4) == 1 && ntohl(ipv4.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* The value is not shown: it may hold a password. */
static int read_upstream(const struct node *node, void *field) {
    struct credential *credential = field;
    struct slice url;
    const char *fault;
    int r = value_string(node, &credential->upstream);

    if (r < 0)
        return r;
    url = slice_of_string(credential->upstream);
    if (slice_ends_with(url, SLICE("/")))
        credential->upstream[--url.n] = '\0';
    fault = uri_parse_upstream(url, &credential->authority);
    if (fault)
        return node_fail(node, "%s; write it as https://HOST[:PORT][/PATH]", fault);
    if (!credential->authority.is_tls && !is_loopback(&credential->authority)) {
        const char *scheme = ascii_lower(url.p[0]) == 'w' ? "ws" : "http"; /* "s" makes either the safe one */

        return node_fail(node,
                         "%s:// would send the key unencrypted; use %ss:// "
                         "(%s:// only to 127.0.0.1, [::1] or localhost)",
                         scheme, scheme, scheme);
    }
    return 0;
}

static int read_query(const struct node *node, void *field) {
    struct inject *inject = field;
    struct slice name;
    int r = value_string(node, &inject->name);

    if (r < 0)
        return r;
    inject->kind = INJECT_QUERY;
    name = slice_of_string(inject->name);
    if (name.n > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    /* RFC 3986 §2.3: then it reads the same to every server, escaped or not */
    if (!is_made_of(name, SLICE("-._~")))
        return node_fail(node, "has a character that can be read in two ways; use letters, digits and any of - . _ ~");
    return 0;
}

static int read_header(const struct node *node, void *field) {
    static const struct slice ours[] = {
        SLICE("Accept-Encoding"),
        SLICE("Connection"),
        SLICE("Content-Length"),
        SLICE("Expect"),
        SLICE("Host"),
        SLICE("Keep-Alive"),
        SLICE("TE"),
        SLICE("Trailer"),
        SLICE("Proxy-Authorization"),
        SLICE("Proxy-Connection"),
        SLICE("Upgrade"),
        SLICE("Transfer-Encoding"),
    };
    struct inject *inject = field;
    struct slice name;
    int r = value_string(node, &inject->name);

    if (r < 0)
        return r;
    inject->kind = INJECT_HEADER;
    name = slice_of_string(inject->name);
    if (name.n > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    if (!http_is_token(name))
        return node_fail(node, "not a header field's name; write it without colon and blanks, as Authorization");
    if (is_one_of(name, ours, ARRAY_LEN(ours)))
        return node_fail(node, "credfd writes this field itself; name the one that the API reads its key from, as "
                               "Authorization");
    return 0;
}

static int read_format(const struct node *node, void *field) {
    struct inject *inject = field;
    struct slice format;
    const char *place;
    int r = value_string(node, &inject->format);

    if (r < 0)
        return r;
    format = slice_of_string(inject->format);
    if (format.n > LIMIT_FORMAT)
        return node_fail(node, "too long; use at most %d characters", LIMIT_FORMAT);
    place = strstr(inject->format, "{}");
    if (!place || strstr(place + 2, "{}"))
        return node_fail(node, "must hold {} exactly once, where the key goes; write \"Bearer {}\", or \"{}\" alone");
    if (!http_is_field_value(format))
        return node_fail(node, "must not start or end with a blank; remove it");
    return 0;
}

static const struct schema_key inject_keys[] = {
    {"query", read_query},
    {"header", read_header},
    {"format", read_format},
};

static int read_inject(const struct node *node, void *field) {
    static const char one[] = "must say one way; write { query: NAME } or { header: NAME, format: \"Bearer {}\" }";
    const struct node *format = node_find(node, "format");
    struct inject *inject = field;
    int r;

    if (node_find(node, "query") && node_find(node, "header"))
        return node_fail(node, "%s", one);
    r = schema_read(inject_keys, ARRAY_LEN(inject_keys), node, inject);
    if (r < 0)
        return r;
    if (!inject->name)
        return node_fail(node, "%s", one);
    if (inject->kind == INJECT_QUERY)
        return format ? node_fail(format, "goes with `header` only; remove it") : 0;
    if (!inject->format)
        inject->format = strdup("{}");
    return inject->format ? 0 : -ENOMEM;
}

/* `get` is a method of its own (RFC 9110 §9.1), but nobody who writes it here means that one. */
static bool is_small_method(struct slice method) {
    static const struct slice methods[] = {SLICE("GET"),   SLICE("HEAD"),   SLICE("POST"),   SLICE("PUT"),
                                           SLICE("PATCH"), SLICE("DELETE"), SLICE("OPTIONS")};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_equals_nocase(method, methods[i]))
            return !slice_equals(method, methods[i]);
    return false;
}

static int read_rule(const struct node *node, struct rule *rule) {
    struct slice text, method;
    const char *fault;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (text.n > LIMIT_RULE)
        return node_fail(node, "too long; use at most %d characters", LIMIT_RULE);
    method = slice_cut(&text, ' ');
    if (!text.p)
        return node_fail(node, "must be a method and a path; write \"GET /path/**\", with * for every method");
    if (method.n > LIMIT_METHOD || !http_is_token(method))
        return node_fail(node, "does not start with a method; write \"GET /path/**\", with * for every method");
    if (is_small_method(method))
        return node_fail(node, "a method is written in capitals; write \"GET /path/**\"");
    text = slice_trim(text);
    fault = glob_check(text);
    if (fault)
        return node_fail(node, "the rule's path is wrong: %s; write \"GET /path/*\", or /path/** for all below", fault);
    r = copy_text(method, &rule->method);
    return r < 0 ? r : copy_text(text, &rule->path);
}

static int read_allow(const struct node *node, void *field) {
    struct credential *credential = field;
    size_t n, text = 0;
    int r;

    if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("all"))) {
        credential->allows_all = true;
        return 0;
    }
    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "must be `all` or a list of rules; write [ \"GET /path/**\", \"POST /path\" ]");
    r = value_list(node, 0, LIMIT_RULES, &n);
    if (r < 0 || n == 0)
        return r;
    credential->allow = calloc(n, sizeof(credential->allow[0]));
    if (!credential->allow)
        return -ENOMEM;
    for (const struct node *item = node_first(node); item; item = node_next(item)) {
        r = read_rule(item, &credential->allow[credential->n_allow++]);
        if (r < 0)
            return r;
        text += node_scalar(item).n;
        if (text > LIMIT_RULES_TEXT)
            return node_fail(item, "the rules together are too long; use at most %d characters", LIMIT_RULES_TEXT);
    }
    return 0;
}

/* Each {…} must be one that `run` fills in: a mistyped one would reach the command as it is. */
static int check_template(const struct node *node, struct slice text) {
    static const struct slice known[] = {SLICE("fd"), SLICE("name"), SLICE("upstream"), SLICE("host")};
    struct slice rest = text;

    for (;;) {
        struct slice word;
        size_t i = 0;

        (void)slice_cut(&rest, '{');
        if (!rest.p)
            return 0;
        word = slice_cut(&rest, '}');
        while (i < ARRAY_LEN(known) && !slice_equals(word, known[i]))
            i++;
        if (!rest.p || i == ARRAY_LEN(known))
            return node_fail(node, "{ starts nothing known here; use {fd}, {name}, {upstream} or {host}");
    }
}

static int read_env_entry(const struct node *node, struct env_entry *entry) {
    struct slice name = node_key(node), value;
    int r;

    if (!settings_is_variable(name))
        return node_fail(node, "no name for an environment variable; use letters, digits and `_`, and no digit first");
    if (slice_equals(name, SLICE("CREDFD")))
        return node_fail(node, "`credfd run` sets this variable itself; choose another name");
    r = value_text(node, &value);
    if (r < 0)
        return r;
    r = check_template(node, value);
    if (r < 0)
        return r;
    r = copy_text(name, &entry->name);
    return r < 0 ? r : copy_text(value, &entry->value);
}

static int read_env(const struct node *node, void *field) {
    struct credential *credential = field;
    size_t n;
    int r = value_mapping(node, &n);

    if (r < 0 || n == 0)
        return r;
    credential->env = calloc(n, sizeof(credential->env[0]));
    if (!credential->env)
        return -ENOMEM;
    for (const struct node *item = node_first(node); item; item = node_next(item)) {
        r = read_env_entry(item, &credential->env[credential->n_env++]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_bool(const struct node *node, void *field) {
    return value_bool(node, field);
}

#define AT(member) offsetof(struct credential, member)

static const struct schema_key credential_keys[] = {
    {"name", read_name, AT(name), "add name: and a word to call the credential by"},
    {"secret", settings_read_secret, AT(secret), "add secret: { file: PATH }, { env: NAME } or { fd: NUMBER }"},
    {"upstream", read_upstream, 0, "add upstream: https://HOST, the one place where the key may go"},
    {"inject", read_inject, AT(inject), "add inject: { query: NAME } or { header: NAME, format: \"Bearer {}\" }"},
    {"allow", read_allow},
    {"env", read_env},
    {"ca_file", settings_read_ca_file, AT(ca_file)},
    {"allow_private", read_bool, AT(allows_private)},
    {"response_timeout", settings_read_timeout, AT(response_timeout_ms)},
};

int credential_read(const struct node *node, struct credential *credential) {
    credential->response_timeout_ms = TIMEOUT_RESPONSE;
    return schema_read(credential_keys, ARRAY_LEN(credential_keys), node, credential);
}

void credential_done(struct credential *credential) {
    free(credential->name);
    free(credential->secret.path);
    free(credential->secret.variable);
    free(credential->secret.where);
    free(credential->upstream);
    free(credential->inject.name);
    free(credential->inject.format);
    for (size_t i = 0; i < credential->n_allow; i++) {
        free(credential->allow[i].method);
        free(credential->allow[i].path);
    }
    free(credential->allow);
    for (size_t i = 0; i < credential->n_env; i++) {
        free(credential->env[i].name);
        free(credential->env[i].value);
    }
    free(credential->env);
    free(credential->ca_file);
    *credential = (struct credential){0};
}
