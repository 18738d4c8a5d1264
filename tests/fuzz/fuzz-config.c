/*
 * The configuration, from bytes to settings: either settings in which everything holds that their header says, or one
 * printable line that starts with the file's name. What they name outside is looked at, and nothing is opened.
 */
#include "base/limits.h"
#include "base/macros.h"
#include "egress/credential.h"
#include "egress/settings/settings.h"
#include "fuzz.h"
#include "wire/glob.h"

static void require_secret(const struct secret_source *secret) {
    REQUIRE(strncmp(secret->where, "f.yaml:", 7) == 0 && strstr(secret->where, ".secret"));
    REQUIRE(secret->kind != SECRET_FILE || secret->path[0] == '/');
    REQUIRE(secret->kind != SECRET_SYSTEMD || !secret->path || secret->path[0] == '/');
    REQUIRE(secret->kind != SECRET_ENV || *secret->variable);
    REQUIRE((secret->kind == SECRET_FD) == (secret->fd >= 3));
    REQUIRE((secret->kind == SECRET_COMMAND) == (secret->argv && *secret->argv[0]));
    REQUIRE((secret->kind == SECRET_COMMAND) == (secret->timeout_ms > 0));
}

static void require_rules(const struct rule *rules, size_t n, size_t n_lines) {
    REQUIRE(n <= LIMIT_RULES);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(*rules[i].method && !glob_check(slice_of_string(rules[i].path)));
        REQUIRE(rules[i].line > 0 && rules[i].line <= n_lines);
    }
}

static void require_limits(const struct limits *limits) {
    REQUIRE((limits->rate_count > 0) == (limits->rate_ms > 0));
    REQUIRE(limits->rate_count <= LIMIT_LEASE_RATE && limits->requests <= LIMIT_LEASE_REQUESTS);
    REQUIRE(limits->bytes <= LIMIT_LEASE_BYTES && limits->max_body <= LIMIT_LEASE_BYTES);
    REQUIRE(limits->concurrent <= LIMIT_STREAMS && limits->ttl_ms <= LIMIT_LEASE_TTL);
}

static void require_credential(struct credential *c, const struct settings *settings, size_t n_lines) {
    struct slice upstream = slice_of_string(c->upstream);

    REQUIRE(*c->name && strlen(c->name) <= LIMIT_NAME && settings_credential(settings, c->name) == c);
    REQUIRE(is_inside(c->authority.host, upstream) && is_inside(c->authority.base_path, upstream));
    REQUIRE(c->authority.is_tls || c->authority.is_ipv6_literal || slice_has(SLICE("1lL"), c->authority.host.p[0]));
    REQUIRE(credential_is_sound(c)); /* as the keeper sees it */
    REQUIRE(!(c->allows_all && c->n_allow > 0));
    require_secret(&c->secret);
    require_rules(c->allow, c->n_allow, n_lines);
    require_rules(c->deny, c->n_deny, n_lines);
    require_limits(&c->limits);
    for (size_t i = 0; i < c->n_executables; i++)
        REQUIRE(c->executables[i][0] == '/');
    REQUIRE(c->response_timeout_ms > 0 && c->response_timeout_ms <= TIMEOUT_MAX);
}

static void require_audit(const struct audit_settings *audit) {
    REQUIRE(!audit->file || audit->file[0] == '/' || strcmp(audit->file, "-") == 0);
    REQUIRE(audit->rotate_bytes == 0 || audit->file[0] == '/');
    REQUIRE(audit->keep > 0 && audit->keep <= LIMIT_AUDIT_KEEP);
}

static size_t count_lines(const uint8_t *data, size_t size) {
    size_t n = 1;

    for (size_t i = 0; i < size; i++)
        n += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80; /* YAML knows more breaks than these two */
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *error = NULL;
    int r = settings_parse("f.yaml", slice_of(data, size), &settings, &error);

    REQUIRE((r == 0) == (settings != NULL) && (r == 0) == (error == NULL));
    REQUIRE(!error || strncmp(error, "f.yaml:", 7) == 0);
    for (const char *p = error; p && *p; p++)
        REQUIRE(*p >= 0x20 && *p <= 0x7e);
    for (size_t i = 0; settings && i < settings->n_credentials; i++)
        require_credential(&settings->credentials[i], settings, count_lines(data, size));
    if (settings)
        require_audit(&settings->audit);
    return 0;
}
