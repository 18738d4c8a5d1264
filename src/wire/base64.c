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
