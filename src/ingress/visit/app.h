/*
 * What is added to an instance's documents so that a browser can install it as an app: HTML put behind <head> of a
 * text/html response that is not encoded. Lengths stay exact: where the place is not found in the first LIMIT_APP_LOOK
 * bytes, nothing is changed. Pure, a step for each piece.
 */
#pragma once

#include "base/buf.h"
#include "relay/upstream.h"

struct app {
    const char *head; /* the recipe's; NULL: nothing is done */
    struct buf held;  /* the beginning of a document, while the place is looked for */
    enum { APP_OFF, APP_LOOKING, APP_DONE } state;
};

/*
 * A response's head comes: whether something may be added. Its framing is changed where the length is not known any
 * more (HEAD, or a length that grows), and fields that tell of the bytes as they were (ETag strong, digests,
 * Accept-Ranges) are taken out of `fields`.
 */
void app_begin(struct app *app, const char *head, bool is_head, struct response_head *response,
               struct http_field *fields);

/*
 * A piece of the body: what goes on instead, in at most three parts (valid until the next call). Returns how many; 0
 * while the place is looked for.
 */
size_t app_take(struct app *app, struct slice data, bool is_end, struct slice ret_parts[static 3]);
void app_done(struct app *app);
