/*
 * Our own answers to a person: a page that says what happened and what to do, or the same in plain text or JSON for a
 * program. Pure: makes bodies. Never holds anything that a stranger has sent.
 */
#pragma once

#include "base/buf.h"
#include "wire/http_head.h"

enum page_form { PAGE_HTML, PAGE_TEXT, PAGE_JSON };

struct page {
    unsigned status;
    const char *title;  /* a constant: "This workspace does not answer" */
    const char *reason; /* contract's words, a constant: "bootstrap rejected" */
    const char *advice; /* what to do, a constant */
    unsigned refresh_s; /* the page asks again after so long; 0: never */
};

/* What this request's client can read best: HTML for a document navigation, JSON where Accept says so, else text. */
enum page_form page_form_for(const struct http_field *fields, size_t n);

struct slice page_content_type(enum page_form form);

/* Appends the body. 0 or -errno of buf_append. */
int page_write(const struct page *page, enum page_form form, struct buf *to);

/* The page for a status and contract's words, title and advice filled in. */
struct page page_for(unsigned status, const char *reason);
