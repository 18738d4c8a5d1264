#include "ingress/visit/visit_way.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "ingress/visit/access.h"

/*
 * The browser's address, as a front that is trusted says: the last of the list, which is the one that it saw itself; those
 * before it may be the browser's own words. Two fields are nobody's (front_forward).
 */
static struct slice client_of(const struct visit *v, const struct request_head *request) {
    struct slice list = SLICE_EMPTY, last = SLICE_EMPTY;
    struct address address;
    size_t n = 0;

    for (size_t i = 0; v->peer->is_trusted && i < request->n_fields; i++)
        if (http_field_name(&request->fields[i]) == HTTP_NAME_X_FORWARDED_FOR) {
            list = request->fields[i].value;
            n++;
        }
    while (list.p && n == 1)
        last = slice_trim(slice_cut(&list, ','));
    return address_parse(last, 0, &address) == 0 ? last : SLICE_EMPTY;
}

/* Most lines are short, and there is one for each request: some are kept for the next. */
#define LINE_SHORT 256
#ifdef CREDFD_SANITIZED
#define LINES_SPARE 0 /* so that it sees who looks into one that was given back */
#else
#define LINES_SPARE 64
#endif

static struct {
    struct visit_line *first;
    unsigned n;
} spares;

static struct visit_line *take_line(size_t n_texts) {
    size_t size = MAX_OF(sizeof(struct visit_line) + n_texts, (size_t)LINE_SHORT);
    struct visit_line *line = size == LINE_SHORT ? spares.first : NULL;

    if (line) {
        spares.first = line->next_spare;
        spares.n--;
        return line;
    }
    line = malloc(size);
    if (line)
        line->size = size;
    return line;
}

void visit_line_free(struct visit_line *line) {
    if (!line || line->size > LINE_SHORT || spares.n == LINES_SPARE) {
        free(line);
        return;
    }
    line->next_spare = spares.first;
    spares.first = line;
    spares.n++;
}

struct visit_line *visit_line_new(const struct visit *v, const struct request_head *request) {
    const struct slice texts[] = {request->method, request->host, request->path, client_of(v, request)};
    struct visit_line *line;
    struct slice *copies[4];
    size_t n_texts = 0;
    char *at;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        n_texts += texts[i].n;
    line = take_line(n_texts);
    if (!line)
        return NULL;
    at = (char *)(line + 1);
    copies[0] = &line->method;
    copies[1] = &line->host;
    copies[2] = &line->path;
    copies[3] = &line->client;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].n > 0)
            memcpy(at, texts[i].p, texts[i].n);
        *copies[i] = slice_of(at, texts[i].n);
        at += texts[i].n;
    }
    return line;
}

static struct access_line line_of(const struct visit *v, const char *event) {
    struct access_line line = {.event = event,
                               .peer = v->peer_text,
                               .status = v->status,
                               .bytes_in = v->bytes_in,
                               .bytes_out = v->bytes_out,
                               .duration_us = (v->ended_us ? v->ended_us : world_now_us()) - v->began_us,
                               .upstream_us = v->upstream_us,
                               .reason = slice_of_string(v->reason ? v->reason : ""),
                               .field = v->field};

    if (v->line) {
        line.method = v->line->method;
        line.host = v->line->host;
        line.path = v->line->path;
        line.client = v->line->client;
    }
    if (v->visitor)
        line.name = visitor_name(v->visitor);
    if (v->place)
        line.instance = v->place->key;
    return line;
}

void visit_account(struct visit *v, const char *event) {
    struct access_line line = line_of(v, event);

    world_count_request(v->status, line.duration_us, v->bytes_in, v->bytes_out);
    access_write(&line);
    if (!v->visitor || !v->place)
        return;
    v->visitor->requests++;
    v->visitor->bytes_in += v->bytes_in;
    v->visitor->bytes_out += v->bytes_out;
    visitor_seen(v->visitor);
}
