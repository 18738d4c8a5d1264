#include "wire/http_name.h"

#include <assert.h>
#include <string.h>

#include "base/macros.h"
#include "wire/http_span.h"

static_assert(HTTP_NAMES <= 64, "a set of names is 64 bits");

#define LONGEST 24
#define AT_LENGTH 8 /* no more names are as long as each other, and one */

struct row {
    char text[LONGEST]; /* in lower case; letters, digits and hyphens: fold relies on it */
    uint64_t name;
};

/* By their length, which tells most names apart; behind the last of a length a row of zeros. */
static const struct row rows[LONGEST + 1][AT_LENGTH + 1] = {
    [2] = {{"te", HTTP_NAME_TE}},
    [4] = {{"host", HTTP_NAME_HOST}, {"a-im", HTTP_NAME_A_IM}},
    [5] = {{"close", HTTP_NAME_CLOSE}, {"range", HTTP_NAME_RANGE}, {"x-moz", HTTP_NAME_X_MOZ}},
    [6] = {{"accept", HTTP_NAME_ACCEPT},
           {"cookie", HTTP_NAME_COOKIE},
           {"origin", HTTP_NAME_ORIGIN},
           {"expect", HTTP_NAME_EXPECT},
           {"apikey", HTTP_NAME_APIKEY}},
    [7] = {{"upgrade", HTTP_NAME_UPGRADE},
           {"trailer", HTTP_NAME_TRAILER},
           {"purpose", HTTP_NAME_PURPOSE},
           {"api-key", HTTP_NAME_API_KEY},
           {"x-token", HTTP_NAME_X_TOKEN}},
    [8] = {{"if-range", HTTP_NAME_IF_RANGE}},
    [9] = {{"forwarded", HTTP_NAME_FORWARDED}, {"x-api-key", HTTP_NAME_X_API_KEY}, {"x-purpose", HTTP_NAME_X_PURPOSE}},
    [10] = {{"connection", HTTP_NAME_CONNECTION},
            {"user-agent", HTTP_NAME_USER_AGENT},
            {"set-cookie", HTTP_NAME_SET_COOKIE},
            {"keep-alive", HTTP_NAME_KEEP_ALIVE}},
    [11] = {{"sec-purpose", HTTP_NAME_SEC_PURPOSE}, {"set-cookie2", HTTP_NAME_SET_COOKIE2}},
    [12] = {{"content-type", HTTP_NAME_CONTENT_TYPE},
            {"x-auth-token", HTTP_NAME_X_AUTH_TOKEN},
            {"max-forwards", HTTP_NAME_MAX_FORWARDS}},
    [13] = {{"authorization", HTTP_NAME_AUTHORIZATION},
            {"cache-control", HTTP_NAME_CACHE_CONTROL},
            {"private-token", HTTP_NAME_PRIVATE_TOKEN},
            {"request-range", HTTP_NAME_REQUEST_RANGE},
            {"x-http-method", HTTP_NAME_X_HTTP_METHOD},
            {"x-rewrite-url", HTTP_NAME_X_REWRITE_URL},
            {"x-vault-token", HTTP_NAME_X_VAULT_TOKEN}},
    [14] = {{"content-length", HTTP_NAME_CONTENT_LENGTH},
            {"sec-fetch-dest", HTTP_NAME_SEC_FETCH_DEST},
            {"sec-fetch-mode", HTTP_NAME_SEC_FETCH_MODE},
            {"sec-fetch-site", HTTP_NAME_SEC_FETCH_SITE},
            {"accept-charset", HTTP_NAME_ACCEPT_CHARSET},
            {"x-access-token", HTTP_NAME_X_ACCESS_TOKEN},
            {"x-goog-api-key", HTTP_NAME_X_GOOG_API_KEY},
            {"x-original-url", HTTP_NAME_X_ORIGINAL_URL}},
    [15] = {{"accept-encoding", HTTP_NAME_ACCEPT_ENCODING}, {"x-forwarded-for", HTTP_NAME_X_FORWARDED_FOR}},
    [16] = {{"x-forwarded-host", HTTP_NAME_X_FORWARDED_HOST}, {"proxy-connection", HTTP_NAME_PROXY_CONNECTION}},
    [17] = {{"transfer-encoding", HTTP_NAME_TRANSFER_ENCODING},
            {"x-forwarded-proto", HTTP_NAME_X_FORWARDED_PROTO},
            {"sec-websocket-key", HTTP_NAME_SEC_WEBSOCKET_KEY},
            {"x-method-override", HTTP_NAME_X_METHOD_OVERRIDE}},
    [19] = {{"proxy-authorization", HTTP_NAME_PROXY_AUTHORIZATION}},
    [20] = {{"sec-websocket-accept", HTTP_NAME_SEC_WEBSOCKET_ACCEPT},
            {"x-amz-security-token", HTTP_NAME_X_AMZ_SECURITY_TOKEN}},
    [21] = {{"sec-websocket-version", HTTP_NAME_SEC_WEBSOCKET_VERSION}},
    [22] = {{"x-http-method-override", HTTP_NAME_X_HTTP_METHOD_OVERRIDE}},
    [24] = {{"sec-websocket-extensions", HTTP_NAME_SEC_WEBSOCKET_EXTENSIONS}},
};

/*
 * Sets bit 5 wherever bit 6 is set: letters become small. Other bytes change too, but none of them into a small letter,
 * a digit or a hyphen.
 */
static inline uint64_t fold(uint64_t word) {
    return word | (word >> 1 & UINT64_C(0x2020202020202020));
}

static inline uint64_t load(const char *p, size_t width) {
    uint64_t word = 0;

    memcpy(&word, p, width);
    return word;
}

/* The row of `name`, of those of its length, which is from `width` to three times as many: three words cover it. */
static inline enum http_name find(struct slice name, size_t width) {
    size_t back = name.n - width, middle = MIN_OF(back, width);
    uint64_t front_word = fold(load(name.p, width)), middle_word = fold(load(name.p + middle, width)),
             back_word = fold(load(name.p + back, width));

    for (const struct row *row = rows[name.n]; row->name != HTTP_NAME_UNREAD; row++)
        if (load(row->text, width) == front_word && load(row->text + middle, width) == middle_word &&
            load(row->text + back, width) == back_word)
            return (enum http_name)row->name;
    return HTTP_NAME_UNREAD;
}

/* Apart from what is below, so that a name that is known costs nothing of it. */
static __attribute__((noinline)) enum http_name judge_unknown(struct slice name) {
    return name.n > 0 && http_span_is_name(name) ? HTTP_NAME_PLAIN : HTTP_NAME_ODD;
}

enum http_name http_name_of(struct slice name) {
    enum http_name found = HTTP_NAME_UNREAD;

    if (name.n >= 8 && name.n <= LONGEST)
        found = find(name, 8);
    else if (name.n >= 4 && name.n < 8)
        found = find(name, 4);
    else if (name.n >= 2 && name.n < 4)
        found = find(name, 2);
    return found != HTTP_NAME_UNREAD ? found : judge_unknown(name);
}

/* RFC 3875 §4.1.18 makes `-` a `_`; some servers make one of every byte but letters and digits. */
static char variable_byte(char c) {
    c = ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
}

enum http_name http_name_of_alias(struct slice name) {
    char plain[LONGEST];

    if (name.n > sizeof(plain))
        return HTTP_NAME_ODD;
    for (size_t i = 0; i < name.n; i++)
        plain[i] = variable_byte(name.p[i]);
    return http_name_of(slice_of(plain, name.n));
}

bool http_name_is_alias(struct slice name, struct slice of) {
    if (name.n != of.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (variable_byte(name.p[i]) != variable_byte(of.p[i]))
            return false;
    return true;
}
