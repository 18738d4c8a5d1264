#include "ingress/desk/of_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/* NULL becomes an empty text. */
#define PUT(text, value) (void)snprintf((text), sizeof(text), "%s", (value) ? (value) : "")

static void put_trust(const struct trust_settings *trust, struct front *ret) {
    for (size_t i = 0; i < trust->n_peers; i++)
        ret->peers[ret->n_peers++] = trust->peers[i];
    for (size_t i = 0; i < trust->n_uids; i++)
        ret->uids[ret->n_uids++] = trust->uids[i];
    ret->takes_all_uids = trust->takes_all_uids;
    PUT(ret->secret_header, trust->shared_secret.header);
    PUT(ret->assertion_header, trust->jwt.header);
}

void front_of_settings(const struct dispatch_settings *settings, struct front *ret) {
    const struct dispatch_timeouts *t = &settings->timeouts;

    *ret = (struct front){
        .head_ms = t->head_ms,
        .idle_ms = t->idle_ms,
        .body_ms = t->body_ms,
        .write_ms = t->write_ms,
        .stream_ms = t->stream_ms,
        .connect_ms = t->connect_ms,
        .response_ms = t->response_ms,
    };
    put_trust(&settings->trust, ret);
    PUT(ret->identity_header, settings->identity.header);
    PUT(ret->status_path, settings->status_path);
    for (size_t i = 0; i < settings->identity.n_domains; i++)
        PUT(ret->domains[ret->n_domains++], settings->identity.domains[i]);
    for (size_t i = 0; i < settings->n_admins; i++)
        PUT(ret->admins[ret->n_admins++], settings->admins[i]);
}

static bool is_url(const char *jwks) {
    return jwks && jwks[0] != '/';
}

void assertion_rules_of_settings(const struct dispatch_settings *settings, struct assertion_rules *ret) {
    const struct trust_settings *trust = &settings->trust;

    *ret = (struct assertion_rules){0};
    PUT(ret->issuer, trust->jwt.issuer);
    PUT(ret->audience, trust->jwt.audience);
    PUT(ret->claim, trust->jwt.claim);
    if (is_url(trust->jwt.jwks))
        PUT(ret->url, trust->jwt.jwks);
    ret->has_ca = trust->jwt.ca_file != NULL;
}

void steward_rules_of_settings(const struct dispatch_settings *settings, struct steward_rules *ret) {
    const struct start_settings *start = &settings->start;

    *ret = (struct steward_rules){
        .has_start = start->start.argv != NULL,
        .has_stop = start->stop.argv != NULL,
        .wait_ms = start->wait_ms,
        .idle_ms = start->idle_ms,
        .health_ms = settings->metrics.listen ? HEALTH_EVERY : 0,
    };
    PUT(ret->unit, start->unit);
    PUT(ret->bus, getenv("DBUS_SYSTEM_BUS_ADDRESS"));
    PUT(ret->activity_path, start->activity_path);
    PUT(ret->activity_field, start->activity_field);
}
