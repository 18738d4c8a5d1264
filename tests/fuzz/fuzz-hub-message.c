#include <sys/mman.h>
#include <unistd.h>

#include "fleet/link/hub_json.h"
#include "fleet/link/hub_message.h"
#include "fuzz.h"

/* An order that the link would seal is one that a task can read. */
static void seal_and_read(const struct order *order) {
    int fd = order_seal(order);
    off_t size = lseek(fd, 0, SEEK_END);
    struct order got;
    char *bytes;

    REQUIRE(fd >= 0 && size > 0);
    bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    REQUIRE(bytes != MAP_FAILED && order_parse(slice_of(bytes, (size_t)size), &got) == 0);
    REQUIRE(got.operation == order->operation && slice_equals(got.command, order->command));
    REQUIRE(got.n_variables == order->n_variables && got.n_globs == order->n_globs);
    order_done(&got);
    (void)munmap(bytes, (size_t)size);
    (void)close(fd);
}

static bool is_task_id(struct slice id) {
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] < '!' || id.p[i] > '~')
            return false;
    return id.n > 0 && id.n <= LIMIT_TASK_ID;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool is_ready;
    const char *fault = NULL;
    struct hub_message message;
    struct slice text;

    if (!is_ready)
        hub_json_init(1);
    is_ready = true;
    if (hub_message_parse(slice_of(size > 0 ? (const void *)data : "", size), &message, &fault) == 0) {
        if (message.type == HUB_TASK_REQUEST || message.type == HUB_TASK_CANCEL || message.type == HUB_TASK_ACK)
            REQUIRE(is_task_id(message.task_id));
        if (message.type == HUB_TASK_REQUEST && message.fault[0] == '\0') {
            REQUIRE(message.order.order.operation < OPERATION_UNKNOWN);
            REQUIRE(message.order.key.n <= LIMIT_TASK_KEY &&
                    (message.order.key.n == 0 || message.order.base_url.n > 0));
            seal_and_read(&message.order.order);
        }
        for (size_t at = 0; hub_message_label(&message, &at, &text);)
            REQUIRE(text.n <= LIMIT_WORKNODE);
        for (size_t at = 0; hub_message_received(&message, &at, &text);)
            REQUIRE(is_task_id(text));
    } else {
        REQUIRE(fault);
    }
    hub_message_done(&message);
    return 0;
}
