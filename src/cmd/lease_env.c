#include "cmd/lease_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"

#define VALUE_MAX (128 * 1024) /* what execve takes of one string (MAX_ARG_STRLEN, execve(2)) */

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
    return r == 0 ? buf_append(to, slice_of("", 1)) : r;
}

static bool set_entry(const struct env_entry *entry, const struct credential *credential, int fd) {
    struct buf value;
    bool is_set;

    buf_init(&value, VALUE_MAX);
    is_set = fill_in(&value, entry->value, credential, fd) == 0 && setenv(entry->name, buf_slice(&value).p, 1) == 0;
    buf_release(&value);
    return is_set;
}

bool lease_env_set(const struct settings *settings, const char *const *names, size_t n_names, int first_fd) {
    char list[LIMIT_LEASES * (LIMIT_NAME + 8)];
    size_t at = 0;

    for (size_t i = 0; i < n_names; i++) {
        const struct credential *credential = settings_credential(settings, names[i]);
        int fd = first_fd + (int)i;

        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s=%d", i > 0 ? "," : "", names[i], fd);
        for (size_t j = 0; j < credential->n_env; j++)
            if (!set_entry(&credential->env[j], credential, fd))
                return false;
    }
    return setenv("CREDFD", list, 1) == 0;
}
