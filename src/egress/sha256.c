#include "egress/sha256.h"

#include <endian.h>
#include <sha2.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

void sha256_digest_plain(struct slice text, uint8_t ret[static SHA256_SIZE]) {
    SHA2_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)text.p, text.n);
    SHA256Final(ret, &context);
}

#if defined(__x86_64__)

#define BLOCK 64

/* FIPS 180-4 §4.2.2 and §5.3.3 */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t beginning[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static bool has_instructions(void) {
    static int known = -1;
    unsigned a, b = 0, c, d;

    if (known < 0)
        known = __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    return known == 1;
}

/* The state as the instructions want it: the words a, b, e, f in one register and c, d, g, h in the other. */
struct halves {
    __m128i abef, cdgh;
};

/* §6.2.2, four rounds at a time. */
__attribute__((target("sha,sse4.1"))) static struct halves mix_block(struct halves s, const char *block) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const struct halves before = s;
    __m128i w[4]; /* of the message's schedule, the last sixteen words */

#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        __m128i sum;

        if (i < 4) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)(block + 16 * i)), big_endian);
        } else {
            __m128i fresh = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);

            fresh = _mm_add_epi32(fresh, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
            w[i % 4] = _mm_sha256msg2_epu32(fresh, w[(i + 3) % 4]);
        }
        sum = _mm_add_epi32(w[i % 4], _mm_loadu_si128((const __m128i_u *)(constants + 4 * i)));
        s.cdgh = _mm_sha256rnds2_epu32(s.cdgh, s.abef, sum);
        s.abef = _mm_sha256rnds2_epu32(s.abef, s.cdgh, _mm_shuffle_epi32(sum, 0x0E));
    }
    return (struct halves){_mm_add_epi32(s.abef, before.abef), _mm_add_epi32(s.cdgh, before.cdgh)};
}

/* The rest of the text, the bit, the zeros and the length (§5.1.1): one block or two. How many bytes they are. */
static size_t pad(struct slice text, char last[static 2 * BLOCK]) {
    uint64_t bits = htobe64((uint64_t)text.n * 8);
    size_t rest = text.n % BLOCK, n = rest + 1 + sizeof(bits) <= BLOCK ? BLOCK : 2 * BLOCK;

    memset(last, 0, 2 * BLOCK);
    if (rest > 0)
        memcpy(last, text.p + text.n - rest, rest);
    last[rest] = (char)0x80;
    memcpy(last + n - sizeof(bits), &bits, sizeof(bits));
    return n;
}

__attribute__((target("sha,sse4.1"))) static void digest(struct slice text, uint8_t ret[static SHA256_SIZE]) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i_u *)beginning), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i_u *)(beginning + 4)), 0x1B);
    struct halves s = {_mm_alignr_epi8(abcd, efgh, 8), _mm_blend_epi16(efgh, abcd, 0xF0)};
    char last[2 * BLOCK];
    size_t n = pad(text, last);

    for (size_t at = 0; at + BLOCK <= text.n; at += BLOCK)
        s = mix_block(s, text.p + at);
    for (size_t at = 0; at < n; at += BLOCK)
        s = mix_block(s, last + at);
    abcd = _mm_shuffle_epi32(s.abef, 0x1B);
    efgh = _mm_shuffle_epi32(s.cdgh, 0xB1);
    _mm_storeu_si128((__m128i_u *)ret, _mm_shuffle_epi8(_mm_blend_epi16(abcd, efgh, 0xF0), big_endian));
    _mm_storeu_si128((__m128i_u *)(ret + 16), _mm_shuffle_epi8(_mm_alignr_epi8(efgh, abcd, 8), big_endian));
}

bool sha256_digest_fast(struct slice text, uint8_t ret[static SHA256_SIZE]) {
    if (has_instructions())
        digest(text, ret);
    return has_instructions();
}

#else

bool sha256_digest_fast(struct slice text, uint8_t ret[static SHA256_SIZE]) {
    (void)text;
    (void)ret;
    return false;
}

#endif

void sha256_digest(struct slice text, uint8_t ret[static SHA256_SIZE]) {
    if (!sha256_digest_fast(text, ret))
        sha256_digest_plain(text, ret);
}
