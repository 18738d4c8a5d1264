#include "egress/mask/mask.h"

#include <stdio.h>

#include "base/limits.h"
#include "unit_mask.h"
#include "wire/base64.h"

/* In a row's text, what stands between brackets is to be masked, and nothing else. */
static struct slice expected_of(struct slice text) {
    char *memory = malloc(text.n + 1);
    bool is_inside = false;

    assert_non_null(memory);
    for (size_t i = 0; i < text.n; i++) {
        is_inside = is_inside && text.p[i] != ']';
        memory[i] = is_inside ? '*' : text.p[i];
        is_inside = is_inside || text.p[i] == '[';
    }
    return slice_of(memory, text.n);
}

/* Text that is to be changed in place, in memory of exactly its size. */
static char *writable(struct slice s) {
    union {
        const char *from;
        char *to;
    } p = {exact_copy(s).p};

    return p.to;
}

static size_t apply(const struct mask *mask, struct slice text, char *to) {
    _cleanup_free_ char *copy = writable(text);
    size_t found = mask_apply(mask, copy, text.n);

    if (text.n > 0)
        memcpy(to, copy, text.n);
    return found;
}

/* Pulls all that is ready, in pieces of at most `max`. */
static size_t drain(struct mask_stream *s, size_t max, char *to) {
    size_t n = 0;

    for (;;) {
        struct slice out = mask_stream_pull(s, max);

        assert_true(out.n <= max);
        if (out.n == 0)
            break;
        memcpy(to + n, out.p, out.n);
        n += out.n;
    }
    assert_true(mask_stream_is_drained(s));
    return n;
}

/* Pushes `text` in pieces: the first of `first` bytes, then of `size` each. */
static void stream(const struct mask *mask, struct slice text, size_t first, size_t size, size_t max, char *to) {
    struct mask_stream s;
    struct slice rest = text;
    size_t n = 0, found;

    mask_stream_init(&s, mask);
    for (size_t cut = first; rest.n > 0; cut = size) {
        struct slice piece = slice_first(rest, cut);
        _cleanup_free_ char *bytes = writable(piece);

        rest = slice_from(rest, piece.n);
        assert_int_equal(mask_stream_push(&s, bytes, piece.n, rest.n == 0), 0);
        n += drain(&s, max, to + n);
    }
    found = mask_stream_found(&s);
    mask_stream_done(&s);
    assert_int_equal(n, text.n);
    assert_int_equal(found, apply(mask, text, to + text.n));
}

/* However the text is cut, that comes out. */
static void require(const struct mask *mask, struct slice text, struct slice expected) {
    _cleanup_free_ char *out = malloc(2 * text.n + 1);

    assert_non_null(out);
    apply(mask, text, out);
    assert_row(text, slice_equals(slice_of(out, text.n), expected));
    for (size_t cut = 0; cut <= text.n; cut++) {
        stream(mask, text, cut, text.n, text.n, out);
        assert_row(text, slice_equals(slice_of(out, text.n), expected));
    }
    for (size_t size = 1; size <= 5; size++) {
        stream(mask, text, size, size, 7 - size, out);
        assert_row(text, slice_equals(slice_of(out, text.n), expected));
    }
}

static void require_row(const struct mask *mask, struct slice text) {
    _cleanup_slice_ struct slice expected = expected_of(text);

    require(mask, text, expected);
}

#define SECRET "k/\"\\&<'>\xC3\xA9+ 9Z"

static void every_form_is_masked(void **state) {
    static const struct slice rows[] = {
        SLICE("[" SECRET "]"),
        SLICE("a [" SECRET "][" SECRET "] b"),
        /* percent: all, minimal, either case, half and half */
        SLICE("[%6B%2F%22%5C%26%3C%27%3E%C3%A9%2B%20%39%5A]"),
        SLICE("[%6b%2f%22%5c%26%3c%27%3e%c3%a9%2b%20%39%5a]"),
        SLICE("[k%2F%22%5C%26%3C%27%3E%C3%A9%2B+9Z]"),
        SLICE("[k/%22%5c%26<'>%c3%A9+%209%5A]"),
        SLICE("[k/\"\\&<'>%E9+ 9Z]"),
        /* JSON: escaped as little as may be, as PHP does it, as Go does it, all of it, by bytes */
        SLICE("[k/\\\"\\\\&<'>\xC3\xA9+ 9Z]"),
        SLICE("[k\\/\\\"\\\\&<'>\\u00e9+ 9Z]"),
        SLICE("[k/\\\"\\\\\\u0026\\u003c'\\u003e\xC3\xA9+ 9Z]"),
        SLICE("[\\u006B\\u002F\\u0022\\u005C\\u0026\\u003C\\u0027\\u003E\\u00E9\\u002B\\u0020\\u0039\\u005A]"),
        SLICE("[k/\"\\&<'>\\u00c3\\u00a9+ 9Z]"),
        /* HTML: named, decimal, hexadecimal, zeros in front */
        SLICE("[k/&quot;\\&amp;&lt;&apos;&gt;\xC3\xA9+ 9Z]"),
        SLICE("[k&sol;&QUOT;&bsol;&AMP;&LT;&apos;&GT;\xC3\xA9&plus; 9Z]"),
        SLICE("[&#107;&#47;&#34;&#92;&#38;&#60;&#39;&#62;&#233;&#43;&#32;&#57;&#90;]"),
        SLICE("[&#x6B;&#x2f;&#X22;&#x5C;&#X26;&#x3c;&#x27;&#x3E;&#xe9;&#x2b;&#x20;&#x39;&#x5a;]"),
        SLICE("[k&#00000047;&#034;\\&#038;&lt;&#x00000027;&gt;&#195;&#xA9;+ 9Z]"),
        /* hexadecimal, and that escaped */
        SLICE("[6b2f225c263c273ec3a92b20395a]"),
        SLICE("x[6B2F225C263C273EC3A92B20395A]0"),
        SLICE("[6B2f225c263C273ec3A92b2039%35&#x41;]"),
        /* base64 in its three places, of both alphabets, and that percent-encoded */
        SLICE("[ay8iXCY8Jz7DqSsgOVo]="),
        SLICE("[ay8iXCY8Jz7DqSsgOVp]4eQ=="),
        SLICE("Y[WsvIlwmPCc+w6krIDla]"),
        SLICE("Y[WsvIlwmPCc-w6krIDla]"),
        SLICE("Y[WsvIlwmPCc%2Bw6krIDla]"),
        SLICE("Y[%57svIlwmPCc%2dw6krIDl\\u0061]"),
        SLICE("YWJ[rLyJcJjwnPsOpKyA5W]g=="),
        SLICE("YWJ[rLyJcJjwnPsOpKyA5W]nh5"),
        /* all at once, and from the middle of what looks like an escape */
        SLICE("[k%2f\\u0022\\\\&amp;&#60;'>%c3\xA9%2b+9&#x5A;]"),
        SLICE("%[6b2f225c263c273ec3a92b20395a]"),
        SLICE("\\[\\u006b/\"\\&<'>\xC3\xA9+ 9Z]"),
    };
    _cleanup_mask_ struct mask *mask = mask_of(SLICE(SECRET));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        require_row(mask, rows[i]);
}

static void near_misses_are_left_alone(void **state) {
    static const struct slice rows[] = {
        SLICE(""),
        SLICE("k"),
        SLICE("k/\"\\&<'>\xC3\xA9+ 9"),
        SLICE("k/\"\\&<'>\xC3\xA9+ 9z"),
        SLICE("K/\"\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/\"\\&<'>\xE9+ 9Z"),
        SLICE("k%2/\"\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k%252F%2522%255C%2526<'>\xC3\xA9+ 9Z"),
        SLICE("k/\\u022\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/\\U0022\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/&#34\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/&#000000034;\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/&#x;\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/&#;\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/&quo;\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/&quott;\\&<'>\xC3\xA9+ 9Z"),
        SLICE("k/\\'\\&<'>\xC3\xA9+ 9Z"),
        SLICE("6b2f225c263c273ec3a92b20395"),
        SLICE("6b2f225c263c273ec3a92b20395b"),
        SLICE("6b 2f 22 5c 26 3c 27 3e c3 a9 2b 20 39 5a"),
        SLICE("ay8iXCY8Jz7DqSsgOV="),
        SLICE("ay8iXCY8Jz7DqSsgOVs="),
        SLICE("\\u\\u\\u\\ud83d\\ude00\\ud83d\\u006b &&#&#x&a;%%%6"),
    };
    _cleanup_mask_ struct mask *mask = mask_of(SLICE(SECRET));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        require(mask, rows[i], rows[i]);
}

/* Without the padding, which tells nothing. */
static size_t to_base64(struct slice in, bool is_url_safe, char *to) {
    size_t n = base64_encode(in, to);

    for (; n > 0 && to[n - 1] == '='; n--)
        ;
    for (size_t i = 0; is_url_safe && i < n; i++)
        to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
    return n;
}

/* Wherever the secret stands: a character that tells more than two of its bits is masked, no other. */
static void base64_tells_two_bits_at_most(void **state) {
    static const struct slice secrets[] = {SLICE("s"), SLICE("s3"), SLICE("s3c"), SLICE("~~\xFF\xFB\xF0?>s3cret"),
                                           SLICE("\xFB\xEF\xBE\xFB\xEF")};
    static const char around[] = "qwertyu";
    char plain[64], text[128], expected[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(secrets) * 2 * 6 * 6; i++) {
        struct slice secret = secrets[i / 72];
        size_t before = i % 6, behind = i / 6 % 6, n, marked = 0;
        _cleanup_mask_ struct mask *mask = mask_of(secret);

        memcpy(plain, around, before);
        memcpy(plain + before, secret.p, secret.n);
        memcpy(plain + before + secret.n, around, behind);
        n = to_base64(slice_of(plain, before + secret.n + behind), i / 36 % 2, text);
        memcpy(expected, text, n);
        for (size_t bit = 6; bit <= 6 * n; bit += 6) {
            size_t from = MAX_OF(bit - 6, 8 * before), to = MIN_OF(bit, 8 * (before + secret.n));

            if (to >= from + 3) {
                expected[bit / 6 - 1] = '*';
                marked++;
            }
        }
        assert_true(marked > 0);
        if (secret.n > 2) /* a shorter one occurs where it was not put */
            require(mask, slice_of(text, n), slice_of(expected, n));
        assert_true(apply(mask, slice_of(text, n), text) > 0);
        for (size_t k = 0; k < n; k++)
            assert_row(secret, expected[k] != '*' || text[k] == '*');
    }
}

static void all_of_what_overlaps_is_masked(void **state) {
    static const struct {
        struct slice secret, text;
        size_t found;
    } rows[] = {
        {SLICE("aaaa"), SLICE("baaab [aaaa] [aaaaaaaaaaaaa] aaa"), 2},
        {SLICE("abab"), SLICE("[ababab] ab [ababab%61b] aba"), 2},
        {SLICE("33333"), SLICE("[3333333] [%33%33%33%33%33%33%33] [333333333333]"), 3},
        {SLICE("25%25"), SLICE("[25%25] [25%25%25] %25[%32%35%25%32%35]"), 3},
        {SLICE("\\\\"), SLICE("a[\\\\]b[\\\\\\\\]c[\\\\\\]d\\e"), 3},
        {SLICE("%25"), SLICE("[%25] [%25%25] [%2525] %2 %"), 4},
        {SLICE("&amp"), SLICE("[&amp] [&amp;amp] [&amp;amp];amp"), 3},
        {SLICE("41AAAA"), SLICE("%[41%41%41AA] %[41%41%41%41%41%41]%2"), 2},
        {SLICE("a"), SLICE("[a]b[aa]c[%61]d[Y]Q"), 5},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_mask_ struct mask *mask = mask_of(rows[i].secret);
        char out[128];

        require_row(mask, rows[i].text);
        assert_row(rows[i].text, apply(mask, rows[i].text, out) == rows[i].found);
    }
}

static void several_secrets(void **state) {
    static const struct slice secrets[] = {SLICE("first-secret"), SLICE(""), SLICE("secret"),
                                           SLICE("\xF0\x9F\x98\x80!x"), SLICE("dXNlcjpmaXJzdA==")};
    struct mask *mask = NULL;

    (void)state;
    assert_int_equal(mask_new(secrets, ARRAY_LEN(secrets), &mask), 0);
    require_row(mask, SLICE("first [first-secret] second-[secret] first[secret] [first-\\u0073ecret]s"));
    require_row(mask,
                SLICE("[\\ud83d\\uDE00!x] [&#128512;!x] [&#x1f600;!x] [\xF0\x9F\x98\x80!x] \\ud83d!x \\ud83d\\u0021x"));
    require_row(mask, SLICE("[%F0%9F%98%80%21x] [&#xf0;&#x9f;&#x98;&#x80;!x] \\ud83d\\ud83d\\ude00?x"));
    require_row(mask, SLICE("Basic [dXNlcjpmaXJzdA==] Basic [dXNlcjpmaXJzdA%3d&equals;]"));
    mask_free(mask);
    mask_free(NULL);

    assert_int_equal(mask_new(NULL, 0, &mask), 0);
    require(mask, SLICE("nothing is looked for: %73 \\u0073 &#115;"),
            SLICE("nothing is looked for: %73 \\u0073 &#115;"));
    mask_free(mask);
}

/* Pushes all of a text but its end, in pieces of `size`; then the end. */
static void require_held(const struct mask *mask, struct slice text, size_t held, size_t size) {
    _cleanup_free_ char *bytes = writable(text);
    struct mask_stream s;
    struct slice out = SLICE_EMPTY;
    size_t pulled = 0;

    mask_stream_init(&s, mask);
    for (size_t at = 0; at < text.n; at += size) {
        assert_int_equal(mask_stream_push(&s, bytes + at, size, false), 0);
        while ((out = mask_stream_pull(&s, SIZE_MAX)).n > 0) {
            assert_row(text, size == 1 || out.p == bytes + at); /* not copied */
            pulled += out.n;
        }
        assert_row(text, mask_stream_is_drained(&s));
    }
    assert_row(text, pulled == text.n - held);
    assert_row(text, (s.held.memory == NULL) == (held == 0));

    assert_int_equal(mask_stream_push(&s, NULL, 0, true), 0);
    assert_int_equal(mask_stream_is_drained(&s), held == 0);
    out = mask_stream_pull(&s, SIZE_MAX);
    assert_row(text, slice_equals(out, slice_from(text, text.n - held)));
    assert_int_equal(mask_stream_pull(&s, SIZE_MAX).n, 0);
    assert_null(s.held.memory);
    assert_null(s.threads);
    mask_stream_done(&s);
}

/*
 * What a stream holds back: the bytes at the end that a form could be made of, right guess or wrong. If a right one were
 * held back for longer, whoever makes the upstream say his guesses would be told the secret character by character.
 */
static void holds_back_right_and_wrong_guesses_alike(void **state) {
    static const struct {
        struct slice text;
        size_t held;
    } rows[] = {
        {SLICE("data: nothing\n\n"), 0}, {SLICE("data: s"), 1},           {SLICE("data: x"), 1},
        {SLICE("data: s3cre"), 5},       {SLICE("data: s3crf"), 5},       {SLICE("data: x3cre"), 5},
        {SLICE("data: %7"), 2},          {SLICE("data: %8"), 2},          {SLICE("data: \\u007"), 5},
        {SLICE("data: \\u008"), 5},      {SLICE("data: &#11"), 4},        {SLICE("data: &#22"), 4},
        {SLICE("data: s&#x33;%63"), 10}, {SLICE("data: t&#x33;%63"), 10}, {SLICE("data: 733363"), 6},
        {SLICE("data: 833363"), 6},      {SLICE("data: czNj"), 4},        {SLICE("data: dzNj"), 4},
        {SLICE("{\"key\":\"s3\"}"), 0},  {SLICE("data: s3cre "), 0},
    };
    _cleanup_mask_ struct mask *mask = mask_of(SLICE("s3cret"));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        require_held(mask, rows[i].text, rows[i].held, rows[i].text.n);
        require_held(mask, rows[i].text, rows[i].held, 1);
    }
}

/* A stream that is given up halfway, and two that take turns. */
static void streams_do_not_mix(void **state) {
    _cleanup_mask_ struct mask *mask = mask_of(SLICE("s3cret"));
    char one[] = "s3cr", two[] = "s3", rest_of_one[] = "et ", rest_of_two[] = "xx ";
    struct mask_stream a, b;
    char out[16];
    size_t n;

    (void)state;
    mask_stream_init(&a, mask);
    mask_stream_init(&b, mask);
    assert_int_equal(mask_stream_push(&a, one, 4, false), 0);
    assert_int_equal(mask_stream_push(&b, two, 2, false), 0);
    assert_true(mask_stream_is_drained(&a) && mask_stream_is_drained(&b));
    memset(one, '?', 4);
    assert_int_equal(mask_stream_push(&a, rest_of_one, 3, true), 0);
    n = drain(&a, SIZE_MAX, out);
    assert_true(slice_equals(slice_of(out, n), SLICE("****** ")));
    assert_int_equal(mask_stream_found(&a), 1);
    assert_int_equal(mask_stream_push(&b, rest_of_two, 3, false), 0);
    n = drain(&b, SIZE_MAX, out);
    assert_true(slice_equals(slice_of(out, n), SLICE("s3xx ")));
    assert_int_equal(mask_stream_push(&b, two, 2, false), 0);
    mask_stream_done(&a);
    mask_stream_done(&b);
    assert_null(b.held.memory);
    assert_null(b.threads);
}

/* What can be read in more ways than there are threads is read in few steps, as most ways come to the same. */
static void ambiguity_is_followed(void **state) {
    char secret[17], near[61], text[61], out[64];
    _cleanup_mask_ struct mask *mask = NULL;

    (void)state;
    memset(secret, '\\', sizeof(secret));
    secret[16] = 'x';
    memset(near, '\\', sizeof(near));
    near[60] = 'y';
    memcpy(text, near, sizeof(text));
    text[60] = 'x';
    mask = mask_of(slice_of(secret, sizeof(secret)));
    require(mask, slice_of(near, sizeof(near)), slice_of(near, sizeof(near)));
    apply(mask, slice_of(text, sizeof(text)), out);
    for (size_t i = 0; i < sizeof(text); i++)
        assert_true(out[i] == (i < 60 - 32 ? '\\' : '*')); /* at most two for each of the sixteen */
}

static void all_ways_find_the_same(void **state) {
    static const struct slice secrets[] = {SLICE("sk-/\"&x"), SLICE("a"), SLICE("\xFF\xFE"), SLICE("%25%"),
                                           SLICE(SECRET)};
    static const char often[] = "sk-/\"&%\\u007#x3aSMNzc\xFF\xFE";
    char text[200];
    unsigned seed = 1;
    size_t found = 0;

    (void)state;
    for (size_t round = 0; round < 2000; round++) {
        struct slice secret = secrets[round % ARRAY_LEN(secrets)];
        struct form forms[FORMS_OF_SECRET];
        struct mask_scan scan;
        size_t n = next_random(&seed) % sizeof(text), at = 0, place;
        _cleanup_slice_ struct slice exact = {0};

        forms_init(secret, forms);
        mask_scan_init(&scan, SCAN_PLAIN);
        mask_scan_add(&scan, &forms[round / 5 % FORMS_OF_SECRET], 0);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(next_random(&seed) % 4 ? next_random(&seed) : (unsigned)often[next_random(&seed) % 23]);
        exact = exact_copy(slice_of(text, n));
        for (; at < n; at = place + 1) {
            scan.way = SCAN_PLAIN;
            place = mask_scan_find(&scan, exact.p, n, at);
            found += place < n;
            for (enum scan_way way = SCAN_SSSE3; way <= scan_best_way(); way++) {
                scan.way = way;
                assert_int_equal(mask_scan_find(&scan, exact.p, n, at), place);
            }
        }
    }
    assert_true(found > 200);
}

static bool goes_on(const struct form *form, size_t at, struct spelling spelling, char c) {
    return form_advance(form, at, &spelling, c) != 0 || spelling.state != WAIT_NOTHING;
}

/* Each byte that would lead on; reads one of them. False when none does. */
static bool read_one_that_is_told(const struct form *form, size_t at, struct spelling *spelling, unsigned random) {
    char told[FORM_NEXT_MAX], *leading = NULL;
    size_t n = form_next(form, at, spelling, told);

    for (unsigned c = 0; c < 256; c++) {
        char *one = memchr(told, (int)c, n);

        assert_true(one || !goes_on(form, at, *spelling, (char)c));
        if (one && goes_on(form, at, *spelling, *one) && (!leading || random-- % 3 == 0))
            leading = one;
    }
    return leading && form_advance(form, at, spelling, *leading) == 0;
}

/* What is learnt of a form is what leads on from the bytes that it tells, and nothing else is tried. */
static void all_bytes_that_lead_on_are_told(void **state) {
    static const struct slice secrets[] = {SLICE("sk-/\"&x"),       SLICE(" a+"),
                                           SLICE("\xFF\xFE"),       SLICE("%25%"),
                                           SLICE("\xE4\xBD\xA0?>"), SLICE("\xF0\x9F\x98\x80;#")};
    unsigned seed = 1;

    (void)state;
    for (size_t round = 0; round < 3000; round++) {
        struct form forms[FORMS_OF_SECRET];
        const struct form *form = &forms[round % FORMS_OF_SECRET];
        struct spelling spelling = {.state = WAIT_NOTHING};
        size_t at;

        forms_init(secrets[round % ARRAY_LEN(secrets)], forms);
        at = next_random(&seed) % form->n;
        while (read_one_that_is_told(form, at, &spelling, next_random(&seed)))
            ;
    }
}

/*
 * A secret that repeats itself longer than is followed: what is masked then is too much, and never too little. The
 * other secrets might begin wherever a piece ends, and must not make a difference.
 */
static void endless_repetition_is_masked_blindly(void **state) {
    static char endless[1000], text[5000], out[2 * sizeof(text)];
    struct slice secrets[40], all = slice_of(text, sizeof(text));
    struct mask *mask = NULL;

    (void)state;
    memset(endless, 'a', sizeof(endless));
    secrets[0] = slice_of(endless, sizeof(endless));
    for (size_t i = 1; i < ARRAY_LEN(secrets); i++)
        secrets[i] = slice_first(SLICE("ax1234567890123456789012345678901234567890"), 3 + i);
    assert_int_equal(mask_new(secrets, ARRAY_LEN(secrets), &mask), 0);
    memset(text, 'a', sizeof(text));
    memcpy(text + 24, ".short: ", 8);
    memcpy(text + 140, " {enough to be lost track of: ", 30);
    memcpy(text + 3000, "} and seen again: aa.", 21);
    for (size_t size = 1; size < 6000; size = size * 3 + 1) {
        stream(mask, all, size, size, size, out);
        assert_memory_equal(out, text, 170);
        assert_memory_equal(out + 3000, "} and seen again: aa.", 21);
        for (size_t i = 170; i < sizeof(text); i++)
            assert_true(out[i] == '*' || (i >= 3000 && i < 3021));
    }
    mask_free(mask);
}

/* As many as are followed, and one that only looks like a beginning while its escape is cut in the middle. */
static void what_may_not_begin_does_not_count(void **state) {
    static char endless[4 * LIMIT_MASK_THREADS], text[2 * LIMIT_MASK_THREADS + 6];
    struct mask *mask = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(endless); i++)
        endless[i] = "ab"[i % 2];
    memcpy(text, endless, sizeof(text));
    memcpy(text + sizeof(text) - 6, "&#98;.", 6);
    mask = mask_of(slice_of(endless, sizeof(endless)));
    require(mask, slice_of(text, sizeof(text)), slice_of(text, sizeof(text)));
    mask_free(mask);
}

/* Fills `to` with one of the pieces above, and another, and so on. At most `most` of one kind. */
static size_t repeat(char *to, size_t room, size_t most, unsigned *seed) {
    size_t n = 0;

    while (n < room) {
        size_t which = next_random(seed) % (ARRAY_LEN(units) + ARRAY_LEN(pieces));
        struct slice piece = which < ARRAY_LEN(units) ? units[which] : pieces[which - ARRAY_LEN(units)];

        for (size_t k = next_random(seed) % most; k > 0 && n + piece.n <= room; k--, n += piece.n)
            memcpy(to + n, piece.p, piece.n);
        if (next_random(seed) % 10 == 0)
            break;
    }
    return n;
}

static void even_blindly_all_cuts_are_equal(void **state) {
    static char bytes[3][400], text[1500], out[2 * sizeof(text)], whole[sizeof(text)];
    unsigned seed = 7;

    (void)state;
    for (size_t round = 0; round < 60; round++) {
        size_t n = repeat(text, sizeof(text), 300, &seed);
        struct slice secrets[3], all = slice_of(text, n);
        struct mask *mask = NULL;

        for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
            struct slice unit = units[next_random(&seed) % ARRAY_LEN(units)];

            for (size_t k = 0; k < sizeof(bytes[i]); k++)
                bytes[i][k] = unit.p[k % unit.n];
            secrets[i] = slice_of(bytes[i], 1 + next_random(&seed) % sizeof(bytes[i]));
        }
        assert_int_equal(mask_new(secrets, 1 + round % 3, &mask), 0);
        apply(mask, all, whole);
        for (size_t size = 1; size < 1000; size = 2 * size + round % 3) {
            stream(mask, all, size, size, size, out);
            assert_memory_equal(out, whole, n);
        }
        mask_free(mask);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_masked),
        cmocka_unit_test(near_misses_are_left_alone),
        cmocka_unit_test(base64_tells_two_bits_at_most),
        cmocka_unit_test(all_of_what_overlaps_is_masked),
        cmocka_unit_test(several_secrets),
        cmocka_unit_test(holds_back_right_and_wrong_guesses_alike),
        cmocka_unit_test(streams_do_not_mix),
        cmocka_unit_test(ambiguity_is_followed),
        cmocka_unit_test(all_ways_find_the_same),
        cmocka_unit_test(all_bytes_that_lead_on_are_told),
        cmocka_unit_test(endless_repetition_is_masked_blindly),
        cmocka_unit_test(what_may_not_begin_does_not_count),
        cmocka_unit_test(even_blindly_all_cuts_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
