#include "egress/desk/door_files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "egress/desk/broker_state.h"
#include "egress/door/door.h"
#include "unit_fd.h"

static char base[64];
static struct broker broker;
static struct holder *holder;
static struct doors doors;
static unsigned gone_on;

void holder_go_on(struct holder *of) {
    assert_ptr_equal(of, holder);
    gone_on++;
}

static int make_runtime(void **state) {
    (void)state;
    (void)snprintf(base, sizeof(base), "/tmp/credfd-unit-XXXXXX");
    holder = calloc(1, sizeof(*holder));
    holder->broker = &broker;
    holder->relay.owner = holder;
    holder->doors = &doors;
    return mkdtemp(base) && setenv("XDG_RUNTIME_DIR", base, 1) == 0 ? 0 : -1;
}

static int remove_runtime(void **state) {
    char path[96];

    (void)state;
    free(holder);
    (void)snprintf(path, sizeof(path), "%s/credfd", base);
    return (rmdir(path) == 0 || geteuid() == 0) && rmdir(base) == 0 ? 0 : -1; /* root's are elsewhere */
}

static void begin(bool wants_java) {
    char *error;

    gone_on = 0;
    doors_plan(&doors, NULL, 0, true);
    doors.wants_java = wants_java;
    assert_int_equal(door_files_make(&doors, &error), 0);
}

static int memory_of(const char *text, size_t size) {
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(ftruncate(fd, (off_t)MAX_OF(size, strlen(text))), 0);
    return fd;
}

/* As the relay says it; `fd` goes with it. */
static int take(unsigned part, int fd) {
    struct ipc_writer w = ipc_begin(IPC_AUTHORITY);
    struct ipc_message m;
    char bytes[16];
    size_t n;

    ipc_put_u8(&w, (uint8_t)part);
    n = ipc_writer_bytes(&w).n;
    memcpy(bytes, ipc_writer_bytes(&w).p, n);
    m = ipc_message_of(slice_of(bytes, n));
    m.fd = fd;
    return door_files_take(&holder->relay, &m);
}

static void read_file(const char *name, char *to, size_t size) {
    char path[160];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", doors.directory, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = fd_read_all(fd, to, size - 1);
    assert_true(n >= 0);
    to[n] = '\0';
    fd_close(&fd);
}

static void lays_the_bundle_with_the_systems(void **state) {
    static char content[LIMIT_CA_FILE];
    char system[96], expected[160];
    int before = next_number(), fd;
    mode_t mask = umask(077);
    struct stat st;

    (void)state;
    (void)snprintf(system, sizeof(system), "%s/system.pem", base);
    fd = open(system, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_all(fd, "the system's", 12), 0);
    fd_close(&fd);
    assert_int_equal(setenv("SSL_CERT_FILE", system, 1), 0);
    begin(false);
    assert_int_equal(take(AUTHORITY_CERTIFICATE, memory_of("ours\n", 0)), 0);
    assert_int_equal(gone_on, 1);
    assert_int_equal(stat(doors.bundle, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    (void)umask(mask);
    read_file(DOORS_BUNDLE, content, sizeof(content));
    assert_string_equal(content, "ours\nthe system's");
    read_file(DOORS_WGETRC, content, sizeof(content));
    (void)snprintf(expected, sizeof(expected), "\nca_certificate = %s\n", doors.bundle);
    assert_true(slice_ends_with(slice_of_string(content), slice_of_string(expected)));
    read_file(DOORS_NODE, content, sizeof(content));
    assert_null(doors.java);
    doors_done(&doors);
    assert_int_equal(next_number(), before);
    assert_int_equal(unlink(system), 0);
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
}

static void waits_for_every_part(void **state) {
    char content[64];

    (void)state;
    begin(true);
    assert_int_equal(take(AUTHORITY_JAVA, memory_of("store", 0)), 0);
    assert_int_equal(gone_on, 0);
    assert_null(doors.bundle);
    assert_int_equal(take(AUTHORITY_CERTIFICATE, memory_of("ours\n", 0)), 0);
    assert_int_equal(gone_on, 1);
    read_file(DOORS_JAVA, content, sizeof(content));
    assert_string_equal(content, "store");
    doors_done(&doors);
}

static int pipe_end(void) {
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM, ends), 0);
    fd_close(&ends[1]);
    return ends[0];
}

static void takes_nothing_odd_from_a_relay(void **state) {
    int before = next_number();

    (void)state;
    begin(true);
    assert_int_equal(take(AUTHORITY_CERTIFICATE, memory_of("ours\n", 0)), -EPROTO); /* before Java's */
    assert_int_equal(take(AUTHORITY_PARTS, memory_of("x", 0)), -EPROTO);
    assert_int_equal(take(AUTHORITY_JAVA, -EBADF), -EPROTO);
    assert_int_equal(take(AUTHORITY_JAVA, pipe_end()), -EPROTO);
    doors_done(&doors);
    begin(true);
    assert_int_equal(take(AUTHORITY_JAVA, memory_of("x", LIMIT_CA_FILE + 1)), -EPROTO);
    doors_done(&doors);
    begin(false);
    assert_int_equal(take(AUTHORITY_JAVA, memory_of("x", 0)), -EPROTO); /* which nobody wanted */
    assert_int_equal(take(AUTHORITY_CERTIFICATE, memory_of("x", 0)), 0);
    assert_int_equal(take(AUTHORITY_CERTIFICATE, memory_of("x", 0)), -EPROTO);
    doors_done(&doors);
    doors_plan(&doors, NULL, 0, false); /* no proxy at all */
    assert_int_equal(take(AUTHORITY_CERTIFICATE, memory_of("x", 0)), -EPROTO);
    doors_done(&doors);
    assert_int_equal(next_number(), before);
}

static void makes_a_socket_for_each_that_wants_one(void **state) {
    static char name[100]; /* longer than any: where directories are short those fit */
    struct stat st;
    char *error = NULL;

    (void)state;
    doors_plan(&doors, NULL, 0, false);
    doors.n_leases = 2;
    doors.lease[0] = (struct lease_doors){.name = "a.b", .has_socket = true, .base_url = -EBADF, .socket = -EBADF};
    doors.lease[1] = (struct lease_doors){.name = "c", .base_url = -EBADF, .socket = -EBADF};
    assert_int_equal(door_files_make(&doors, &error), 0);
    assert_int_equal(stat(doors.lease[0].socket_path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode) && doors.lease[0].socket >= 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    assert_null(doors.lease[1].socket_path);
    doors_done(&doors);
    memset(name, 'n', sizeof(name) - 1);
    doors_plan(&doors, NULL, 0, false);
    doors.n_leases = 1;
    doors.lease[0] = (struct lease_doors){.name = name, .has_socket = true, .base_url = -EBADF, .socket = -EBADF};
    assert_int_equal(door_files_make(&doors, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error, "a shorter name"));
    free(error);
    doors_done(&doors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_the_bundle_with_the_systems),
        cmocka_unit_test(waits_for_every_part),
        cmocka_unit_test(takes_nothing_odd_from_a_relay),
        cmocka_unit_test(makes_a_socket_for_each_that_wants_one),
    };

    return cmocka_run_group_tests(tests, make_runtime, remove_runtime);
}
