/*
 * Our own answers to a person: a page that says what happened and what to do, or the same in plain text or JSON for a
 * program. Pure: makes bodies. Never holds anything that a stranger has sent, but the name of a field that is at fault.
 */
#pragma once

#include "base/buf.h"
#include "wire/http_head.h"

/* With this Content-Security-Policy a page is sent: it has one style sheet, its own, and nothing else. */
#define PAGE_POLICY                                                                                                    \
    "default-src 'none'; style-src 'sha256-" PAGE_STYLE_SHA256 "'; base-uri 'none'; form-action 'none'; "              \
    "frame-ancestors 'self'"
#define PAGE_STYLE_SHA256 "032hGDMLwr9gkQJJElGOnXqfmQBrMqEayf0p8QlO8uQ="

/* The words of our answers: the whole of a text, with a newline. Those of contract come first, and are exact. */
#define PAGE_NOBODY "no t3 instance provisioned for this user"
#define PAGE_MINT_FAILED "pairing mint failed"
#define PAGE_UNPARSEABLE "unparseable pairing output"
#define PAGE_UNREACHABLE "bootstrap request failed"
#define PAGE_REJECTED "bootstrap rejected"
#define PAGE_LOOP "the session's cookie is not kept by the browser"
#define PAGE_DENIED "the instance denies the session that it has just made"
#define PAGE_LIMITED "too many pairings; try again later"
#define PAGE_NO_SESSION "there is no session; open the page itself first"
#define PAGE_DOWN "the instance does not answer"
#define PAGE_SLOW "the instance did not answer in time"
#define PAGE_GARBAGE "the instance answered with something that is not HTTP"
#define PAGE_STARTING "the instance is starting"
#define PAGE_NOT_STARTED "the instance could not be started"
#define PAGE_STRANGER "this peer is not trusted to name a person"
#define PAGE_BAD_NAME "the request names a person in two ways"
#define PAGE_NOT_ASSERTED "the front's assertion does not hold"
#define PAGE_FOREIGN "another site's page has sent this"
#define PAGE_CROWDED "too much of yours is under way; try again later"
#define PAGE_BUSY "a part of the dispatcher is being started again"
#define PAGE_BAD_REQUEST "the request is not understood"

enum page_form { PAGE_HTML, PAGE_TEXT, PAGE_JSON };

struct page {
    unsigned status;
    const char *title;  /* a constant: "This workspace does not answer" */
    const char *reason; /* contract's words, a constant: "bootstrap rejected" */
    const char *advice; /* what to do, a constant; paragraphs are separated by a newline */
    struct slice field; /* the name of the field that is at fault, as it was sent; empty: none */
    unsigned refresh_s; /* the page asks again after so long; 0: never */
};

/* What this request's client can read best: HTML for a document navigation, JSON where Accept says so, else text. */
enum page_form page_form_for(const struct http_field *fields, size_t n);

#define PAGE_FIELDS 3

/* The fields that go with it, constants; returns how many. */
size_t page_fields(enum page_form form, struct http_field to[static PAGE_FIELDS]);

/* Appends the body. 0 or -errno of buf_append. */
int page_write(const struct page *page, enum page_form form, struct buf *to);

/*
 * The page for a status and one of the words above, title and advice filled in; for any other words those that fit the
 * status. `reason` is a constant.
 */
struct page page_for(unsigned status, const char *reason);
