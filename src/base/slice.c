#include "base/slice.h"

#include <stdlib.h>

#include "base/macros.h"

bool slice_equals_nocase(struct slice a, struct slice b) {
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (a.p[i] != b.p[i] && ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool slice_starts_with(struct slice s, struct slice prefix) {
    return s.n >= prefix.n && slice_equals(slice_first(s, prefix.n), prefix);
}

bool slice_ends_with(struct slice s, struct slice suffix) {
    return s.n >= suffix.n && slice_equals(slice_from(s, s.n - suffix.n), suffix);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s) {
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct slice slice_cut(struct slice *rest, char separator) {
    size_t at = slice_index(*rest, separator);
    struct slice head = slice_first(*rest, at);
    *rest = at < rest->n ? slice_from(*rest, at + 1) : slice_of(NULL, 0);
    return head;
}

void free_pointer(void *pointer_to_pointer) {
    free(*(void **)pointer_to_pointer);
}
