/*
 * What tests of pairing share: an instance that answers on the loop what the test has written down, a recipe as t3's,
 * and a target that leads to both.
 */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "ingress/pairing/target.h"
#include "ingress/table/table_build.h"
#include "unit_loop.h"
#include "unit_port.h"

#define ANSWERS_MAX 32

/* An instance: each connection is one request, answered by the first answer whose `to` its request line begins with. */
static struct stand_in {
    int listener;
    struct watch watch;
    uint16_t port;
    struct visitor {
        struct watch watch;
        int fd;
        char request[8192];
        size_t n;
        bool is_held; /* answered, and not closed */
    } visitors[64];
    size_t n_visitors;
    struct {
        const char *to, *answer; /* NULL as answer: none, and the connection stays open */
        bool resets;             /* is broken off behind the answer */
    } answers[ANSWERS_MAX];
    size_t n_answers;
} instance;

static void answer_visitor(struct visitor *visitor) {
    struct linger at_once = {.l_onoff = 1};

    for (size_t i = 0; i < instance.n_answers; i++) {
        if (strncmp(visitor->request, instance.answers[i].to, strlen(instance.answers[i].to)) != 0)
            continue;
        visitor->is_held = !instance.answers[i].answer;
        if (visitor->is_held)
            return;
        (void)fd_write_all(visitor->fd, instance.answers[i].answer, strlen(instance.answers[i].answer));
        if (instance.answers[i].resets)
            (void)setsockopt(visitor->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        break;
    }
    watch_remove(&visitor->watch);
    fd_close(&visitor->fd);
}

/* A head, and as much as its Content-Length says. */
static bool is_whole(const struct visitor *visitor) {
    const char *end = strstr(visitor->request, "\r\n\r\n"), *length = strstr(visitor->request, "Content-Length: ");
    unsigned n = 0;

    if (!end)
        return false;
    if (length)
        (void)sscanf(length, "Content-Length: %u", &n);
    return visitor->n >= (size_t)(end + 4 - visitor->request) + n;
}

static void visitor_step(struct watch *watch) {
    struct visitor *visitor = container_of(watch, struct visitor, watch);
    ssize_t n;

    while ((n = read(visitor->fd, visitor->request + visitor->n, sizeof(visitor->request) - 1 - visitor->n)) > 0) {
        visitor->n += (size_t)n;
        visitor->request[visitor->n] = '\0';
    }
    if (!visitor->is_held && is_whole(visitor)) {
        answer_visitor(visitor);
    } else if (n == 0) {
        watch_remove(watch);
        fd_close(&visitor->fd);
    }
}

static void accept_visitor(struct watch *watch) {
    int fd;

    (void)watch;
    while ((fd = accept4(instance.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct visitor *visitor = &instance.visitors[instance.n_visitors++];

        assert_true(instance.n_visitors < ARRAY_LEN(instance.visitors));
        visitor->fd = fd;
        assert_int_equal(watch_add(&visitor->watch, fd, visitor_step), 0);
    }
}

static inline void instance_says(const char *to, const char *answer) {
    assert_true(instance.n_answers < ANSWERS_MAX);
    instance.answers[instance.n_answers].to = to;
    instance.answers[instance.n_answers++].answer = answer;
}

static inline void instance_start(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    memset(&instance, 0, sizeof(instance));
    instance.port = free_port();
    here.sin_port = htons(instance.port);
    instance.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(instance.listener >= 0);
    assert_int_equal(bind(instance.listener, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(listen(instance.listener, 128), 0);
    assert_int_equal(watch_add(&instance.watch, instance.listener, accept_visitor), 0);
}

/* Nobody listens there any more. */
static inline void instance_stop(void) {
    if (instance.listener > 0) {
        watch_remove(&instance.watch);
        fd_close(&instance.listener);
    }
    instance.listener = 0;
    for (size_t i = 0; i < instance.n_visitors; i++)
        if (instance.visitors[i].fd > 0) {
            watch_remove(&instance.visitors[i].watch);
            fd_close(&instance.visitors[i].fd);
        }
}

/* How many requests began so. */
static inline size_t instance_heard(const char *line) {
    size_t n = 0;

    for (size_t i = 0; i < instance.n_visitors; i++)
        n += strncmp(instance.visitors[i].request, line, strlen(line)) == 0;
    return n;
}

/* The last request that began so, or NULL. */
static inline const char *instance_request(const char *line) {
    const char *last = NULL;

    for (size_t i = 0; i < instance.n_visitors; i++)
        if (strncmp(instance.visitors[i].request, line, strlen(line)) == 0)
            last = instance.visitors[i].request;
    return last;
}

static inline struct recipe t3_recipe(void) {
    struct recipe recipe = {.pairs = true, .n_cookies = 1, .n_exchanges = 2, .accepted = {200}, .n_accepted = 1};

    recipe.name = strdup("t3");
    recipe.cookie_field = strdup("auth.sessionCookieName");
    recipe.cookies[0] = strdup("t3_session*");
    recipe.session_path = strdup("/api/auth/session");
    recipe.session_field = strdup("authenticated");
    for (size_t i = 0; i < 2; i++) {
        recipe.exchanges[i].method = strdup("POST");
        recipe.exchanges[i].path = strdup(i == 0 ? "/api/auth/browser-session" : "/api/auth/bootstrap");
        recipe.exchanges[i].body = RECIPE_JSON;
        recipe.exchanges[i].template = strdup("{\"credential\":\"{credential}\"}");
    }
    return recipe;
}

#define HEAD_200 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define SESSION_OF(state)                                                                                              \
    "{\"authenticated\":" state ",\"auth\":{\"policy\":\"p\",\"sessionCookieName\":\"t3_session_1\"}}"
#define SESSION_LIVES_ANSWER HEAD_200 "Content-Length: 79\r\n\r\n" SESSION_OF("true")
#define SESSION_DIED_ANSWER HEAD_200 "Content-Length: 80\r\n\r\n" SESSION_OF("false")
#define EXCHANGED                                                                                                      \
    HEAD_200 "Set-Cookie: t3_session_1=fresh; Path=/; HttpOnly; SameSite=Lax\r\nContent-Length: 22\r\n\r\n"            \
             "{\"authenticated\":true}"
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

/* `json` with the stand-in's port for each `PORT`. */
static inline char *table_text(const char *json) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    const char *place;

    assert_non_null(out);
    for (; (place = strstr(json, "PORT")) != NULL; json = place + strlen("PORT"))
        (void)fprintf(out, "%.*s%u", (int)(place - json), json, instance.port);
    (void)fprintf(out, "%s", json);
    assert_int_equal(fclose(out), 0);
    return text;
}

static int number_of_recipe(void *unused, const char *name, char **ret_error) {
    (void)unused;
    (void)name;
    (void)ret_error;
    return 0;
}

/* A table of that JSON. */
static inline struct table *table_of(const char *json, uint64_t number) {
    const struct table_recipes recipes = {.number = number_of_recipe, .fallback = "t3"};
    _cleanup_free_ char *error = NULL, *text = NULL;
    struct table *table = NULL;
    int fd = -EBADF;

    text = table_text(json);
    if (table_build_bytes("t.json", slice_of_string(text), number, &recipes, &fd, &error) < 0)
        fail_msg("%s", error);
    assert_int_equal(table_open(fd, &table), 0);
    return table;
}

static inline struct instance instance_of(const struct table *table, const char *name) {
    struct instance found;

    assert_true(table_find(table, slice_of_string(name), SLICE("box.example.org"), SLICE("/"), &found));
    return found;
}
