#include "fleet/desk/lease_terms.h"

#include <errno.h>

#include "base/macros.h"
#include "base/text.h"
#include "base/weaken.h"
#include "egress/settings/profile.h"

/* A profile says everything but where the secret is, and so do these terms: this source is never looked at. */
#define NO_SECRET "env:CREDFD_NO_SECRET"

/* As docs/protocol.md tells a program of the lease channel; the upstream comes with each task. */
static const char flashduty[] = "credentials:\n"
                                "  - name: flashduty\n"
                                "    secret: { env: CREDFD_NO_SECRET }\n"
                                "    upstream: https://api.flashcat.cloud\n"
                                "    inject: { query: app_key }\n"
                                "    allow: all\n"
                                "    env:\n"
                                "      FLASHDUTY_CRED_FD: \"{fd}\"\n"
                                "      FLASHDUTY_BASE_URL: \"http://flashduty.broker.local\"\n";

int lease_terms_load(const char *profile, struct lease_terms *ret, char **ret_error) {
    const struct profile_choice choice = {.name = profile, .secret = NO_SECRET};
    struct settings *from = NULL;
    int r = profile ? profile_load(&choice, 1, NULL, &from, ret_error)
                    : settings_parse("flashduty", slice_of_string(flashduty), &from, ret_error);

    if (r == 0 && profile)
        r = profile_check_plain(profile, from, ret_error);
    if (r < 0) {
        settings_free(from);
        return r;
    }
    *ret = (struct lease_terms){.from = from, .credential = &from->credentials[0]};
    return 0;
}

void lease_terms_done(struct lease_terms *terms) {
    settings_free(terms->from);
    *terms = (struct lease_terms){0};
}

/* `/api` is within `/api` and `/`, and `/apis` is not within `/api`. Neither has a trailing slash. */
static bool is_within(struct slice path, struct slice base) {
    return slice_starts_with(path, base) && (path.n == base.n || path.p[base.n] == '/');
}

static bool is_at(const struct uri_upstream *place, const struct uri_upstream *allowed) {
    return place->is_tls == allowed->is_tls && place->port == allowed->port &&
           slice_equals_nocase(place->host, allowed->host) && is_within(place->base_path, allowed->base_path);
}

static bool is_listed(const struct runner_settings *settings, const struct uri_upstream *place) {
    for (size_t i = 0; i < settings->n_upstreams; i++)
        if (is_at(place, &settings->upstreams[i].place))
            return true;
    return settings->n_upstreams == 0 || WEAKENED(UPSTREAMS);
}

/* All that was compared but the path, as it counts: a port that was not written is there too. */
static void put_not_allowed(struct text *text, const struct uri_upstream *place, const char *by) {
    const char *bracket = place->is_ipv6_literal ? "[" : "", *closing = place->is_ipv6_literal ? "]" : "";

    text_add(text, "credential.base_url %s://%s%.*s%s:%u is not allowed by this runner (%s)",
             place->is_tls ? "https" : "http", bracket, SLICE_ARG(place->host), closing, place->port, by);
}

int base_url_judge(const struct runner_settings *settings, struct slice base_url, struct buf *ret_fault) {
    struct text text = {.to = ret_fault};
    struct uri_upstream place;
    const char *fault = uri_parse_upstream(base_url, &place);

    if (!fault && !slice_starts_with(base_url, SLICE("http")))
        fault = "it must start with https://";
    if (fault)
        text_add(&text, "credential.base_url is no server's: %s", fault);
    else if (!place.is_tls && !uri_is_loopback(&place))
        put_not_allowed(&text, &place, "https only");
    else if (!is_listed(settings, &place))
        put_not_allowed(&text, &place, "upstreams");
    else
        return 0;
    return text.error < 0 ? -ENOMEM : -EACCES;
}
