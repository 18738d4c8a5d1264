#include "fleet/spool/checksum.h"

#include <stdbool.h>

#define POLYNOMIAL 0x82F63B78u /* its bits the other way round */

/* Of a text of one byte: for all 256. */
static void fill(uint32_t table[static 256]) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;

        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? POLYNOMIAL : 0);
        table[byte] = sum;
    }
}

uint32_t checksum_of(uint32_t so_far, struct slice bytes) {
    static uint32_t table[256];
    uint32_t sum = ~so_far;

    if (table[1] == 0)
        fill(table);
    for (size_t i = 0; i < bytes.n; i++)
        sum = sum >> 8 ^ table[(sum ^ (unsigned char)bytes.p[i]) & 0xFF];
    return ~sum;
}
