#include "ingress/front/verifier_keys.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/front/handed_file.h"

static void take(struct verifier_keys *keys, struct jwks *set) {
    jwks_free(keys->keys);
    keys->keys = set;
    keys->got_ms = clock_now_ms();
    log_info("%zu keys verify assertions", jwks_count(set));
}

static void fetched(void *owner, struct slice json, const char *failure) {
    struct verifier_keys *keys = owner;
    struct jwks *set = NULL;
    int r = failure ? -EIO : jwks_parse(json, &set);

    keys->fetch = NULL; /* it ends when this returns */
    if (r == 0) {
        take(keys, set);
        keys->delay_ms = 0;
        timer_set(&keys->next, KEYS_EVERY);
    } else {
        keys->delay_ms = MIN_OF(MAX_OF(2 * keys->delay_ms, (uint64_t)KEYS_RETRY), (uint64_t)KEYS_EVERY);
        timer_set(&keys->next, keys->delay_ms);
        log_warning("the keys at %s cannot be had: %s%s", keys->url_text,
                    failure        ? failure
                    : r == -ENOMEM ? "out of memory"
                                   : "there is no key that can be used",
                    keys->keys ? "; the ones from before stay in force" : "");
    }
    keys->settled(keys);
}

static bool begin(struct verifier_keys *keys) {
    keys->began_ms = loop_now_ms();
    keys->has_begun = true;
    keys->fetch = jwks_fetch_start(&keys->url, keys->trust, fetched, keys);
    if (!keys->fetch)
        timer_set(&keys->next, KEYS_RETRY);
    return keys->fetch != NULL;
}

static void fetch_again(struct timer *timer) {
    struct verifier_keys *keys = container_of(timer, struct verifier_keys, next);

    if (!keys->fetch)
        (void)begin(keys);
}

void verifier_keys_init(struct verifier_keys *keys, void (*settled)(struct verifier_keys *keys)) {
    *keys = (struct verifier_keys){.settled = settled, .next.on_expiry = fetch_again};
}

int verifier_keys_point(struct verifier_keys *keys, const char *url, struct tls_context *trust, bool is_new) {
    jwks_fetch_cancel(keys->fetch); /* it uses what is replaced here */
    keys->fetch = NULL;
    timer_cancel(&keys->next);
    tls_context_free(keys->trust);
    keys->trust = trust;
    keys->delay_ms = 0;
    (void)snprintf(keys->url_text, sizeof(keys->url_text), "%s", url);
    if (is_new) {
        jwks_free(keys->keys);
        keys->keys = NULL;
    }
    if (keys->url_text[0] == '\0')
        return 0;
    if (jwks_url_parse(slice_of_string(keys->url_text), &keys->url)) {
        keys->url_text[0] = '\0';
        return -EINVAL;
    }
    return 0;
}

const char *verifier_keys_read(struct verifier_keys *keys, int fd) {
    struct jwks *set = NULL;
    struct buf json;
    int r;

    buf_init(&json, LIMIT_KEYS);
    r = handed_file_read(fd, &json);
    if (r == 0)
        r = jwks_parse(buf_slice(&json), &set);
    buf_release(&json);
    if (r == 0)
        take(keys, set);
    keys->settled(keys);
    return r == 0         ? NULL
           : r == -EFBIG  ? "it is too long"
           : r == -EINVAL ? "there is no key in it that can be used"
                          : "it cannot be read";
}

const struct jwks *verifier_keys_current(struct verifier_keys *keys) {
    if (keys->keys && keys->url_text[0] != '\0' && clock_now_ms() - keys->got_ms > KEYS_LIFE) {
        log_error("the keys of %s could not be had for a day: they are no longer in force", keys->url_text);
        jwks_free(keys->keys);
        keys->keys = NULL;
    }
    return keys->keys;
}

bool verifier_keys_ask(struct verifier_keys *keys) {
    if (keys->url_text[0] == '\0')
        return false;
    if (keys->fetch)
        return true;
    if (keys->has_begun && loop_now_ms() - keys->began_ms < KEYS_SOONEST)
        return false;
    return begin(keys);
}

void verifier_keys_fetch(struct verifier_keys *keys) {
    if (keys->url_text[0] != '\0' && !keys->fetch)
        (void)begin(keys);
}
