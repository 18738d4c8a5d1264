#include "ingress/front/doorman_names.h"

#include "unit_certificate.h"

static struct doorman_names names;

static int set_names(void **state) {
    (void)state;
    names = (struct doorman_names){.n = 2, .at = {"front.example", "10.0.0.1"}};
    return 0;
}

/* The name that fits, of a certificate with this common name and these alternative names. */
static const char *found(const char *common_name, const char *alternatives) {
    struct identity client =
        identity_make(NULL, &(struct identity_want){.common_name = common_name, .alternatives = alternatives});
    const char *name = doorman_names_find(&names, client.certificate);

    identity_free(&client);
    return name ? name : "";
}

static void an_alternative_name_lets_in(void **state) {
    (void)state;
    assert_string_equal(found("x", "DNS:front.example"), "front.example");
    assert_string_equal(found("x", "DNS:other.example,DNS:FRONT.example,DNS:third.example"), "front.example");
    assert_string_equal(found(NULL, "email:a@b.example,DNS:front.example"), "front.example");
}

static void a_common_name_counts_where_there_is_no_other(void **state) {
    (void)state;
    assert_string_equal(found("front.example", NULL), "front.example");
    assert_string_equal(found("Front.Example", NULL), "front.example");
    assert_string_equal(found("front.example", "DNS:other.example"), "");
    assert_string_equal(found("front.example", "IP:10.0.0.1"), "");
    assert_string_equal(found("other.example", NULL), "");
    assert_string_equal(found(NULL, NULL), "");
}

static void nothing_near_a_name_is_it(void **state) {
    static const char *const others[] = {
        "DNS:front.example.org", "DNS:a.front.example", "DNS:*.example",         "DNS:*",
        "DNS:front.exampl",      "DNS:front.example.",  "email:x@front.example", "URI:https://front.example",
        "IP:10.0.0.1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_string_equal(found(NULL, others[i]), "");
    names.n = 0;
    assert_string_equal(found("front.example", "DNS:front.example"), "");
}

static void the_names_that_it_has_are_told(void **state) {
    static const struct {
        const char *common_name, *alternatives, *told;
    } rows[] = {{"x", "DNS:one.example,IP:10.0.0.1,DNS:two.example", "one.example, two.example"},
                {"front \x1b[2J", NULL, "front??[2J"},
                {"x", "IP:10.0.0.1", "no name"},
                {NULL, NULL, "no name"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct identity client = identity_make(
            NULL, &(struct identity_want){.common_name = rows[i].common_name, .alternatives = rows[i].alternatives});
        char told[CERTIFICATE_NAMES_MAX];

        doorman_names_describe(client.certificate, told);
        assert_string_equal(told, rows[i].told);
        identity_free(&client);
    }
}

static X509 *with_bytes(struct identity *client, const char *name, int n) {
    GENERAL_NAMES *alternatives = GENERAL_NAMES_new();
    GENERAL_NAME *alternative = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    assert_int_equal(ASN1_STRING_set(text, name, n), 1);
    GENERAL_NAME_set0_value(alternative, GEN_DNS, text);
    assert_true(sk_GENERAL_NAME_push(alternatives, alternative) > 0);
    assert_int_equal(X509_add1_ext_i2d(client->certificate, NID_subject_alt_name, alternatives, 0, 0), 1);
    GENERAL_NAMES_free(alternatives);
    return client->certificate;
}

static void a_name_with_a_nul_in_it_is_another(void **state) {
    struct identity client = identity_make(NULL, &(struct identity_want){.common_name = "front.example"});

    (void)state;
    assert_null(doorman_names_find(&names, with_bytes(&client, "front.example\0.evil.example", 27)));
    identity_free(&client);
}

/* Two extensions of alternative names: nobody can say which is meant, and the common name does not step in. */
static void two_lists_of_names_are_none(void **state) {
    struct identity client = identity_make(
        NULL, &(struct identity_want){.common_name = "front.example", .alternatives = "DNS:front.example"});

    (void)state;
    add_extension(client.certificate, NID_subject_alt_name, "DNS:front.example");
    assert_null(doorman_names_find(&names, client.certificate));
    identity_free(&client);
}

static void two_common_names_are_none(void **state) {
    struct identity client = identity_make(NULL, &(struct identity_want){.common_name = "front.example"});

    (void)state;
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(client.certificate), "CN", MBSTRING_ASC,
                                                (const unsigned char *)"other.example", -1, -1, 0),
                     1);
    assert_null(doorman_names_find(&names, client.certificate));
    identity_free(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_alternative_name_lets_in, set_names),
        cmocka_unit_test_setup(a_common_name_counts_where_there_is_no_other, set_names),
        cmocka_unit_test_setup(nothing_near_a_name_is_it, set_names),
        cmocka_unit_test(the_names_that_it_has_are_told),
        cmocka_unit_test_setup(a_name_with_a_nul_in_it_is_another, set_names),
        cmocka_unit_test_setup(two_lists_of_names_are_none, set_names),
        cmocka_unit_test_setup(two_common_names_are_none, set_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
