#include "fleet/desk/environment.h"

#include <errno.h>
#include <stdio.h>

#include "base/macros.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A `*` at the end stands for anything. */
static bool is_one_of(struct slice name, const struct slice *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct slice pattern = names[i];

        if (slice_ends_with(pattern, SLICE("*")) && slice_starts_with(name, slice_first(pattern, pattern.n - 1)))
            return true;
        if (slice_equals(name, pattern))
            return true;
    }
    return false;
}

/* What every program may need to know of the machine. All else is the runner's alone, secrets that it has there too. */
static bool is_passed_on(struct slice name) {
    static const struct slice names[] = {
        SLICE("PATH"),       SLICE("LANG"),        SLICE("LANGUAGE"),   SLICE("LC_*"),          SLICE("TZ"),
        SLICE("TERM"),       SLICE("TMPDIR"),      SLICE("HTTP_PROXY"), SLICE("HTTPS_PROXY"),   SLICE("NO_PROXY"),
        SLICE("http_proxy"), SLICE("https_proxy"), SLICE("no_proxy"),   SLICE("SSL_CERT_FILE"), SLICE("SSL_CERT_DIR"),
    };

    return is_one_of(name, names, ARRAY_LEN(names));
}

static bool is_of_a_user(struct slice name) {
    static const struct slice names[] = {SLICE("HOME"), SLICE("USER"), SLICE("LOGNAME"), SLICE("SHELL")};

    return is_one_of(name, names, ARRAY_LEN(names));
}

/* A proxy that wants a password is the runner's to use: what a command may know it may pass on. */
static bool has_password(struct slice name, struct slice value) {
    return (slice_ends_with(name, SLICE("_proxy")) || slice_ends_with(name, SLICE("_PROXY"))) && slice_has(value, '@');
}

static int put(struct buf *to, struct slice variable) {
    if (buf_room(to) < variable.n + 1)
        return 0;
    /* with its NUL, which stands behind every string here */
    return buf_append(to, slice_of(variable.p, variable.n + 1));
}

static int put_own(const char *const *environment, bool is_as_another, bool *ret_has_path, struct buf *to) {
    int r = 0;

    for (; r == 0 && *environment; environment++) {
        struct slice variable = slice_of_string(*environment), value = variable;
        struct slice name = slice_cut(&value, '=');

        if (!value.p || has_password(name, value))
            continue;
        if (!is_passed_on(name) && (is_as_another || !is_of_a_user(name)))
            continue;
        *ret_has_path = *ret_has_path || slice_equals(name, SLICE("PATH"));
        r = put(to, variable);
    }
    return r;
}

static int put_pair(struct buf *to, const char *name, const char *value) {
    _cleanup_free_ char *text = NULL;

    if (asprintf(&text, "%s=%s", name, value) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return put(to, slice_of_string(text));
}

static int put_user(struct buf *to, const struct passwd *user) {
    int r = put_pair(to, "HOME", user->pw_dir);

    if (r == 0)
        r = put_pair(to, "USER", user->pw_name);
    if (r == 0)
        r = put_pair(to, "LOGNAME", user->pw_name);
    return r == 0 ? put_pair(to, "SHELL", user->pw_shell) : r;
}

int environment_write(const char *const *environment, const struct passwd *user, struct buf *to) {
    bool has_path = false;
    int r = user ? put_user(to, user) : 0; /* first: for this there is room */

    if (r == 0)
        r = put_own(environment, user != NULL, &has_path, to);
    return r == 0 && !has_path ? put(to, SLICE("PATH=" DEFAULT_PATH)) : r;
}
