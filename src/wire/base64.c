#include "wire/base64.h"

#include <stdint.h>

size_t base64_encode(struct slice bytes, char *to) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;

    /* Three bytes are read before four are written, so what is written never overtakes what is read. */
    for (size_t at = 0; at < bytes.n; at += 3) {
        size_t left = bytes.n - at;
        uint32_t group = (uint32_t)(unsigned char)bytes.p[at] << 16;

        if (left > 1)
            group |= (uint32_t)(unsigned char)bytes.p[at + 1] << 8;
        if (left > 2)
            group |= (unsigned char)bytes.p[at + 2];
        to[n++] = alphabet[group >> 18];
        to[n++] = alphabet[group >> 12 & 63];
        to[n++] = '=';
        to[n++] = '=';
        if (left > 1)
            to[n - 2] = alphabet[group >> 6 & 63];
        if (left > 2)
            to[n - 1] = alphabet[group & 63];
    }
    return n;
}

/* The six bits of a character of the alphabet whose last two are given, or -1. */
static int six_bits(char c, const char last[static 2]) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == last[0] ? 62 : c == last[1] ? 63 : -1;
}

/* Without padding. */
static ptrdiff_t decode(struct slice text, const char last[static 2], char *to) {
    uint32_t group = 0;
    unsigned bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        int six = six_bits(text.p[i], last);

        if (six < 0)
            return -1;
        group = group << 6 | (uint32_t)six;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[n++] = (char)(group >> bits);
            group &= (1U << bits) - 1;
        }
    }
    return bits < 6 && group == 0 ? (ptrdiff_t)n : -1; /* six bits over are a character that ends no byte */
}

ptrdiff_t base64_decode(struct slice text, char *to) {
    size_t n = text.n;

    if (n % 4 != 0)
        return -1;
    for (unsigned i = 0; i < 2 && n > 0 && text.p[n - 1] == '='; i++)
        n--;
    return decode(slice_first(text, n), "+/", to);
}

ptrdiff_t base64url_decode(struct slice text, char *to) {
    return decode(text, "-_", to);
}
