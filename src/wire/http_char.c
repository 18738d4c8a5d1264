#include "wire/http_char.h"

#define FIELD HTTP_CHAR_FIELD
#define VISIBLE (HTTP_CHAR_FIELD | HTTP_CHAR_TARGET)
#define TOKEN (VISIBLE | HTTP_CHAR_TOKEN)
#define HOST (TOKEN | HTTP_CHAR_HOST | HTTP_CHAR_UNRESERVED)
#define NAME (HOST | HTTP_CHAR_NAME)

const uint8_t http_chars[256] = {
    ['\t'] = FIELD,
    [' '] = FIELD,
    ['!'] = TOKEN,
    ['"'] = VISIBLE,
    ['#'] = FIELD | HTTP_CHAR_TOKEN,
    ['$' ... '\''] = TOKEN,
    ['(' ... ')'] = VISIBLE,
    ['*' ... '+'] = TOKEN,
    [','] = VISIBLE,
    ['-'] = NAME,
    ['.'] = HOST,
    ['/'] = VISIBLE,
    ['0' ... '9'] = NAME,
    [':' ... '@'] = VISIBLE,
    ['A' ... 'Z'] = NAME,
    ['['] = VISIBLE,
    ['\\'] = FIELD,
    [']'] = VISIBLE,
    ['^'] = TOKEN,
    ['_'] = HOST,
    ['`'] = TOKEN,
    ['a' ... 'z'] = NAME,
    ['{'] = VISIBLE,
    ['|'] = TOKEN,
    ['}'] = VISIBLE,
    ['~'] = TOKEN | HTTP_CHAR_UNRESERVED,
    [0x80 ... 0xFF] = FIELD,
};
