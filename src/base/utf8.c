#include "base/utf8.h"

size_t utf8_next(struct slice text, uint32_t *ret) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text.p[0];
    size_t n = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t code = n == 1 ? first : first & (0x7Fu >> n);

    if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || text.n < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text.p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)text.p[i] & 0x3F);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *ret = code;
    return n;
}
