#include "fuzz.h"
#include "ingress/visit/app.h"
#include "wire/http_head.h"

/*
 * The first byte says how large the pieces are. However a document is split, what goes on is the same: the document, or
 * the document with the addition in one place, behind a `>`.
 */
#define ADDED "<added>"

static char whole[65536 + sizeof(ADDED)], split[sizeof(whole)];

static size_t pass(struct slice document, size_t size, char *to, enum app_state *ret_state) {
    struct http_field type = {SLICE("Content-Type"), SLICE("text/html")};
    struct response_head response = {
        .status = 200, .fields = &type, .n_fields = 1, .body = {.kind = HTTP_BODY_LENGTH, .length = document.n}};
    struct app app;
    size_t n = 0;

    REQUIRE(app_begin(&app, ADDED, false, &response, &type));
    for (struct slice rest = document; rest.n > 0; rest = slice_from(rest, size)) {
        struct slice parts[3];
        size_t n_parts = app_take(&app, slice_first(rest, size), rest.n <= size, parts);

        for (size_t i = 0; i < n_parts; i++) {
            REQUIRE(n + parts[i].n <= sizeof(whole));
            memcpy(to + n, parts[i].p, parts[i].n);
            n += parts[i].n;
        }
    }
    app_settle(&app, &response, &type);
    REQUIRE(document.n == 0 || app_is_decided(&app));
    REQUIRE(document.n == 0 || response.body.length == n);
    *ret_state = app.state;
    app_done(&app);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice document = slice_of(data + 1, size > 0 ? size - 1 : 0);
    enum app_state state, split_state;
    size_t n, at = 0;

    if (size < 2 || size > 65536)
        return 0;
    n = pass(document, document.n, whole, &state);
    REQUIRE(pass(document, (size_t)data[0] + 1, split, &split_state) == n && split_state == state);
    REQUIRE(memcmp(whole, split, n) == 0);
    REQUIRE(n == document.n + (state == APP_FOUND ? strlen(ADDED) : 0));
    while (at < document.n && whole[at] == document.p[at])
        at++;
    if (state != APP_FOUND)
        REQUIRE(at == document.n);
    else /* what follows the place may begin like the addition */
        REQUIRE(memmem(whole, n, ">" ADDED, strlen(">" ADDED)) && at >= strlen("<head>"));
    return 0;
}
