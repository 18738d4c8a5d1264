/*
 * What must hold of a credential wherever it comes from, and what makes two of them interchangeable for who has a lease
 * already. Pure. The supervisor and the keeper ask.
 */
#pragma once

#include "egress/settings/settings.h"

/* The field that it writes; empty for one that writes none. */
struct slice inject_field(const struct inject *inject);

/* Whether a request has room for one of the two only. */
bool inject_competes(const struct inject *a, const struct inject *b);

/*
 * Cuts one trailing slash off `upstream` and takes it apart into `authority`. NULL; or, in plain words, why it is no
 * upstream of a credential's.
 */
const char *credential_read_upstream(struct credential *credential);

/* Whether its key would go over a network unencrypted. */
bool credential_is_in_the_clear(const struct credential *credential);

/*
 * Whether it can be used. The configuration's reader has said what is wrong and where; what would turn a mistake of
 * ours into a leak is looked at again on the way to the keeper. Takes `upstream` apart into `authority`.
 */
bool credential_is_sound(struct credential *credential);

/*
 * Whether both take their secret to the same place in the same way: upstream, injections, trusted certificates, which
 * addresses are permitted, and what of a response is kept back. Then a living lease may go on with the other one's rules
 * and limits, wherever that one has its secret from.
 */
bool credential_is_same_place(const struct credential *a, const struct credential *b);

/* Whether there is nothing at all in which the keeper would treat them differently. */
bool credential_is_same(const struct credential *a, const struct credential *b);

/* Whether two of them have one authority: a proxy cannot tell them apart. The first such pair. */
bool credential_find_twins(const struct credential *const *credentials, size_t n, size_t *ret_first,
                           size_t *ret_second);

/* What is said of it, with both names. */
#define CREDENTIAL_TWINS                                                                                               \
    "%s and %s are for one host, and the proxy cannot tell whose key a request wants; name one of them with --lease, " \
    "or give one of them a {base_url} in a run without the proxy"
