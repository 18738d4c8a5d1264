/*
 * The one strict reader of integers that come from outside: digits only, no sign, no blank, no base prefix, and a
 * maximum that the caller must name. Nothing else in the project turns outside text into a number.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* Decimal. 0, or -EINVAL (empty, or a byte that is no digit), -ERANGE (above `max`); `*ret` is untouched on failure. */
int num_parse(struct slice text, uint64_t max, uint64_t *ret);

/* Hexadecimal, 1 to 16 digits of either case, no prefix (RFC 9112 §7.1 chunk-size). Errors as num_parse. */
int num_parse_hex(struct slice text, uint64_t max, uint64_t *ret);

/* The value of one hexadecimal digit, or -1. */
int num_hex_digit(char c);

/* A duration: digits and one of `ms`, `s`, `m`, `h`, `d`. In milliseconds, at most `max_ms`. Errors as num_parse. */
int num_parse_duration(struct slice text, uint64_t max_ms, uint64_t *ret_ms);

/* A size: digits and one of `B`, `KB`, `MB`, `GB` (by 1000), `KiB`, `MiB`, `GiB` (by 1024). Errors as num_parse. */
int num_parse_size(struct slice text, uint64_t max, uint64_t *ret);

/* A rate: digits and one of `/s`, `/min`, `/h`. `*ret_count` in `*ret_ms`; errors as num_parse, about the count. */
int num_parse_rate(struct slice text, uint64_t max, uint64_t *ret_count, uint64_t *ret_ms);

/* Decimal digits of a number, for its writers: they end at the end of `digits`. */
#define NUM_DIGITS 20 /* of UINT64_MAX */
struct slice num_format(uint64_t value, char digits[static NUM_DIGITS]);
