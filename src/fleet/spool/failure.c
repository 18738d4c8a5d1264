#include "fleet/spool/failure.h"

#include "fleet/json_write.h"

int failure_write(struct buf *to, struct slice task_id, struct slice source_id, struct slice error) {
    struct json_write w = json_write_begin(to);

    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("task_id"), task_id);
    if (source_id.n > 0)
        json_write_text_member(&w, SLICE("source_instance_id"), source_id);
    json_write_bool_member(&w, SLICE("success"), false);
    json_write_text_member(&w, SLICE("error"), error);
    json_write_close(&w, '}');
    return w.error;
}
