#include "cmd/run_kept.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "egress/desk/broker.h"
#include "proc/child.h"

static const char *find_earlier(const struct settings *earlier, const char *word) {
    for (size_t i = 0; earlier && i < earlier->n_credentials; i++) {
        const struct secret_source *secret = &earlier->credentials[i].secret;

        if (secret->kind == SECRET_COMMAND && secret->program && strcmp(secret->argv[0], word) == 0)
            return secret->program;
    }
    return NULL;
}

int run_kept_find_programs(struct settings *settings, const struct settings *earlier) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->n_credentials; i++) {
        struct secret_source *secret = &settings->credentials[i].secret;

        if (secret->kind == SECRET_COMMAND)
            r = settings_find_program(secret, find_earlier(earlier, secret->argv[0]));
    }
    return r;
}

/* As it will be opened again: links on the way are the view's to keep as they are (sandbox/view_pin.h). */
static int make_absolute(const char *path, char **ret) {
    _cleanup_free_ char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);

    if (path[0] != '/' && !cwd)
        return errno == ENOMEM ? -ENOMEM : -ENOENT;
    return asprintf(ret, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", path) < 0 ? -ENOMEM : 0;
}

static int add(struct run_kept *kept, const char *path) {
    struct stat st;
    int r;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (kept->n == ARRAY_LEN(kept->paths))
        return -E2BIG;
    r = make_absolute(path, &kept->paths[kept->n]);
    if (r == 0)
        kept->n++;
    return r == -ENOENT ? 0 : r;
}

/* An interpreter's script is one of its words; which of them is not ours to know, so all that are files. */
static int add_command(struct run_kept *kept, const struct secret_source *secret) {
    int r = secret->program ? add(kept, secret->program) : 0;

    for (char **word = secret->argv + 1; r == 0 && *word; word++)
        r = add(kept, *word);
    return r;
}

static int add_credential(struct run_kept *kept, const struct credential *credential) {
    int r = credential->ca_file ? add(kept, credential->ca_file) : 0;

    return r == 0 && credential->secret.kind == SECRET_COMMAND ? add_command(kept, &credential->secret) : r;
}

static int add_programs(struct run_kept *kept) {
    _cleanup_free_ char *self = realpath("/proc/self/exe", NULL);
    int r = self ? add(kept, self) : 0;

    for (const char *const *name = broker_programs; r == 0 && *name; name++) {
        char path[PATH_MAX];

        r = child_program_path(*name, path, sizeof(path));
        if (r == 0)
            r = add(kept, path);
    }
    return r;
}

int run_kept_list(const struct settings *settings, const char *const *rules, size_t n_rules, struct run_kept *ret) {
    const char *audit = settings->audit.file;
    int r = audit && strcmp(audit, "-") != 0 ? add(ret, audit) : 0;

    for (size_t i = 0; r == 0 && i < n_rules; i++)
        r = add(ret, rules[i]);
    for (size_t i = 0; r == 0 && i < settings->n_credentials; i++)
        r = add_credential(ret, &settings->credentials[i]);
    return r == 0 ? add_programs(ret) : r;
}

void run_kept_done(struct run_kept *kept) {
    while (kept->n > 0)
        free(kept->paths[--kept->n]);
}
