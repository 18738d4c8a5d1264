#include "proc/notify.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit_fd.h"

/* Where a service manager would listen, by a name that needs no file. */
static int manager_open(char name[static 64]) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t n;

    (void)snprintf(name, 64, "@credfd-test-notify-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, n), 0);
    return fd;
}

static void assert_hears(int manager, const char *expected) {
    char text[256] = "";
    ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

    if (!expected) {
        assert_true(n < 0);
        return;
    }
    assert_true(n >= 0);
    assert_string_equal(text, expected);
}

static void set(const char *name, const char *value) {
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void start(const char *socket, const char *usec, const char *pid) {
    set("NOTIFY_SOCKET", socket);
    set("WATCHDOG_USEC", usec);
    set("WATCHDOG_PID", pid);
    notify_init();
}

static const char *own_pid(void) {
    static char text[16];

    (void)snprintf(text, sizeof(text), "%d", (int)getpid());
    return text;
}

static void tells_the_manager(void **state) {
    _cleanup_close_ int manager = -EBADF;
    char name[64];

    (void)state;
    manager = manager_open(name);
    start(name, NULL, NULL);
    notify_send("READY=1\nSTATUS=x");
    assert_hears(manager, "READY=1\nSTATUS=x");
    start(NULL, NULL, NULL);
    notify_send("READY=1");
    assert_hears(manager, NULL);
}

static void leaves_nothing_for_commands_to_speak_with(void **state) {
    (void)state;
    start("@x", "1000000", own_pid());
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void keeps_the_watchdog_of_its_own_process_alone(void **state) {
    (void)state;
    start("@x", "3000000", own_pid());
    assert_int_equal(notify_watchdog_ms(), 3000);
    start("@x", "3000000", NULL);
    assert_int_equal(notify_watchdog_ms(), 3000);
    start("@x", "3000000", "1");
    assert_int_equal(notify_watchdog_ms(), 0);
    start("@x", "-1", own_pid());
    assert_int_equal(notify_watchdog_ms(), 0);
    start("@x", NULL, NULL);
    assert_int_equal(notify_watchdog_ms(), 0);
}

static void is_not_led_astray_by_a_place_that_is_none(void **state) {
    static const char *const places[] = {"", "relative", "/there/is/none"};
    int before = next_number();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        start(places[i], NULL, NULL);
        notify_send("READY=1");
        assert_int_equal(next_number(), before);
    }
}

static void hands_on_to_a_successor_what_it_took(void **state) {
    (void)state;
    start("@x", "2000000", own_pid());
    assert_int_equal(notify_bequeath(77), 0);
    assert_string_equal(getenv("NOTIFY_SOCKET"), "@x");
    assert_string_equal(getenv("WATCHDOG_USEC"), "2000000");
    assert_string_equal(getenv("WATCHDOG_PID"), "77");
    start(NULL, NULL, NULL);
    assert_int_equal(notify_bequeath(77), 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_PID"));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_manager),
        cmocka_unit_test(leaves_nothing_for_commands_to_speak_with),
        cmocka_unit_test(keeps_the_watchdog_of_its_own_process_alone),
        cmocka_unit_test(is_not_led_astray_by_a_place_that_is_none),
        cmocka_unit_test(hands_on_to_a_successor_what_it_took),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
