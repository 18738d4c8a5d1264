/*
 * What is added to an instance's documents so that a browser can install it as an app: HTML put behind the <head> tag
 * of a text/html response that is not encoded. Lengths stay exact: the response's head is kept back until the place is
 * found, or until it is certain that there is none in the first LIMIT_APP_LOOK bytes; then nothing is changed. Pure, a
 * step for each piece; what is split how makes no difference. Called by the dispatcher's visit.
 *
 * A document may leave its <head> tag out. It is not guessed then: whatever else comes first ends the search, so that
 * nothing in a comment, a script or a text is ever taken for it.
 */
#pragma once

#include "base/buf.h"
#include "relay/upstream.h"

enum app_state {
    APP_OFF,     /* nothing is added to this one; its head goes on at once */
    APP_LOOKING, /* the head is kept back */
    APP_FOUND,
    APP_NOT_FOUND,
};

/* Where in a document's markup the search stands: each is named for what it waits for. */
enum app_wait {
    APP_WAIT_MARK,      /* the rest of U+FEFF, which may stand before everything, or what follows it */
    APP_WAIT_TAG,       /* `<`, behind nothing but blanks */
    APP_WAIT_NAME,      /* the letter, `!` or `?` behind it */
    APP_WAIT_BANG,      /* `--`, or else it is a declaration */
    APP_WAIT_COMMENT,   /* the end of a comment */
    APP_WAIT_BOGUS,     /* `>`, of a declaration */
    APP_WAIT_NAME_END,  /* of a tag's name */
    APP_WAIT_ATTRIBUTE, /* its name, or `>` */
    APP_WAIT_EQUALS,    /* `=` behind a name, or another name, or `>` */
    APP_WAIT_VALUE,
    APP_WAIT_VALUE_END, /* a blank or `>` */
    APP_WAIT_QUOTE,     /* the one that ends a value */
    APP_WAITS,
};

struct app {
    const char *head; /* the recipe's; borrowed */
    struct buf held;  /* the beginning of a document, while the place is looked for */
    enum app_state state;
    enum app_wait wait;
    unsigned n;   /* bytes of the mark, of a name, of `--`; or how far a comment's end has come */
    char name[4]; /* of a tag: "html" and "head" are all that count */
    char quote;
    size_t looked; /* bytes */
};

/*
 * A response's head comes. True when its body is to be looked at: then the head is kept back until app_is_decided. For
 * HEAD, whose GET might be changed, what tells of the bytes is taken out: its length, and what app_settle takes out.
 * `fields` is where `response->fields` points to.
 */
bool app_begin(struct app *app, const char *head, bool is_head, struct response_head *response,
               struct http_field *fields);

/*
 * A piece of the body: what goes on instead, in at most three parts (valid until the next call, and as long as `data`).
 * Returns how many; 0 while the place is looked for. With `is_end` it is decided, whatever came.
 */
size_t app_take(struct app *app, struct slice data, bool is_end, struct slice ret_parts[static 3]);

static inline bool app_is_decided(const struct app *app) {
    return app->state != APP_LOOKING;
}

/*
 * Once it is decided, before the head goes on: a known length grows by what was added, and fields that tell of the bytes
 * as they were (a strong ETag, digests, Accept-Ranges) are taken out of `fields`. Nothing, where nothing was added.
 */
void app_settle(const struct app *app, struct response_head *response, struct http_field *fields);

/* Gives its memory back. Harmless on one that is all zero. */
void app_done(struct app *app);
