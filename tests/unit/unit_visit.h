/*
 * For tests of a dispatcher's inside: the world with a table of one person and a kind of instance, an instance that says
 * what the test wants, browsers, and the far ends of the channels to other roles. All on the one loop of this process.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingress/pairing/session_codec.h"
#include "ingress/table/table_build.h"
#include "ingress/visit/guest.h"
#include "ingress/visit/links.h"
#include "ingress/visit/passage.h"
#include "ingress/visit/place.h"
#include "ingress/visit/world.h"
#include "net/listen.h"
#include "proc/role.h"
#include "unit_fd.h"
#include "unit_loop.h"
#include "unit_port.h"

/* What the supervisor is told: the last of each kind that a test asks for. */
static struct {
    uint32_t status_question;
    struct tally tally;
    struct seen seen;
    unsigned tallies, seens;
    bool is_busy; /* the supervisor hears nothing */
} told;

/* In the role's place. */
void role_send(const struct ipc_writer *w, int fd) {
    struct ipc_message m = ipc_message_of(ipc_writer_bytes(w));

    assert_true(fd < 0);
    if (m.type == IPC_STATUS_ASK) {
        told.status_question = ipc_get_u32(&m);
    } else if (m.type == IPC_TALLY) {
        assert_int_equal(tally_decode(&m, &told.tally), 0);
        told.tallies++;
    } else if (m.type == IPC_SEEN) {
        for (; m.rest.n > 0; told.seens++)
            assert_int_equal(seen_get(&m, &told.seen), 0);
    }
}

int role_offer(const struct ipc_writer *w) {
    if (told.is_busy)
        return -EAGAIN;
    role_send(w, -EBADF);
    return 0;
}

static inline bool role_was_asked(const void *to) {
    union {
        const void *given;
        uint32_t *question;
    } u = {.given = to};

    *u.question = told.status_question;
    return told.status_question > 0;
}

#define FAR_CONNECTIONS 16

/* The instance: each connection's bytes as they came, and what it answers to each whole head. */
static struct {
    struct watch listening;
    int fd;
    uint16_t port;
    struct far {
        struct watch watch;
        int fd;
        char heard[8192];
        size_t n, answered;
    } connections[FAR_CONNECTIONS];
    size_t n;
    unsigned requests;
    const char *answer; /* NULL: it says nothing */
    unsigned closes;    /* so many times, when it has heard a head, instead of answering */
} instance;

static struct far *far_of(size_t i) {
    return &instance.connections[i];
}

static void far_close(struct far *far) {
    watch_remove(&far->watch);
    fd_close(&far->fd);
}

static void far_step(struct watch *watch) {
    struct far *far = container_of(watch, struct far, watch);
    ssize_t n = 1;
    char *end;

    while (n > 0 && far->n + 1 < sizeof(far->heard)) {
        n = recv(far->fd, far->heard + far->n, sizeof(far->heard) - far->n - 1, MSG_DONTWAIT);
        far->n += n > 0 ? (size_t)n : 0;
    }
    far->heard[far->n] = '\0';
    while ((end = strstr(far->heard + far->answered, "\r\n\r\n"))) {
        far->answered = (size_t)(end - far->heard) + 4;
        instance.requests++;
        if (instance.closes > 0) {
            instance.closes--;
            far_close(far);
            return;
        }
        if (instance.answer)
            assert_int_equal(fd_write_all(far->fd, instance.answer, strlen(instance.answer)), 0);
    }
    if (n == 0)
        far_close(far);
}

static void far_accept(struct watch *watch) {
    int fd;

    (void)watch;
    while ((fd = accept4(instance.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct far *far = far_of(instance.n++);

        assert_true(instance.n <= FAR_CONNECTIONS);
        *far = (struct far){.fd = fd};
        assert_int_equal(watch_add(&far->watch, fd, far_step), 0);
    }
}

static inline void instance_open(void) {
    struct address at;

    memset(&instance, 0, sizeof(instance));
    instance.port = free_port();
    assert_int_equal(address_parse(SLICE("127.0.0.1"), instance.port, &at), 0);
    assert_int_equal(listen_tcp(&at, 16, &instance.fd), 0);
    assert_int_equal(watch_add(&instance.listening, instance.fd, far_accept), 0);
}

static inline bool has_been_asked(const void *times) {
    return instance.requests >= *(const unsigned *)times;
}

/* Until it has heard so many heads: what goes by TCP is on its way for a moment. */
#define instance_expect(times) loop_until(has_been_asked, (&(unsigned){times}))

static inline void instance_close(void) {
    for (size_t i = 0; i < instance.n; i++)
        far_close(far_of(i));
    watch_remove(&instance.listening);
    fd_close(&instance.fd);
}

static inline int recipe_number(void *owner, const char *name, char **ret_error) {
    (void)owner;
    (void)name;
    (void)ret_error;
    return 1;
}

static uint64_t last_table;

/* A table of that text, from now on. */
static inline void use_table(const char *text) {
    const struct table_recipes recipes = {.number = recipe_number, .fallback = "t3"};
    _cleanup_free_ char *error = NULL;
    struct table *table;
    int fd = -EBADF;

    if (table_build_bytes("table.json", slice_of_string(text), ++last_table, &recipes, &fd, &error) < 0)
        fail_msg("%s", error ? error : "no error");
    assert_int_equal(table_open(fd, &table), 0);
    world_set_table(table);
    passages_table(table);
    guests_table();
    places_table(table);
}

/* `rest` is more of the entry, and more entries. */
static inline void use_alice(const char *rest) {
    char text[512];

    (void)snprintf(text, sizeof(text), "{\"alice\": {\"os_user\": \"alice\", \"port\": %u}%s}", (unsigned)instance.port,
                   rest);
    use_table(text);
}

/* A recipe whose strings are its own. */
static inline void use_recipe(const struct recipe *of) {
    struct recipe recipe = *of;

    recipe.number = 1;
    recipe.name = strdup("t3");
    recipe.session_path = of->session_path ? strdup(of->session_path) : NULL;
    recipe.cookie_field = of->cookie_field ? strdup(of->cookie_field) : NULL;
    for (size_t i = 0; i < of->n_cookies; i++)
        recipe.cookies[i] = strdup(of->cookies[i]);
    recipe.app_head = of->app_head ? strdup(of->app_head) : NULL;
    recipe.app_manifest = of->app_manifest ? strdup(of->app_manifest) : NULL;
    recipe.app_manifest_path = of->app_manifest_path ? strdup(of->app_manifest_path) : NULL;
    recipe.identity_header = of->identity_header ? strdup(of->identity_header) : NULL;
    assert_int_equal(world_set_recipe(&recipe), 0);
}

static inline void use_front(void) {
    struct front front = {.identity_header = "X-authentik-username",
                          .status_path = "/-/status",
                          .admins = {"alice"},
                          .n_admins = 1,
                          .takes_all_uids = true,
                          .head_ms = 10000,
                          .idle_ms = 10000,
                          .body_ms = 10000,
                          .write_ms = 10000,
                          .stream_ms = 10000,
                          .connect_ms = 5000,
                          .response_ms = 10000};

    world_set_front(&front);
}

/* A browser behind its front: one connection, and what it was told. */
struct browser {
    int fd;
    char heard[16384];
    size_t n;
    bool is_closed;
};

static inline struct browser browser_open_as(const struct peer *peer) {
    struct browser b = {.fd = -EBADF};
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    b.fd = ends[1];
    guests_admit(ends[0], peer);
    return b;
}

static inline struct browser browser_open(void) {
    return browser_open_as(&(struct peer){.kind = PEER_UNIX, .uid = 1000});
}

static inline void browser_listen(struct browser *b) {
    ssize_t n = 1;

    while (n > 0 && b->n + 1 < sizeof(b->heard)) {
        n = recv(b->fd, b->heard + b->n, sizeof(b->heard) - b->n - 1, MSG_DONTWAIT);
        b->n += n > 0 ? (size_t)n : 0;
    }
    b->heard[b->n] = '\0';
    b->is_closed = b->is_closed || n == 0 || (n < 0 && errno != EAGAIN);
}

static inline void browser_say(struct browser *b, const char *text) {
    assert_int_equal(fd_write_all(b->fd, text, strlen(text)), 0);
}

/* Until `text` has been heard; what came before it is forgotten with the next browser_forget. */
struct expectation {
    struct browser *browser;
    const char *text;
};

static inline bool has_heard(const void *of) {
    const struct expectation *e = of;

    browser_listen(e->browser);
    return strstr(e->browser->heard, e->text) != NULL;
}

#define browser_expect(b, text) loop_until(has_heard, (&(struct expectation){(b), (text)}))

static inline bool has_closed(const void *of) {
    struct browser *b = ((const struct expectation *)of)->browser;

    browser_listen(b);
    return b->is_closed;
}

#define browser_expect_close(b) loop_until(has_closed, (&(struct expectation){(b), ""}))

static inline void browser_forget(struct browser *b) {
    b->n = 0;
    b->heard[0] = '\0';
}

static inline void browser_close(struct browser *b) {
    fd_close(&b->fd);
}

/* Another role's end of a channel: what it was asked last. */
struct asked {
    int fd;
    bool is_asked;
    struct ipc_message message;
};

static inline bool has_come(const void *of) {
    union {
        const void *given;
        struct asked *asked;
    } u = {.given = of};

    u.asked->is_asked = ipc_receive(u.asked->fd, &u.asked->message) == 1;
    return u.asked->is_asked;
}

static inline struct asked role_open(int (*init)(int fd)) {
    struct asked role = {.fd = -EBADF};
    int ends[2];

    assert_int_equal(fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends), 0);
    role.fd = ends[1];
    assert_int_equal(init(ends[0]), 0);
    return role;
}

/* The next question that the pairer is asked. */
static inline struct session_question next_question(struct asked *pairer) {
    struct session_question question;

    loop_until(has_come, pairer);
    assert_int_equal(pairer->message.type, IPC_SESSION);
    assert_int_equal(session_question_decode(&pairer->message, &question), 0);
    return question;
}

static inline void answer_question(struct asked *pairer, const struct session_answer *answer) {
    struct ipc_writer w = session_answer_encode(answer);

    assert_int_equal(ipc_send(pairer->fd, &w, -EBADF), 0);
}

static inline bool is_unasked(struct asked *role) {
    loop_settle();
    return !has_come(role);
}

#define HEAD(target) "GET " target " HTTP/1.1\r\nHost: w.example\r\nX-authentik-username: alice\r\n"
#define DOCUMENT "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
#define COOKIE "Cookie: other=1; t3_session=abc\r\n"

/* The roles that a visit asks, for each test. */
static struct asked pairer, steward, verifier;

static inline int open_world(void **state) {
    (void)state;
    instance_open();
    instance.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    use_front();
    use_recipe(&(struct recipe){.pairs = false});
    use_alice("");
    pairer = role_open(pairer_link_init);
    steward = role_open(steward_link_init);
    verifier = role_open(verifier_link_init);
    return 0;
}

static inline bool nobody_is_left(const void *unused) {
    (void)unused;
    return guests_count() == 0 && passages_count() == 0;
}

static inline int close_world(void **state) {
    (void)state;
    guests_end();
    passages_drain();
    instance_close();
    loop_until(nobody_is_left, NULL);
    world.is_draining = false;
    fd_close(&pairer.fd);
    fd_close(&steward.fd);
    fd_close(&verifier.fd);
    loop_settle();
    return 0;
}
