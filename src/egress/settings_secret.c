#include "egress/settings_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/value.h"
#include "egress/settings.h"

/* What a file must be, and what to do about one that is not. */
struct file_rule {
    off_t max;
    const char *mend_kind, *mend_empty, *mend_large;
};

static const struct file_rule secret_rule = {
    .max = LIMIT_SECRET + 1, /* with the newline at its end */
    .mend_kind = "hand a pipe or a device over as `fd`",
    .mend_empty = "put the key in it",
    .mend_large = "put the key alone in it",
};

static const struct file_rule ca_rule = {
    .max = LIMIT_CA_FILE,
    .mend_kind = "name one file of certificates in PEM",
    .mend_empty = "put the CA's certificate in it, or remove the key",
    .mend_large = "keep the CA of this upstream alone in it",
};

static const char *mend_access(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return "create it, or correct the path, which starts from this file's directory unless it starts with /";
    case EACCES:
        return "let this user read it";
    default:
        return "name another";
    }
}

/* The path is not shown: it may be the key itself, put in the wrong place. Whoever opens the file checks it again. */
static int check_file(const struct node *node, const char *path, const struct file_rule *rule, struct stat *ret) {
    if (stat(path, ret) < 0)
        return node_fail(node, "the file cannot be read: %s; %s", strerror(errno), mend_access(errno));
    if (!S_ISREG(ret->st_mode))
        return node_fail(node, "not a regular file; %s", rule->mend_kind);
    if (eaccess(path, R_OK) < 0)
        return node_fail(node, "the file cannot be read: %s; %s", strerror(errno), mend_access(errno));
    if (ret->st_size == 0)
        return node_fail(node, "the file is empty; %s", rule->mend_empty);
    if (ret->st_size > rule->max)
        return node_fail(node, "the file is larger than %d KiB; %s", (int)(rule->max / 1024), rule->mend_large);
    return 0;
}

static int read_secret_file(const struct node *node, void *field) {
    struct secret_source *secret = field;
    struct stat st;
    int r = value_path(node, &secret->path);

    if (r < 0)
        return r;
    secret->kind = SECRET_FILE;
    r = check_file(node, secret->path, &secret_rule, &st);
    if (r < 0)
        return r;
    if (st.st_mode & S_IRWXO)
        return node_fail(node, "every user of this machine may get at the file (mode %04o); close it with chmod 600",
                         st.st_mode & 07777);
    return 0;
}

static int read_secret_env(const struct node *node, void *field) {
    struct secret_source *secret = field;
    const char *value;
    int r = value_string(node, &secret->variable);

    if (r < 0)
        return r;
    secret->kind = SECRET_ENV;
    if (!settings_is_variable(slice_of_string(secret->variable)))
        return node_fail(node, "`env` takes a variable's name, never the key itself; write { env: NAME }");
    value = getenv(secret->variable);
    if (!value)
        return node_fail(node, "the variable that `env` names is not set; export it before you start credfd");
    if (!*value)
        return node_fail(node, "the variable that `env` names is empty; put the key in it");
    return 0;
}

static int read_secret_fd(const struct node *node, void *field) {
    struct secret_source *secret = field;
    uint64_t number;
    int flags;
    int r = value_integer(node, INT_MAX, &number);

    if (r < 0)
        return r;
    secret->kind = SECRET_FD;
    secret->fd = (int)number;
    if (number <= STDERR_FILENO)
        return node_fail(node, "`fd` 0, 1 and 2 are standard input, output and error; use 3 or above");
    flags = fcntl(secret->fd, F_GETFL);
    if (flags < 0)
        return node_fail(node,
                         "the descriptor that `fd` names is not open; start credfd with it, as with 3<FILE in a shell");
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
        return node_fail(node, "the descriptor that `fd` names cannot be read from; open it for reading");
    return 0;
}

static const struct schema_key secret_keys[] = {
    {"file", read_secret_file},
    {"env", read_secret_env},
    {"fd", read_secret_fd},
};

int settings_read_secret(const struct node *node, void *field) {
    struct secret_source *secret = field;
    int r = node_where(node, &secret->where);

    if (r < 0)
        return r;
    secret->fd = -EBADF;
    if (node_kind(node) != NODE_MAPPING)
        return node_fail(node, "must say where the key is, never the key itself; write { file: PATH }, { env: NAME } "
                               "or { fd: NUMBER }");
    if (node_count(node) != 1)
        return node_fail(node, "must say one place; write exactly one of file, env and fd");
    return schema_read(secret_keys, ARRAY_LEN(secret_keys), node, secret);
}

/* A key in DER, or a page that says 404, would be found out by the first request only. */
static int check_pem(const struct node *node, const char *path, size_t size) {
    static const char *const labels[] = {"-----BEGIN CERTIFICATE-----", "-----BEGIN TRUSTED CERTIFICATE-----"};
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *bytes = malloc(MIN_OF(size, (size_t)LIMIT_CA_FILE));
    ssize_t n;

    if (!bytes)
        return -ENOMEM;
    n = fd < 0 ? -errno : fd_read_all(fd, bytes, MIN_OF(size, (size_t)LIMIT_CA_FILE));
    if (n < 0)
        return node_fail(node, "cannot be read: %s; check its permissions", strerror((int)-n));
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (memmem(bytes, (size_t)n, labels[i], strlen(labels[i])))
            return 0;
    return node_fail(node, "holds no certificate; name a file in PEM form");
}

int settings_read_ca_file(const struct node *node, void *field) {
    char **path = field;
    struct stat st;
    int r = value_path(node, path);

    if (r == 0)
        r = check_file(node, *path, &ca_rule, &st);
    return r == 0 ? check_pem(node, *path, (size_t)st.st_size) : r;
}

bool settings_is_variable(struct slice name) {
    for (size_t i = 0; i < name.n; i++) {
        char c = ascii_lower(name.p[i]);
        if (!(c >= 'a' && c <= 'z') && c != '_' && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.n > 0;
}
