#include "net/network.h"

#include <errno.h>

#include "unit.h"

static struct network network_of(const char *text) {
    struct network network = {.bits = 0};

    if (network_parse(slice_of_string(text), &network) < 0)
        fail_msg("\"%s\" is a network", text);
    return network;
}

static struct address address_of(const char *text) {
    struct address address = {.n = 0};

    assert_int_equal(address_parse(slice_of_string(text), 443, &address), 0);
    return address;
}

static void has_what_its_bits_say(void **state) {
    static const struct {
        const char *network, *address;
        bool has;
    } rows[] = {
        {"127.0.0.0/8", "127.0.0.1", true},
        {"127.0.0.0/8", "127.255.255.255", true},
        {"127.0.0.0/8", "128.0.0.0", false},
        {"127.0.0.0/8", "126.255.255.255", false},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"10.1.2.3/32", "10.1.2.3", true},
        {"192.168.6.0/23", "192.168.7.255", true},
        {"192.168.6.0/23", "192.168.8.0", false},
        {"192.168.0.0/17", "192.168.127.1", true},
        {"192.168.0.0/17", "192.168.128.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "203.0.113.9", false},
        {"::/0", "2001:db8::1", true},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"::1/128", "127.0.0.1", false},
        {"2001:db8:8000::/33", "2001:db8:8000::1", true},
        {"2001:db8:8000::/33", "2001:db8:7fff::1", false},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        /* an address that arrives at a socket of both families */
        {"127.0.0.0/8", "::ffff:127.0.0.1", true},
        {"127.0.0.0/8", "::ffff:128.0.0.1", false},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"::ffff:10.0.0.0/104", "::ffff:10.9.9.9", true},
        {"::ffff:10.0.0.0/104", "11.0.0.0", false},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"::127.0.0.0/104", "127.0.0.1", false}, /* compatible is not mapped */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address = address_of(rows[i].address);
        struct network network = network_of(rows[i].network);

        if (network_has(&network, &address) != rows[i].has)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
}

static void refuses_what_is_no_network(void **state) {
    static const char *const rows[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/8/",
        "10.0.0.0/ 8",
        "10.0.0/8",
        "10.0.0.1/8",
        "10.1.3.0/23",
        "::1/127",
        "::/129",
        "localhost",
        "[::1]/128",
        "fe80::1%1/64",
        "10.0.0.0/a",
        " 10.0.0.0/8",
        "1.2.3.4/31 ",
        "::ffff:10.0.0.0/95",
        "::ffff:10.0.0.1/104",
        "010.0.0.0/8",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(slice_of_string(rows[i]));
        struct network network = {.bits = 77};

        assert_row(text, network_parse(text, &network) == -EINVAL);
        assert_int_equal(network.bits, 77);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_what_its_bits_say),
        cmocka_unit_test(refuses_what_is_no_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
