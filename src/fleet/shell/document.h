/*
 * Here-documents. A `<<` only names its last line; the text begins behind the next newline. Its expansions are read as
 * in double quotes, and where a shell is given it, its lines as commands.
 */
#pragma once

#include "fleet/shell/command.h"

/* Behind a `<<` or `<<-`: the delimiter. From then on the document waits. */
bool document_open(struct reader *r, bool strips_tabs, struct document **ret);

/* Behind a newline: all that wait. */
bool documents_read(struct reader *r);

/* Where a text ends, or a substitution: none may wait. */
bool documents_closed(struct reader *r);
