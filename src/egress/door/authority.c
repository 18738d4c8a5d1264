#include "egress/door/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/fd.h"
#include "egress/desk/doors.h"
#include "egress/door/authority_certificate.h"
#include "egress/door/authority_java.h"
#include "net/address.h"
#include "net/tls.h"
#include "net/tls_server.h"

struct served_host {
    char name[LIMIT_HOST];
    size_t n;
    struct tls_terminator *terminator;
};

struct authority {
    X509 *certificate;
    struct served_host hosts[LIMIT_LEASES];
    size_t n_hosts;
};

int authority_prepare(void) {
    int r = tls_init();

    return r == 0 ? tls_server_init() : r;
}

static const struct served_host *find(const struct authority *authority, struct slice host) {
    for (size_t i = 0; i < authority->n_hosts; i++)
        if (slice_equals(host, slice_of(authority->hosts[i].name, authority->hosts[i].n)))
            return &authority->hosts[i];
    return NULL;
}

static int list_hosts(struct authority *to, const struct door_place *places, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct slice host = places[i].host;
        struct served_host *served = &to->hosts[to->n_hosts];

        if (!places[i].is_tls || find(to, host))
            continue;
        if (host.n == 0 || host.n > sizeof(served->name) || to->n_hosts == LIMIT_LEASES)
            return -EINVAL;
        memcpy(served->name, host.p, host.n);
        served->n = host.n;
        to->n_hosts++;
    }
    return 0;
}

static int serve_host(struct served_host *host, X509 *authority, EVP_PKEY *authority_key, EVP_PKEY *key) {
    struct slice name = slice_of(host->name, host->n);
    struct address address;
    X509 *certificate;
    int r = host_certificate_new(authority, authority_key, key, name, &certificate);

    if (r < 0)
        return r;
    r = tls_terminator_new(name, address_parse(name, 0, &address) == 0, certificate, key, &host->terminator);
    X509_free(certificate);
    return r;
}

static int sign_all(struct authority *authority, EVP_PKEY *authority_key, EVP_PKEY *key, uint64_t life_ms) {
    struct slice hosts[LIMIT_LEASES];
    int r;

    for (size_t i = 0; i < authority->n_hosts; i++)
        hosts[i] = slice_of(authority->hosts[i].name, authority->hosts[i].n);
    r = authority_certificate_new(authority_key, hosts, authority->n_hosts, life_ms, &authority->certificate);
    for (size_t i = 0; r == 0 && i < authority->n_hosts; i++)
        r = serve_host(&authority->hosts[i], authority->certificate, authority_key, key);
    return r;
}

int authority_new(const struct door_place *places, size_t n, uint64_t life_ms, struct authority **ret) {
    struct authority *authority = calloc(1, sizeof(*authority));
    EVP_PKEY *own_key = authority_key_new(), *key = authority_key_new();
    int r = authority && own_key && key ? 0 : -ENOMEM;

    if (r == 0)
        r = list_hosts(authority, places, n);
    if (r == 0)
        r = sign_all(authority, own_key, key, life_ms);
    EVP_PKEY_free(own_key); /* it is wiped: nobody signs by it any more */
    EVP_PKEY_free(key);     /* each terminator has it */
    if (r == 0)
        *ret = authority;
    else
        authority_free(authority);
    return r;
}

void authority_free(struct authority *authority) {
    if (!authority)
        return;
    for (size_t i = 0; i < authority->n_hosts; i++)
        tls_terminator_free(authority->hosts[i].terminator);
    X509_free(authority->certificate);
    free(authority);
}

struct tls_terminator *authority_terminator(const struct authority *authority, struct slice host) {
    const struct served_host *served = find(authority, host);

    return served ? served->terminator : NULL;
}

static int seal(struct slice bytes, int *ret_fd) {
    _cleanup_close_ int fd = memfd_create("authority", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = fd >= 0 ? fd_write_all(fd, bytes.p, bytes.n) : -errno;

    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

int authority_certificate(const struct authority *authority, int *ret_fd) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    long n;
    int r = -ENOMEM;

    if (bio && PEM_write_bio_X509(bio, authority->certificate) == 1 && (n = BIO_get_mem_data(bio, &pem)) > 0)
        r = seal(slice_of(pem, (size_t)n), ret_fd);
    BIO_free(bio);
    return r;
}

int authority_java(const struct authority *authority, struct slice pem, int *ret_fd) {
    struct buf store;
    int r;

    buf_init(&store, LIMIT_CA_FILE);
    r = java_store_write(authority->certificate, pem, DOORS_JAVA_PASSWORD, &store);
    if (r == 0)
        r = seal(buf_slice(&store), ret_fd);
    buf_release(&store);
    return r;
}
