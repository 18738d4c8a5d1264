#include "fleet/task/task_place.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"

/*
 * Three lines: numbers of the user, their group and further groups with blanks between them, or nothing; the workspace;
 * the spool.
 */

#define PLACE_MAX (64 * 1024) /* two paths and the numbers */

static void put_user(struct text *text, const struct task_user *user, uint32_t spool_group) {
    if (user->name[0] == '\0')
        return;
    text_add(text, "%u %u", user->uid, user->gid);
    for (size_t i = 0; i < user->n_groups; i++)
        text_add(text, " %u", user->groups[i]);
    text_add(text, " %u", spool_group);
}

char *task_place_format(const char *workspace, const char *spool, const struct task_user *user, uint32_t spool_group) {
    struct buf made;
    struct text text = {.to = &made};
    char *copy = NULL;

    if (slice_has(slice_of_string(workspace), '\n') || slice_has(slice_of_string(spool), '\n'))
        return NULL;
    buf_init(&made, PLACE_MAX);
    put_user(&text, user, spool_group);
    text_put(&text, SLICE("\n"));
    text_put(&text, slice_of_string(workspace));
    text_put(&text, SLICE("\n"));
    text_put(&text, slice_of_string(spool));
    if (text.error == 0)
        copy = strndup(buf_slice(&made).p, buf_length(&made));
    buf_release(&made);
    return copy;
}

/* The highest number means "none" to the kernel. */
static int parse_number(struct slice text, uint32_t *ret) {
    uint64_t value;
    int r = num_parse(text, UINT32_MAX - 1, &value);

    if (r == 0)
        *ret = (uint32_t)value;
    return r;
}

static int parse_user(struct slice numbers, struct task_place *place) {
    int r;

    if (numbers.n == 0)
        return 0;
    place->has_user = true;
    r = parse_number(slice_cut(&numbers, ' '), &place->uid);
    if (r == 0 && numbers.p)
        r = parse_number(slice_cut(&numbers, ' '), &place->gid);
    while (r == 0 && numbers.p) {
        if (place->n_groups == LIMIT_TASK_GROUPS + 1)
            return -EINVAL;
        r = parse_number(slice_cut(&numbers, ' '), &place->groups[place->n_groups++]);
    }
    /* a user without a group of their own would keep ours */
    return r == 0 && place->n_groups > 0 ? 0 : -EINVAL;
}

static bool is_absolute(struct slice path) {
    return path.n > 0 && path.p[0] == '/';
}

int task_place_parse(struct slice text, struct task_place *ret) {
    struct slice rest = text, numbers = slice_cut(&rest, '\n');
    struct task_place place = {0};
    int r;

    if (!rest.p)
        return -EINVAL;
    place.workspace = slice_cut(&rest, '\n');
    if (!rest.p || slice_has(rest, '\n'))
        return -EINVAL;
    place.spool = rest;
    r = parse_user(numbers, &place);
    if (r < 0 || !is_absolute(place.workspace) || !is_absolute(place.spool))
        return -EINVAL;
    *ret = place;
    return 0;
}
