#include "egress/settings/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/settings_text.h"
#include "egress/settings/environment.h"
#include "egress/settings/profile_file.h"
#include "secrets/settings_secret.h"

int profile_describe(const char *path, char **ret_description, char **ret_error) {
    _cleanup_profile_file_ struct profile_file file = {0};
    int r = profile_file_read(path, "", &file, ret_error);

    if (r == 0)
        *ret_description = steal_pointer(&file.description);
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
        if (c->secret.group != last->secret.group && c->secret.kind == SECRET_FD && last->secret.kind == SECRET_FD &&
            c->secret.fd == last->secret.fd)
            return settings_refuse(ret_error,
                                   "%s: %s has the same descriptor, and it can be read once; give each its "
                                   "own",
                                   last->secret.where, c->name);
    }
    return 0;
}

/* Takes everything out of the file. */
static int take_credentials(struct settings *settings, struct profile_file *file, char **ret_error) {
    size_t n;
    struct credential *from = profile_file_credentials(file, &n);

    if (settings->n_credentials + n > LIMIT_LEASES)
        return settings_refuse(ret_error, "--profile: more than %d credentials in all; leave some out", LIMIT_LEASES);
    for (size_t i = 0; i < n; i++) {
        settings->credentials[settings->n_credentials++] = from[i];
        from[i] = (struct credential){.secret.fd = -EBADF};
    }
    return 0;
}

/* Beside those of other profiles. */
static int take_egress(struct egress_settings *to, struct egress_settings *from) {
    struct gate_rule *rules;

    to->is_there |= from->is_there;
    if (from->n_allow == 0)
        return 0;
    rules = reallocarray(to->allow, to->n_allow + from->n_allow, sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    memcpy(rules + to->n_allow, from->allow, from->n_allow * sizeof(*rules));
    to->allow = rules;
    to->n_allow += from->n_allow;
    from->n_allow = 0;
    return 0;
}

static int add_file(struct settings *settings, const char *path, const char *name, char **ret_description,
                    char **ret_error) {
    _cleanup_profile_file_ struct profile_file file = {0};
    int r = profile_file_read(path, name, &file, ret_error);

    if (r == 0)
        r = take_credentials(settings, &file, ret_error);
    if (r == 0)
        r = take_egress(&settings->egress, &file.egress);
    if (r == 0 && ret_description)
        *ret_description = steal_pointer(&file.description);
    return r;
}

/* Of the credentials from `first` on: all the same one. */
static int set_secret(struct settings *settings, size_t first, uint32_t group, const struct profile_choice *choice,
                      char **ret_error) {
    _cleanup_free_ char *where = NULL;
    int r = 0;

    if (asprintf(&where, "--secret of %s", choice->name) < 0) {
        where = NULL;
        return -ENOMEM;
    }
    for (size_t i = first; r == 0 && i < settings->n_credentials; i++) {
        struct credential *credential = &settings->credentials[i];

        r = secret_source_parse(&credential->secret, where, choice->secret, ret_error);
        credential->secret.group = group;
        if (r == 0)
            r = check_apart(settings, credential, ret_error);
    }
    return r;
}

static int add_choice(struct settings *settings, uint32_t group, const struct profile_choice *choice, const char *path,
                      char **ret_error) {
    size_t first = settings->n_credentials;
    int r = add_file(settings, path, choice->name, NULL, ret_error);

    return r == 0 ? set_secret(settings, first, group, choice, ret_error) : r;
}

static struct settings *settings_for_profiles(void) {
    struct settings *settings = settings_new("--profile");

    if (settings)
        settings->credentials = calloc(LIMIT_LEASES, sizeof(settings->credentials[0]));
    if (settings && !settings->credentials) {
        settings_free(settings);
        return NULL;
    }
    return settings;
}

int profile_load(const struct profile_choice *choices, size_t n, char **paths, struct settings **ret,
                 char **ret_error) {
    _cleanup_settings_ struct settings *settings = settings_for_profiles();
    int r = settings ? 0 : -ENOMEM;

    *ret_error = NULL;
    for (size_t i = 0; r == 0 && i < n; i++) {
        _cleanup_free_ char *found = NULL;
        char **path = paths ? &paths[i] : &found;

        if (!*path)
            r = profile_find(choices[i].name, path, ret_error);
        if (r == 0)
            r = add_choice(settings, (uint32_t)i + 1, &choices[i], *path, ret_error);
    }
    if (r == 0)
        *ret = steal_pointer(&settings);
    return r;
}

int profile_read(const char *name, struct settings **ret, char **ret_path, char **ret_description, char **ret_error) {
    _cleanup_settings_ struct settings *settings = settings_for_profiles();
    _cleanup_free_ char *path = NULL;
    int r = settings ? profile_find(name, &path, ret_error) : -ENOMEM;

    if (r == 0)
        r = add_file(settings, path, name, ret_description, ret_error);
    if (r < 0)
        return r;
    *ret = steal_pointer(&settings);
    *ret_path = steal_pointer(&path);
    return 0;
}

int profile_check_plain(const char *name, const struct settings *settings, char **ret_error) {
    const struct credential *credential = &settings->credentials[0];

    if (settings->n_credentials > 1)
        return settings_refuse(ret_error,
                               "profile %s: has %zu credentials, and a task's key is one; copy it, and leave one of "
                               "them in it",
                               name, settings->n_credentials);
    if (settings->egress.is_there || environment_names(credential, SLICE("base_url")) ||
        environment_names(credential, SLICE("socket")))
        return settings_refuse(ret_error,
                               "profile %s: opens doors (`egress`, {base_url} or {socket}), and a task has its "
                               "descriptor alone; copy it, and leave these out",
                               name);
    return 0;
}
