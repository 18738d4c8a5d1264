#include "wire/websocket.h"

#include <nettle/sha1.h>

#include "base/macros.h"
#include "wire/base64.h"

/* The only field of that name, or NULL. */
static const struct http_field *find_only(const struct http_fields *fields, enum http_name name) {
    bool is_repeated;
    const struct http_field *field = http_fields_find_single(fields, name, &is_repeated);

    return is_repeated ? NULL : field;
}

/* A list in Upgrade asks for more than one thing (S 7.8): whoever reads it could take another one. */
static bool is_upgrade_to_websocket(const struct http_fields *fields) {
    const struct http_field *upgrade = find_only(fields, HTTP_NAME_UPGRADE);

    return upgrade && slice_equals_nocase(upgrade->value, SLICE("websocket")) &&
           http_connection_has(fields, SLICE("upgrade"));
}

bool websocket_is_asked_for(const struct http_request *request) {
    return request->minor > 0 && slice_equals(request->method, SLICE("GET")) &&
           is_upgrade_to_websocket(&request->fields);
}

/* 128 bits are 21 characters, two bits of a 22nd (RFC 4648 §3.5: the rest of it is zero), and the padding. */
static bool is_key(struct slice text) {
    if (text.n != WEBSOCKET_KEY_LENGTH || text.p[22] != '=' || text.p[23] != '=' ||
        !slice_has(SLICE("AQgw"), text.p[21]))
        return false;
    for (size_t i = 0; i < 21; i++) {
        char c = ascii_lower(text.p[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '/')
            return false;
    }
    return true;
}

enum http_fault websocket_request_check(const struct http_fields *fields) {
    const struct http_field *version = find_only(fields, HTTP_NAME_SEC_WEBSOCKET_VERSION);
    const struct http_field *key = find_only(fields, HTTP_NAME_SEC_WEBSOCKET_KEY);

    if (!version || !slice_equals(version->value, SLICE("13")))
        return HTTP_UPGRADE_REQUIRED;
    return key && is_key(key->value) ? HTTP_OK : HTTP_BAD_UPGRADE;
}

struct slice websocket_key(const struct http_field *fields, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (http_field_name(&fields[i]) == HTTP_NAME_SEC_WEBSOCKET_KEY)
            return fields[i].value;
    return SLICE_EMPTY;
}

void websocket_accept(struct slice key, char to[static WEBSOCKET_ACCEPT_LENGTH]) {
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* §1.3 */
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx sha1;

    sha1_init(&sha1);
    sha1_update(&sha1, key.n, (const uint8_t *)key.p);
    sha1_update(&sha1, sizeof(magic) - 1, (const uint8_t *)magic);
    sha1_digest(&sha1, SHA1_DIGEST_SIZE, digest);
    (void)base64_encode(slice_of(digest, sizeof(digest)), to);
}

bool websocket_is_accepted(const struct http_fields *fields, struct slice accept) {
    const struct http_field *said = find_only(fields, HTTP_NAME_SEC_WEBSOCKET_ACCEPT);

    return is_upgrade_to_websocket(fields) && said && slice_equals(said->value, accept);
}

/* What of a frame comes next. */
enum {
    AT_BORDER, /* a frame's first byte */
    AT_SIZE,   /* its second */
    AT_LENGTH,
    AT_MASK,
    AT_PAYLOAD,
    AT_END, /* nothing: this direction is closed */
};

enum { OPCODE_CONTINUATION = 0, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PONG = 10 };

#define FIN 0x80
#define MASKED 0x80
#define CONTROL_MAX 125 /* §5.5 */

void websocket_flow_init(struct websocket_flow *flow, bool is_from_client) {
    *flow = (struct websocket_flow){.is_from_client = is_from_client};
}

static bool is_control(const struct websocket_flow *flow) {
    return flow->opcode >= OPCODE_CLOSE;
}

/* The three reserved bits belong to extensions, which the two sides have agreed on: whatever they are, they pass. */
static void take_first(struct websocket_flow *flow, unsigned char byte) {
    bool is_last = (byte & FIN) != 0;

    flow->opcode = byte & 0x0f;
    flow->step = AT_SIZE;
    if (is_control(flow)) {
        flow->is_lost = !is_last || flow->opcode > OPCODE_PONG;
        return;
    }
    flow->is_lost = flow->opcode > OPCODE_BINARY || (flow->opcode == OPCODE_CONTINUATION) != flow->is_in_message;
    flow->is_in_message = !is_last;
}

static void end_frame(struct websocket_flow *flow) {
    flow->step = AT_BORDER;
    if (flow->opcode != OPCODE_CLOSE)
        return;
    flow->step = AT_END;
    if (flow->missing > 0) /* of its code: there is none, or half of one */
        flow->close_code = WEBSOCKET_NO_CODE;
}

static void begin_payload(struct websocket_flow *flow) {
    flow->step = AT_PAYLOAD;
    flow->missing = 2; /* bytes of a close code */
    flow->close_code = 0;
    if (flow->left == 0)
        end_frame(flow);
}

static void begin_mask(struct websocket_flow *flow) {
    flow->missing = sizeof(flow->mask);
    flow->step = AT_MASK;
    if (!flow->is_from_client)
        begin_payload(flow);
}

static void take_size(struct websocket_flow *flow, unsigned char byte) {
    unsigned char length = byte & 0x7f;

    flow->is_lost = ((byte & MASKED) != 0) != flow->is_from_client || (is_control(flow) && length > CONTROL_MAX);
    flow->left = length;
    if (length <= CONTROL_MAX) {
        begin_mask(flow);
        return;
    }
    flow->left = 0;
    flow->missing = length == CONTROL_MAX + 1 ? 2 : 8;
    flow->step = AT_LENGTH;
}

static void take_length(struct websocket_flow *flow, unsigned char byte) {
    flow->left = flow->left << 8 | byte;
    if (--flow->missing > 0)
        return;
    flow->is_lost = flow->left > INT64_MAX; /* §5.2: its first bit is zero */
    begin_mask(flow);
}

static void take_mask(struct websocket_flow *flow, unsigned char byte) {
    flow->mask[sizeof(flow->mask) - flow->missing] = byte;
    if (--flow->missing == 0)
        begin_payload(flow);
}

/* A close frame's first two bytes are its code (§5.5.1); nothing else of a payload is looked at. */
static void take_close_code(struct websocket_flow *flow, struct slice bytes) {
    for (size_t i = 0; i < bytes.n && flow->missing > 0; i++) {
        unsigned char mask = flow->is_from_client ? flow->mask[2 - flow->missing] : 0;

        flow->close_code = (uint16_t)(flow->close_code << 8 | ((unsigned char)bytes.p[i] ^ mask));
        flow->missing--;
    }
}

static size_t take_payload(struct websocket_flow *flow, struct slice bytes) {
    size_t n = (size_t)MIN_OF(flow->left, (uint64_t)bytes.n);

    if (flow->opcode == OPCODE_CLOSE)
        take_close_code(flow, slice_first(bytes, n));
    flow->left -= n;
    if (flow->left == 0)
        end_frame(flow);
    return n;
}

void websocket_flow_pass(struct websocket_flow *flow, struct slice bytes) {
    static void (*const takes[])(struct websocket_flow * flow, unsigned char byte) = {
        [AT_BORDER] = take_first, [AT_SIZE] = take_size, [AT_LENGTH] = take_length, [AT_MASK] = take_mask};
    size_t at = 0;

    while (at < bytes.n && !flow->is_lost && flow->step != AT_END) {
        if (flow->step == AT_PAYLOAD)
            at += take_payload(flow, slice_from(bytes, at));
        else
            takes[flow->step](flow, (unsigned char)bytes.p[at++]);
    }
}

bool websocket_flow_is_at_border(const struct websocket_flow *flow) {
    return flow->step == AT_BORDER && !flow->is_lost;
}

bool websocket_flow_has_closed(const struct websocket_flow *flow) {
    return flow->step == AT_END;
}

/* A byte of a frame's head at a time: only its payload's length is known ahead. */
uint64_t websocket_flow_to_border(const struct websocket_flow *flow) {
    if (flow->is_lost || flow->step == AT_BORDER || flow->step == AT_END)
        return 0;
    return flow->step == AT_PAYLOAD ? flow->left : 1;
}

size_t websocket_close_frame(unsigned code, bool is_from_client, char to[static WEBSOCKET_CLOSE_MAX]) {
    size_t n = 0;

    to[n++] = (char)(FIN | OPCODE_CLOSE);
    to[n++] = (char)(is_from_client ? MASKED | 2 : 2);
    for (size_t i = 0; is_from_client && i < 4; i++)
        to[n++] = 0;
    to[n++] = (char)(code >> 8);
    to[n++] = (char)(code & 0xff);
    return n;
}
