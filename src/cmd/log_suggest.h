/*
 * `credfd log --denied --suggest`: what would have to change in a configuration so that the requests that were refused
 * pass. Reads the audit; changes nothing, and looks into no configuration. Used by `credfd log`.
 */
#pragma once

#include "cmd/log_entry.h"
#include "cmd/log_files.h"

/* Prints it, of the lines that the filter admits, on standard output. 0 or -errno. */
int log_suggest(const struct log_filter *filter, const struct log_files *files);
