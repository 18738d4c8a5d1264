#include "ingress/pairing/mint_output.h"

#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/weaken.h"

struct mint_output {
    char printed[LIMIT_COMMAND_OUTPUT + 1]; /* one byte more, so that what is longer is seen to be */
    size_t n;
    char credential[LIMIT_SECRET];
};

static void free_wiped(void *memory) {
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void mint_json_init(void) {
    size_t seed = 0;

    /* by itself jansson would open /dev/urandom, and a role may open nothing; it takes 0 for no seed */
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed) || seed == 0)
        seed = 1;
    json_set_alloc_funcs(malloc, free_wiped);
    json_object_seed(seed);
}

struct mint_output *mint_output_new(void) {
    struct mint_output *output =
        mmap(NULL, sizeof(*output), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (output == MAP_FAILED)
        return NULL;
    /* best effort: a user may have used up what he may lock, and is not to be kept out for it */
    (void)mlock(output, sizeof(*output));
    (void)madvise(output, sizeof(*output), MADV_DONTDUMP);
    return output;
}

void mint_output_free(struct mint_output *output) {
    if (!output)
        return;
    explicit_bzero(output, sizeof(*output));
    (void)munmap(output, sizeof(*output));
}

int mint_output_read(struct mint_output *output, int fd) {
    while (output->n < sizeof(output->printed)) {
        ssize_t n = read(fd, output->printed + output->n, sizeof(output->printed) - output->n);

        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        output->n += WEAKENED(OUTPUT) ? 0 : (size_t)n;
    }
    return -EMSGSIZE;
}

int mint_credential_parse(struct slice bytes, char to[static LIMIT_SECRET], size_t *ret_n) {
    json_t *object = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *credential = json_object_get(object, "credential"); /* NULL of what is no object */
    size_t n = json_string_length(credential);
    int r = -EINVAL;

    if (n > 0 && n <= LIMIT_SECRET) {
        memcpy(to, json_string_value(credential), n);
        *ret_n = n;
        r = 0;
    }
    json_decref(object);
    return r;
}

int mint_output_parse(struct mint_output *output, struct slice *ret) {
    size_t n;
    int r = mint_credential_parse(slice_of(output->printed, output->n), output->credential, &n);

    explicit_bzero(output->printed, sizeof(output->printed));
    output->n = 0;
    if (r == 0)
        *ret = slice_of(output->credential, n);
    return r;
}
