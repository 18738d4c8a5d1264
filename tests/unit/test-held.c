#include "egress/keeper/held.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "egress/credential_codec.h"
#include "unit_certificate.h"
#include "unit_fd.h"

static struct held *held;

/* As the keeper has it: decoded, and so its own. */
static struct credential *define(void) {
    static char name[] = "api", upstream[] = "https://api.example.org", field[] = "Authorization",
                format[] = "Bearer {}";
    struct inject inject = {.kind = INJECT_HEADER, .name = field, .format = format};
    const struct credential credential = {
        .name = name, .upstream = upstream, .inject = &inject, .n_inject = 1, .allows_all = true};
    struct ipc_writer w = credential_encode(1, &credential);
    _cleanup_slice_ struct slice bytes = exact_copy(ipc_writer_bytes(&w));
    struct ipc_message m = ipc_message_of(bytes);
    struct credential *decoded;
    uint32_t id;

    assert_int_equal(credential_decode(&m, &id, &decoded), 0);
    return decoded;
}

static int begin(void **state) {
    (void)state;
    return held_new(define(), &held);
}

static void renew(const char *secret) {
    int fd;

    assert_int_equal(secret_seal(slice_of_string(secret), &fd), 0);
    assert_int_equal(held_renew(held, fd, 0), 0);
}

/* Pieces of memory that hold a secret, of this process. */
static unsigned mapped_secrets(void) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned n = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps))
        n += strstr(line, "secretmem") || strstr(line, "credfd-secret");
    assert_int_equal(fclose(maps), 0);
    return n;
}

static int end(void **state) {
    (void)state;
    held_unref(held);
    assert_int_equal(mapped_secrets(), 0);
    return 0;
}

static void check_masked(const struct held_secret *used, const char *given, const char *expected) {
    char text[256];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", given);

    (void)mask_apply(used->mask, text, n);
    assert_string_equal(text, expected);
}

static void a_secret_is_gone_when_it_is_forgotten(void **state) {
    (void)state;
    assert_false(held_is_current(held));
    renew("the-key-of-a-task");
    assert_true(held_is_current(held));
    assert_int_equal(mapped_secrets(), 1);
    held_forget(held);
    assert_false(held_is_current(held));
    assert_int_equal(mapped_secrets(), 0);
    held_forget(held);
}

/* It goes with the exchange: whoever reads the response still needs to know what to mask. */
static void an_exchange_under_way_keeps_what_it_began_with(void **state) {
    struct held_secret *used;

    (void)state;
    renew("the-key-of-a-task");
    used = held_use(held);
    assert_non_null(used);
    held_forget(held);
    assert_slice(secret_view(used->secret), "the-key-of-a-task");
    check_masked(used, "it is the-key-of-a-task.", "it is *****************.");
    held_unuse(held, used);
    assert_int_equal(mapped_secrets(), 0);
}

static void a_response_says_neither_the_secret_nor_the_one_before(void **state) {
    struct held_secret *first, *second;

    (void)state;
    renew("first-secret");
    first = held_use(held);
    renew("second-secret");
    second = held_use(held);
    check_masked(first, "first-secret second-secret", "************ second-secret");
    check_masked(second, "first-secret second-secret", "************ *************");
    held_unuse(held, first);
    held_unuse(held, second);
    assert_int_equal(mapped_secrets(), 1); /* the mask has a copy of the first */
}

/* A secret that is renewed every minute, and that nobody uses, stays two pieces of memory. */
static void secrets_that_nobody_uses_do_not_pile_up(void **state) {
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char secret[32];

        (void)snprintf(secret, sizeof(secret), "secret-%u", i);
        renew(secret);
        assert_true(mapped_secrets() <= 2);
    }
    check_masked(held_use(held), "secret-998 secret-999", "********** **********");
    held_unuse(held, held->current);
}

/* No descriptor is kept of one: a keeper has thousands. */
static void a_secret_costs_no_descriptor(void **state) {
    int before = next_number();

    (void)state;
    renew("the-key-of-a-task");
    assert_int_equal(next_number(), before);
}

static int certificates_of(const char *common_name) {
    const struct identity_want want = {.common_name = common_name, .is_authority = true};
    struct identity made = identity_make(NULL, &want);
    int fd = memfd_create("test", MFD_CLOEXEC);
    FILE *file = fdopen(dup(fd), "w");

    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, made.certificate), 1);
    assert_int_equal(fclose(file), 0);
    identity_free(&made);
    return fd;
}

/* A thousand loans that trust the same certificates cost one context. */
static void one_context_serves_all_who_trust_the_same(void **state) {
    struct anchors *shelf = NULL, *first, *again, *other;
    struct tls_context *contexts[3];
    int one = certificates_of("one"), two = certificates_of("two");

    (void)state;
    assert_int_equal(anchors_get(&shelf, one, &first), 0);
    assert_int_equal(anchors_get(&shelf, one, &again), 0);
    assert_int_equal(anchors_get(&shelf, two, &other), 0);
    assert_int_equal(close(one) | close(two), 0);
    assert_int_equal(anchors_context(first, &contexts[0]), 0);
    assert_int_equal(anchors_context(again, &contexts[1]), 0);
    assert_int_equal(anchors_context(other, &contexts[2]), 0);
    assert_ptr_equal(contexts[0], contexts[1]);
    assert_ptr_not_equal(contexts[0], contexts[2]);
    anchors_unref(first);
    assert_int_equal(anchors_context(again, &contexts[1]), 0);
    assert_ptr_equal(contexts[0], contexts[1]);
    anchors_unref(again);
    anchors_unref(other);
    anchors_trim(&shelf);
    assert_null(shelf);
}

static void a_context_is_there_for_the_next_loan(void **state) {
    struct anchors *shelf = NULL, *first, *next;
    struct tls_context *contexts[2];
    int one = certificates_of("one"), two = certificates_of("two");

    (void)state;
    assert_int_equal(anchors_get(&shelf, one, &first), 0);
    assert_int_equal(anchors_context(first, &contexts[0]), 0);
    anchors_unref(first);
    assert_int_equal(anchors_get(&shelf, one, &next), 0);
    assert_int_equal(anchors_context(next, &contexts[1]), 0);
    assert_ptr_equal(contexts[0], contexts[1]);
    assert_int_equal(anchors_get(&shelf, two, &first), 0);
    anchors_unref(first);
    anchors_trim(&shelf); /* what is in use stays */
    assert_ptr_equal(shelf, next);
    assert_null(shelf->next);
    anchors_unref(next);
    anchors_trim(&shelf);
    assert_null(shelf);
    assert_int_equal(close(one) | close(two), 0);
}

static void what_holds_no_certificate_is_no_anchor(void **state) {
    struct anchors *shelf = NULL, *anchors;
    struct tls_context *context = NULL;
    int empty = memfd_create("test", MFD_CLOEXEC), junk = memfd_create("test", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(anchors_get(&shelf, empty, &anchors), -EINVAL);
    assert_int_equal(write(junk, "no PEM", 6), 6);
    assert_int_equal(anchors_get(&shelf, junk, &anchors), 0);
    assert_int_equal(anchors_context(anchors, &context), -EINVAL);
    assert_null(context);
    anchors_unref(anchors);
    anchors_trim(&shelf);
    assert_int_equal(close(empty) | close(junk), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_secret_is_gone_when_it_is_forgotten),
        TEST(an_exchange_under_way_keeps_what_it_began_with),
        TEST(a_response_says_neither_the_secret_nor_the_one_before),
        TEST(secrets_that_nobody_uses_do_not_pile_up),
        TEST(a_secret_costs_no_descriptor),
        cmocka_unit_test(one_context_serves_all_who_trust_the_same),
        cmocka_unit_test(a_context_is_there_for_the_next_loan),
        cmocka_unit_test(what_holds_no_certificate_is_no_anchor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
