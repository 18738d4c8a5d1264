#include "ingress/front/doorman_names.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

static struct slice slice_of_name(const ASN1_STRING *text) {
    return slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
}

static const char *find(const struct doorman_names *names, const ASN1_STRING *text) {
    struct slice name = slice_of_name(text);

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

/* The one common name: with two of them nobody can say which is meant. NULL: none. */
static const ASN1_STRING *common_of(const X509 *certificate) {
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return NULL;
    return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
}

const char *doorman_names_find(const struct doorman_names *names, const X509 *certificate) {
    int state = 0;
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(certificate, NID_subject_alt_name, &state, NULL);
    const ASN1_STRING *common = common_of(certificate);
    const char *found = NULL;

    if (alternatives)
        found = find_alternative(names, alternatives);
    else if (state == -1 &&
             common) /* there are none; -2 and 0 tell of several such extensions, or of one that is broken */
        found = find(names, common);
    GENERAL_NAMES_free(alternatives);
    return found;
}

/* Whoever has signed it: its text goes into a line of ours. */
static size_t put(char *to, size_t n, struct slice name) {
    if (n > 0 && n + 2 < CERTIFICATE_NAMES_MAX) {
        memcpy(to + n, ", ", 2);
        n += 2;
    }
    for (size_t i = 0; i < name.n && n + 1 < CERTIFICATE_NAMES_MAX; i++)
        to[n++] = name.p[i] > ' ' && name.p[i] <= '~' ? name.p[i] : '?';
    return n;
}

void doorman_names_describe(const struct x509_st *certificate, char to[static CERTIFICATE_NAMES_MAX]) {
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const ASN1_STRING *common = common_of(certificate);
    size_t n = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);

        if (name->type == GEN_DNS)
            n = put(to, n, slice_of_name(name->d.dNSName));
    }
    if (!alternatives && common)
        n = put(to, n, slice_of_name(common));
    if (n == 0)
        (void)snprintf(to, CERTIFICATE_NAMES_MAX, "no name");
    else
        to[n] = '\0';
    GENERAL_NAMES_free(alternatives);
}
