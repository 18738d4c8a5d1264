/*
 * The configuration, from bytes to settings: either settings in which everything holds that their header says, or one
 * printable line that starts with the file's name. What they name outside is looked at, and nothing is opened.
 */
#include "base/limits.h"
#include "base/macros.h"
#include "egress/settings.h"
#include "fuzz.h"
#include "wire/glob.h"

static void require_credential(const struct credential *c, const struct settings *settings) {
    struct slice upstream = slice_of_string(c->upstream);

    REQUIRE(*c->name && strlen(c->name) <= LIMIT_NAME && settings_credential(settings, c->name) == c);
    REQUIRE(strncmp(c->secret.where, "f.yaml:", 7) == 0 && strstr(c->secret.where, ".secret"));
    REQUIRE(c->secret.kind != SECRET_FILE || c->secret.path[0] == '/');
    REQUIRE(c->secret.kind != SECRET_FD || c->secret.fd >= 3);
    REQUIRE(is_inside(c->authority.host, upstream) && is_inside(c->authority.base_path, upstream));
    REQUIRE(c->authority.is_tls || c->authority.is_ipv6_literal || slice_has(SLICE("1lL"), c->authority.host.p[0]));
    REQUIRE(*c->inject.name && (c->inject.kind == INJECT_HEADER) == (c->inject.format != NULL));
    REQUIRE(!c->inject.format || strstr(c->inject.format, "{}"));
    REQUIRE(c->n_allow <= LIMIT_RULES && !(c->allows_all && c->n_allow > 0));
    for (size_t i = 0; i < c->n_allow; i++)
        REQUIRE(*c->allow[i].method && !glob_check(slice_of_string(c->allow[i].path)));
    REQUIRE(c->response_timeout_ms > 0 && c->response_timeout_ms <= TIMEOUT_MAX);
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
        require_credential(&settings->credentials[i], settings);
    return 0;
}
