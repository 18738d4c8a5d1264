#include "cmd/check_dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/macros.h"
#include "cmd/cmd.h"
#include "ingress/desk/recipes.h"
#include "ingress/settings.h"
#include "ingress/table/table.h"
#include "ingress/table/table_build.h"

static int complain(const char *error, int r) {
    log_error("%s", error ? error : strerror(-r));
    return r;
}

static int check_secret(const struct dispatch_settings *settings) {
    _cleanup_free_ char *error = NULL;
    int r = 0;

    if (settings->trust.shared_secret.header)
        r = settings_check_secret(&settings->trust.shared_secret.secret, &error);
    return r < 0 ? complain(error, r) : 0;
}

/* Whether there is a key of a kind that is taken. What it is worth, the verifier tells: here is no cryptography. */
static bool has_key(const json_t *set) {
    const json_t *key;
    size_t i;

    json_array_foreach(json_object_get(set, "keys"), i, key) {
        const char *type = json_string_value(json_object_get(key, "kty"));

        if (type && (strcmp(type, "RSA") == 0 || strcmp(type, "EC") == 0))
            return true;
    }
    return false;
}

static int check_keys(const struct dispatch_settings *settings) {
    const char *path = settings->trust.jwt.jwks;
    json_t *set = path && path[0] == '/' ? json_load_file(path, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool is_good = !path || path[0] != '/' || has_key(set);

    json_decref(set);
    if (is_good)
        return 0;
    log_error(
        "%s: dispatch.trust.jwt.jwks: %s: there is no key in it that can be used; name a JSON Web Key Set with an "
        "RSA or EC key",
        settings->path, path);
    return -EINVAL;
}

/* Every kind of instance that an entry names is read with it. */
static int read_table(const struct dispatch_settings *settings, struct table **ret) {
    struct recipes recipes = {0};
    const struct table_recipes numbers = {.number = recipes_number, .owner = &recipes, .fallback = settings->recipe};
    _cleanup_free_ char *error = NULL;
    int fd, r = recipes_number(&recipes, settings->recipe, &error);

    if (r >= 0)
        r = table_build(settings->table, 1, &numbers, &fd, &error);
    recipes_done(&recipes);
    if (r < 0)
        return complain(error, r);
    r = table_open(fd, ret);
    return r < 0 ? complain(NULL, r) : 0;
}

static void print_line(const struct dispatch_settings *settings, const struct table *table) {
    _cleanup_free_ char *places = listen_describe(settings);
    _cleanup_free_ char *trusted = trust_describe(&settings->trust);

    (void)printf("dispatch  %s  %" PRIu32 " name%s, %" PRIu32 " instance%s  believes %s\n", places ? places : "?",
                 table_names(table), table_names(table) == 1 ? "" : "s", table_count(table),
                 table_count(table) == 1 ? "" : "s", trusted ? trusted : "?");
}

/* In order, and weaker than it could be. */
static void warn_about(const struct dispatch_settings *settings) {
    struct stat st;

    for (size_t i = 0; i < settings->trust.n_peers; i++)
        if (settings->trust.peers[i].bits == 0 && !settings->trust.shared_secret.header && !settings->trust.jwt.header)
            log_warning("%s: dispatch.trust.peers: every address may name anybody; name those of the front, or add "
                        "shared_secret or jwt",
                        settings->path);
    if (stat(settings->table, &st) == 0 && (st.st_mode & S_IWOTH))
        log_warning("%s: every user of this machine may change who lands where (mode %04o); close it with chmod o-w",
                    settings->table, (unsigned)st.st_mode & 07777);
}

int check_dispatch(const char *path) {
    _cleanup_dispatch_settings_ struct dispatch_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;
    struct table *table = NULL;
    int r = dispatch_settings_load(path, &settings, &error);

    if (r < 0) {
        (void)complain(error, r);
        return EXIT_CREDFD;
    }
    warn_about(settings);
    r = check_secret(settings);
    if (check_keys(settings) < 0)
        r = -EINVAL;
    if (read_table(settings, &table) < 0)
        return EXIT_CREDFD;
    print_line(settings, table);
    table_unref(table);
    return r < 0 ? EXIT_CREDFD : EXIT_SUCCESS;
}
