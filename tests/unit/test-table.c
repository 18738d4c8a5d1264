#include "ingress/table/table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "ingress/table/table_format.h"
#include "unit_table.h"

/* The key of the instance that a name is led to; "" for none. */
static const char *led_to(const struct table *table, const char *name, const char *host, const char *path) {
    static char key[LIMIT_INSTANCE_KEY + 1];
    struct instance instance;

    key[0] = '\0';
    if (table_find(table, slice_of_string(name), slice_of_string(host), slice_of_string(path), &instance))
        (void)snprintf(key, sizeof(key), "%.*s", SLICE_ARG(instance.key));
    return key;
}

static void reads_the_json_of_the_contract(void **state) {
    _cleanup_table_ struct table *table =
        table_of(SLICE("{\n  \"alice\": {\"os_user\": \"al\", \"port\": 3773},\n"
                       "  \"Bob B.\": {\"port\": 65535, \"os_user\": \"_bob-1\"}\n}\n"));
    struct instance instance;

    (void)state;
    assert_int_equal(table_number(table), 7);
    assert_int_equal(table_count(table), 2);
    assert_int_equal(table_names(table), 2);
    assert_true(table_find(table, SLICE("alice"), SLICE("x"), SLICE("/"), &instance));
    assert_slice(instance.key, "al 127.0.0.1:3773 t3");
    assert_slice(instance.name, "alice");
    assert_slice(instance.os_user, "al");
    assert_int_equal(instance.place, INSTANCE_ADDRESS);
    assert_int_equal(instance.address.any.sa_family, AF_INET);
    assert_int_equal(ntohl(instance.address.in.sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(instance.address.in.sin_port), 3773);
    assert_int_equal(instance.port, 3773);
    assert_int_equal(instance.recipe, 1);
    assert_int_equal(instance.unit.n + instance.prefix.n + instance.host.n + instance.path.n, 0);
    assert_string_equal(led_to(table, "Bob B.", "", "/x"), "_bob-1 127.0.0.1:65535 t3");
}

static void compares_names_byte_by_byte(void **state) {
    _cleanup_table_ struct table *table = table_of(SLICE("{\"alice\": {\"os_user\": \"al\", \"port\": 1}}"));
    static const char *const others[] = {"", "Alice", "alic", "alicee", "alice ", "bob"};

    (void)state;
    assert_true(table_has(table, SLICE("alice")));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(table_has(table, slice_of_string(others[i])));
        assert_string_equal(led_to(table, others[i], "x", "/"), "");
    }
}

static void reads_every_key_in_both_formats(void **state) {
    static const struct slice rows[] = {
        SLICE("alice:\n"
              "  os_user: al\n  unix: /run/t3/al.sock\n  start: t3@{os_user}.service\n  profile: jupyter\n"
              "  names: [ a.smith, al ]\n  at: Box.example.org/notes/\n"
              "carol: { os_user: carol, host: \"::1\", port: 1 }\n"
              "dave: { os_user: dave, host: dave.internal, port: 2, profile: none }\n"
              "erin: { os_user: erin, host: localhost, port: 3 }\n"),
        SLICE("{\"alice\": {\"at\": \"Box.example.org\\/notes/\", \"names\": [\"a.smith\", \"\\u0061l\"], \"profile\": "
              "\"jupyter\", \"start\": \"t3@{os_user}.service\", \"unix\": \"/run/t3/al.sock\", \"os_user\": \"al\"},\n"
              "\"carol\": {\"os_user\": \"carol\", \"host\": \"0::1\", \"port\": 1},\n"
              "\"dave\": {\"os_user\": \"dave\", \"host\": \"dave.internal\", \"port\": 2, \"profile\": \"none\"},\n"
              "\"erin\": {\"os_user\": \"erin\", \"host\": \"127.0.0.1\", \"port\": 3}}\n"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_table_ struct table *table = table_of(rows[i]);
        struct instance instance;

        assert_int_equal(table_names(table), 6);
        assert_int_equal(table_count(table), 4);
        assert_true(table_find(table, SLICE("a.smith"), SLICE("BOX.example.org.:443"), SLICE("/notes/1"), &instance));
        assert_slice(instance.key, "al unix:/run/t3/al.sock jupyter");
        assert_slice(instance.name, "alice");
        assert_int_equal(instance.place, INSTANCE_UNIX);
        assert_slice(instance.path, "/run/t3/al.sock");
        assert_int_equal(instance.path.p[instance.path.n], '\0');
        assert_slice(instance.unit, "t3@{os_user}.service");
        assert_slice(instance.prefix, "/notes");
        assert_int_equal(instance.recipe, 2);
        assert_string_equal(led_to(table, "al", "box.example.org", "/notes"), "al unix:/run/t3/al.sock jupyter");
        assert_string_equal(led_to(table, "carol", "", "/"), "carol [::1]:1 t3");
        assert_true(table_find(table, SLICE("dave"), SLICE("x"), SLICE("/"), &instance));
        assert_int_equal(instance.place, INSTANCE_NAME);
        assert_slice(instance.host, "dave.internal");
        assert_int_equal(instance.port, 2);
        assert_slice(instance.key, "dave dave.internal:2 none");
        assert_string_equal(led_to(table, "erin", "", "/"), "erin 127.0.0.1:3 t3");
    }
}

static void leads_by_host_and_then_by_the_longest_path(void **state) {
    _cleanup_table_ struct table *table = table_of(SLICE("alice:\n"
                                                         "  - { os_user: al, port: 1 }\n"
                                                         "  - { os_user: al, port: 2, at: /a }\n"
                                                         "  - { os_user: al, port: 3, at: /a/b/ }\n"
                                                         "  - { os_user: al, port: 4, at: h.example }\n"
                                                         "  - { os_user: al, port: 5, at: h.example/a }\n"
                                                         "  - { os_user: al, port: 6, at: \"::1/v6\" }\n"
                                                         "bob:\n"
                                                         "  - { os_user: bob, port: 7, at: h.example, names: [ b ] }\n"
                                                         "  - { os_user: bob, port: 8, at: /x, names: [ b ] }\n"));
    static const struct {
        const char *name, *host, *path, *key;
    } rows[] = {
        {"alice", "x", "/", "al 127.0.0.1:1 t3"},
        {"alice", "x", "/ab", "al 127.0.0.1:1 t3"},
        {"alice", "x", "/a", "al 127.0.0.1:2 t3"},
        {"alice", "x", "/a/", "al 127.0.0.1:2 t3"},
        {"alice", "x", "/a/bc", "al 127.0.0.1:2 t3"},
        {"alice", "x", "/a/b", "al 127.0.0.1:3 t3"},
        {"alice", "x", "/a/b/c", "al 127.0.0.1:3 t3"},
        {"alice", "h.example", "/", "al 127.0.0.1:4 t3"},
        {"alice", "h.example", "/ab", "al 127.0.0.1:4 t3"},
        {"alice", "H.Example:3780", "/a/b/c", "al 127.0.0.1:5 t3"},
        {"alice", "x.h.example", "/", "al 127.0.0.1:1 t3"},
        {"alice", "h.exampl", "/", "al 127.0.0.1:1 t3"},
        {"alice", "[::1]:3780", "/v6", "al 127.0.0.1:6 t3"},
        {"alice", "", "", "al 127.0.0.1:1 t3"},
        {"bob", "h.example", "/x", "bob 127.0.0.1:7 t3"},
        {"bob", "x", "/x", "bob 127.0.0.1:8 t3"},
        {"bob", "x", "/", ""},
        {"b", "h.example", "/", "bob 127.0.0.1:7 t3"},
        {"b", "x", "/x/y", "bob 127.0.0.1:8 t3"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(led_to(table, rows[i].name, rows[i].host, rows[i].path), rows[i].key) != 0)
            fail_msg("%s at %s%s: %s", rows[i].name, rows[i].host, rows[i].path,
                     led_to(table, rows[i].name, rows[i].host, rows[i].path));
    assert_true(table_has(table, SLICE("bob")));
}

/* The old program's way to give one instance two names. */
static void equal_entries_are_one_instance(void **state) {
    _cleanup_table_ struct table *table = table_of(SLICE("a: { os_user: u, port: 1 }\n"
                                                         "b: { os_user: u, host: 127.0.0.1, port: 1 }\n"
                                                         "c: { os_user: u, port: 1, profile: none }\n"
                                                         "d: { os_user: v, port: 1 }\n"));
    struct instance a, b, c, d;

    (void)state;
    assert_int_equal(table_count(table), 3);
    assert_true(table_find(table, SLICE("a"), SLICE_EMPTY, SLICE("/"), &a));
    assert_true(table_find(table, SLICE("b"), SLICE_EMPTY, SLICE("/"), &b));
    assert_true(table_find(table, SLICE("c"), SLICE_EMPTY, SLICE("/"), &c));
    assert_true(table_find(table, SLICE("d"), SLICE_EMPTY, SLICE("/"), &d));
    assert_int_equal(a.number, b.number);
    assert_slice(b.name, "a");
    assert_int_not_equal(a.number, c.number);
    assert_int_not_equal(a.number, d.number);
}

static void an_empty_table_has_nobody(void **state) {
    _cleanup_table_ struct table *table = table_of(SLICE(" {}\n"));
    struct instance instance;

    (void)state;
    assert_int_equal(table_count(table), 0);
    assert_int_equal(table_names(table), 0);
    assert_false(table_has(table, SLICE("alice")));
    assert_false(table_instance(table, 0, &instance));
}

static void instances_have_their_numbers(void **state) {
    _cleanup_table_ struct table *table =
        table_of(SLICE("a: [ { os_user: u, port: 1, at: /x }, { os_user: u, port: 2, at: /y } ]\n"));
    struct instance by_name, by_number;

    (void)state;
    assert_true(table_find(table, SLICE("a"), SLICE_EMPTY, SLICE("/y"), &by_name));
    assert_true(table_instance(table, by_name.number, &by_number));
    assert_slice(by_number.key, "u 127.0.0.1:2 t3");
    assert_slice(by_number.prefix, "/y");
    assert_false(table_instance(table, 2, &by_number));
    assert_false(table_instance(table, UINT32_MAX, &by_number));
}

static void a_table_lives_until_its_last_user(void **state) {
    struct table *table = table_of(SLICE("a: { os_user: u, port: 1 }\n"));

    (void)state;
    assert_ptr_equal(table_ref(table), table);
    table_unref(table);
    assert_true(table_has(table, SLICE("a")));
    table_unref(table);
    table_unref(NULL);
}

/* Every one of many names is found, and none that is not there. */
static void finds_each_of_many(void **state) {
    enum { N = 5000 };
    char *text = malloc(N * 64);
    struct table *table;
    struct instance instance;
    char name[16];
    size_t n = 0;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, N * 64 - n, "%s\"p%d\": {\"os_user\": \"u%d\", \"port\": %d}", i ? "," : "{", i,
                              i, i + 1);
    n += (size_t)snprintf(text + n, N * 64 - n, "}");
    table = table_of(slice_of(text, n));
    free(text);
    assert_int_equal(table_count(table), N);
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "p%d", i);
        assert_true(table_find(table, slice_of_string(name), SLICE_EMPTY, SLICE("/"), &instance));
        assert_int_equal(instance.port, i + 1);
        (void)snprintf(name, sizeof(name), "q%d", i);
        assert_false(table_has(table, slice_of_string(name)));
    }
    table_unref(table);
}

static int sealed(struct slice bytes, int seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, bytes.p, bytes.n), 0);
    assert_true(fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* A whole table, as table_build makes it, to be spoilt. */
static struct slice whole_table(void) {
    static char memory[4096];
    _cleanup_free_ char *error = NULL;
    _cleanup_close_ int fd = -EBADF;
    ssize_t n;

    assert_int_equal(table_build_bytes("f",
                                       SLICE("a: { os_user: u, unix: /s, start: x.service, names: [ b ], at: h/p }\n"
                                             "c: { os_user: u, host: h, port: 1 }\n"),
                                       1, &known_recipes, &fd, &error),
                     0);
    n = pread(fd, memory, sizeof(memory), 0);
    assert_in_range(n, sizeof(struct table_header), sizeof(memory) - 1);
    return slice_of(memory, (size_t)n);
}

static void opens_only_what_is_sealed(void **state) {
    struct slice whole = whole_table();
    struct table *table = NULL;

    (void)state;
    assert_int_equal(table_open(sealed(whole, SEALS), &table), 0);
    table_unref(table);
    assert_int_equal(table_open(sealed(whole, SEALS & ~F_SEAL_WRITE), &table), -EPROTO);
    assert_int_equal(table_open(sealed(whole, SEALS & ~F_SEAL_SHRINK), &table), -EPROTO);
    assert_int_equal(table_open(open("/dev/null", O_RDONLY | O_CLOEXEC), &table), -EPROTO);
}

static void is_looked_at_in_pieces(void **state) {
    struct slice whole = whole_table();
    struct instance instance;
    struct table *table = NULL;
    unsigned pieces = 1;
    char spoilt[4096];

    (void)state;
    assert_int_equal(table_begin(sealed(whole, SEALS), &table), 0);
    while (table_look(table, 1) == 1)
        pieces++;
    assert_true(pieces > table_names(table) + table_count(table));
    assert_int_equal(table_look(table, 1), 0);
    assert_true(table_instance(table, 0, &instance));
    table_unref(table);
    memcpy(spoilt, whole.p, whole.n);
    ((struct table_header *)(void *)spoilt)->n_names++;
    assert_int_equal(table_begin(sealed(slice_of(spoilt, whole.n), SEALS), &table), 0);
    assert_int_equal(table_look(table, 1), 1);
    assert_int_equal(table_look(table, UINT64_MAX), -EPROTO);
    table_unref(table);
}

static void refuses_memory_of_another_size(void **state) {
    struct slice whole = whole_table();
    char longer[4096] = {0};
    struct table *table = NULL;

    (void)state;
    memcpy(longer, whole.p, whole.n);
    assert_int_equal(table_open(sealed(slice_of(longer, whole.n + 1), SEALS), &table), -EPROTO);
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(table_open(sealed(slice_of(longer, n), SEALS), &table), -EPROTO);
}

/* Whatever a number in it becomes: it is refused, or nothing outside of it is read (a sanitizer would see that). */
static void a_spoilt_table_does_no_harm(void **state) {
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0xffffffff, 0xffff, 64, 4096};
    struct slice whole = whole_table();
    char spoilt[4096];
    size_t n_refused = 0;

    (void)state;
    for (size_t at = 0; at + sizeof(uint32_t) <= whole.n; at += 2)
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            struct table *table = NULL;
            struct instance instance;

            memcpy(spoilt, whole.p, whole.n);
            memcpy(spoilt + at, &values[i], sizeof(values[i]));
            if (table_open(sealed(slice_of(spoilt, whole.n), SEALS), &table) < 0) {
                n_refused++;
                continue;
            }
            (void)table_find(table, SLICE("a"), SLICE("h"), SLICE("/p"), &instance);
            (void)table_find(table, SLICE("none"), SLICE("h"), SLICE("/p"), &instance);
            for (uint32_t k = 0; table_instance(table, k, &instance); k++)
                assert_true(instance.place != INSTANCE_UNIX || instance.path.p[instance.path.n] == '\0');
            table_unref(table);
        }
    assert_true(n_refused > 100);
}

#define PAGE 4096

/* So that whatever is read behind the next mapping of a page is a fault: the kernel fills the lowest hole. */
static void *guard_next_page(void) {
    char *pages = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(pages != MAP_FAILED);
    assert_int_equal(munmap(pages, PAGE), 0);
    return pages + PAGE;
}

/* The NUL behind a path is read too: no length may reach around to it, nor past the end. */
static void refuses_a_path_that_does_not_end(void **state) {
    static struct {
        struct table_header header;
        struct table_bucket bucket;
        struct table_instance instance;
        char texts[PAGE - sizeof(struct table_header) - sizeof(struct table_bucket) - sizeof(struct table_instance)];
    } page = {.header = {.magic = TABLE_MAGIC, .n_buckets = 1, .n_instances = 1, .n_texts = sizeof(page.texts)},
              .instance = {.kind = INSTANCE_UNIX}};
    const uint32_t end = sizeof(page.texts);
    const struct table_text bad[] = {{end, UINT32_MAX}, {end - 8, UINT32_MAX}, {0, UINT32_MAX}, {end - 8, 8},
                                     {end, 0},          {end - 8, 7},          {end - 8, 0},    {end + 1, 1},
                                     {UINT32_MAX, 1}};
    struct table *table = NULL;

    (void)state;
    memset(page.texts, 'a', sizeof(page.texts));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        void *guard = guard_next_page();

        page.instance.place = bad[i];
        assert_int_equal(table_open(sealed(slice_of(&page, sizeof(page)), SEALS), &table), -EPROTO);
        assert_int_equal(munmap(guard, PAGE), 0);
    }
    page.texts[end - 1] = '\0';
    page.instance.place = (struct table_text){end - 8, 7};
    assert_int_equal(table_open(sealed(slice_of(&page, sizeof(page)), SEALS), &table), 0);
    table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_json_of_the_contract),
        cmocka_unit_test(compares_names_byte_by_byte),
        cmocka_unit_test(reads_every_key_in_both_formats),
        cmocka_unit_test(leads_by_host_and_then_by_the_longest_path),
        cmocka_unit_test(equal_entries_are_one_instance),
        cmocka_unit_test(an_empty_table_has_nobody),
        cmocka_unit_test(instances_have_their_numbers),
        cmocka_unit_test(a_table_lives_until_its_last_user),
        cmocka_unit_test(finds_each_of_many),
        cmocka_unit_test(opens_only_what_is_sealed),
        cmocka_unit_test(is_looked_at_in_pieces),
        cmocka_unit_test(refuses_memory_of_another_size),
        cmocka_unit_test(refuses_a_path_that_does_not_end),
        cmocka_unit_test(a_spoilt_table_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
