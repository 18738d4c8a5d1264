#include "wire/http_fault.h"

#include <stddef.h>

#include "base/macros.h"

static const struct {
    unsigned status;
    const char *reason;
} faults[HTTP_FAULTS] = {
    [HTTP_OK] = {200, "nothing is wrong"},
    [HTTP_BAD_START] = {400, "the message does not start with a method"},
    [HTTP_IS_HTTP2] = {400, "this is HTTP/2, which is not spoken here: use HTTP/1.1"},
    [HTTP_IS_TLS] = {400, "this is TLS, and here plain HTTP is spoken"},
    [HTTP_IS_SOCKS] = {400, "this is SOCKS, and here plain HTTP is spoken"},
    [HTTP_BAD_REQUEST_LINE] = {400, "the request line is not three parts with one space between them"},
    [HTTP_BAD_METHOD] = {400, "the method is not a token"},
    [HTTP_LONG_METHOD] = {501, "the method is too long"},
    [HTTP_METHOD_NOT_ALLOWED] = {405, "the method is not allowed"},
    [HTTP_BAD_TARGET] = {400, "the request target is malformed"},
    [HTTP_LONG_TARGET] = {414, "the request target is too long"},
    [HTTP_BAD_VERSION] = {400, "the protocol version is malformed"},
    [HTTP_UNSUPPORTED_VERSION] = {505, "the protocol version is not HTTP/1"},
    [HTTP_BAD_LINE_END] = {400, "a line does not end with CR LF"},
    [HTTP_BAD_FIELD] = {400, "a field line is malformed"},
    [HTTP_ALIAS_FIELD] = {400, "a field's name can be taken for another's"},
    [HTTP_OBSOLETE_FOLD] = {400, "a field is folded over several lines"},
    [HTTP_LARGE_HEAD] = {431, "the head is too large"},
    [HTTP_BAD_HOST] = {400, "Host is missing, repeated or malformed"},
    [HTTP_BAD_CONTENT_LENGTH] = {400, "Content-Length is repeated or not a number"},
    [HTTP_BAD_TRANSFER_ENCODING] = {400, "Transfer-Encoding is not exactly chunked"},
    [HTTP_UNKNOWN_CODING] = {501, "the transfer coding is not known"},
    [HTTP_LENGTH_AND_CODING] = {400, "Content-Length stands beside Transfer-Encoding"},
    [HTTP_BAD_CHUNK] = {400, "the chunked coding is broken"},
    [HTTP_BAD_TRAILER] = {400, "a trailer field is malformed or not allowed"},
    [HTTP_BAD_CONNECTION] = {400, "Connection names a field that must stay, or is no list of names"},
    [HTTP_BAD_EXPECT] = {417, "the expectation is not 100-continue"},
    [HTTP_BAD_UPGRADE] = {400, "the WebSocket handshake is malformed"},
    [HTTP_UPGRADE_REQUIRED] = {426, "the WebSocket version is not 13"},
    [HTTP_TRUNCATED] = {400, "the message ended early"},
    [HTTP_HEAD_TIMEOUT] = {408, "the head did not arrive in time"},
    [HTTP_BODY_TIMEOUT] = {408, "the body did not arrive in time"},
    [HTTP_NO_PREFIX] = {404, "there is nothing here"},
    [HTTP_OUTSIDE_BASE] = {403, "the path is not beneath the one that the credential is for"},
    [HTTP_MISDIRECTED] = {421, "the request names another host than the one that this connection is for"},
    [HTTP_BAD_STATUS_LINE] = {502, "the status line is malformed"},
    [HTTP_UNASKED_SWITCH] = {502, "the upstream switches protocols unasked"},
    [HTTP_BAD_SWITCH] = {502, "the upstream's answer to the WebSocket handshake is wrong"},
    [HTTP_MANY_INTERIMS] = {502, "the upstream sends too many interim responses"},
};

unsigned http_fault_status(enum http_fault fault) {
    return (unsigned)fault < HTTP_FAULTS ? faults[fault].status : 400;
}

const char *http_fault_reason(enum http_fault fault) {
    return (unsigned)fault < HTTP_FAULTS ? faults[fault].reason : "the message is malformed";
}

/* The registry of S 15, with RFC 6585's and those that APIs are seen to send. */
static const struct {
    unsigned status;
    char phrase[36]; /* no pointer, which would have to be written at each start */
} phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *http_status_phrase(unsigned status) {
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}
