#include "egress/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/document.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "egress/settings_credential.h"
#include "secrets/settings_secret.h"

/* Fills `*credential`, all zero, but for its secret. `name` is what it is called unless the file says otherwise. */
static int read_file(const char *path, const char *name, struct credential *credential, char **ret_description,
                     char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_load(path, &document, ret_error);

    if (r < 0)
        return r;
    r = credential_read_profile(document_root(document), credential);
    if (r == 0 && !credential->name)
        r = settings_copy(slice_of_string(name), &credential->name);
    if (r == 0)
        r = value_string(node_find(document_root(document), "description"), ret_description);
    if (r < 0)
        *ret_error = document_take_error(document);
    return r;
}

int profile_describe(const char *path, char **ret_description, char **ret_error) {
    struct credential credential = {0};
    int r = read_file(path, "", &credential, ret_description, ret_error);

    credential_done(&credential);
    return r;
}

/* What two credentials of one configuration may not share. `last` was read last. */
static int check_apart(const struct settings *settings, const struct credential *last, char **ret_error) {
    for (const struct credential *c = settings->credentials; c != last; c++) {
        if (strcmp(c->name, last->name) == 0)
            return settings_refuse(ret_error,
                                   "profile %s: given twice, or another one has the same name in its file; "
                                   "give each credential its own",
                                   last->name);
        if (c->secret.kind == SECRET_FD && last->secret.kind == SECRET_FD && c->secret.fd == last->secret.fd)
            return settings_refuse(ret_error,
                                   "%s: %s has the same descriptor, and it can be read once; give each its "
                                   "own",
                                   last->secret.where, c->name);
    }
    return 0;
}

static int add_choice(struct settings *settings, const struct profile_choice *choice, char **ret_error) {
    struct credential *credential = &settings->credentials[settings->n_credentials++];
    _cleanup_free_ char *path = NULL, *description = NULL, *where = NULL;
    int r = asprintf(&where, "--secret of %s", choice->name) < 0 ? -ENOMEM : 0;

    if (r < 0) {
        where = NULL;
        return r;
    }
    r = profile_find(choice->name, &path, ret_error);

    if (r == 0)
        r = read_file(path, choice->name, credential, &description, ret_error);
    if (r == 0)
        r = secret_source_parse(&credential->secret, where, choice->secret, ret_error);
    return r == 0 ? check_apart(settings, credential, ret_error) : r;
}

int profile_load(const struct profile_choice *choices, size_t n, struct settings **ret, char **ret_error) {
    _cleanup_settings_ struct settings *settings = settings_new("--profile");
    int r = 0;

    *ret_error = NULL;
    if (!settings)
        return -ENOMEM;
    settings->credentials = calloc(n, sizeof(settings->credentials[0]));
    if (!settings->credentials)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_choice(settings, &choices[i], ret_error);
    if (r == 0)
        *ret = steal_pointer(&settings);
    return r;
}
