#include "ingress/front/assertion.h"

#include "unit_jwt.h"

#define NOW 1700000000
#define ISSUER "https://id.example/application/o/credfd/"
#define HEADER "{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":\"JWT\"}"
#define EC_HEADER "{\"alg\":\"ES256\",\"kid\":\"e\"}"
#define WHO "\"iss\":\"" ISSUER "\",\"aud\":\"credfd\",\"preferred_username\":\"alice@example.org\""
#define CLAIMS "{" WHO ",\"exp\":1700000100,\"nbf\":1699999900,\"iat\":1699999900}"

static const struct assertion_rules rules = {.issuer = ISSUER, .audience = "credfd", .claim = "preferred_username"};

static EVP_PKEY *rsa, *rsa_b, *rsa_stranger, *ec, *ec_wide;
static struct jwks *keys, *one_of_each;

static struct jwks *set_of(const char *a, const char *b, const char *c) {
    static char text[16384];
    struct jwks *set = NULL;
    int n = snprintf(text, sizeof(text), "{\"keys\":[%s,%s,%s]}", a, b, c);

    assert_true(n > 0 && (size_t)n < sizeof(text));
    assert_int_equal(jwks_parse(slice_of(text, (size_t)n), &set), 0);
    return set;
}

static int make_keys(void **state) {
    char a[4096], b[4096], e[4096];

    (void)state;
    rsa = rsa_key(RSA_2048);
    rsa_b = rsa_key(RSA_3072);
    rsa_stranger = rsa_key(RSA_2048_OTHER);
    ec = ec_key("P-256");
    ec_wide = ec_key("P-384");
    write_jwk(rsa, ",\"kid\":\"a\"", a, sizeof(a));
    write_jwk(rsa_b, ",\"kid\":\"b\"", b, sizeof(b));
    write_jwk(ec, ",\"kid\":\"e\"", e, sizeof(e));
    keys = set_of(a, b, e);
    one_of_each = set_of(a, e, "{}");
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(rsa_b);
    EVP_PKEY_free(rsa_stranger);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ec_wide);
    jwks_free(keys);
    jwks_free(one_of_each);
    return 0;
}

static struct assertion found;

static enum assertion_fault judge_at(struct slice token, uint64_t now_s) {
    _cleanup_slice_ struct slice copy = exact_copy(token);

    memset(&found, 0, sizeof(found));
    return assertion_verify(&rules, keys, copy, now_s, &found);
}

static enum assertion_fault judge(const char *token) {
    return judge_at(slice_of_string(token), NOW);
}

/* Signed by `key`; what is wrong is told by what it says. */
static enum assertion_fault judge_signed(EVP_PKEY *key, const char *header, const char *claims) {
    return judge(jwt(key, header, claims, false));
}

static void good_ones_name_a_person(void **state) {
    (void)state;
    assert_int_equal(judge_signed(rsa, HEADER, CLAIMS), ASSERTION_GOOD);
    assert_string_equal(found.name, "alice@example.org");
    assert_int_equal(found.good_ms, 100000);
    assert_int_equal(judge_signed(rsa_b, "{\"alg\":\"RS256\",\"kid\":\"b\"}", CLAIMS), ASSERTION_GOOD);
    for (unsigned i = 0; i < 20; i++) /* each time R and S are others */
        assert_int_equal(judge_signed(ec, EC_HEADER, CLAIMS), ASSERTION_GOOD);
    assert_int_equal(judge_signed(ec, "{\"alg\":\"ES256\",\"typ\":\"jwt\",\"kid\":\"e\",\"x\":[{}]}", CLAIMS),
                     ASSERTION_GOOD);
}

static void without_a_number_the_only_key_of_its_kind_is_meant(void **state) {
    (void)state;
    assert_int_equal(judge_signed(ec, "{\"alg\":\"ES256\"}", CLAIMS), ASSERTION_GOOD);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\"}", CLAIMS), ASSERTION_UNKNOWN_KEY);
    assert_int_equal(assertion_verify(&rules, one_of_each,
                                      slice_of_string(jwt(rsa, "{\"alg\":\"RS256\"}", CLAIMS, false)), NOW, &found),
                     ASSERTION_GOOD);
}

/* Of every character another one: no token that is not the one that was signed is good. */
static void any_change_of_a_byte_is_seen(void **state) {
    EVP_PKEY *const signers[] = {rsa, ec};
    const char *const headers[] = {HEADER, EC_HEADER};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
        char token[JWT_MAX];
        size_t n;

        (void)snprintf(token, sizeof(token), "%s", jwt(signers[i], headers[i], CLAIMS, false));
        n = strlen(token);
        assert_int_equal(judge(token), ASSERTION_GOOD);
        for (size_t at = 0; at < n; at++) {
            char was = token[at];

            token[at] = was == 'A' ? 'B' : 'A';
            assert_int_not_equal(judge(token), ASSERTION_GOOD);
            token[at] = was;
            assert_int_not_equal(judge_at(slice_of(token, at), NOW), ASSERTION_GOOD);
        }
    }
}

static void a_key_of_somebody_else_signs_nothing(void **state) {
    (void)state;
    assert_int_equal(judge_signed(rsa_stranger, HEADER, CLAIMS), ASSERTION_SIGNATURE);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"b\"}", CLAIMS), ASSERTION_SIGNATURE);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"z\"}", CLAIMS), ASSERTION_UNKNOWN_KEY);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"\"}", CLAIMS), ASSERTION_UNKNOWN_KEY);
    /* what a token brings along is no key (RFC 8725 §3.10) */
    assert_int_equal(judge_signed(rsa_stranger,
                                  "{\"alg\":\"RS256\",\"kid\":\"z\",\"jku\":\"https://evil.example\",\"jwk\":{}}",
                                  CLAIMS),
                     ASSERTION_UNKNOWN_KEY);
}

static void the_algorithm_is_not_the_tokens_to_choose(void **state) {
    static const char *const others[] = {
        "{\"alg\":\"none\",\"kid\":\"a\"}",    "{\"alg\":\"HS256\",\"kid\":\"a\"}",
        "{\"alg\":\"RS512\",\"kid\":\"a\"}",   "{\"alg\":\"PS256\",\"kid\":\"a\"}",
        "{\"alg\":\"rs256\",\"kid\":\"a\"}",   "{\"alg\":\"\",\"kid\":\"a\"}",
        "{\"alg\":[\"RS256\"],\"kid\":\"a\"}", "{\"kid\":\"a\"}",
        "{\"alg\":\"RS256 \",\"kid\":\"a\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(judge_signed(rsa, others[i], CLAIMS), ASSERTION_ALGORITHM);
    /* a key of the other kind is none of this number */
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"ES256\",\"kid\":\"a\"}", CLAIMS), ASSERTION_UNKNOWN_KEY);
    assert_int_equal(judge_signed(ec, "{\"alg\":\"RS256\",\"kid\":\"e\"}", CLAIMS), ASSERTION_UNKNOWN_KEY);
    assert_int_equal(judge(jwt(ec_wide, EC_HEADER, CLAIMS, true)), ASSERTION_SIGNATURE);
}

/* The text of the public key is known to all: as a password it signs nothing. */
static void a_public_key_is_no_password(void **state) {
    char token[JWT_MAX], modulus[2048];
    unsigned char mac[32];
    size_t n, mac_n = 0;

    (void)state;
    (void)snprintf(token, sizeof(token), "%s", jwt(rsa, "{\"alg\":\"HS256\",\"kid\":\"a\"}", CLAIMS, false));
    n = (size_t)(strrchr(token, '.') - token);
    (void)number_of_key(rsa, OSSL_PKEY_PARAM_RSA_N, modulus);
    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, modulus, strlen(modulus), (unsigned char *)token, n,
                              mac, sizeof(mac), &mac_n));
    (void)base64url(mac, mac_n, token + n + 1);
    assert_int_equal(judge(token), ASSERTION_ALGORITHM);
}

static void an_unsigned_token_is_none(void **state) {
    char token[JWT_MAX];

    (void)state;
    (void)snprintf(token, sizeof(token), "%s", jwt(rsa, "{\"alg\":\"none\"}", CLAIMS, false));
    strrchr(token, '.')[1] = '\0';
    assert_int_equal(judge(token), ASSERTION_MALFORMED);
    *strrchr(token, '.') = '\0';
    assert_int_equal(judge(token), ASSERTION_MALFORMED);
}

static void an_ec_signature_is_two_numbers_as_they_are(void **state) {
    char token[JWT_MAX];
    static const unsigned char zeros[64];

    (void)state;
    assert_int_equal(judge(jwt(ec, EC_HEADER, CLAIMS, true)), ASSERTION_SIGNATURE);
    (void)snprintf(token, sizeof(token), "%s", jwt(ec, EC_HEADER, CLAIMS, false));
    (void)base64url(zeros, sizeof(zeros), strrchr(token, '.') + 1);
    assert_int_equal(judge(token), ASSERTION_SIGNATURE);
    (void)base64url(zeros, 63, strrchr(token, '.') + 1);
    assert_int_equal(judge(token), ASSERTION_SIGNATURE);
}

static void extensions_and_other_types_are_refused(void **state) {
    (void)state;
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\",\"crit\":[\"exp\"]}", CLAIMS),
                     ASSERTION_CRITICAL);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\",\"crit\":[]}", CLAIMS), ASSERTION_CRITICAL);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":\"at+jwt\"}", CLAIMS), ASSERTION_TYPE);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":null}", CLAIMS), ASSERTION_TYPE);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":1}", CLAIMS), ASSERTION_MALFORMED);
}

static void malformed_tokens(void **state) {
    static const struct slice rows[] = {
        SLICE(""),
        SLICE("."),
        SLICE(".."),
        SLICE("..."),
        SLICE("e30.e30"),
        SLICE("e30.e30.AAAA.AAAA"),
        SLICE("a.b.c"),
        SLICE("e30.e30."),
        SLICE("e30..AAAA"),
        SLICE(".e30.AAAA"),
        SLICE("e30=.e30.AAAA"),
        SLICE("W10.e30.AAAA") /* a list */,
        SLICE("e30.W10.AAAA"),
        SLICE("bnVsbA.e30.AAAA"),
        SLICE(" e30.e30.AAAA"),
        SLICE("e30.e30.AAAA\n"),
        SLICE("e30.e30.AA+A"),
    };
    char long_one[JWT_MAX * 2], claims[LIMIT_ASSERTION];
    int n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i], judge_at(rows[i], NOW) == ASSERTION_MALFORMED);
    assert_int_equal(judge_signed(rsa, "{\"alg\":\"RS256\",\"kid\":\"a\",\"alg\":\"RS256\"}", CLAIMS),
                     ASSERTION_MALFORMED);
    assert_int_equal(judge_signed(rsa, HEADER, "{" WHO ",\"exp\":1700000100,\"exp\":1700000100}"), ASSERTION_MALFORMED);
    assert_int_equal(judge_signed(rsa, HEADER, "{" WHO ",\"exp\":1700000100,\"x\":\"\\u0000\"}"), ASSERTION_MALFORMED);
    assert_int_equal(judge_signed(rsa, HEADER " ", CLAIMS "x"), ASSERTION_MALFORMED);
    assert_int_equal(judge_signed(rsa, HEADER, "{\"x\":\"\xff\"}"), ASSERTION_MALFORMED);
    /* sound, and larger than any that is taken */
    n = snprintf(claims, sizeof(claims), "{" WHO ",\"exp\":1700000100,\"x\":\"%*s\"}", LIMIT_ASSERTION * 3 / 4, "");
    assert_true(n > 0 && (size_t)n < sizeof(claims));
    (void)snprintf(long_one, sizeof(long_one), "%s", jwt(rsa, HEADER, claims, false));
    assert_true(strlen(long_one) > LIMIT_ASSERTION);
    assert_int_equal(judge(long_one), ASSERTION_MALFORMED);
}

#define IS "\"iss\":\"" ISSUER "\""
#define FOR "\"aud\":\"credfd\""
#define NAME "\"preferred_username\":\"alice\""
#define TILL "\"exp\":1700000100"

static void what_it_must_say(void **state) {
    static const struct {
        const char *claims;
        enum assertion_fault fault;
    } rows[] = {
        {"{" IS "," FOR "," NAME "," TILL "}", ASSERTION_GOOD},
        {"{" FOR "," NAME "," TILL "}", ASSERTION_ISSUER},
        {"{\"iss\":\"https://id.example/application/o/credfd\"," FOR "," NAME "," TILL "}", ASSERTION_ISSUER},
        {"{\"iss\":[\"" ISSUER "\"]," FOR "," NAME "," TILL "}", ASSERTION_ISSUER},
        {"{" IS "," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS ",\"aud\":\"other\"," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS ",\"aud\":\"Credfd\"," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS ",\"aud\":[\"other\",\"credfd\"]," NAME "," TILL "}", ASSERTION_GOOD},
        {"{" IS ",\"aud\":[\"other\"]," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS ",\"aud\":[[\"credfd\"]]," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS ",\"aud\":{\"credfd\":1}," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS ",\"aud\":[]," NAME "," TILL "}", ASSERTION_AUDIENCE},
        {"{" IS "," FOR "," NAME "}", ASSERTION_NO_EXPIRY},
        {"{" IS "," FOR "," NAME ",\"exp\":\"1700000100\"}", ASSERTION_NO_EXPIRY},
        {"{" IS "," FOR "," NAME ",\"exp\":true}", ASSERTION_NO_EXPIRY},
        {"{" IS "," FOR "," NAME ",\"exp\":-1}", ASSERTION_NO_EXPIRY},
        {"{" IS "," FOR "," NAME ",\"exp\":1e300}", ASSERTION_NO_EXPIRY},
        {"{" IS "," FOR "," NAME ",\"exp\":1700000000}", ASSERTION_EXPIRED},
        {"{" IS "," FOR "," NAME ",\"exp\":1699999999.9}", ASSERTION_EXPIRED},
        {"{" IS "," FOR "," NAME ",\"exp\":1700000000.5}", ASSERTION_GOOD},
        {"{" IS "," FOR "," NAME "," TILL ",\"nbf\":1700000060}", ASSERTION_GOOD},
        {"{" IS "," FOR "," NAME "," TILL ",\"nbf\":1700000061}", ASSERTION_NOT_YET},
        {"{" IS "," FOR "," NAME "," TILL ",\"iat\":1700000061}", ASSERTION_NOT_YET},
        {"{" IS "," FOR "," NAME "," TILL ",\"nbf\":\"0\"}", ASSERTION_NOT_YET},
        {"{" IS "," FOR "," TILL "}", ASSERTION_NO_NAME},
        {"{" IS "," FOR ",\"preferred_username\":7," TILL "}", ASSERTION_NO_NAME},
        {"{" IS "," FOR ",\"preferred_username\":\"\"," TILL "}", ASSERTION_NO_NAME},
        {"{" IS "," FOR ",\"preferred_username\":[\"alice\"]," TILL "}", ASSERTION_NO_NAME},
        {"{" IS "," FOR ",\"preferred_username\":\"al\\nice\"," TILL "}", ASSERTION_NO_NAME},
        {"{" IS "," FOR ",\"email\":\"alice\"," TILL "}", ASSERTION_NO_NAME},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (judge_signed(ec, EC_HEADER, rows[i].claims) != rows[i].fault)
            fail_msg("%s", rows[i].claims);
}

static void it_is_good_till_it_expires_and_for_minutes_at_most(void **state) {
    const char *token = jwt(rsa, HEADER, "{" WHO ",\"exp\":1700000300}", false);

    (void)state;
    assert_int_equal(judge_at(slice_of_string(token), NOW), ASSERTION_GOOD);
    assert_int_equal(found.good_ms, 300000);
    assert_int_equal(judge_at(slice_of_string(token), NOW - 86400), ASSERTION_GOOD);
    assert_int_equal(found.good_ms, LIFE_ASSERTION);
    assert_int_equal(judge_at(slice_of_string(token), NOW + 299), ASSERTION_GOOD);
    assert_int_equal(found.good_ms, 1000);
    assert_int_equal(judge_at(slice_of_string(token), NOW + 300), ASSERTION_EXPIRED);
    assert_string_equal(found.name, ""); /* untouched */
}

static void every_fault_has_words(void **state) {
    (void)state;
    for (unsigned fault = 0; fault < ASSERTION_FAULTS; fault++)
        assert_non_null(assertion_fault_text(fault));
}

static void rules_arrive_as_they_were(void **state) {
    struct assertion_rules sent = rules, got = {0};
    struct ipc_message m;
    struct ipc_writer w;

    (void)state;
    (void)snprintf(sent.url, sizeof(sent.url), "https://id.example/keys");
    sent.has_ca = true;
    w = assertion_rules_encode(&sent);
    m = ipc_message_of(ipc_writer_bytes(&w));
    assert_int_equal(m.type, IPC_VERIFIER);
    assert_int_equal(assertion_rules_decode(&m, &got), 0);
    assert_memory_equal(&got, &sent, sizeof(got));
    sent.audience[0] = '\0'; /* nobody's token would be everybody's */
    w = assertion_rules_encode(&sent);
    m = ipc_message_of(ipc_writer_bytes(&w));
    assert_true(assertion_rules_decode(&m, &got) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_name_a_person),
        cmocka_unit_test(without_a_number_the_only_key_of_its_kind_is_meant),
        cmocka_unit_test(any_change_of_a_byte_is_seen),
        cmocka_unit_test(a_key_of_somebody_else_signs_nothing),
        cmocka_unit_test(the_algorithm_is_not_the_tokens_to_choose),
        cmocka_unit_test(a_public_key_is_no_password),
        cmocka_unit_test(an_unsigned_token_is_none),
        cmocka_unit_test(an_ec_signature_is_two_numbers_as_they_are),
        cmocka_unit_test(extensions_and_other_types_are_refused),
        cmocka_unit_test(malformed_tokens),
        cmocka_unit_test(what_it_must_say),
        cmocka_unit_test(it_is_good_till_it_expires_and_for_minutes_at_most),
        cmocka_unit_test(every_fault_has_words),
        cmocka_unit_test(rules_arrive_as_they_were),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
