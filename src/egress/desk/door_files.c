#include "egress/desk/door_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "egress/desk/broker_state.h"
#include "egress/desk/door_directory.h"
#include "egress/desk/door_node.h"
#include "egress/door/door.h"
#include "names/trust.h"
#include "net/listen.h"

/* Where distributions keep theirs in one file: Debian and its kin, Fedora and its, openSUSE, Alpine. */
static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

#define SYSTEM_WGETRC "/etc/wgetrc"

static int path_in(const struct doors *doors, const char *name, const char *suffix, char **ret) {
    char *path;

    if (asprintf(&path, "%s/%s%s", doors->directory, name, suffix) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

static int make_socket(const struct doors *doors, struct lease_doors *lease) {
    int r = path_in(doors, lease->name, ".sock", &lease->socket_path);

    if (r == 0)
        r = listen_unix(lease->socket_path, SOCK_STREAM, SOMAXCONN, &lease->socket);
    /* whatever user the command becomes: whether it is the command that connects the kernel says (caller.h) */
    return r == 0 && chmod(lease->socket_path, 0666) < 0 ? -errno : r;
}

static void explain(char **ret_error, const char *what, const char *path, int r) {
    const char *mend = r == -ENAMETOOLONG ? "; a shorter name of the credential, or another XDG_RUNTIME_DIR" : "";

    if (asprintf(ret_error, "run: %s%s%s: %s%s", what, path ? " " : "", path ? path : "", strerror(-r), mend) < 0)
        *ret_error = NULL;
}

int door_files_make(struct doors *doors, char **ret_error) {
    int r = door_directory_make(&doors->directory, &doors->lock);

    if (r < 0)
        explain(ret_error, "no directory for the doors' files", NULL, r);
    for (size_t i = 0; r == 0 && i < doors->n_leases; i++) {
        if (!doors->lease[i].has_socket)
            continue;
        r = make_socket(doors, &doors->lease[i]);
        if (r < 0)
            explain(ret_error, "the socket", doors->lease[i].socket_path, r);
    }
    return r;
}

/* A sealed copy of whom this machine trusts, or of nothing. 0 or -errno. */
static int copy_system(int *ret_fd) {
    char *error = NULL;
    int r = trust_copy_named(ret_fd, &error);

    if (r < 0)
        log_error("run: %s", error ? error : strerror(-r));
    free(error);
    for (size_t i = 0; r == 0 && *ret_fd < 0 && i < ARRAY_LEN(system_bundles); i++)
        if (trust_copy(system_bundles[i], ret_fd) < 0)
            *ret_fd = -EBADF;
    if (r == 0 && *ret_fd < 0) {
        log_warning(
            "run: no bundle of certificates is found on this machine: the command trusts its leases' hosts, and "
            "no other; name one in SSL_CERT_FILE");
        *ret_fd = memfd_create("certificates", MFD_CLOEXEC);
        r = *ret_fd < 0 ? -errno : 0;
    }
    return r;
}

static bool is_program(const char *directory, size_t n, const char *name) {
    _cleanup_free_ char *path = NULL;

    if (asprintf(&path, "%.*s/%s", (int)n, directory, name) < 0) {
        path = NULL;
        return false;
    }
    return access(path, X_OK) == 0;
}

static bool has_java(void) {
    const char *home = getenv("JAVA_HOME"), *path = getenv("PATH");

    if (home && *home)
        return true;
    for (; path && *path; path += strcspn(path, ":"), path += *path == ':')
        if (is_program(path, strcspn(path, ":"), "java"))
            return true;
    return false;
}

static uint64_t life_for(const struct credential *credential) {
    uint64_t ttl_ms = credential->limits.ttl_ms;

    return ttl_ms > 0 ? ttl_ms : LIFE_AUTHORITY;
}

/*
 * The longest, because certificates are for all of the leases, and longer than that: whoever comes too late is to hear
 * why, and not that a certificate is no good.
 */
static uint64_t life_of(const struct holder *holder) {
    uint64_t life_ms = holder->n_grants > 0 ? 0 : LIFE_AUTHORITY;

    for (size_t i = 0; i < holder->n_grants; i++)
        life_ms = MAX_OF(life_ms, life_for(holder->grants[i].possession->credential));
    return MIN_OF(life_ms + GRACE_AUTHORITY, (uint64_t)LIFE_AUTHORITY);
}

void door_files_warn(const struct doors *doors, const struct credential *credential) {
    if (doors->life_ms > 0 && life_for(credential) > doors->life_ms)
        log_warning(
            "credential %s: its new ttl is longer than the certificates of the proxy are good for, which a command has "
            "already: starts to count for the proxy with the next run",
            credential->name);
}

int door_files_ask(struct holder *holder) {
    struct doors *doors = holder->doors;
    _cleanup_close_ int certificates = -EBADF;
    struct ipc_writer w;
    int r;

    if (!doors || !doors->has_proxy)
        return 0;
    doors->wants_java = has_java();
    r = doors->wants_java ? copy_system(&certificates) : 0;
    if (r < 0)
        return r;
    doors->life_ms = life_of(holder);
    w = ipc_begin(IPC_PROXY);
    ipc_put_u64(&w, doors->life_ms);
    return channel_send(&holder->relay.channel, &w, certificates);
}

/* What the relay made: memory, and of a size that was agreed on. */
static int append_memory(int to, int from) {
    char piece[16 * 1024];
    struct stat st;
    int r = 0;

    if (fstat(from, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > LIMIT_CA_FILE)
        return -EPROTO;
    for (off_t at = 0; r == 0 && at < st.st_size;) {
        ssize_t n = pread(from, piece, sizeof(piece), at);

        if (n <= 0)
            return n < 0 ? -errno : -EPROTO;
        r = fd_write_all(to, piece, (size_t)n);
        at += n;
    }
    return r;
}

static int create(const struct doors *doors, const char *name, int *ret_fd, char **ret_path) {
    _cleanup_free_ char *path = NULL;
    int r = path_in(doors, name, "", &path);

    if (r < 0)
        return r;
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*ret_fd < 0 || fchmod(*ret_fd, 0644) < 0) /* whatever the umask says: certificates are public */
        return -errno;
    if (ret_path)
        *ret_path = steal_pointer(&path);
    return 0;
}

/* `first` and then the rest: a bundle that does not end in a line's end spoils nothing. */
static int lay_memory(const struct doors *doors, const char *name, int first, int rest, char **ret_path) {
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -EBADF;
    int r = create(doors, name, &fd, &path);

    if (r == 0)
        r = append_memory(fd, first);
    if (r == 0 && rest >= 0)
        r = append_memory(fd, rest);
    if (r == 0)
        *ret_path = steal_pointer(&path);
    return r;
}

static int lay_text(const struct doors *doors, const char *name, const char *text) {
    _cleanup_close_ int fd = -EBADF;
    int r = create(doors, name, &fd, NULL);

    return r == 0 ? fd_write_all(fd, text, strlen(text)) : r;
}

/* The system's own, which it stands in for, and one line more. */
static int lay_wgetrc(const struct doors *doors, const char *bundle) {
    _cleanup_free_ char *line = NULL;
    _cleanup_close_ int fd = -EBADF, from = open(SYSTEM_WGETRC, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    int r = create(doors, DOORS_WGETRC, &fd, NULL);

    if (r == 0 && from >= 0 && fstat(from, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        (void)append_memory(fd, from); /* what only root may read is not handed on */
    if (r == 0 && asprintf(&line, "\nca_certificate = %s\n", bundle) < 0) {
        line = NULL;
        r = -ENOMEM;
    }
    return r == 0 ? fd_write_all(fd, line, strlen(line)) : r;
}

/* The bundle is the last: with it everything is there. */
static int lay_bundle(struct doors *doors, int certificate) {
    _cleanup_close_ int certificates = -EBADF;
    _cleanup_free_ char *path = NULL;
    int r = copy_system(&certificates);

    if (r == 0)
        r = lay_memory(doors, DOORS_BUNDLE, certificate, certificates, &path);
    if (r == 0)
        r = lay_wgetrc(doors, path);
    if (r == 0)
        r = lay_text(doors, DOORS_NODE, door_node_script);
    if (r == 0)
        doors->bundle = steal_pointer(&path);
    return r;
}

int door_files_take(void *owner, struct ipc_message *m) {
    struct child *relay = owner;
    struct holder *holder = relay->owner;
    struct doors *doors = holder->doors;
    uint8_t part = ipc_get_u8(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    if (ipc_end(m) < 0 || !doors || !doors->has_proxy || !doors->directory || doors->bundle)
        return -EPROTO;
    if (part == AUTHORITY_JAVA && doors->wants_java && !doors->java)
        r = lay_memory(doors, DOORS_JAVA, fd, -EBADF, &doors->java);
    else if (part == AUTHORITY_CERTIFICATE && (doors->java || !doors->wants_java))
        r = lay_bundle(doors, fd);
    else
        return -EPROTO;
    if (r < 0)
        log_error("run: the files of certificates in %s: %s", doors->directory, strerror(-r));
    else if (doors->bundle)
        holder_go_on(holder);
    return r;
}
