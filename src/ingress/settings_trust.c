#include "ingress/settings_trust.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "config/schema.h"
#include "config/value.h"
#include "ingress/settings_proof.h"

static int read_peer(const struct node *node, struct network *ret) {
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (network_parse(text, ret) < 0)
        return node_fail(node, "must be an address or a range of them, with no bit set behind those that count; write "
                               "10.0.0.7, 10.0.0.0/8 or \"fd00::/8\"");
    return 0;
}

static int read_peers(const struct node *node, void *field) {
    struct trust_settings *trust = field;
    size_t n;
    int r = value_list(node, 0, LIMIT_TRUSTED_PEERS, &n);

    if (r < 0)
        return r;
    trust->peers = calloc(n + 1, sizeof(trust->peers[0])); /* none at all is a choice too: unix sockets alone */
    if (!trust->peers)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_peer(item, &trust->peers[trust->n_peers++]);
    return r;
}

/* A number, or the name of a user of this machine. */
static int read_user(const struct node *node, uint32_t *ret) {
    struct slice text = SLICE_EMPTY;
    const struct passwd *user;
    uint64_t number;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (num_parse(text, UINT32_MAX - 1, &number) == 0) {
        *ret = (uint32_t)number;
        return 0;
    }
    user = getpwnam(text.p);
    if (!user)
        return node_fail(node, "is no user of this machine; write a user's name or number");
    *ret = user->pw_uid;
    return 0;
}

static int read_users(const struct node *node, void *field) {
    struct trust_settings *trust = field;
    size_t n;
    int r;

    trust->names_users = true;
    if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("all"))) {
        trust->takes_all_uids = true;
        return 0;
    }
    if (node_kind(node) != NODE_LIST)
        return node_fail(node, "must be `all`, or a list of users who may connect to a unix socket; write "
                               "[ www-data ]");
    r = value_list(node, 0, LIMIT_TRUSTED_PEERS, &n);
    if (r < 0)
        return r;
    trust->uids = calloc(n + 1, sizeof(trust->uids[0]));
    if (!trust->uids)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_user(item, &trust->uids[trust->n_uids++]);
    return r;
}

static const struct schema_key trust_keys[] = {
    {"peers", read_peers},      {"users", read_users},        {"shared_secret", settings_read_shared_secret},
    {"jwt", settings_read_jwt}, {"mtls", settings_read_mtls},
};

int settings_read_trust(const struct node *node, void *field) {
    return schema_read(trust_keys, ARRAY_LEN(trust_keys), node, field);
}

static int default_peers(struct trust_settings *trust) {
    static const char *const loopback[] = {"127.0.0.0/8", "::1/128"};

    trust->peers = calloc(ARRAY_LEN(loopback), sizeof(trust->peers[0]));
    if (!trust->peers)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(loopback); i++)
        (void)network_parse(slice_of_string(loopback[i]), &trust->peers[trust->n_peers++]);
    return 0;
}

int settings_default_trust(struct trust_settings *trust) {
    trust->is_default = !trust->peers && !trust->names_users && !trust->shared_secret.header && !trust->jwt.header &&
                        !trust->mtls.certificate;
    if (!trust->names_users)
        trust->takes_all_uids = true;
    return trust->peers ? 0 : default_peers(trust);
}

void trust_settings_done(struct trust_settings *trust) {
    free(trust->peers);
    free(trust->uids);
    free(trust->shared_secret.header);
    secret_source_done(&trust->shared_secret.secret);
    free(trust->jwt.header);
    free(trust->jwt.jwks);
    free(trust->jwt.ca_file);
    free(trust->jwt.issuer);
    free(trust->jwt.audience);
    free(trust->jwt.claim);
    free(trust->mtls.certificate);
    free(trust->mtls.key);
    free(trust->mtls.ca);
    value_strings_free(trust->mtls.names);
}
