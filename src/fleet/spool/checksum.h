/* CRC-32C (Castagnoli, RFC 3385 §8.1): finds what a disk or a cut has damaged. No defence against whoever can write. */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* Of the bytes so far and these; 0 before the first. */
uint32_t checksum_of(uint32_t so_far, struct slice bytes);
