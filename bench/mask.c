/*
 * What masking costs a byte, over texts of several kinds that do not hold the key. Prints one line of JSON for each:
 * CPU time of this process alone, over the same mebibyte again and again, as pieces of the size of a read.
 *
 *     mask MS        so long for each kind of text
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "egress/mask/mask.h"

#define KEY "sk-proj-Zr2Lw8zK3x9Qm7bN0c5VtYhD4eGjU1pA"
#define TEXT (1024 * 1024)

static const struct {
    const char *name;
    struct slice piece; /* empty: bytes without any order */
} kinds[] = {
    {"json",
     SLICE("{\"id\": \"inc_65f0c2a7\", \"title\": \"disk of db-3 is 92 % full\", \"severity\": \"Warning\"}\n")},
    {"random", SLICE("")},
    {"escapes", SLICE("%E4%BD%A0\\u4f60\\\"&amp;&#20320;&lt;\\n%2F&#x4f60;\\u003c%3D")},
    {"near misses", SLICE("sk-proj-Zr2Lw8%7A%4B3\\u0078&#57;Qm7bN0c5VtYhD4eGjU1p ")},
    {"beginnings", SLICE("%73%6B%2D\\u0073\\u006B&#115;&#x73;sk-sk-%73%73\\u00")},
};

static void fill(char *text, struct slice piece) {
    uint64_t random = 88172645463325252;

    for (size_t i = 0; i < TEXT; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        text[i] = piece.n > 0 ? piece.p[i % piece.n] : (char)(random >> 32);
    }
}

static double cpu_ns(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* -ENOMEM, or 0. */
static int pass(const struct mask *mask, char *text) {
    struct mask_stream s;
    int r = 0;

    mask_stream_init(&s, mask);
    for (size_t at = 0; r == 0 && at < TEXT; at += LIMIT_READ) {
        r = mask_stream_push(&s, text + at, LIMIT_READ, at + LIMIT_READ == TEXT);
        while (mask_stream_pull(&s, SIZE_MAX).n > 0)
            ;
    }
    mask_stream_done(&s);
    return r;
}

int main(int argc, char **argv) {
    _cleanup_free_ char *text = malloc(TEXT);
    _cleanup_mask_ struct mask *mask = NULL;
    uint64_t ms;

    if (argc != 2 || num_parse(slice_of_string(argv[1]), UINT32_MAX, &ms) < 0)
        return 2;
    if (!text || mask_new(&SLICE(KEY), 1, &mask) < 0)
        return EXIT_FAILURE;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        double began = cpu_ns(), took, passes = 0;

        fill(text, kinds[i].piece);
        for (took = 0; took < (double)ms * 1e6; took = cpu_ns() - began, passes++) {
            if (passes == 0) /* warm, and without the filling */
                began = cpu_ns();
            if (pass(mask, text) < 0)
                return EXIT_FAILURE;
        }
        printf("{\"text\": \"%s\", \"ns_per_byte\": %.4f, \"gib_per_s\": %.3f}\n", kinds[i].name, took / passes / TEXT,
               passes * TEXT / took * 1e9 / (1u << 30));
    }
    return 0;
}
