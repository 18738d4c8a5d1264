#include "egress/settings/environment.h"

#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/macros.h"

#define VARIABLE_MAX (128 * 1024) /* what execve takes of one string (MAX_ARG_STRLEN, execve(2)) */
#define URL_MAX (sizeof("http://127.0.0.1:65535/") + LIMIT_PREFIX)

/* A template under way: which lease it is for. */
struct filling {
    const struct environment_lease *lease;
    int fd;
};

static int append_text(struct buf *to, const char *text) {
    return buf_append(to, slice_of_string(text));
}

static int append_fd(struct buf *to, const struct filling *filling) {
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", filling->fd);
    return append_text(to, number);
}

static int append_name(struct buf *to, const struct filling *filling) {
    return append_text(to, filling->lease->credential->name);
}

static int append_upstream(struct buf *to, const struct filling *filling) {
    return append_text(to, filling->lease->credential->upstream);
}

static int append_host(struct buf *to, const struct filling *filling) {
    return buf_append(to, filling->lease->credential->authority.host);
}

static int append_base_url(struct buf *to, const struct filling *filling) {
    const struct lease_doors *doors = filling->lease->doors;
    char url[URL_MAX];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s%s", doors->port, doors->prefix[0] ? "/" : "",
                   doors->prefix);
    return append_text(to, url);
}

static int append_socket(struct buf *to, const struct filling *filling) {
    return append_text(to, filling->lease->doors->socket_path);
}

static int append_placeholder(struct buf *to, const struct filling *filling) {
    return append_text(to, filling->lease->placeholder);
}

static const struct word {
    struct slice name;
    int (*append)(struct buf *to, const struct filling *filling);
} words[] = {
    {SLICE("fd"), append_fd},
    {SLICE("name"), append_name},
    {SLICE("upstream"), append_upstream},
    {SLICE("host"), append_host},
    {SLICE("base_url"), append_base_url},
    {SLICE("socket"), append_socket},
    {SLICE("placeholder"), append_placeholder},
};

static const struct word *find_word(struct slice name) {
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equals(name, words[i].name))
            return &words[i];
    return NULL;
}

bool environment_knows(struct slice word) {
    return find_word(word) != NULL;
}

/* The next {word} of a template, whose rest is `*rest` afterwards. False when there is none. */
static bool next_word(struct slice *rest, struct slice *ret_before, struct slice *ret_word) {
    *ret_before = slice_cut(rest, '{');
    if (!rest->p)
        return false;
    *ret_word = slice_cut(rest, '}');
    return true;
}

bool environment_names(const struct credential *credential, struct slice word) {
    for (size_t i = 0; i < credential->n_env; i++) {
        struct slice rest = slice_of_string(credential->env[i].value), before, found = SLICE_EMPTY;

        while (next_word(&rest, &before, &found))
            if (slice_equals(found, word))
                return true;
    }
    return false;
}

/* Settings have checked that every brace has its partner and every word is known. */
static int fill_in(struct buf *to, const char *template, const struct filling *filling) {
    struct slice rest = slice_of_string(template), before, word = SLICE_EMPTY;
    bool has_word;
    int r;

    do {
        const struct word *found;

        has_word = next_word(&rest, &before, &word);
        found = has_word ? find_word(word) : NULL;
        r = buf_append(to, before);
        if (r == 0 && found)
            r = found->append(to, filling);
    } while (r == 0 && has_word && rest.p);
    return r;
}

static int add_entry(struct buf *to, const struct env_entry *entry, const struct filling *filling) {
    size_t before = buf_length(to);
    int r = append_text(to, entry->name);

    if (r == 0)
        r = buf_append(to, SLICE("="));
    if (r == 0)
        r = fill_in(to, entry->value, filling);
    if (r == 0)
        r = buf_append(to, slice_of("", 1));
    return r == 0 && buf_length(to) - before > VARIABLE_MAX ? -ENOBUFS : r;
}

static int add_list(struct buf *to, const struct environment_lease *leases, size_t n, int first_fd) {
    int r = buf_append(to, SLICE("CREDFD="));

    for (size_t i = 0; r == 0 && i < n; i++) {
        char item[LIMIT_NAME + 16];

        (void)snprintf(item, sizeof(item), "%s%s=%d", i > 0 ? "," : "", leases[i].credential->name, first_fd + (int)i);
        r = append_text(to, item);
    }
    return r == 0 ? buf_append(to, slice_of("", 1)) : r;
}

int environment_add(struct buf *to, const struct environment_lease *leases, size_t n, int first_fd) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct filling filling = {.lease = &leases[i], .fd = first_fd + (int)i};
        const struct credential *credential = leases[i].credential;

        for (size_t j = 0; r == 0 && j < credential->n_env; j++)
            r = add_entry(to, &credential->env[j], &filling);
    }
    return r == 0 ? add_list(to, leases, n, first_fd) : r;
}
