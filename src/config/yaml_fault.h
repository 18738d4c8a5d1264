/*
 * What libyaml did not like, as words for a person and the line where they should look. For the readers of YAML in this
 * room alone, which share the words for what they refuse themselves, too.
 */
#pragma once

#include <yaml.h>

#include "base/slice.h"

#define YAML_FAULT_MAX 256

#define YAML_NO_ANCHOR "an anchor (&) has no meaning here; remove it, or put the text in quotes"
#define YAML_NO_TAG "a tag (!) has no meaning here; remove it, or put the text in quotes"
#define YAML_NO_ALIAS "an alias (*) has no meaning here; write the value out, or put the text in quotes"
#define YAML_NO_SECOND "a second document starts here; keep one in a file"

/*
 * Why `parser`, which was given `bytes`, has stopped. -EINVAL with the words, or -ENOMEM when it ran out of memory.
 * libyaml's own words are constants: nothing of the file is in them.
 */
int yaml_fault(const yaml_parser_t *parser, struct slice bytes, char ret_words[static YAML_FAULT_MAX],
               size_t *ret_line);

static inline size_t yaml_line(yaml_mark_t mark) {
    return mark.line + 1;
}

/* Without the byte order mark: libyaml skips it, but counts it as a column, and sees the first key indented. */
static inline struct slice yaml_skip_mark(struct slice bytes) {
    return slice_starts_with(bytes, SLICE("\xef\xbb\xbf")) ? slice_from(bytes, 3) : bytes;
}
