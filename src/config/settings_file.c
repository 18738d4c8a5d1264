#include "config/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "config/settings_text.h"
#include "config/value.h"

static const struct file_rule ca_rule = {
    .max = LIMIT_CA_FILE,
    .mend_absent = "create it, or correct the path, which starts from this file's directory unless it starts with /",
    .mend_kind = "name one file of certificates in PEM",
    .mend_empty = "put the CA's certificate in it, or remove the key",
    .mend_large = "keep the CA of this upstream alone in it",
};

static int refuse_access(char **ret_fault, const struct file_rule *rule, int error) {
    const char *mend = error == ENOENT || error == ENOTDIR ? rule->mend_absent
                       : error == EACCES                   ? "let this user read it"
                                                           : "name another";

    return settings_refuse(ret_fault, "the file cannot be read: %s; %s", strerror(error), mend);
}

int settings_check_file(const char *path, const struct file_rule *rule, struct stat *ret, char **ret_fault) {
    if (stat(path, ret) < 0)
        return refuse_access(ret_fault, rule, errno);
    if (!S_ISREG(ret->st_mode))
        return settings_refuse(ret_fault, "not a regular file; %s", rule->mend_kind);
    if (eaccess(path, R_OK) < 0)
        return refuse_access(ret_fault, rule, errno);
    if (ret->st_size == 0)
        return settings_refuse(ret_fault, "the file is empty; %s", rule->mend_empty);
    if (ret->st_size > rule->max)
        return settings_refuse(ret_fault, "the file is larger than %d KiB; %s", (int)(rule->max / 1024),
                               rule->mend_large);
    return 0;
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
    _cleanup_free_ char *fault = NULL;
    char **path = field;
    struct stat st;
    int r = value_path(node, path);

    if (r < 0)
        return r;
    r = settings_check_file(*path, &ca_rule, &st, &fault);
    if (r == -EINVAL)
        return node_fail(node, "%s", fault);
    return r == 0 ? check_pem(node, *path, (size_t)st.st_size) : r;
}
