/*
 * `credfd log --verify`: says whether the chain over the files holds, and where it does not.
 */
#pragma once

#include "cmd/log_files.h"

/* Prints the findings. 0 when it holds, 1 when not, or -errno. */
int log_verify(struct log_files *files);
