#include "fleet/task/task_result.h"

#include <sys/wait.h>

#include "base/limits.h"
#include "fleet/json_write.h"

int task_exit_code(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static void write_output(struct json_write *w, struct slice name, const struct output *output) {
    struct buf shown;

    buf_init(&shown, (size_t)2 * CUTTER_CHARACTER * LIMIT_SHOWN_OUTPUT);
    if (w->error == 0)
        w->error = output_show(output, &shown);
    json_write_text_member(w, name, buf_slice(&shown));
    buf_release(&shown);
}

/* There is one place for a file's name: standard output's, where both are large. The other's stands in its text. */
static void write_large(struct json_write *w, const struct output *outputs) {
    const struct output *large = outputs[TASK_STDOUT].is_large ? &outputs[TASK_STDOUT] : &outputs[TASK_STDERR];

    if (!large->is_large)
        return;
    json_write_bool_member(w, SLICE("truncated"), true);
    if (large->path[0] != '\0')
        json_write_text_member(w, SLICE("file_path"), slice_of_string(large->path));
    json_write_number_member(w, SLICE("total_size"), large->total);
}

static void write_command(struct json_write *w, const struct task_facts *facts) {
    json_write_name(w, SLICE("result"));
    json_write_open(w, '{');
    write_output(w, SLICE("stdout"), &facts->outputs[TASK_STDOUT]);
    write_output(w, SLICE("stderr"), &facts->outputs[TASK_STDERR]);
    if (facts->exit_code >= 0)
        json_write_number_member(w, SLICE("exit_code"), (uint64_t)facts->exit_code);
    write_large(w, facts->outputs);
    json_write_close(w, '}');
    if (facts->exit_code >= 0)
        json_write_number_member(w, SLICE("exit_code"), (uint64_t)facts->exit_code);
}

int task_result_write(struct buf *to, const struct task_facts *facts) {
    struct json_write w = json_write_begin(to);

    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("task_id"), facts->task_id);
    if (facts->source_id.n > 0)
        json_write_text_member(&w, SLICE("source_instance_id"), facts->source_id);
    json_write_bool_member(&w, SLICE("success"), facts->error.n == 0);
    if (facts->outputs) {
        write_command(&w, facts);
    } else if (facts->files.n > 0) {
        json_write_name(&w, SLICE("result"));
        json_write_value(&w, facts->files);
    }
    if (facts->error.n > 0)
        json_write_text_member(&w, SLICE("error"), facts->error);
    json_write_close(&w, '}');
    return w.error;
}
