#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "egress/door/authority.h"
#include "egress/door/door.h"
#include "names/trust.h"
#include "proc/role.h"

static void send_part(enum authority_part part, int fd) {
    struct ipc_writer w = ipc_begin(IPC_AUTHORITY);

    ipc_put_u8(&w, (uint8_t)part);
    role_send(&w, fd);
}

/* Certificates from the supervisor; none at all is fine. */
static int map_certificates(int fd, struct slice *ret) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size > 0)
        return trust_map(fd, ret);
    *ret = SLICE_EMPTY;
    return 0;
}

static int answer_java(const struct authority *authority, int certificates) {
    _cleanup_close_ int fd = -EBADF;
    struct slice pem = SLICE_EMPTY;
    int r = map_certificates(certificates, &pem);

    if (r < 0)
        return r;
    r = authority_java(authority, pem, &fd);
    trust_unmap(&pem);
    if (r == 0)
        send_part(AUTHORITY_JAVA, fd);
    return r;
}

static int answer_certificate(const struct authority *authority) {
    _cleanup_close_ int fd = -EBADF;
    int r = authority_certificate(authority, &fd);

    if (r == 0)
        send_part(AUTHORITY_CERTIFICATE, fd);
    return r;
}

int authority_take_order(struct ipc_message *m, const struct door_place *places, size_t n, struct authority **ret) {
    uint64_t life_ms = ipc_get_u64(m);
    _cleanup_close_ int certificates = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;
    struct authority *authority;
    int r;

    if (ipc_end(m) < 0 || m->is_fd_lost)
        return -EPROTO;
    r = authority_new(places, n, life_ms, &authority);
    if (r < 0)
        return r;
    if (certificates >= 0)
        r = answer_java(authority, certificates);
    if (r == 0)
        r = answer_certificate(authority);
    if (r == 0)
        *ret = authority;
    else
        authority_free(authority);
    return r;
}
