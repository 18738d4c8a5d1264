#include "ingress/visit/passage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/visit/access.h"
#include "ingress/visit/world.h"

#define GOING_AWAY 1001 /* RFC 6455 §7.4.1 */
#define POLICY 1008     /* likewise: whoever had the person's place may not have this tunnel any more */

struct passage {
    struct passage *next, *prev;
    struct tunnel *tunnel;
    struct visitor *visitor;
    struct place *place;
    enum tunnel_end why;               /* when it is ended from here */
    uint16_t host, path, peer, client; /* lengths of what stands in `text`, one behind the other */
    char text[];
};

static struct passage *passages;
static unsigned n_passages;

static const struct {
    enum tunnel_end end;
    const char *words;
} endings[][2] = {
    [TUNNEL_CAUSE_CLOSED] = {{TUNNEL_CLIENT, "closed by the browser"}, {TUNNEL_INSTANCE, "closed by the instance"}},
    [TUNNEL_CAUSE_RESET] = {{TUNNEL_RESET, "broken off by the browser"}, {TUNNEL_RESET, "broken off by the instance"}},
    [TUNNEL_CAUSE_TIMEOUT] = {{TUNNEL_TIMEOUT, "the browser took nothing for too long"},
                              {TUNNEL_TIMEOUT, "the instance took nothing for too long"}},
};

static struct slice host_of(const struct passage *p) {
    return slice_of(p->text, p->host);
}

static struct slice path_of(const struct passage *p) {
    return slice_of(p->text + p->host, p->path);
}

static void account_for(const struct passage *p, const struct tunnel_report *report, enum tunnel_end end,
                        const char *words) {
    struct access_line line = {
        .event = "tunnel_end",
        .peer = slice_of(p->text + p->host + p->path, p->peer),
        .client = slice_of(p->text + p->host + p->path + p->peer, p->client),
        .name = visitor_name(p->visitor),
        .instance = p->place->key,
        .method = SLICE("GET"),
        .host = host_of(p),
        .path = path_of(p),
        .status = 101,
        .bytes_in = report->bytes_up,
        .bytes_out = report->bytes_down,
        .duration_us = (loop_now_ms() - report->opened_ms) * 1000,
        .reason = slice_of_string(words),
        .close_code = report->close_code,
    };
    struct tally *tally = world_count();

    access_write(&line);
    tally->tunnels_ended[end]++;
    tally->bytes_in += report->bytes_up;
    tally->bytes_out += report->bytes_down;
    p->visitor->bytes_in += report->bytes_up;
    p->visitor->bytes_out += report->bytes_down;
}

static void passage_free(struct passage *p) {
    if (p->next)
        p->next->prev = p->prev;
    if (p->prev)
        p->prev->next = p->next;
    else
        passages = p->next;
    n_passages--;
    world_count()->open_tunnels--;
    p->visitor->tunnels--;
    visitor_seen(p->visitor);
    visitor_unref(p->visitor);
    place_close(p->place);
    place_unref(p->place);
    free(p);
    if (world.gone)
        world.gone();
}

static void ended(void *owner, const struct tunnel_report *report) {
    struct passage *p = owner;

    if (report->cause == TUNNEL_CAUSE_ENDED)
        account_for(p, report, p->why,
                    p->why == TUNNEL_REMOVED ? "the person is led there no more" : "the dispatcher is ending");
    else
        account_for(p, report, endings[report->cause][report->side].end, endings[report->cause][report->side].words);
    passage_free(p);
}

static uint16_t put(struct passage *p, size_t *at, struct slice text) {
    text = slice_first(text, UINT16_MAX);
    if (text.n > 0)
        memcpy(p->text + *at, text.p, text.n);
    *at += text.n;
    return (uint16_t)text.n;
}

static struct passage *passage_new(const struct passage_way *way) {
    struct passage *p = malloc(sizeof(*p) + way->host.n + way->path.n + way->peer.n + way->client.n);
    size_t at = 0;

    if (!p)
        return NULL;
    *p = (struct passage){.next = passages, .visitor = visitor_ref(visitor_name(way->visitor)), .place = way->place};
    p->host = put(p, &at, way->host);
    p->path = put(p, &at, way->path);
    p->peer = put(p, &at, way->peer);
    p->client = put(p, &at, way->client);
    if (passages)
        passages->prev = p;
    passages = p;
    n_passages++;
    way->place->refs++;
    place_open(way->place);
    world_count()->open_tunnels++;
    world_count()->tunnels_opened++;
    way->visitor->tunnels++;
    visitor_seen(way->visitor);
    return p;
}

int passage_open(const struct passage_way *way, struct stream *client, struct slice from_client,
                 struct stream *upstream, struct slice from_upstream) {
    static struct tunnel_owner class = {.ended = ended};
    struct passage *p = passage_new(way);
    int r;

    if (!p) {
        stream_done(client);
        stream_done(upstream);
        return -ENOMEM;
    }
    class.write_timeout_ms = world.front.write_ms;
    r = tunnel_new(client, from_client, upstream, from_upstream, &class, p, &p->tunnel);
    if (r < 0)
        ended(p, &(struct tunnel_report){
                     .cause = TUNNEL_CAUSE_RESET, .side = TUNNEL_SIDE_UPSTREAM, .opened_ms = loop_now_ms()});
    return r;
}

static void end(struct passage *p, enum tunnel_end why, unsigned code) {
    if (p->why == TUNNEL_REMOVED || p->why == TUNNEL_DRAIN)
        return; /* it is ending already */
    p->why = why;
    tunnel_end(p->tunnel, code);
}

void passages_table(const struct table *table) {
    for (struct passage *p = passages, *next; p; p = next) {
        struct instance instance;

        next = p->next;
        if (!table_find(table, visitor_name(p->visitor), host_of(p), path_of(p), &instance) ||
            !slice_equals(instance.key, p->place->key))
            end(p, TUNNEL_REMOVED, POLICY);
    }
}

void passages_drain(void) {
    for (struct passage *p = passages, *next; p; p = next) {
        next = p->next;
        end(p, TUNNEL_DRAIN, GOING_AWAY);
    }
}

unsigned passages_count(void) {
    return n_passages;
}
