/*
 * The process that waits to become the command, from the inside: it leaves its namespaces for new ones, makes what is
 * needed in there, tells the supervisor, and waits for the word. For cmd/workload_prepare.c alone.
 */
#pragma once

#include "cmd/workload.h"

/* In a fresh child of the supervisor, whose end of `line` is closed with the supervisor. Never returns. */
_Noreturn void workload_inside(const struct workload_isolation *isolation, size_t n_listeners, int line);
