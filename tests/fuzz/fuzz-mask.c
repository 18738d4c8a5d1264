/*
 * An input is a byte that says into which pieces the text is cut, a byte of lengths, two secrets, and the text. In the
 * text a byte below 0x20 stands for a secret in one of its forms, as the bytes behind it choose it.
 */
#include <ctype.h>

#include "base/macros.h"
#include "egress/mask/mask.h"
#include "fuzz.h"

#define LIMIT_FUZZED_SECRET 12
#define LIMIT_TEXT 400
#define LIMIT_CHARACTERS (2 * LIMIT_FUZZED_SECRET)

struct text {
    char bytes[LIMIT_TEXT];
    bool is_form[LIMIT_TEXT]; /* put there by us as a part of a form */
    size_t n;
    bool is_full;
};

static char hex[] = "0123456789abcdefABCDEF";
static char sextets[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";

/* Each name behind a blank, and its character behind it. */
static const char entities[] =
    " amp& AMP& lt< LT< gt> GT> quot\" QUOT\" apos' sol/ excl! num# dollar$ percnt% lpar( rpar) ast* midast* plus+ "
    "comma,"
    " period. colon: semi; equals= quest? commat@ lsqb[ lbrack[ bsol\\ rsqb] rbrack] Hat^ lowbar_ UnderBar_ grave`"
    " DiacriticalGrave` lcub{ lbrace{ verbar| vert| VerticalLine| rcub} rbrace}";

/*
 * The reference. It takes one form, as a list of characters, each of which may be one of several; and tries from each
 * place of the text whether they can be read there one behind the other.
 */
struct character {
    uint32_t codes[8]; /* one of these; as a raw byte those below 0x100 */
    size_t n;
    struct {
        uint32_t code;
        size_t width; /* in characters of this form */
    } point;          /* that begins here in UTF-8, if any */
};

struct form_list {
    struct character all[LIMIT_CHARACTERS];
    size_t n;
};

static bool read_digits(struct slice text, size_t at, size_t n, uint32_t base, uint32_t *ret) {
    *ret = 0;
    for (size_t i = at; i < at + n; i++) {
        const char *hit = i < text.n && text.p[i] ? strchr(hex, text.p[i]) : NULL;
        uint32_t value = hit ? (uint32_t)(hit - hex) : base;

        if (value >= 16 && hit)
            value -= 6;
        if (value >= base)
            return false;
        *ret = *ret * base + value;
    }
    return true;
}

static size_t json_length(struct slice text, size_t at, uint32_t code) {
    uint32_t high, low;

    if (at + 1 < text.n && strchr("\"\\/", text.p[at + 1]) && text.p[at + 1] != '\0')
        return (uint32_t)(unsigned char)text.p[at + 1] == code ? 2 : 0;
    if (at + 1 >= text.n || text.p[at + 1] != 'u' || !read_digits(text, at + 2, 4, 16, &high))
        return 0;
    if (code < 0x10000)
        return high == code ? 6 : 0;
    if (!slice_starts_with(slice_from(text, at + 6), SLICE("\\u")) || !read_digits(text, at + 8, 4, 16, &low))
        return 0;
    return high == 0xD800 + (code - 0x10000) / 0x400 && low == 0xDC00 + (code - 0x10000) % 0x400 ? 12 : 0;
}

static size_t entity_length(struct slice text, size_t at, uint32_t code) {
    struct slice body = slice_from(text, at + 1);
    char name[20] = " ";
    uint32_t value;
    size_t x;

    body = slice_first(body, slice_index(body, ';'));
    if (at + 1 + body.n >= text.n || body.n == 0)
        return 0;
    if (body.p[0] == '#') {
        x = body.n > 1 && (body.p[1] == 'x' || body.p[1] == 'X');
        if (body.n - 1 - x < 1 || body.n - 1 - x > 8 || !read_digits(body, 1 + x, body.n - 1 - x, x ? 16 : 10, &value))
            return 0;
        return value == code ? body.n + 2 : 0;
    }
    if (body.n > 16 || slice_has(body, '\0') || slice_has(body, ' ') || code >= 0x80 || isalpha((int)code))
        return 0;
    memcpy(name + 1, body.p, body.n);
    name[1 + body.n] = (char)code;
    return strstr(entities, name) ? body.n + 2 : 0;
}

/* How long the escape at `at` is, if it is one of this character; else 0. */
static size_t escape_length(struct slice text, size_t at, uint32_t code) {
    uint32_t value;

    switch (text.p[at]) {
    case '%':
        return code < 0x100 && read_digits(text, at + 1, 2, 16, &value) && value == code ? 3 : 0;
    case '\\':
        return json_length(text, at, code);
    case '&':
        return entity_length(text, at, code);
    default:
        return 0;
    }
}

/* Where the search has been, in the round that is under way. */
static uint64_t seen[LIMIT_TEXT][LIMIT_CHARACTERS], search;

static size_t later(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The furthest end that the form, from its character `i` on, has when it is read from `at`; 0 for none. */
static size_t furthest(const struct form_list *form, size_t i, struct slice text, size_t at) {
    const struct character *character = &form->all[i];
    size_t end = 0, n;

    if (i == form->n)
        return at;
    if (at >= text.n || seen[at][i] == search)
        return 0;
    seen[at][i] = search;
    for (size_t k = 0; k < character->n; k++) {
        uint32_t code = character->codes[k];
        bool is_raw = (unsigned char)text.p[at] == code || (text.p[at] == '+' && code == ' ');

        end = later(end, is_raw ? furthest(form, i + 1, text, at + 1) : 0);
        n = escape_length(text, at, code);
        end = later(end, n > 0 ? furthest(form, i + 1, text, at + n) : 0);
    }
    n = character->point.width > 0 ? escape_length(text, at, character->point.code) : 0;
    return later(end, n > 0 ? furthest(form, i + character->point.width, text, at + n) : 0);
}

static void mark(const struct form_list *form, struct slice text, char *expected) {
    for (size_t start = 0; form->n > 0 && start < text.n; start++) {
        size_t end;

        search++;
        end = furthest(form, 0, text, start);
        if (end > 0)
            memset(expected + start, '*', end - start);
    }
}

/* By the table of RFC 3629 §4, taken literally. */
static void add_point(struct character *to, const unsigned char *p, size_t n) {
#define TAIL(i) (n > (i) && p[i] >= 0x80 && p[i] <= 0xBF)
    if (p[0] >= 0xC2 && p[0] <= 0xDF && TAIL(1)) {
        to->point.width = 2;
        to->point.code = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF && TAIL(1) && TAIL(2)) {
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F))
            return;
        to->point.width = 3;
        to->point.code = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4 && TAIL(1) && TAIL(2) && TAIL(3)) {
        if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
            return;
        to->point.width = 4;
        to->point.code = (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    }
#undef TAIL
}

static struct form_list plain_form(struct slice secret) {
    struct form_list form = {.n = secret.n};

    for (size_t i = 0; i < secret.n; i++) {
        form.all[i] = (struct character){.codes = {(unsigned char)secret.p[i]}, .n = 1};
        add_point(&form.all[i], (const unsigned char *)secret.p + i, secret.n - i);
    }
    return form;
}

static struct form_list hex_form(struct slice secret) {
    struct form_list form = {.n = 2 * secret.n};

    for (size_t i = 0; i < form.n; i++) {
        unsigned nibble = (unsigned char)secret.p[i / 2] >> (i % 2 ? 0 : 4) & 15;

        form.all[i] = (struct character){.codes = {(unsigned char)hex[nibble], (unsigned char)hex[nibble]}, .n = 2};
        if (nibble > 9)
            form.all[i].codes[1] = (unsigned char)hex[nibble + 6];
    }
    return form;
}

/* Bit by bit: all characters that agree with the secret's bits, wherever there are more than two of those. */
static struct form_list base64_form(struct slice secret, size_t before) {
    struct form_list form = {0};

    for (size_t first = 0; first < 8 * (before + secret.n); first += 6) {
        unsigned bits = 0, known = 0, n = 0;

        for (size_t bit = first; bit < first + 6; bit++) {
            bool is_ours = bit >= 8 * before && bit < 8 * (before + secret.n);
            unsigned byte = is_ours ? (unsigned char)secret.p[bit / 8 - before] : 0;

            bits = bits << 1 | (byte >> (7 - bit % 8) & 1);
            known = known << 1 | is_ours;
            n += is_ours;
        }
        if (n <= 2)
            continue;
        for (unsigned i = 0; i < 66; i++) {
            struct character *character = &form.all[form.n];
            unsigned value = i < 64 ? i : i - 2;

            if ((value & known) == bits)
                character->codes[character->n++] = (unsigned char)sextets[i];
        }
        form.n++;
    }
    return form;
}

static void mark_secret(struct slice secret, struct slice text, char *expected) {
    struct form_list form = plain_form(secret);

    mark(&form, text, expected);
    form = hex_form(secret);
    mark(&form, text, expected);
    for (size_t before = 0; secret.n > 0 && before < 3; before++) {
        form = base64_form(secret, before);
        mark(&form, text, expected);
    }
}

/* The makers of forms, which know nothing of the above. */

static void add(struct text *to, const char *bytes, size_t n, bool is_form) {
    to->is_full = to->is_full || n > LIMIT_TEXT - to->n;
    if (to->is_full)
        return;
    memcpy(to->bytes + to->n, bytes, n);
    memset(to->is_form + to->n, is_form, n);
    to->n += n;
}

static uint8_t take(struct slice *in) {
    uint8_t byte = in->n > 0 ? (uint8_t)in->p[0] : 0;

    *in = slice_from(*in, 1);
    return byte;
}

/* One character in one of its spellings. */
static void add_spelled(struct text *to, char c, uint8_t choice) {
    static const char named[] = "&<>\"'/";
    static const char *const names[] = {"amp", "lt", "gt", "quot", "apos", "sol"};
    const char *hit = strchr(named, c);
    unsigned char code = (unsigned char)c;
    char out[24] = {c};
    int n = 1;

    switch (choice % 8) {
    case 1:
        n = snprintf(out, sizeof(out), choice & 8 ? "%%%02x" : "%%%02X", code);
        break;
    case 2:
        n = snprintf(out, sizeof(out), choice & 8 ? "\\u%04x" : "\\u%04X", code);
        break;
    case 3:
        n = snprintf(out, sizeof(out), choice & 8 ? "&#%u;" : "&#%08u;", code);
        break;
    case 4:
        n = snprintf(out, sizeof(out), choice & 8 ? "&#x%x;" : "&#X%04X;", code);
        break;
    case 5:
        if (strchr("\"\\/", c))
            n = snprintf(out, sizeof(out), "\\%c", c);
        break;
    case 6:
        if (hit)
            n = snprintf(out, sizeof(out), "&%s;", names[hit - named]);
        break;
    default:
        break;
    }
    add(to, out, (size_t)n, true);
}

static void add_plain(struct text *to, struct slice secret, struct slice *in) {
    uint8_t choice = take(in);

    for (size_t i = 0; i < secret.n; i++)
        add_spelled(to, secret.p[i], choice & 0x80 ? take(in) : choice);
}

static void add_hex(struct text *to, struct slice secret, struct slice *in) {
    uint8_t choice = take(in);
    char digits[3];

    for (size_t i = 0; i < secret.n; i++) {
        (void)snprintf(digits, sizeof(digits), choice >> i % 8 & 1 ? "%02X" : "%02x", (unsigned char)secret.p[i]);
        add(to, digits, 2, true);
    }
}

/* Of a text that has the secret inside: all at once, as an encoder does it. */
static void add_base64(struct text *to, struct slice secret, struct slice *in) {
    size_t before = take(in) % 5, behind = take(in) % 4, n = before + secret.n + behind;
    const char *alphabet = take(in) & 1 ? "-_" : "+/";
    unsigned char plain[LIMIT_FUZZED_SECRET + 12] = {0};

    for (size_t i = 0; i < n; i++)
        plain[i] = i >= before && i < before + secret.n ? (unsigned char)secret.p[i - before] : take(in);
    for (size_t i = 0; i < n; i += 3) {
        unsigned group = (unsigned)plain[i] << 16 | (unsigned)plain[i + 1] << 8 | plain[i + 2];

        for (size_t k = 0; k < 4 && i + k <= n; k++) {
            unsigned value = group >> (18 - 6 * k) & 63;
            size_t from = MAX_OF(8 * i + 6 * k, 8 * before), end = MIN_OF(8 * i + 6 * k + 6, 8 * (before + secret.n));

            add(to, value < 62 ? &sextets[value] : &alphabet[value - 62], 1, end >= from + 3);
        }
    }
}

static void make_text(struct text *to, const struct slice secrets[2], struct slice in) {
    to->n = 0;
    to->is_full = false;
    while (in.n > 0 && !to->is_full) {
        char c = (char)take(&in);
        struct slice secret = secrets[c & 1];
        size_t before = to->n;

        if (c < 0 || c >= 0x20)
            add(to, &c, 1, false);
        else if (c < 0x10)
            add_plain(to, secret, &in);
        else if (c < 0x14)
            add_hex(to, secret, &in);
        else
            add_base64(to, secret, &in);
        if (to->is_full) /* in the middle of a form */
            to->n = before;
    }
}

/* The text through a stream, in pieces; what comes out is where it was. How many bytes were never copied. */
static size_t stream(const struct mask *mask, char *bytes, size_t n, uint8_t cut) {
    size_t in = 0, out = 0, found;
    char whole[LIMIT_TEXT];
    struct mask_stream s;

    memcpy(whole, bytes, n);
    found = mask_apply(mask, whole, n);
    mask_stream_init(&s, mask);
    while (in < n || cut & 0x80) {
        size_t size = MIN_OF(n - in, 1 + cut % 32u), max = 1 + cut % 7u + (cut & 0x40);
        bool is_end = in + size == n && (!(cut & 0x80) || size == 0);
        char *piece = malloc(size + 1);
        struct slice got;

        REQUIRE(piece != NULL);
        memcpy(piece, bytes + in, size);
        in += size;
        REQUIRE(mask_stream_push(&s, piece, size, is_end) == 0);
        while ((got = mask_stream_pull(&s, max)).n > 0) {
            REQUIRE(got.n <= max && out + got.n <= in);
            memcpy(bytes + out, got.p, got.n);
            out += got.n;
        }
        REQUIRE(mask_stream_is_drained(&s));
        REQUIRE(in - out == buf_length(&s.held) && (in != out || (!s.held.memory && !s.threads)));
        memset(piece, 's', size);
        free(piece);
        if (is_end)
            break;
    }
    REQUIRE(out == n && mask_stream_found(&s) == found);
    mask_stream_done(&s);
    return found;
}

static struct slice take_secret(struct slice *in, size_t n, char *to) {
    struct slice bytes = slice_first(*in, n);

    *in = slice_from(*in, n);
    for (size_t i = 0; i < bytes.n; i++)
        to[i] = (char)((unsigned char)bytes.p[i] < 0x20 || bytes.p[i] == 0x7F ? bytes.p[i] ^ 0x40 : bytes.p[i]);
    return slice_of(to, bytes.n);
}

static void require_all(const struct mask *mask, const struct slice secrets[2], struct text *text, uint8_t cut) {
    char expected[LIMIT_TEXT], whole[LIMIT_TEXT], original[LIMIT_TEXT];
    size_t found;

    memcpy(expected, text->bytes, text->n);
    memcpy(whole, text->bytes, text->n);
    memcpy(original, text->bytes, text->n);
    mark_secret(secrets[0], slice_of(original, text->n), expected);
    mark_secret(secrets[1], slice_of(original, text->n), expected);
    found = mask_apply(mask, whole, text->n);
    REQUIRE(found > 0 || memcmp(original, expected, text->n) == 0);
    for (size_t i = 0; i < text->n; i++) {
        REQUIRE(whole[i] == '*' || whole[i] == original[i]);
        REQUIRE(whole[i] == '*' || !text->is_form[i]);
        REQUIRE(whole[i] == expected[i]);
    }
    REQUIRE(stream(mask, text->bytes, text->n, cut) == found);
    REQUIRE(memcmp(text->bytes, whole, text->n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct text text;
    char bytes[2][LIMIT_FUZZED_SECRET];
    struct slice in = slice_of(data, size), secrets[2];
    struct mask *mask = NULL;
    uint8_t cut, lengths;

    if (size < 3)
        return 0;
    cut = take(&in);
    lengths = take(&in);
    secrets[0] = take_secret(&in, 1 + lengths % LIMIT_FUZZED_SECRET, bytes[0]);
    secrets[1] = take_secret(&in, lengths / 16 % LIMIT_FUZZED_SECRET, bytes[1]);
    make_text(&text, secrets, in);
    REQUIRE(mask_new(secrets, 2, &mask) == 0);
    require_all(mask, secrets, &text, cut);
    mask_free(mask);
    return 0;
}
