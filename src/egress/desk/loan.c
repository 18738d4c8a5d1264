#include "egress/desk/loan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/limits.h"
#include "config/settings_text.h"
#include "egress/credential.h"
#include "egress/settings/settings_credential.h"

#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d /* linux/magic.h, since 5.14 */
#endif

/* Neither of them, or a copy. */
static int copy_text(const char *from, char **ret) {
    *ret = from ? strdup(from) : NULL;
    return from && !*ret ? -ENOMEM : 0;
}

static int copy_injections(const struct credential *from, struct credential *to) {
    int r = 0;

    to->inject = calloc(from->n_inject, sizeof(*to->inject));
    if (!to->inject)
        return -ENOMEM;
    to->n_inject = from->n_inject;
    for (size_t i = 0; r == 0 && i < from->n_inject; i++) {
        to->inject[i].kind = from->inject[i].kind;
        r = copy_text(from->inject[i].name, &to->inject[i].name);
        if (r == 0)
            r = copy_text(from->inject[i].format, &to->inject[i].format);
    }
    return r;
}

static int copy_rules(const struct rule *from, size_t n, struct rule **ret, size_t *ret_n) {
    struct rule *rules = n > 0 ? calloc(n, sizeof(*rules)) : NULL;
    int r = 0;

    if (n == 0)
        return 0;
    if (!rules)
        return -ENOMEM;
    *ret = rules;
    *ret_n = n;
    for (size_t i = 0; r == 0 && i < n; i++) {
        rules[i].line = from[i].line;
        r = copy_text(from[i].method, &rules[i].method);
        if (r == 0)
            r = copy_text(from[i].path, &rules[i].path);
    }
    return r;
}

static int copy_executables(const struct credential *from, struct credential *to) {
    int r = 0;

    if (from->n_executables == 0)
        return 0;
    to->executables = calloc(from->n_executables + 1, sizeof(*to->executables));
    if (!to->executables)
        return -ENOMEM;
    for (; r == 0 && to->n_executables < from->n_executables; to->n_executables++)
        r = copy_text(from->executables[to->n_executables], &to->executables[to->n_executables]);
    return r;
}

static int copy_env(const struct credential *from, struct credential *to) {
    int r = 0;

    if (from->n_env == 0)
        return 0;
    to->env = calloc(from->n_env, sizeof(*to->env));
    if (!to->env)
        return -ENOMEM;
    to->n_env = from->n_env;
    for (size_t i = 0; r == 0 && i < from->n_env; i++) {
        r = copy_text(from->env[i].name, &to->env[i].name);
        if (r == 0)
            r = copy_text(from->env[i].value, &to->env[i].value);
    }
    return r;
}

static int copy_terms(const struct credential *from, struct credential *to) {
    int r = copy_injections(from, to);

    to->allows_all = from->allows_all;
    to->limits = from->limits;
    to->allows_private = from->allows_private;
    to->is_mask_off = from->is_mask_off;
    to->passes_cookies = from->passes_cookies;
    to->allows_websocket = from->allows_websocket;
    to->response_timeout_ms = from->response_timeout_ms;
    if (r == 0)
        r = copy_rules(from->allow, from->n_allow, &to->allow, &to->n_allow);
    if (r == 0)
        r = copy_rules(from->deny, from->n_deny, &to->deny, &to->n_deny);
    if (r == 0)
        r = copy_executables(from, to);
    if (r == 0)
        r = copy_env(from, to);
    if (r == 0)
        r = copy_text(from->placeholder, &to->placeholder);
    return r == 0 ? copy_text(from->ca_file, &to->ca_file) : r;
}

/* It stands in the audit, in the log and, without an escape, in the metrics. */
static bool is_name(const char *name) {
    size_t n = strlen(name);

    return n > 0 && n <= LIMIT_NAME && settings_is_made_of(slice_of(name, n), SLICE("._-"));
}

int loan_credential(const struct loan *loan, struct credential **ret) {
    struct credential *credential;
    int r;

    if (!is_name(loan->name) || loan->terms->n_inject == 0)
        return -EINVAL;
    credential = calloc(1, sizeof(*credential));
    if (!credential)
        return -ENOMEM;
    credential->secret.fd = -EBADF;
    r = copy_text(loan->name, &credential->name);
    if (r == 0)
        r = copy_text(loan->upstream, &credential->upstream);
    if (r == 0)
        r = copy_terms(loan->terms, credential);
    if (r == 0 && (credential_read_upstream(credential) || credential_is_in_the_clear(credential)))
        r = -EINVAL;
    if (r < 0)
        loan_credential_free(credential);
    else
        *ret = credential;
    return r;
}

void loan_credential_free(struct credential *credential) {
    if (!credential)
        return;
    credential_done(credential);
    free(credential);
}

/* A memfd says which seals it has; memory of memfd_secret(2) has none, and never changes its size again. */
bool loan_is_key(int fd) {
    const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(fd, F_GET_SEALS);
    struct statfs where;
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > LIMIT_SECRET)
        return false;
    if (seals >= 0)
        return (seals & sealed) == sealed;
    return fstatfs(fd, &where) == 0 && where.f_type == SECRETMEM_MAGIC;
}
