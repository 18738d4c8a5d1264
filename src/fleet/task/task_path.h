/*
 * A path as the hub says it: from the workspace on, or as it is on this machine, which the heartbeat and `pwd` tell. For
 * every operation of a task, in one way. Pure; where a path leads, the kernel decides (fleet/beneath.h).
 */
#pragma once

#include "base/slice.h"

/*
 * `path` from the workspace on: without `workspace` (absolute) in front of it, if it stands there as whole parts, and
 * without a slash in front. Empty for the workspace itself. Looks into `path`.
 */
struct slice task_path(struct slice path, struct slice workspace);
