/*
 * The library's own way to a socket asks the kernel until that says EAGAIN. Ours knows as a plain stream does that a
 * short read has emptied it (net/stream.c), so that most records cost one read.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/tls_session.h"

static int socket_read(BIO *bio, char *to, int size) {
    struct tls_session *tls = BIO_get_data(bio);
    ssize_t n = tls->is_emptied ? -EAGAIN : stream_read_socket(tls->stream, to, (size_t)size);

    tls->is_emptied = n == -EAGAIN || (n > 0 && n < size && !(tls->stream->watch.ready & EPOLLIN));
    BIO_clear_retry_flags(bio);
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    if (n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    errno = n < 0 ? (int)-n : 0;
    return n < 0 ? -1 : (int)n;
}

static int socket_write(BIO *bio, const char *from, int size) {
    struct stream *s = ((struct tls_session *)BIO_get_data(bio))->stream;
    ssize_t n;

    BIO_clear_retry_flags(bio);
    do
        n = write(s->fd, from, (size_t)size);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)n;
}

static long socket_control(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

/* One for the process. NULL without memory. */
static const BIO_METHOD *socket_method(void) {
    static BIO_METHOD *method;

    if (method)
        return method;
    method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
    if (method && (BIO_meth_set_read(method, socket_read) != 1 || BIO_meth_set_write(method, socket_write) != 1 ||
                   BIO_meth_set_ctrl(method, socket_control) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

bool tls_socket_set(struct tls_session *tls) {
    const BIO_METHOD *method = socket_method();
    BIO *bio = method ? BIO_new(method) : NULL;

    if (!bio)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}
