/*
 * Where it listens and who is trusted, in words for the line at the start: whoever runs a dispatcher should see at once
 * whom it believes.
 */
#include "ingress/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void print_network(FILE *out, const struct network *network) {
    bool is_ipv6 = network->base.any.sa_family == AF_INET6;
    const void *bytes = is_ipv6 ? (const void *)&network->base.in6.sin6_addr : &network->base.in.sin_addr;
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(network->base.any.sa_family, bytes, text, sizeof(text)))
        fprintf(out, "%s", text);
    if (network->bits < (is_ipv6 ? 128 : 32))
        fprintf(out, "/%u", network->bits);
}

static void print_users(FILE *out, const struct trust_settings *trust) {
    if (trust->takes_all_uids)
        fprintf(out, "unix sockets");
    for (size_t i = 0; !trust->takes_all_uids && i < trust->n_uids; i++)
        fprintf(out, "%s%u", i == 0 ? "unix sockets by user " : ", ", trust->uids[i]);
}

static void print_peers(FILE *out, const struct trust_settings *trust) {
    bool has_users = trust->takes_all_uids || trust->n_uids > 0;

    for (size_t i = 0; i < trust->n_peers; i++) {
        fprintf(out, "%s", i == 0 ? "" : ", ");
        print_network(out, &trust->peers[i]);
    }
    if (trust->n_peers > 0 && has_users)
        fprintf(out, " and ");
    print_users(out, trust);
    for (size_t i = 0; i < trust->mtls.n_names; i++)
        fprintf(out, "%s%s",
                i > 0                             ? ", "
                : trust->n_peers > 0 || has_users ? " and certificates of "
                                                  : "certificates of ",
                trust->mtls.names[i]);
    if (trust->n_peers == 0 && !has_users && trust->mtls.n_names == 0)
        fprintf(out, "nobody");
}

char *trust_describe(const struct trust_settings *trust) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    if (trust->is_default)
        fprintf(out, "loopback and unix sockets");
    else
        print_peers(out, trust);
    if (trust->shared_secret.header)
        fprintf(out, ", with the secret in %s", trust->shared_secret.header);
    if (trust->jwt.header)
        fprintf(out, ", with an assertion in %s", trust->jwt.header);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

char *listen_describe(const struct dispatch_settings *settings) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    for (size_t i = 0; i < settings->n_listen; i++)
        if (!listen_is_second_half(&settings->listen[i]))
            fprintf(out, "%s%s", i == 0 ? "" : ", ", settings->listen[i].text);
    if (settings->listens_by_default)
        fprintf(out, ", or what systemd hands over");
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
