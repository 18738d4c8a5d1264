#include "ingress/steward/ask.h"

#include <stdio.h>

#include "wire/http_write.h"

static int write_request(struct buf *to, const struct instance *instance, struct slice path) {
    char host[LIMIT_AUTHORITY + 1] = "localhost";
    int r;

    if (instance->place == INSTANCE_ADDRESS)
        address_format(&instance->address, host);
    else if (instance->place == INSTANCE_NAME)
        (void)snprintf(host, sizeof(host), "%.*s:%u", SLICE_ARG(instance->host), instance->port);
    r = http_write_request_line(to, SLICE("GET"), path);
    if (r == 0)
        r = http_write_field(to, SLICE("Host"), slice_of_string(host));
    if (r == 0)
        r = http_write_field(to, SLICE("User-Agent"), SLICE("credfd"));
    if (r == 0)
        r = http_write_field(to, SLICE("Accept"), SLICE("application/json, */*;q=0.5"));
    if (r == 0)
        r = http_write_field(to, SLICE("Connection"), SLICE("close"));
    return r == 0 ? http_write_head_end(to) : r;
}

int ask_start(const struct instance *instance, struct slice path, uint64_t within_ms, call_done *done, void *owner,
              struct instance_call **ret) {
    const struct call_times times = {.connect_ms = within_ms, .response_ms = within_ms};
    struct buf request;
    int r = 0;

    buf_init(&request, LIMIT_HEAD);
    if (path.n > 0)
        r = write_request(&request, instance, path);
    if (r == 0)
        r = instance_call_start(instance, buf_slice(&request), times, done, owner, ret);
    buf_release(&request);
    return r;
}
