/*
 * What tests of the injected head share: credentials made in a line, and the comparison of a whole head.
 */
#pragma once

#include <errno.h>
#include <stdio.h>

#include "egress/keeper/inject.h"
#include "unit.h"

/* In every head: the keeper must be able to read what comes back. */
#define IDENTITY "Accept-Encoding: identity\r\n"

static char url[512], texts[LIMIT_INJECTIONS][2][LIMIT_FORMAT + 1];
static struct inject places[LIMIT_INJECTIONS];

static inline char *text_of(const char *given, char to[static LIMIT_FORMAT + 1]) {
    if (!given)
        return NULL;
    (void)snprintf(to, LIMIT_FORMAT + 1, "%s", given);
    return to;
}

/* One more place for the same secret. */
static inline void also(struct credential *credential, enum inject_kind kind, const char *name, const char *format) {
    size_t at = credential->n_inject++;

    credential->inject = places;
    places[at] = (struct inject){kind, text_of(name, texts[at][0]), text_of(format, texts[at][1])};
}

/* A credential for that upstream, which stays as it is until the next one is made. */
static inline struct credential made(const char *upstream, enum inject_kind kind, const char *name,
                                     const char *format) {
    struct credential credential = {.upstream = url};

    (void)snprintf(url, sizeof(url), "%s", upstream);
    assert_null(uri_parse_upstream(slice_of_string(url), &credential.authority));
    also(&credential, kind, name, format);
    return credential;
}

static inline struct credential for_api(enum inject_kind kind, const char *name, const char *format) {
    return made("https://api.example.org", kind, name, format);
}

static inline struct credential by_query(void) {
    return for_api(INJECT_QUERY, "app_key", NULL);
}

static inline struct credential by_header(void) {
    return for_api(INJECT_HEADER, "X-Api-Key", "{}");
}

static inline struct secret *secret_of(struct slice bytes) {
    struct secret *secret = NULL;
    int fd = -EBADF;

    assert_int_equal(secret_seal(bytes, &fd), 0);
    assert_int_equal(secret_open(fd, &secret), 0);
    return secret;
}

static inline struct request_head get(struct slice path) {
    return (struct request_head){.method = SLICE("GET"), .path = path, .query = SLICE_EMPTY};
}

static inline struct request_head get_with(struct slice path, struct slice query) {
    return (struct request_head){.method = SLICE("GET"), .path = path, .query = query, .has_query = true};
}

#define assert_head(credential, bytes, request, expected)                                                              \
    assert_head_is((credential), (bytes), (request), (expected), __FILE__, __LINE__)

static inline void assert_head_is(const struct credential *credential, struct slice bytes,
                                  const struct request_head *request, const char *expected, const char *file,
                                  int line) {
    _cleanup_secret_ struct secret *secret = secret_of(bytes);
    struct buf out;

    buf_init_secret(&out, LIMIT_DATAGRAM);
    assert_null(inject_check(credential, request));
    assert_int_equal(inject_write_head(&out, credential, secret, request), 0);
    assert_slice_is(buf_slice(&out), expected, file, line);
    buf_release(&out);
}
