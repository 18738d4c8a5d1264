#include "egress/environment.h"

#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/macros.h"

#define VARIABLE_MAX (128 * 1024) /* what execve takes of one string (MAX_ARG_STRLEN, execve(2)) */

static int append_word(struct buf *to, struct slice word, const struct credential *credential, int fd) {
    char number[16];

    if (slice_equals(word, SLICE("fd"))) {
        (void)snprintf(number, sizeof(number), "%d", fd);
        return buf_append(to, slice_of_string(number));
    }
    if (slice_equals(word, SLICE("name")))
        return buf_append(to, slice_of_string(credential->name));
    if (slice_equals(word, SLICE("upstream")))
        return buf_append(to, slice_of_string(credential->upstream));
    return buf_append(to, credential->authority.host); /* {host}: settings let no other word through */
}

/* Settings have checked that every brace has its partner and every word is known. */
static int fill_in(struct buf *to, const char *template, const struct credential *credential, int fd) {
    struct slice rest = slice_of_string(template);
    int r = 0;

    while (r == 0 && rest.p) {
        r = buf_append(to, slice_cut(&rest, '{'));
        if (r == 0 && rest.p)
            r = append_word(to, slice_cut(&rest, '}'), credential, fd);
    }
    return r;
}

static int add_entry(struct buf *to, const struct env_entry *entry, const struct credential *credential, int fd) {
    size_t before = buf_length(to);
    int r = buf_append(to, slice_of_string(entry->name));

    if (r == 0)
        r = buf_append(to, SLICE("="));
    if (r == 0)
        r = fill_in(to, entry->value, credential, fd);
    if (r == 0)
        r = buf_append(to, slice_of("", 1));
    return r == 0 && buf_length(to) - before > VARIABLE_MAX ? -ENOBUFS : r;
}

static int add_list(struct buf *to, const struct credential *const *credentials, size_t n, int first_fd) {
    int r = buf_append(to, SLICE("CREDFD="));

    for (size_t i = 0; r == 0 && i < n; i++) {
        char item[LIMIT_NAME + 16];

        (void)snprintf(item, sizeof(item), "%s%s=%d", i > 0 ? "," : "", credentials[i]->name, first_fd + (int)i);
        r = buf_append(to, slice_of_string(item));
    }
    return r == 0 ? buf_append(to, slice_of("", 1)) : r;
}

int environment_add(struct buf *to, const struct credential *const *credentials, size_t n, int first_fd) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        for (size_t j = 0; r == 0 && j < credentials[i]->n_env; j++)
            r = add_entry(to, &credentials[i]->env[j], credentials[i], first_fd + (int)i);
    return r == 0 ? add_list(to, credentials, n, first_fd) : r;
}
