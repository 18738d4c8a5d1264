/* What a spool holds when it is opened. The inside of the spool. */
#pragma once

#include "fleet/spool/spool_index.h"

/*
 * Enters every task whose files are there: results in the order in which they were made, settled ones in the order in
 * which they were settled, and what was only begun with its fault. Removes what nobody will finish. 0, -E2BIG (more
 * than LIMIT_SPOOL_FILES), or -errno.
 */
int spool_scan(struct spool *spool);
