#include "ingress/visit/page.h"

#include "base/json_line.h"
#include "base/text.h"

/* What a program switches on, and what a person reads. By our words; those without any are for a status. */
static const struct kind {
    unsigned status; /* of a row without words; 0 in the last, for whatever is left */
    const char *reason, *code, *title, *advice;
} kinds[] = {
    {0, PAGE_NOBODY, "nobody", "There is no workspace for you here",
     "You are signed in, but nobody has set up a workspace for your name.\n"
     "Ask your administrator for one. If you had one until now, your name may have been spelled differently when you "
     "signed in: sign out and in again."},
    {0, PAGE_MINT_FAILED, "mint_failed", "Your workspace could not be opened",
     "A new session for you could not be made. This is nothing that you have done.\n"
     "Try again in a minute. If it stays so, tell your administrator the words below."},
    {0, PAGE_UNPARSEABLE, "mint_unparseable", "Your workspace could not be opened",
     "A new session for you could not be made: what should let you in was not understood. This is nothing that you "
     "have "
     "done.\n"
     "Tell your administrator the words below: the command that mints credentials prints something unexpected."},
    {0, PAGE_UNREACHABLE, "unreachable", "Your workspace does not answer",
     "It may be starting, or it may have stopped.\n"
     "Try again in a minute. If it stays so, tell your administrator the words below."},
    {0, PAGE_REJECTED, "rejected", "Your workspace did not let you in",
     "It was asked for a session and gave none. This is nothing that you have done.\n"
     "Try again in a minute. If it stays so, tell your administrator the words below."},
    {0, PAGE_LOOP, "cookie_not_kept", "Your browser does not keep the session",
     "You were given a session just now, and your browser came back without it.\n"
     "Allow cookies for this site, also in a private window; switch off what blocks them; and check that the clock of "
     "this device is right. Then try again."},
    {0, PAGE_DENIED, "session_denied", "Your workspace forgets who you are",
     "It was asked for a session and made one, and a moment later it did not know it any more. Your browser has kept "
     "it; "
     "this is nothing that you have done.\n"
     "Try again in a minute. If it stays so, tell your administrator the words below."},
    {0, PAGE_LIMITED, "too_many_pairings", "That was too often",
     "Your workspace was asked for too many new sessions in a short time.\n"
     "Wait a moment and try again. If you have done nothing, close other windows that keep reloading."},
    {0, PAGE_NO_SESSION, "no_session", "You have no session yet",
     "Open the page itself in your browser; a session is made for you then."},
    {0, PAGE_DOWN, "instance_down", "Your workspace does not answer",
     "It may be starting again, or it may have stopped. What you had open there may be gone.\n"
     "Try again in a minute. If it stays so, ask your administrator to start it."},
    {0, PAGE_SLOW, "instance_slow", "Your workspace takes too long",
     "It is there, but did not answer in time. It may be busy with something large.\n"
     "Wait a little and try again."},
    {0, PAGE_GARBAGE, "instance_garbage", "Your workspace gave no proper answer",
     "What it said could not be understood.\n"
     "Try again in a minute. If it stays so, tell your administrator the words below."},
    {0, PAGE_STARTING, "starting", "Your workspace is starting",
     "This page goes on by itself as soon as it is ready. You need not do anything."},
    {0, PAGE_NOT_STARTED, "not_started", "Your workspace could not be started",
     "Try again in a minute. If it stays so, ask your administrator: what is wrong stands in the log of the service."},
    {0, PAGE_STRANGER, "stranger", "This is not the way in",
     "Come in by the address at which you sign in.\n"
     "For administrators: this request did not come from a trusted front. See trust in the dispatcher's "
     "configuration."},
    {0, PAGE_BAD_NAME, "bad_name", "The request was refused",
     "It says in more than one way, or in a way that cannot be believed, who you are.\n"
     "For administrators: the front must remove the identity field of its clients, and set it once."},
    {0, PAGE_NOT_ASSERTED, "not_asserted", "Your sign-in was not confirmed",
     "It may be too old. Sign in again.\n"
     "For administrators: the front's assertion does not hold; the log says why."},
    {0, PAGE_FOREIGN, "foreign", "Another site has sent this",
     "Your workspace takes this from its own pages only. Open it by its own address."},
    {0, PAGE_CROWDED, "too_much_open", "You have too much open",
     "More of your requests wait for your workspace than one person may have waiting.\n"
     "Close windows that hang, and try again."},
    {0, PAGE_BUSY, "busy", "One moment, please",
     "A part of the service is being started again. Try again in a moment."},
    {0, PAGE_BAD_REQUEST, "bad_request", "The request was not understood",
     "Go back, reload the page and try again. If a program has sent it, mend the program: only what can be read in one "
     "way is passed on."},
    {403, NULL, "forbidden", "This is not allowed", "Ask your administrator if you think that it should be."},
    {404, NULL, "not_found", "There is nothing here", "Check the address."},
    {405, NULL, "method_not_allowed", "This cannot be done here",
     "Go back, and try it in another way.\n"
     "For administrators: TRACE, TRACK and CONNECT are not passed on."},
    {408, NULL, "request_timeout", "The request took too long", "Try again."},
    {414, NULL, "target_too_long", "The address is too long",
     "Go back, and ask for less at once.\n"
     "For administrators: an address may have 8 KiB, its query among them."},
    {429, NULL, "too_many_requests", "That was too often", "Wait a moment and try again."},
    {431, NULL, "head_too_large", "Your browser sends too many cookies",
     "They are more than can be taken. Delete the cookies of this site, and of the one where you sign in. Then sign in "
     "again.\n"
     "For administrators: one field may have 16 KiB, all of them 64 KiB, and there may be 128. Let the sign-in keep "
     "its "
     "sessions at its server."},
    {500, NULL, "internal_error", "Something went wrong here", "Try again. If it stays so, tell your administrator."},
    {502, NULL, "instance_failed", "Your workspace gave no proper answer",
     "Try again in a minute. If it stays so, tell your administrator the words below."},
    {503, NULL, "unavailable", "One moment, please", "Try again in a moment."},
    {504, NULL, "instance_slow", "Your workspace takes too long", "Wait a little and try again."},
    {0, NULL, "bad_request", "The request was not understood",
     "Go back, reload the page and try again. If it stays so, tell your administrator the words below.\n"
     "For administrators: only what can be read in one way is passed on. Mend what has sent it, or what stands "
     "between."},
};

static const struct kind *kind_of(unsigned status, const char *reason) {
    const struct kind *found = &kinds[ARRAY_LEN(kinds) - 1];

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].reason && strcmp(kinds[i].reason, reason) == 0)
            return &kinds[i];
        if (!kinds[i].reason && kinds[i].status == status)
            found = &kinds[i];
    }
    return found;
}

struct page page_for(unsigned status, const char *reason) {
    const struct kind *kind = kind_of(status, reason);

    return (struct page){.status = status, .title = kind->title, .reason = reason, .advice = kind->advice};
}

static struct slice find(const struct http_field *fields, size_t n, enum http_name name) {
    for (size_t i = 0; i < n; i++)
        if (http_field_name(&fields[i]) == name)
            return fields[i].value;
    return SLICE_EMPTY;
}

/* Whether Accept names that type and does not refuse it (RFC 9110 §12.5.1). */
static bool accepts(const struct http_field *fields, size_t n, struct slice type) {
    for (size_t i = 0; i < n; i++) {
        struct slice rest = fields[i].value;

        if (http_field_name(&fields[i]) != HTTP_NAME_ACCEPT || rest.n < type.n)
            continue;
        while (rest.p) {
            struct slice weight = slice_cut(&rest, ',');

            if (slice_equals_nocase(slice_trim(slice_cut(&weight, ';')), type) &&
                (!weight.p || !slice_equals(slice_trim(weight), SLICE("q=0"))))
                return true;
        }
    }
    return false;
}

enum page_form page_form_for(const struct http_field *fields, size_t n) {
    struct slice dest = find(fields, n, HTTP_NAME_SEC_FETCH_DEST);
    bool is_document = slice_equals(dest, SLICE("document")) || slice_equals(dest, SLICE("iframe")) ||
                       slice_equals(dest, SLICE("frame"));

    if (is_document || (dest.n == 0 && accepts(fields, n, SLICE("text/html"))))
        return PAGE_HTML;
    return accepts(fields, n, SLICE("application/json")) ? PAGE_JSON : PAGE_TEXT;
}

size_t page_fields(enum page_form form, struct http_field to[static PAGE_FIELDS]) {
    static const struct slice types[] = {
        [PAGE_HTML] = SLICE("text/html; charset=utf-8"),
        [PAGE_TEXT] = SLICE("text/plain; charset=utf-8"),
        [PAGE_JSON] = SLICE("application/json"),
    };

    to[0] = (struct http_field){SLICE("Content-Type"), types[form]};
    to[1] = (struct http_field){SLICE("Cache-Control"), SLICE("no-store")};
    to[2] = (struct http_field){SLICE("Content-Security-Policy"), SLICE(PAGE_POLICY)};
    return form == PAGE_HTML ? 3 : 2;
}

/* Its hash stands in PAGE_POLICY: tests/unit/test-page.c says what it must be when this is changed. */
#define STYLE                                                                                                          \
    ":root{color-scheme:light dark;--ground:#f4f5f7;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#e2e6ec;"          \
    "--mark:#3557d6}"                                                                                                  \
    "@media(prefers-color-scheme:dark){:root{--ground:#11151b;--card:#1a2029;--ink:#e6eaf0;--soft:#97a3b4;"            \
    "--line:#2b3441;--mark:#8ea6ff}}"                                                                                  \
    "*{box-sizing:border-box}"                                                                                         \
    "body{margin:0;min-height:100vh;min-height:100dvh;display:grid;place-items:center;padding:1.5rem;"                 \
    "background:var(--ground);color:var(--ink);font:1.0625rem/1.6 system-ui,-apple-system,'Segoe UI',sans-serif}"      \
    "main{width:100%;max-width:34rem;padding:2rem;background:var(--card);border:1px solid var(--line);"                \
    "border-radius:1rem}"                                                                                              \
    "h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25;text-wrap:balance}"                                        \
    "p{margin:0 0 .75rem}"                                                                                             \
    ".status{margin-bottom:.5rem;color:var(--soft);font-size:.875rem;letter-spacing:.06em}"                            \
    "a{display:inline-block;margin-top:.75rem;padding:.6rem 1.25rem;border-radius:.6rem;background:var(--mark);"       \
    "color:var(--card);font-weight:600;text-decoration:none}"                                                          \
    "a:focus-visible{outline:3px solid var(--mark);outline-offset:3px}"                                                \
    "footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);"                    \
    "font-size:.875rem;overflow-wrap:anywhere}"                                                                        \
    ".wait{height:.25rem;margin:1.25rem 0 0;border-radius:1rem;overflow:hidden;background:var(--line)}"                \
    ".wait::before{content:'';display:block;width:35%;height:100%;border-radius:1rem;background:var(--mark);"          \
    "animation:go 1.4s ease-in-out infinite alternate}"                                                                \
    "@keyframes go{to{transform:translateX(186%)}}"                                                                    \
    "@media(prefers-reduced-motion:reduce){.wait::before{animation:none;width:100%}}"

static void put_string(struct text *text, const char *string) {
    text_put_html(text, slice_of_string(string));
}

static void put_advice(struct text *text, const char *advice) {
    struct slice rest = slice_of_string(advice);

    while (rest.p) {
        text_put(text, SLICE("<p>"));
        text_put_html(text, slice_cut(&rest, '\n'));
        text_put(text, SLICE("</p>\n"));
    }
}

static int write_html(const struct page *page, struct buf *to) {
    struct text text = {.to = to};

    text_put(&text, SLICE("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                          "<meta name=\"robots\" content=\"noindex\">\n"));
    if (page->refresh_s > 0)
        text_add(&text, "<meta http-equiv=\"refresh\" content=\"%u\">\n", page->refresh_s);
    text_put(&text, SLICE("<title>"));
    put_string(&text, page->title);
    text_put(&text, SLICE("</title>\n<style>" STYLE "</style>\n</head>\n<body>\n<main>\n"));
    if (page->refresh_s == 0) /* to wait is no fault, and has no number */
        text_add(&text, "<p class=\"status\">%u</p>\n", page->status);
    text_put(&text, SLICE("<h1>"));
    put_string(&text, page->title);
    text_put(&text, SLICE("</h1>\n"));
    put_advice(&text, page->advice);
    text_put(&text,
             page->refresh_s > 0 ? SLICE("<div class=\"wait\"></div>\n") : SLICE("<a href=\"\">Try again</a>\n"));
    text_put(&text, SLICE("<footer>"));
    put_string(&text, page->reason);
    if (page->field.n > 0) {
        text_put(&text, SLICE(": "));
        text_put_html(&text, page->field);
    }
    text_put(&text, SLICE("</footer>\n</main>\n</body>\n</html>\n"));
    return text.error;
}

static int write_text(const struct page *page, struct buf *to) {
    struct text text = {.to = to};

    text_put(&text, slice_of_string(page->reason));
    text_put(&text, SLICE("\n"));
    return text.error;
}

#define JSON_TEXT 512 /* of each text: ours are shorter */

static int write_json(const struct page *page, struct buf *to) {
    char line[128 + 5 * JSON_ESCAPED * JSON_TEXT];
    struct json_line w = {.p = line};

    json_put_member(&w, SLICE("{\"error\":"), slice_of_string(kind_of(page->status, page->reason)->code), JSON_TEXT);
    json_put_number_member(&w, SLICE(",\"status\":"), page->status);
    json_put_member(&w, SLICE(",\"reason\":"), slice_of_string(page->reason), JSON_TEXT);
    if (page->field.n > 0)
        json_put_member(&w, SLICE(",\"field\":"), page->field, JSON_TEXT);
    json_put_member(&w, SLICE(",\"hint\":"), slice_of_string(page->advice), JSON_TEXT);
    json_put(&w, SLICE("}\n"));
    return buf_append(to, slice_of(line, (size_t)(w.p - line)));
}

int page_write(const struct page *page, enum page_form form, struct buf *to) {
    switch (form) {
    case PAGE_HTML:
        return write_html(page, to);
    case PAGE_JSON:
        return write_json(page, to);
    case PAGE_TEXT:
    default:
        return write_text(page, to);
    }
}
