#include "config/yaml_fault.h"

#include <errno.h>
#include <stdio.h>

static bool has_tab_indentation(struct slice bytes, size_t line) {
    struct slice rest = bytes;

    while (rest.p && line-- > 1)
        (void)slice_cut(&rest, '\n');
    for (size_t i = 0; rest.p && i < rest.n && (rest.p[i] == ' ' || rest.p[i] == '\t'); i++)
        if (rest.p[i] == '\t')
            return true;
    return false;
}

/* The reader fails on a byte, the parser where it stands; the scanner's fault lies where the token began. */
static size_t fault_line(const yaml_parser_t *parser, struct slice bytes) {
    size_t line = 1;

    if (parser->error == YAML_SCANNER_ERROR)
        return yaml_line(parser->context_mark);
    if (parser->error != YAML_READER_ERROR)
        return yaml_line(parser->problem_mark);
    for (size_t i = 0; i < bytes.n && i < parser->problem_offset; i++)
        line += bytes.p[i] == '\n';
    return line;
}

int yaml_fault(const yaml_parser_t *parser, struct slice bytes, char ret_words[static YAML_FAULT_MAX],
               size_t *ret_line) {
    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    *ret_line = fault_line(parser, bytes);
    if (parser->error == YAML_READER_ERROR)
        (void)snprintf(ret_words, YAML_FAULT_MAX, "not text: %s; save the file as UTF-8 without control characters",
                       parser->problem);
    else if (has_tab_indentation(bytes, *ret_line))
        (void)snprintf(ret_words, YAML_FAULT_MAX, "a tab in the indentation; YAML takes spaces only");
    else
        (void)snprintf(ret_words, YAML_FAULT_MAX,
                       "not YAML: %s; check indentation and colons, and quote text that has : # { [ * & or ! in it",
                       parser->problem);
    return -EINVAL;
}
