#include "ingress/table/table_entry.h"

#include <sys/un.h>

#include "base/num.h"
#include "ingress/table/person.h"
#include "net/address.h"

const char *const entry_key_names[ENTRY_KEYS] = {
    [ENTRY_OS_USER] = "os_user", [ENTRY_PORT] = "port", [ENTRY_HOST] = "host",       [ENTRY_UNIX] = "unix",
    [ENTRY_START] = "start",     [ENTRY_AT] = "at",     [ENTRY_PROFILE] = "profile", [ENTRY_NAMES] = "names",
};

static const char too_large[] = "the entry is too large; shorten it";

/* Not all of it at once: most of an entry's memory is never touched. */
void entry_reset(struct entry *entry) {
    for (size_t i = 0; i < ENTRY_KEYS; i++) {
        entry->text[i] = SLICE_EMPTY;
        entry->line[i] = 0;
    }
    entry->at_host = entry->at_prefix = SLICE_EMPTY;
    entry->n_names = entry->n_kept = 0;
    entry->port = 0;
}

enum entry_key entry_key_find(struct slice word) {
    enum entry_key key = 0;

    while (key < ENTRY_KEYS && !slice_equals(word, slice_of_string(entry_key_names[key])))
        key++;
    return key;
}

/* A copy that lives as long as the entry. */
static bool keep(struct entry *entry, struct slice text, struct slice *ret) {
    char *to = entry->kept + entry->n_kept;

    if (text.n > sizeof(entry->kept) - entry->n_kept)
        return false;
    memcpy(to, text.p, text.n);
    entry->n_kept += text.n;
    *ret = slice_of(to, text.n);
    return true;
}

static bool is_small_letter(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word_char(char c) {
    return is_small_letter(ascii_lower(c)) || is_digit(c) || c == '-' || c == '_' || c == '.';
}

/* ^[a-z_][a-z0-9_-]{0,31}$: what the mint wrapper takes. */
static const char *check_os_user(struct slice text) {
    bool is_one = text.n > 0 && text.n <= LIMIT_OS_USER && (is_small_letter(text.p[0]) || text.p[0] == '_');

    for (size_t i = 0; is_one && i < text.n; i++)
        is_one = is_small_letter(text.p[i]) || is_digit(text.p[i]) || text.p[i] == '_' || text.p[i] == '-';
    return is_one ? NULL : "is no user's name; use a to z, 0 to 9, _ and -, no digit or - first, 32 at most";
}

/* A name whose last label is all digits would be an address in a form that only some resolvers read. */
static bool is_host_name(struct slice text) {
    size_t label = 0;
    bool is_number = true;

    if (text.n == 0 || text.n > LIMIT_HOST)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (!is_word_char(text.p[i]))
            return false;
        is_number = text.p[i] == '.' ? true : is_number && is_digit(text.p[i]);
        label = text.p[i] == '.' ? 0 : label + 1;
        if (label == 0 && (i == 0 || text.p[i - 1] == '.'))
            return false;
    }
    return label > 0 && !is_number;
}

static const char *check_host(struct slice text) {
    struct address address;

    if (address_parse(text, 0, &address) == 0 || is_host_name(text))
        return NULL;
    return "is no host; write a name or an address, the port under `port`";
}

static const char *check_unix(struct slice text) {
    if (text.n == 0 || text.p[0] != '/')
        return "must be the path of a socket, from /";
    if (text.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return "is longer than the path of a socket may be; 107 bytes at most";
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return "has a control character in it; remove it";
    return NULL;
}

static bool is_startable(struct slice unit) {
    return slice_ends_with(unit, SLICE(".service")) || slice_ends_with(unit, SLICE(".socket")) ||
           slice_ends_with(unit, SLICE(".target"));
}

/* systemd.unit(5), and the places where the user's name goes: nothing else is filled in (steward/start_plan.h). */
static const char *check_start(struct slice text) {
    const struct slice place = SLICE("{os_user}");
    struct slice rest = text;
    bool is_one = text.n > 0 && text.n <= 2 * LIMIT_NAME && !slice_has(SLICE("-.@"), text.p[0]) && is_startable(text);

    while (is_one && rest.n > 0) {
        bool is_place = slice_starts_with(rest, place);

        is_one = is_place || is_word_char(rest.p[0]) || slice_has(SLICE(":\\@"), rest.p[0]);
        rest = slice_from(rest, is_place ? place.n : 1);
    }
    return is_one ? NULL
                  : "is no unit's name, in which {os_user} alone is filled in; write one as \"t3@{os_user}.service\", "
                    "in quotes";
}

static const char *check_profile(struct slice text) {
    bool is_one = text.n > 0 && text.n <= LIMIT_NAME && text.p[0] != '.';

    for (size_t i = 0; is_one && i < text.n; i++)
        is_one = is_word_char(text.p[i]);
    return is_one ? NULL : "is no profile's name; use letters, digits, -, _ and .";
}

/* As it stands in a request's target, undecoded. */
static bool is_prefix(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= 0x20 || text.p[i] > 0x7e || slice_has(SLICE("?#\\*"), text.p[i]))
            return false;
    return text.n <= LIMIT_BASE_PATH;
}

/* HOST, /PREFIX or HOST/PREFIX. */
static const char *take_at(struct entry *entry, struct slice text) {
    size_t slash = slice_index(text, '/');
    struct slice host = slice_first(text, slash), prefix = slice_from(text, slash);
    struct address address;

    if (host.n == 0 && prefix.n == 0)
        return "is empty; write a host, a path, or both";
    if (host.n > 0 && address_parse(host, 0, &address) < 0 && !is_host_name(host))
        return "must be a host, a path from /, or both; write box.example.org/notes, without scheme and port";
    if (!is_prefix(prefix))
        return "has a path that no request has; use printable characters, no ? # * or backslash";
    while (slice_ends_with(prefix, SLICE("/")))
        prefix.n--;
    if (!keep(entry, host, &entry->at_host))
        return too_large;
    for (size_t i = entry->n_kept - host.n; i < entry->n_kept; i++)
        entry->kept[i] = ascii_lower(entry->kept[i]);
    return keep(entry, prefix, &entry->at_prefix) ? NULL : too_large;
}

static const char *take_port(struct entry *entry, const struct event *value) {
    uint64_t port;

    if (value->type != EVENT_SCALAR || !value->is_number || num_parse(value->text, UINT16_MAX, &port) < 0 || port == 0)
        return "must be a number from 1 to 65535, without quotes";
    if (value->text.p[0] == '0')
        return "begins with 0, which some read as an octal number; write it without";
    entry->port = (uint16_t)port;
    return NULL;
}

const char *entry_take(struct entry *entry, enum entry_key key, const struct event *value) {
    static const char *(*const checks[ENTRY_KEYS])(struct slice) = {
        [ENTRY_OS_USER] = check_os_user, [ENTRY_HOST] = check_host,       [ENTRY_UNIX] = check_unix,
        [ENTRY_START] = check_start,     [ENTRY_PROFILE] = check_profile,
    };
    const char *fault;

    if (key == ENTRY_PORT)
        return take_port(entry, value);
    if (value->type != EVENT_SCALAR || !value->is_text)
        return "must be text";
    if (key == ENTRY_AT)
        return take_at(entry, value->text);
    fault = checks[key](value->text);
    if (fault)
        return fault;
    return keep(entry, value->text, &entry->text[key]) ? NULL : too_large;
}

const char *entry_check_name(struct slice name) {
    if (person_is_name(name))
        return NULL;
    if (slice_has(name, '@'))
        return "a name has no @; write what stands before it";
    return "is no name; use printable ASCII, no comma, no blank at its ends, 1 to 128 bytes";
}

const char *entry_take_name(struct entry *entry, const struct event *value) {
    struct entry_name *name = &entry->names[entry->n_names];
    const char *fault;

    if (entry->n_names == LIMIT_ENTRY_NAMES)
        return "more than 64 names; make it two entries";
    if (value->type != EVENT_SCALAR || !value->is_text)
        return "must be a list of names; write [ NAME, NAME ]";
    fault = entry_check_name(value->text);
    if (fault)
        return fault;
    if (!keep(entry, value->text, &name->text))
        return too_large;
    name->line = value->line;
    entry->n_names++;
    return NULL;
}

const char *entry_check(const struct entry *entry, enum entry_key *ret) {
    *ret = ENTRY_OS_USER;
    if (entry->line[ENTRY_OS_USER] == 0)
        return "is missing; add the user whose instance it is";
    if (entry->line[ENTRY_UNIX] > 0) {
        *ret = ENTRY_UNIX;
        if (entry->line[ENTRY_PORT] > 0 || entry->line[ENTRY_HOST] > 0)
            return "an instance is at a socket or at a port; remove one";
        return NULL;
    }
    *ret = ENTRY_PORT;
    return entry->line[ENTRY_PORT] > 0 ? NULL : "is missing; add the port of the instance, or `unix` with its socket";
}
