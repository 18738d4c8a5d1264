/*
 * What the benchmark's clients share: the clock, complaints, the numbers and lines that they are given, latencies, and
 * the requests of people behind a front. For the benchmark only: what fails ends the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Complains of `what`, and why: -errno; does not return. */
_Noreturn void client_fail(const char *what, int error);

uint64_t client_now_ns(void);

/* A word of the command line or of a command, at most `max`. */
uint64_t client_number(const char *text, uint64_t max);

/* The next line of the standard input, without its end, good until the next call; NULL at the end. */
char *client_line(void);

/* Writes what is in the standard output's buffer. */
void client_flush(void);

/* Latencies of requests. Beyond some millions they are only counted. */
void latency_reset(void);
void latency_add(uint64_t ns);
size_t latency_count(void);

/* `"p50_us": ..., "p99_us": ...` to the standard output; sorts. */
void latency_print(void);

/*
 * GET requests as a front passes them on, with a name and a session's cookie: one for each of `n` people, person-0 and
 * so on, each with the further `fields` (whole lines). The caller owns the array; the text is never freed.
 */
struct slice *people_requests(const char *path, const char *fields, size_t n);

/* A socket connected to this port on 127.0.0.1, without delay; waits for it. */
int client_connect(uint16_t port);
