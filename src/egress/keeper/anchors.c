#include "egress/keeper/anchors.h"

#include <errno.h>
#include <stdlib.h>

#include "names/trust.h"

static struct anchors *find(struct anchors *shelf, struct slice pem) {
    struct anchors *one = shelf;

    while (one && !slice_equals(one->pem, pem))
        one = one->next;
    return one;
}

static int add(struct anchors **shelf, struct slice pem, struct anchors **ret) {
    struct anchors *fresh = malloc(sizeof(*fresh));

    if (!fresh)
        return -ENOMEM;
    *fresh = (struct anchors){.next = *shelf, .refs = 1, .pem = pem};
    *shelf = fresh;
    *ret = fresh;
    return 0;
}

int anchors_get(struct anchors **shelf, int fd, struct anchors **ret) {
    struct slice pem;
    struct anchors *one;
    int r = trust_map(fd, &pem);

    if (r < 0)
        return r;
    one = find(*shelf, pem);
    r = one ? 0 : add(shelf, pem, ret);
    if (one || r < 0)
        trust_unmap(&pem);
    if (!one)
        return r;
    one->refs++;
    *ret = one;
    return 0;
}

void anchors_unref(struct anchors *anchors) {
    if (anchors)
        anchors->refs--;
}

void anchors_trim(struct anchors **shelf) {
    struct anchors **at = shelf;

    while (*at) {
        struct anchors *one = *at;

        if (one->refs > 0) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        tls_context_free(one->context);
        trust_unmap(&one->pem);
        free(one);
    }
}

int anchors_context(struct anchors *anchors, struct tls_context **ret) {
    int r = anchors->context ? 0 : tls_context_new(anchors->pem, anchors->directory, &anchors->context);

    if (r == 0)
        *ret = anchors->context;
    return r;
}
