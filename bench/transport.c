#include "transport.h"

#include <credfd.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/num.h"

#define HOST "127.0.0.1"

enum way { BY_LEASE, BY_TLS, BY_TCP, BY_UNIX };

struct target {
    enum way way;
    int channel;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address;
    socklen_t address_length;
    SSL_CTX *tls;
};

static int lease_target(struct target *target, const char *place) {
    uint64_t channel;
    int r = num_parse(slice_of_string(place), INT16_MAX, &channel);

    target->way = BY_LEASE;
    if (r == 0)
        target->channel = (int)channel;
    return r;
}

static int tcp_target(struct target *target, const char *place) {
    uint64_t port;

    if (num_parse(slice_of_string(place), UINT16_MAX, &port) < 0)
        return -EINVAL;
    target->way = BY_TCP;
    target->address.in = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    target->address_length = sizeof(target->address.in);
    return 0;
}

static int tls_target(struct target *target, const char *place, const char *ca_file) {
    int r = tcp_target(target, place);

    if (r < 0)
        return r;
    target->way = BY_TLS;
    target->tls = SSL_CTX_new(TLS_client_method());
    if (!target->tls)
        return -ENOMEM;
    SSL_CTX_set_verify(target->tls, SSL_VERIFY_PEER, NULL);
    return ca_file && SSL_CTX_load_verify_file(target->tls, ca_file) == 1 ? 0 : -EINVAL;
}

static int unix_target(struct target *target, const char *place) {
    size_t n = strlen(place);

    if (n >= sizeof(target->address.un.sun_path))
        return -EINVAL;
    target->way = BY_UNIX;
    target->address.un.sun_family = AF_UNIX;
    memcpy(target->address.un.sun_path, place, n + 1);
    target->address_length = sizeof(target->address.un);
    return 0;
}

int target_new(const char *way, const char *place, const char *ca_file, struct target **ret) {
    struct target *target = calloc(1, sizeof(*target));
    int r = -EINVAL;

    if (!target)
        return -ENOMEM;
    if (strcmp(way, "lease") == 0)
        r = lease_target(target, place);
    else if (strcmp(way, "tls") == 0)
        r = tls_target(target, place, ca_file);
    else if (strcmp(way, "tcp") == 0)
        r = tcp_target(target, place);
    else if (strcmp(way, "unix") == 0)
        r = unix_target(target, place);
    if (r < 0)
        target_free(target);
    else
        *ret = target;
    return r;
}

void target_free(struct target *target) {
    SSL_CTX_free(target->tls);
    free(target);
}

static int dial(const struct target *target) {
    _cleanup_close_ int fd = socket(target->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || connect(fd, &target->address.any, target->address_length) < 0)
        return -errno;
    if (target->address.any.sa_family == AF_INET && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        return -errno;
    return fd_steal(&fd);
}

static int shake_hands(struct transport *t, const struct target *target) {
    SSL *ssl = SSL_new(target->tls);

    t->ssl = ssl;
    if (!ssl || SSL_set_fd(ssl, t->fd) != 1 || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), HOST) != 1)
        return -ENOMEM;
    return SSL_connect(ssl) == 1 ? 0 : -EPROTO;
}

int transport_open(struct transport *t, const struct target *target) {
    int r = 0;

    *t = (struct transport){.fd = target->way == BY_LEASE ? credfd_connect_fd(target->channel) : dial(target)};
    if (t->fd < 0)
        return t->fd;
    if (target->way == BY_TLS)
        r = shake_hands(t, target);
    if (r == 0 && fcntl(t->fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        r = -errno;
    if (r < 0)
        transport_close(t);
    return r;
}

void transport_close(struct transport *t) {
    SSL_free(t->ssl);
    t->ssl = NULL;
    fd_close(&t->fd);
}

ssize_t transport_read(struct transport *t, void *to, size_t size) {
    size_t got = 0;
    ssize_t n;
    int result;

    if (!t->ssl) {
        n = recv(t->fd, to, size, 0);
        return n < 0 ? -errno : n;
    }
    result = SSL_read_ex(t->ssl, to, size, &got);
    if (result == 1)
        return (ssize_t)got;
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return -EPROTO;
    }
}

int transport_write(struct transport *t, struct slice bytes) {
    size_t sent = 0;
    ssize_t n;

    if (t->ssl)
        return SSL_write_ex(t->ssl, bytes.p, bytes.n, &sent) == 1 && sent == bytes.n ? 0 : -EPROTO;
    n = send(t->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    return n < 0 ? -errno : (size_t)n == bytes.n ? 0 : -EPROTO;
}
