#include "ingress/settings_proof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_file.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "ingress/front/jwks_url.h"
#include "ingress/settings.h"
#include "ingress/settings_header.h"

#define AT(member) offsetof(struct trust_settings, member)

static const struct file_rule pem_rule = {
    .max = LIMIT_CA_FILE,
    .mend_absent = "create it, or correct the path, which starts from this file's directory unless it starts with /",
    .mend_kind = "name one file in PEM form",
    .mend_empty = "put it in PEM form in there",
    .mend_large = "name the right file",
};

/* A handler; `field` is a char * that becomes a path. */
static int read_file(const struct node *node, void *field) {
    _cleanup_free_ char *fault = NULL;
    char **path = field;
    struct stat st;
    int r = value_path(node, path);

    if (r == 0)
        r = settings_check_file(*path, &pem_rule, &st, &fault);
    return r == -EINVAL && fault ? node_fail(node, "%s", fault) : r;
}

/* A handler; one that every user of the machine may read is refused. */
static int read_key_file(const struct node *node, void *field) {
    char **path = field;
    struct stat st;
    int r = read_file(node, field);

    if (r < 0 || stat(*path, &st) < 0 || !(st.st_mode & S_IRWXO))
        return r;
    return node_fail(node, "every user of this machine may get at the file (mode %04o); close it with chmod 600",
                     st.st_mode & 07777);
}

static const struct schema_key secret_keys[] = {
    {"header", settings_read_header, AT(shared_secret.header), "add header: X-Front-Secret"},
    {"secret", settings_read_secret, AT(shared_secret.secret), "add secret: { file: PATH }"},
};

int settings_read_shared_secret(const struct node *node, void *field) {
    struct trust_settings *trust = field;
    int r = schema_read(secret_keys, ARRAY_LEN(secret_keys), node, trust);

    trust->shared_secret.secret.is_digest_enough = true;
    return r;
}

/* A handler; `field` is a char *, text of an assertion that is compared byte by byte. */
static int read_claim(const struct node *node, void *field) {
    char **text = field;
    int r = value_string(node, text);

    if (r == 0 && strlen(*text) > LIMIT_CLAIM)
        return node_fail(node, "too long; use at most %d characters", LIMIT_CLAIM);
    return r;
}

static int read_claim_name(const struct node *node, void *field) {
    char **name = field;
    int r = value_string(node, name);

    if (r < 0)
        return r;
    if (strlen(*name) > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    return 0;
}

static int read_jwks(const struct node *node, void *field) {
    struct trust_settings *trust = field;
    struct slice text = SLICE_EMPTY;
    const char *fault;
    struct jwks_url url;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (!memmem(text.p, text.n, "://", 3))
        return read_file(node, &trust->jwt.jwks);
    if (text.n > LIMIT_CLAIM)
        return node_fail(node, "too long; use at most %d characters", LIMIT_CLAIM);
    fault = jwks_url_parse(text, &url);
    if (fault)
        return node_fail(node, "%s; write it as https://HOST[:PORT]/PATH, or name a file", fault);
    return settings_copy(text, &trust->jwt.jwks);
}

static const struct schema_key jwt_keys[] = {
    {"header", settings_read_header, AT(jwt.header), "add header: X-authentik-jwt"},
    {"jwks", read_jwks, 0, "add jwks: and the https:// URL, or the file, of the keys that sign"},
    {"ca_file", settings_read_ca_file, AT(jwt.ca_file)},
    {"issuer", read_claim, AT(jwt.issuer), "add issuer: and what `iss` must be"},
    {"audience", read_claim, AT(jwt.audience),
     "add audience: and what `aud` must be, so that an assertion for another "
     "application is none here"},
    {"claim", read_claim_name, AT(jwt.claim)},
};

int settings_read_jwt(const struct node *node, void *field) {
    struct trust_settings *trust = field;
    int r = schema_read(jwt_keys, ARRAY_LEN(jwt_keys), node, trust);

    if (r < 0)
        return r;
    if (trust->jwt.ca_file && trust->jwt.jwks[0] == '/')
        return node_fail(node_find(node, "ca_file"), "goes with a URL of keys only; remove it");
    return trust->jwt.claim ? 0 : settings_copy(SLICE("preferred_username"), &trust->jwt.claim);
}

static int read_names(const struct node *node, void *field) {
    struct trust_settings *trust = field;
    int r = value_strings(node, 1, LIMIT_TRUSTED_PEERS, &trust->mtls.names, &trust->mtls.n_names);
    const struct node *item = node_first(node);

    for (size_t i = 0; r == 0 && i < trust->mtls.n_names; i++, item = node_next(item))
        if (strlen(trust->mtls.names[i]) > LIMIT_HOST)
            return node_fail(item, "too long; use at most %d characters", LIMIT_HOST);
    return r;
}

static const struct schema_key mtls_keys[] = {
    {"certificate", read_file, AT(mtls.certificate), "add certificate: and the file of the one that is shown"},
    {"key", read_key_file, AT(mtls.key), "add key: and the file of the certificate's key"},
    {"ca", settings_read_ca_file, AT(mtls.ca), "add ca: and the file of the CA that signs the fronts' certificates"},
    {"names", read_names, 0, "add names: and a list of names, of which a front's certificate must have one"},
};

int settings_read_mtls(const struct node *node, void *field) {
    return schema_read(mtls_keys, ARRAY_LEN(mtls_keys), node, field);
}
