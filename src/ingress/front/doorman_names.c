#include "ingress/front/doorman_names.h"

#include <openssl/x509v3.h>

#include "base/slice.h"

static const char *find(const struct doorman_names *names, const ASN1_STRING *text) {
    struct slice name = slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));

    for (size_t i = 0; i < names->n; i++)
        if (name.n > 0 && slice_equals_nocase(name, slice_of_string(names->at[i])))
            return names->at[i];
    return NULL;
}

static const char *find_alternative(const struct doorman_names *names, const GENERAL_NAMES *alternatives) {
    const char *found = NULL;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(alternatives); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);

        if (name->type == GEN_DNS)
            found = find(names, name->d.dNSName);
    }
    return found;
}

/* The one common name: with two of them nobody can say which is meant. */
static const char *find_common(const struct doorman_names *names, const X509 *certificate) {
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return NULL;
    return find(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

const char *doorman_names_find(const struct doorman_names *names, const X509 *certificate) {
    int state = 0;
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(certificate, NID_subject_alt_name, &state, NULL);
    const char *found = NULL;

    if (alternatives)
        found = find_alternative(names, alternatives);
    else if (state == -1) /* there are none; -2 and 0 tell of several such extensions, or of one that is broken */
        found = find_common(names, certificate);
    GENERAL_NAMES_free(alternatives);
    return found;
}
