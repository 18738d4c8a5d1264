/*
 * Reads a typical request head a number of times: what bench/instructions counts the instructions of. The
 * head is that of an API client written with a common library; what its fields mean together is decided as well.
 *
 *     parse-heads N
 */
#include <stdlib.h>

#include "base/num.h"
#include "wire/http_message.h"

static const char head[] =
    "POST /incident/list?app_key=placeholder&p=2&limit=50&start=1732185600 HTTP/1.1\r\n"
    "Host: flashduty.broker.local\r\n"
    "User-Agent: python-requests/2.28.1\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept: application/json\r\n"
    "Connection: keep-alive\r\n"
    "Content-Type: application/json\r\n"
    "X-Request-Id: 7f3d2a90-1c5e-4b8f-9a61-0f5b0d9c2e11\r\n"
    "Content-Length: 148\r\n"
    "\r\n";

static struct http_request request;

static bool is_acceptable(void) {
    struct slice bytes = slice_of(head, sizeof(head) - 1), host;
    struct http_head_scan scan = {0};
    struct http_framing framing;
    struct http_target target;
    enum http_fault fault;
    bool is_close, is_keep_alive, is_continue;

    return http_request_read(&scan, bytes, &request, &fault) == (ptrdiff_t)bytes.n &&
           http_target_parse(request.method, request.target, &target) == HTTP_OK &&
           http_host_check(&request, &host) == HTTP_OK && http_request_framing(&request, &framing) == HTTP_OK &&
           http_expect_check(&request, &is_continue) == HTTP_OK &&
           http_fields_strip_hop_by_hop(&request.fields, NULL, 0, &is_close, &is_keep_alive) == HTTP_OK;
}

int main(int argc, char **argv) {
    uint64_t n;

    if (argc != 2 || num_parse(slice_of_string(argv[1]), UINT32_MAX, &n) < 0)
        return 2;
    for (uint64_t i = 0; i < n; i++)
        if (!is_acceptable())
            return EXIT_FAILURE;
    return 0;
}
