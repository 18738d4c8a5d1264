#include "ingress/front/front.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"
#include "ingress/table/person.h"

static const char nobody[] = "no t3 instance provisioned for this user"; /* contract's words */

bool front_trusts(const struct front *front, const struct peer *peer) {
    if (WEAKENED(FRONT))
        return true;
    switch (peer->kind) {
    case PEER_ADDRESS:
        for (size_t i = 0; i < front->n_peers; i++)
            if (network_has(&front->peers[i], &peer->address))
                return true;
        return false;
    case PEER_UNIX:
        for (size_t i = 0; i < front->n_uids; i++)
            if (front->uids[i] == peer->uid)
                return true;
        return front->takes_all_uids;
    case PEER_CERTIFICATE:
        return true; /* the doorman has shaken hands with nobody else */
    }
    return false;
}

/* By hand, because it is done for every request, and inet_ntop(3) prints through a format. */
static size_t format_ipv4(const uint8_t bytes[static 4], char *to) {
    char digits[NUM_DIGITS];
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        struct slice number = num_format(bytes[i], digits);

        memcpy(to + n, number.p, number.n);
        n += number.n;
        to[n++] = '.';
    }
    to[--n] = '\0';
    return n;
}

size_t peer_format(const struct peer *peer, char to[static ADDRESS_TEXT_MAX]) {
    const struct in6_addr *in6 = &peer->address.in6.sin6_addr;
    uint8_t bytes[4];

    if (peer->kind == PEER_UNIX)
        return (size_t)snprintf(to, ADDRESS_TEXT_MAX, "unix:%" PRIu32, peer->uid);
    if (peer->address.any.sa_family == AF_INET) {
        memcpy(bytes, &peer->address.in.sin_addr, sizeof(bytes));
        return format_ipv4(bytes, to);
    }
    if (IN6_IS_ADDR_V4MAPPED(in6))
        return format_ipv4(&in6->s6_addr[12], to);
    return inet_ntop(AF_INET6, in6, to, ADDRESS_TEXT_MAX) ? strlen(to) : 0;
}

/* How many fields of that name there are, with the value of the last. */
static size_t count_fields(const struct request_head *request, const char *name, struct slice *ret) {
    struct slice wanted = slice_of_string(name);
    size_t n = 0;

    for (size_t i = 0; i < request->n_fields; i++)
        if (slice_equals_nocase(request->fields[i].name, wanted)) {
            *ret = request->fields[i].value;
            n++;
        }
    return n;
}

/* Takes as long wherever they differ. */
static bool is_same_digest(const uint8_t a[static SHA256_DIGEST_SIZE], const uint8_t b[static SHA256_DIGEST_SIZE]) {
    volatile uint8_t difference = 0;

    for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

/* The secret itself never comes here: what a front shows is compared as a digest, of which the time tells nothing. */
static bool is_secret(const struct front *front, struct slice shown) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx context;

    if (!front->has_digest || shown.n == 0)
        return false;
    sha256_init(&context);
    sha256_update(&context, shown.n, (const uint8_t *)shown.p);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
    explicit_bzero(&context, sizeof(context));
    return is_same_digest(digest, front->secret_digest);
}

static enum naming check_secret(const struct front *front, const struct request_head *request,
                                const char **ret_reason) {
    struct slice shown = SLICE_EMPTY;
    size_t n = count_fields(request, front->secret_header, &shown);

    if (n > 1) {
        *ret_reason = "the secret of the front is there twice";
        return NAMED_BADLY;
    }
    if (!is_secret(front, shown) && !WEAKENED(FRONT)) {
        *ret_reason = "the secret of the front is missing or wrong";
        return NAMED_BY_STRANGER;
    }
    return NAMED;
}

static enum naming find_assertion(const struct front *front, const struct request_head *request, struct named *ret) {
    struct slice assertion = SLICE_EMPTY;
    size_t n = count_fields(request, front->assertion_header, &assertion);

    if (n > 1) {
        ret->reason = "two assertions of an identity";
        return NAMED_BADLY;
    }
    if (assertion.n == 0 || assertion.n > LIMIT_ASSERTION) {
        ret->reason = nobody;
        return NAMED_NOBODY;
    }
    ret->assertion = assertion;
    return NAMED_BY;
}

enum naming front_identify(const struct front *front, const struct peer *peer, const struct request_head *request,
                           struct named *ret) {
    struct slice value = SLICE_EMPTY;
    enum naming naming;

    ret->name[0] = '\0';
    ret->assertion = SLICE_EMPTY;
    ret->reason = NULL;
    if (!peer->is_trusted) {
        ret->reason = "this peer is not a trusted front";
        return NAMED_BY_STRANGER;
    }
    if (front->secret_header[0]) {
        naming = check_secret(front, request, &ret->reason);
        if (naming != NAMED)
            return naming;
    }
    if (front->assertion_header[0])
        return find_assertion(front, request, ret);
    /* a list is what two fields become on their way through a proxy (RFC 9110 §5.3) */
    if ((count_fields(request, front->identity_header, &value) > 1 || slice_has(value, ',')) && !WEAKENED(IDENTITY)) {
        ret->reason = "two identities";
        return NAMED_BADLY;
    }
    return front_name(front, value, ret);
}

/* Of one @ and no list; an empty one is cut off like any other, where none are listed. */
static bool is_domain(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= 0x20 || text.p[i] > 0x7e || text.p[i] == '@' || text.p[i] == ',')
            return false;
    return text.n <= LIMIT_HOST;
}

static bool may_stand_behind(const struct front *front, struct slice domain) {
    for (size_t i = 0; i < front->n_domains; i++)
        if (slice_equals_nocase(domain, slice_of_string(front->domains[i])))
            return true;
    return front->n_domains == 0 || WEAKENED(DOMAIN);
}

enum naming front_name(const struct front *front, struct slice value, struct named *ret) {
    struct slice domain = value, name = slice_cut(&domain, '@');

    ret->name[0] = '\0';
    ret->reason = nobody;
    if (!person_is_name(name))
        return NAMED_NOBODY;
    if (domain.p && (!is_domain(domain) || !may_stand_behind(front, domain)))
        return NAMED_NOBODY;
    memcpy(ret->name, name.p, name.n);
    ret->name[name.n] = '\0';
    ret->reason = NULL;
    return NAMED;
}

bool front_is_admin(const struct front *front, const char *name) {
    for (size_t i = 0; i < front->n_admins; i++)
        if (strcmp(front->admins[i], name) == 0)
            return true;
    return false;
}

size_t front_protected(const struct front *front, struct slice *ret, size_t max) {
    const struct slice names[] = {
        slice_of_string(front->identity_header),
        slice_of_string(front->secret_header),
        slice_of_string(front->assertion_header),
        SLICE("X-Forwarded-For"),
        SLICE("X-Forwarded-Proto"),
        SLICE("X-Forwarded-Host"),
        SLICE("Forwarded"),
        SLICE("X-Real-IP"),
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(names) && n < max; i++)
        if (names[i].n > 0)
            ret[n++] = names[i];
    return n;
}
