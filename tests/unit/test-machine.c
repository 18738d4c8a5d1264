#include "fleet/link/machine.h"

#include <time.h>

#include "unit.h"

static void values_are_found(void **state) {
    static const struct slice lines = SLICE("NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\nEMPTY=\n\"=x");

    (void)state;
    assert_slice(machine_find_value(lines, SLICE("VERSION_ID")), "12");
    assert_slice(machine_find_value(lines, SLICE("ID")), "debian");
    assert_slice(machine_find_value(lines, SLICE("EMPTY")), "");
    assert_slice(machine_find_value(lines, SLICE("VERSION")), "");
    assert_slice(machine_find_value(SLICE("A"), SLICE("A")), "");
    assert_slice(machine_find_value(SLICE("A=\""), SLICE("A")), "\"");
    assert_slice(machine_find_value(SLICE_EMPTY, SLICE("A")), "");
}

static void what_the_hub_is_told(void **state) {
    static const struct machine machine = {.os_version = "12",
                                           .arch = "amd64",
                                           .hostname = "h\"ost",
                                           .timezone = "Asia/Kathmandu",
                                           .processors = 4,
                                           .memory_mb = 2048};
    static const struct link_settings settings = {
        .workspace = "/ws", .username = "me", .home = "/home/me", .shell = "/bin/bash"};
    struct buf text;
    struct json_write w = json_write_begin(&text);

    (void)state;
    assert_int_equal(setenv("TZ", "NPT-5:45", 1), 0);
    tzset();
    buf_init(&text, 4096);
    machine_write(&machine, &settings, 86400, &w);
    assert_int_equal(w.error, 0);
    assert_slice(
        buf_slice(&text),
        "{\"os\":\"linux\",\"os_version\":\"12\",\"arch\":\"amd64\",\"hostname\":\"h\\\"ost\",\"shell\":\"/bin/bash\","
        "\"home_dir\":\"/home/me\",\"workspace_root\":\"/ws\",\"username\":\"me\","
        "\"current_time\":\"1970-01-02T05:45:00+05:45\",\"timezone\":\"Asia/Kathmandu\","
        "\"utc_offset\":\"+05:45\",\"num_cpu\":4,\"total_memory_mb\":2048}");
    buf_release(&text);
}

/* Of this very machine something is known. */
static void it_is_read(void **state) {
    struct machine machine;

    (void)state;
    machine_read(&machine);
    assert_true(machine.processors > 0 && machine.memory_mb > 0);
    assert_true(machine.os_version[0] != '\0' && machine.arch[0] != '\0' && machine.hostname[0] != '\0');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(what_the_hub_is_told),
        cmocka_unit_test(it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
