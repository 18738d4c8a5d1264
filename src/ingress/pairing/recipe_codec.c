#include "ingress/pairing/recipe_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* NULL is told from an empty text by a byte before it. */
static void put_text(struct ipc_writer *w, const char *text) {
    ipc_put_u8(w, text != NULL);
    if (text)
        ipc_put_bytes(w, slice_of_string(text));
}

static void put_statuses(struct ipc_writer *w, const uint16_t *statuses, size_t n) {
    ipc_put_u8(w, (uint8_t)n);
    for (size_t i = 0; i < n; i++)
        ipc_put_u16(w, statuses[i]);
}

struct ipc_writer recipe_encode(const struct recipe *recipe) {
    struct ipc_writer w = ipc_begin(IPC_RECIPE);

    ipc_put_u8(&w, recipe->number);
    put_text(&w, recipe->name);
    ipc_put_u8(&w, recipe->pairs);
    put_text(&w, recipe->cookie_field);
    ipc_put_u8(&w, (uint8_t)recipe->n_cookies);
    for (size_t i = 0; i < recipe->n_cookies; i++)
        put_text(&w, recipe->cookies[i]);
    put_text(&w, recipe->session_path);
    put_text(&w, recipe->session_field);
    put_statuses(&w, recipe->dead, recipe->n_dead);
    ipc_put_u8(&w, (uint8_t)recipe->n_exchanges);
    for (size_t i = 0; i < recipe->n_exchanges; i++) {
        put_text(&w, recipe->exchanges[i].method);
        put_text(&w, recipe->exchanges[i].path);
        ipc_put_u8(&w, (uint8_t)recipe->exchanges[i].body);
        put_text(&w, recipe->exchanges[i].template);
    }
    put_statuses(&w, recipe->accepted, recipe->n_accepted);
    put_text(&w, recipe->identity_header);
    put_text(&w, recipe->health_path);
    put_text(&w, recipe->app_head);
    put_text(&w, recipe->app_manifest);
    put_text(&w, recipe->app_manifest_path);
    return w;
}

/* A string of the recipe's own, freed with it whatever happens. Without memory `*is_out` says so. */
static char *get_text(struct ipc_message *m, size_t max, bool *is_out) {
    uint8_t is_there = ipc_get_u8(m);
    struct slice text = is_there == 1 ? ipc_get_bytes(m, max) : SLICE_EMPTY;
    char *copy;

    if (is_there > 1 || slice_has(text, '\0'))
        ipc_fail(m);
    if (m->is_failed || !is_there)
        return NULL;
    copy = strndup(text.p, text.n);
    *is_out |= !copy;
    return copy;
}

static char *get_required(struct ipc_message *m, size_t max, bool *is_out) {
    char *text = get_text(m, max, is_out);

    if (!text)
        ipc_fail(m);
    return text;
}

static size_t get_count(struct ipc_message *m, size_t max) {
    size_t n = ipc_get_u8(m);

    if (n > max)
        ipc_fail(m);
    return m->is_failed ? 0 : n;
}

static size_t get_statuses(struct ipc_message *m, uint16_t *statuses) {
    size_t n = get_count(m, LIMIT_RECIPE_STATUSES);

    for (size_t i = 0; i < n; i++)
        statuses[i] = ipc_get_u16(m);
    return n;
}

static void get_exchanges(struct ipc_message *m, struct recipe *recipe, bool *is_out) {
    size_t n = get_count(m, LIMIT_RECIPE_EXCHANGES);

    while (recipe->n_exchanges < n && !m->is_failed) {
        struct recipe_exchange *exchange = &recipe->exchanges[recipe->n_exchanges++];
        uint8_t body;

        exchange->method = get_required(m, LIMIT_METHOD, is_out);
        exchange->path = get_required(m, LIMIT_RECIPE_PATH, is_out);
        body = ipc_get_u8(m);
        exchange->template = get_text(m, LIMIT_RECIPE_TEMPLATE, is_out);
        if (body > RECIPE_FORM || (body == RECIPE_NO_BODY) != !exchange->template)
            ipc_fail(m);
        exchange->body = body;
    }
}

static void get_recipe(struct ipc_message *m, struct recipe *recipe, bool *is_out) {
    uint8_t pairs;
    size_t n;

    recipe->number = ipc_get_u8(m);
    recipe->name = get_required(m, LIMIT_NAME, is_out);
    pairs = ipc_get_u8(m);
    recipe->pairs = pairs == 1;
    recipe->cookie_field = get_text(m, LIMIT_RECIPE_FIELD, is_out);
    n = get_count(m, LIMIT_RECIPE_COOKIES);
    while (recipe->n_cookies < n && !m->is_failed)
        recipe->cookies[recipe->n_cookies++] = get_required(m, LIMIT_COOKIE_NAME, is_out);
    recipe->session_path = get_text(m, LIMIT_RECIPE_PATH, is_out);
    recipe->session_field = get_text(m, LIMIT_RECIPE_FIELD, is_out);
    recipe->n_dead = get_statuses(m, recipe->dead);
    get_exchanges(m, recipe, is_out);
    recipe->n_accepted = get_statuses(m, recipe->accepted);
    recipe->identity_header = get_text(m, LIMIT_NAME, is_out);
    recipe->health_path = get_text(m, LIMIT_RECIPE_PATH, is_out);
    recipe->app_head = get_text(m, LIMIT_APP_PART, is_out);
    recipe->app_manifest = get_text(m, LIMIT_APP_PART, is_out);
    recipe->app_manifest_path = get_text(m, LIMIT_RECIPE_PATH, is_out);
    if (pairs > 1 || recipe->number >= LIMIT_RECIPES)
        ipc_fail(m);
    /* what a pairing looks for without asking whether it is there */
    if (recipe->pairs && (recipe->n_exchanges == 0 || recipe->n_cookies == 0))
        ipc_fail(m);
    if ((recipe->cookie_field || recipe->session_field) && !recipe->session_path)
        ipc_fail(m);
}

int recipe_decode(struct ipc_message *m, struct recipe *ret) {
    struct recipe recipe = {0};
    bool is_out = false;
    int r;

    get_recipe(m, &recipe, &is_out);
    r = ipc_end(m);
    if (is_out)
        r = -ENOMEM;
    if (r < 0)
        recipe_done(&recipe);
    else
        *ret = recipe;
    return r;
}
