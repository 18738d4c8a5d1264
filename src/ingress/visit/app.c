#include "ingress/visit/app.h"

#include "base/macros.h"
#include "wire/http_head.h"

enum found { GO_ON, FOUND, GIVE_UP };

/*
 * What a browser does with the bytes before <head> (WHATWG HTML §13.2.5 and §13.2.6.4.1 to .3), one function for each
 * thing that is waited for. Whatever would make a browser begin the head, or the body, without a tag ends the search.
 */
typedef enum found wait_step(struct app *app, char c);
static wait_step wait_mark, wait_tag, wait_name, wait_bang, wait_comment, wait_bogus, wait_name_end, wait_attribute,
    wait_equals, wait_value, wait_value_end, wait_quote;

static wait_step *const steps[APP_WAITS] = {
    [APP_WAIT_MARK] = wait_mark,           [APP_WAIT_TAG] = wait_tag,
    [APP_WAIT_NAME] = wait_name,           [APP_WAIT_BANG] = wait_bang,
    [APP_WAIT_COMMENT] = wait_comment,     [APP_WAIT_BOGUS] = wait_bogus,
    [APP_WAIT_NAME_END] = wait_name_end,   [APP_WAIT_ATTRIBUTE] = wait_attribute,
    [APP_WAIT_EQUALS] = wait_equals,       [APP_WAIT_VALUE] = wait_value,
    [APP_WAIT_VALUE_END] = wait_value_end, [APP_WAIT_QUOTE] = wait_quote,
};

static enum found wait_for(struct app *app, enum app_wait what) {
    app->wait = what;
    app->n = 0;
    return GO_ON;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_letter(char c) {
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static enum found wait_mark(struct app *app, char c) {
    static const char mark[] = "\xEF\xBB\xBF";

    if (c == mark[app->n])
        return ++app->n == 3 ? wait_for(app, APP_WAIT_TAG) : GO_ON;
    if (app->n > 0)
        return GIVE_UP;
    (void)wait_for(app, APP_WAIT_TAG);
    return wait_tag(app, c);
}

static enum found wait_tag(struct app *app, char c) {
    if (c == '<')
        return wait_for(app, APP_WAIT_NAME);
    return is_blank(c) ? GO_ON : GIVE_UP;
}

static enum found wait_name(struct app *app, char c) {
    if (c == '!')
        return wait_for(app, APP_WAIT_BANG);
    if (c == '?')
        return wait_for(app, APP_WAIT_BOGUS);
    if (!is_letter(c))
        return GIVE_UP;
    (void)wait_for(app, APP_WAIT_NAME_END);
    return wait_name_end(app, c);
}

static enum found wait_bogus(struct app *app, char c) {
    return c == '>' ? wait_for(app, APP_WAIT_TAG) : GO_ON;
}

enum comment { COMMENT_BEGUN, COMMENT_BEGUN_DASH, COMMENT_TEXT, COMMENT_DASH, COMMENT_DASHES, COMMENT_BANG };

static enum found wait_bang(struct app *app, char c) {
    if (c != '-') {
        (void)wait_for(app, APP_WAIT_BOGUS);
        return wait_bogus(app, c);
    }
    return ++app->n == 2 ? wait_for(app, APP_WAIT_COMMENT) : GO_ON;
}

/* `-->`, `--!>`, and at its very beginning `>` and `->` too. */
static enum found wait_comment(struct app *app, char c) {
    static const unsigned char on_dash[] = {
        [COMMENT_BEGUN] = COMMENT_BEGUN_DASH, [COMMENT_BEGUN_DASH] = COMMENT_DASHES, [COMMENT_TEXT] = COMMENT_DASH,
        [COMMENT_DASH] = COMMENT_DASHES,      [COMMENT_DASHES] = COMMENT_DASHES,     [COMMENT_BANG] = COMMENT_DASH};

    if (c == '>' && app->n != COMMENT_TEXT && app->n != COMMENT_DASH)
        return wait_for(app, APP_WAIT_TAG);
    if (c == '-')
        app->n = on_dash[app->n];
    else
        app->n = c == '!' && app->n == COMMENT_DASHES ? COMMENT_BANG : COMMENT_TEXT;
    return GO_ON;
}

static bool is_named(const struct app *app, const char *name) {
    return memcmp(app->name, name, 4) == 0;
}

static enum found end_tag(struct app *app) {
    return is_named(app, "head") ? FOUND : wait_for(app, APP_WAIT_TAG);
}

static enum found wait_name_end(struct app *app, char c) {
    if (!is_blank(c) && c != '/' && c != '>') {
        if (app->n == sizeof(app->name))
            return GIVE_UP;
        app->name[app->n++] = ascii_lower(c);
        return GO_ON;
    }
    if (app->n != sizeof(app->name) || (!is_named(app, "html") && !is_named(app, "head")))
        return GIVE_UP;
    return c == '>' ? end_tag(app) : wait_for(app, APP_WAIT_ATTRIBUTE);
}

/* A `=` here begins a name. */
static enum found wait_attribute(struct app *app, char c) {
    if (c == '>')
        return end_tag(app);
    return is_blank(c) || c == '/' ? GO_ON : wait_for(app, APP_WAIT_EQUALS);
}

static enum found wait_equals(struct app *app, char c) {
    if (c == '>')
        return end_tag(app);
    if (c == '/')
        return wait_for(app, APP_WAIT_ATTRIBUTE);
    return c == '=' ? wait_for(app, APP_WAIT_VALUE) : GO_ON;
}

static enum found wait_value(struct app *app, char c) {
    if (is_blank(c))
        return GO_ON;
    if (c == '>')
        return end_tag(app);
    app->quote = c;
    return wait_for(app, c == '"' || c == '\'' ? APP_WAIT_QUOTE : APP_WAIT_VALUE_END);
}

static enum found wait_value_end(struct app *app, char c) {
    if (c == '>')
        return end_tag(app);
    return is_blank(c) ? wait_for(app, APP_WAIT_ATTRIBUTE) : GO_ON;
}

static enum found wait_quote(struct app *app, char c) {
    return c == app->quote ? wait_for(app, APP_WAIT_ATTRIBUTE) : GO_ON;
}

/* Looks on. With FOUND the place is behind the first `*ret_at` bytes of `data`. */
static enum found look(struct app *app, struct slice data, size_t *ret_at) {
    for (size_t i = 0; i < data.n && app->looked < LIMIT_APP_LOOK; i++, app->looked++) {
        enum found found = steps[app->wait](app, data.p[i]);

        if (found != GO_ON) {
            *ret_at = i + 1;
            return found;
        }
    }
    return app->looked < LIMIT_APP_LOOK ? GO_ON : GIVE_UP;
}

/* The value of the only field of that name; empty without one. False when there are several. */
static bool find_one(const struct response_head *response, struct slice name, struct slice *ret) {
    size_t n = 0;

    *ret = SLICE_EMPTY;
    for (size_t i = 0; i < response->n_fields; i++)
        if (slice_equals_nocase(response->fields[i].name, name)) {
            *ret = response->fields[i].value;
            n++;
        }
    return n <= 1;
}

static bool starts_with_nocase(struct slice text, struct slice prefix) {
    return slice_equals_nocase(slice_first(text, prefix.n), prefix);
}

static bool is_ascii(const char *text) {
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

/* Whether what is added means the same in it as in the recipe. */
static bool is_charset_fine(struct slice charset, const char *head) {
    static const struct slice like_ascii[] = {SLICE("us-ascii"), SLICE("iso-8859-"), SLICE("windows-125")};

    if (charset.n >= 2 && charset.p[0] == '"' && charset.p[charset.n - 1] == '"')
        charset = slice_of(charset.p + 1, charset.n - 2);
    if (slice_equals_nocase(charset, SLICE("utf-8")) || slice_equals_nocase(charset, SLICE("utf8")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(like_ascii); i++)
        if (starts_with_nocase(charset, like_ascii[i]))
            return is_ascii(head);
    return false;
}

/* text/html, in a charset that is known or in none that it tells. */
static bool is_html(struct slice type, const char *head) {
    struct slice rest = type;

    if (!slice_equals_nocase(slice_trim(slice_cut(&rest, ';')), SLICE("text/html")))
        return false;
    while (rest.p) {
        struct slice value = slice_trim(slice_cut(&rest, ';'));
        struct slice name = slice_trim(slice_cut(&value, '='));

        if (slice_equals_nocase(name, SLICE("charset")) && (!value.p || !is_charset_fine(slice_trim(value), head)))
            return false;
    }
    return true;
}

/* RFC 9111 §5.2.2.6: there, one who passes a response on must not change its content. */
static bool is_sealed(const struct response_head *response) {
    for (size_t i = 0; i < response->n_fields; i++) {
        struct slice rest = response->fields[i].value;

        while (slice_equals_nocase(response->fields[i].name, SLICE("Cache-Control")) && rest.p)
            if (slice_equals_nocase(slice_trim(slice_cut(&rest, ',')), SLICE("no-transform")))
                return true;
    }
    return false;
}

/* Whether this response is a document that may be added to, its body aside. */
static bool is_document(const struct response_head *response, const char *head) {
    struct slice type, encoding, range, disposition;

    return response->status == 200 && find_one(response, SLICE("Content-Type"), &type) && is_html(type, head) &&
           find_one(response, SLICE("Content-Encoding"), &encoding) &&
           (encoding.n == 0 || slice_equals_nocase(encoding, SLICE("identity"))) &&
           find_one(response, SLICE("Content-Range"), &range) && range.n == 0 &&
           find_one(response, SLICE("Content-Disposition"), &disposition) &&
           (disposition.n == 0 || starts_with_nocase(disposition, SLICE("inline"))) && !is_sealed(response);
}

/* Whether a field tells of the bytes as they were. A weak ETag does not (RFC 9110 §8.8.1). */
static bool is_of_bytes(const struct http_field *field) {
    static const struct slice names[] = {SLICE("Content-MD5"), SLICE("Digest"), SLICE("Content-Digest"),
                                         SLICE("Repr-Digest"), SLICE("Accept-Ranges")};

    if (slice_equals_nocase(field->name, SLICE("ETag")))
        return !slice_starts_with(field->value, SLICE("W/"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_equals_nocase(field->name, names[i]))
            return true;
    return false;
}

static void take_fields_out(struct response_head *response, struct http_field *fields) {
    size_t n = 0;

    for (size_t i = 0; i < response->n_fields; i++)
        if (!is_of_bytes(&fields[i]))
            fields[n++] = fields[i];
    response->n_fields = n;
}

bool app_begin(struct app *app, const char *head, bool is_head, struct response_head *response,
               struct http_field *fields) {
    *app = (struct app){.head = head};
    buf_init(&app->held, LIMIT_APP_LOOK);
    if (!head || !is_document(response, head))
        return false;
    if (is_head) {
        response->declared = (struct http_framing){.kind = HTTP_BODY_NONE};
        take_fields_out(response, fields);
        return false;
    }
    if (response->body.kind == HTTP_BODY_NONE ||
        (response->body.kind == HTTP_BODY_LENGTH && response->body.length > UINT64_MAX - strlen(head)))
        return false;
    app->state = APP_LOOKING;
    return true;
}

/* What was held, then `b` and `c`, those that are not empty. */
static size_t put_parts(struct app *app, struct slice b, struct slice c, struct slice ret_parts[static 3]) {
    const struct slice all[] = {buf_slice(&app->held), b, c};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].n > 0)
            ret_parts[n++] = all[i];
    return n;
}

size_t app_take(struct app *app, struct slice data, bool is_end, struct slice ret_parts[static 3]) {
    enum found found;
    size_t at = 0;

    if (app->state != APP_LOOKING) {
        buf_release(&app->held);
        return put_parts(app, data, SLICE_EMPTY, ret_parts);
    }
    found = look(app, data, &at);
    if (found == FOUND && buf_append(&app->held, slice_first(data, at)) == 0) {
        app->state = APP_FOUND;
        return put_parts(app, slice_of_string(app->head), slice_from(data, at), ret_parts);
    }
    if (found == GO_ON && !is_end && buf_append(&app->held, data) == 0)
        return 0;
    app->state = APP_NOT_FOUND;
    return put_parts(app, data, SLICE_EMPTY, ret_parts);
}

void app_settle(const struct app *app, struct response_head *response, struct http_field *fields) {
    if (app->state != APP_FOUND)
        return;
    if (response->body.kind == HTTP_BODY_LENGTH)
        response->body.length += strlen(app->head);
    response->declared = response->body;
    take_fields_out(response, fields);
}

void app_done(struct app *app) {
    buf_release(&app->held);
    *app = (struct app){0};
}
