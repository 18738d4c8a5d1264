#include "net/address.h"

#include <errno.h>

#include "unit.h"

static struct address parsed(const char *text) {
    struct address address = {.n = 0};

    if (address_parse(slice_of_string(text), 443, &address) < 0)
        fail_msg("\"%s\" is an address", text);
    return address;
}

static void texts_that_are_addresses(void **state) {
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"1.2.3.4", "1.2.3.4:443"},
        {"0.0.0.0", "0.0.0.0:443"},
        {"255.255.255.255", "255.255.255.255:443"},
        {"::", "[::]:443"},
        {"::1", "[::1]:443"},
        {"2606:4700:4700::1111", "[2606:4700:4700::1111]:443"},
        {"2606:4700:4700:0:0:0:0:1111", "[2606:4700:4700::1111]:443"},
        {"::ffff:127.0.0.1", "[::ffff:127.0.0.1]:443"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:443"},
    };
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address = parsed(rows[i].text);

        assert_int_equal(address.n, address.any.sa_family == AF_INET ? sizeof(address.in) : sizeof(address.in6));
        address_format(&address, text);
        assert_string_equal(text, rows[i].shown);
    }
}

/* inet_aton takes most of these for loopback or for the cloud's metadata service. */
static void texts_that_are_none(void **state) {
    static const struct slice rows[] = {
        SLICE(""),           SLICE("127.1"),          SLICE("127.0.1"),         SLICE("127"),
        SLICE("2130706433"), SLICE("0x7f000001"),     SLICE("0x7f.0.0.1"),      SLICE("017700000001"),
        SLICE("0177.0.0.1"), SLICE("127.0.0.01"),     SLICE("0127.0.0.1"),      SLICE("127.0.0.1."),
        SLICE(".127.0.0.1"), SLICE("127..0.1"),       SLICE("127.0.0.256"),     SLICE("127.0.0.-1"),
        SLICE("127.0.0.+1"), SLICE(" 127.0.0.1"),     SLICE("127.0.0.1 "),      SLICE("127.0.0.1\n"),
        SLICE("127.0.0.1\0"), SLICE("127.0.0.1\0x"),  SLICE("127.0.0.1:80"),    SLICE("127.0.0.1/8"),
        SLICE("1.2.3.4.5"),  SLICE("localhost"),      SLICE("[::1]"),           SLICE("::1%lo"),
        SLICE("fe80::1%1"),  SLICE("::1::2"),         SLICE(":1"),              SLICE("1:2:3:4:5:6:7"),
        SLICE("12345::"),    SLICE("::ffff:127.1"),   SLICE("::ffff:0177.0.0.1"),
        SLICE("2852039166"), SLICE("0xa9fea9fe"),     SLICE("\xef\xbc\x91.2.3.4"),
        SLICE("0000:0000:0000:0000:0000:0000:0000:0000:0000"), SLICE("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2550"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i]);
        struct address address = {.n = 7};

        assert_row(rows[i], address_parse(text, 443, &address) == -EINVAL);
        assert_row(rows[i], address.n == 7);
    }
}

/* The first, one within and the last of every block of the IANA special-purpose registries (RFC 6890, RFC 8190). */
static void addresses_that_are_special(void **state) {
    static const char *const rows[] = {
        "0.0.0.0",
        "0.1.2.3",
        "0.255.255.255", /* this network */
        "10.0.0.0",
        "10.20.30.40",
        "10.255.255.255", /* private */
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255", /* shared */
        "127.0.0.0",
        "127.0.0.1",
        "127.255.255.255", /* loopback */
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255", /* link-local */
        "172.16.0.0",
        "172.17.0.1",
        "172.31.255.255", /* private */
        "192.0.0.0",
        "192.0.0.170",
        "192.0.0.255", /* protocol assignments */
        "192.0.2.0",
        "192.0.2.1",
        "192.0.2.255", /* documentation */
        "192.88.99.0",
        "192.88.99.1",
        "192.88.99.255", /* 6to4 relays */
        "192.168.0.0",
        "192.168.1.1",
        "192.168.255.255", /* private */
        "198.18.0.0",
        "198.18.0.1",
        "198.19.255.255", /* benchmarks */
        "198.51.100.0",
        "198.51.100.7",
        "198.51.100.255", /* documentation */
        "203.0.113.0",
        "203.0.113.9",
        "203.0.113.255", /* documentation */
        "224.0.0.0",
        "239.255.255.250",
        "239.255.255.255", /* multicast */
        "240.0.0.0",
        "250.1.1.1",
        "255.255.255.254",
        "255.255.255.255", /* reserved, broadcast */
        "::",
        "::1", /* unspecified, loopback */
        "::127.0.0.1",
        "::8.8.8.8", /* IPv4-compatible */
        "::ffff:0.0.0.0",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",     /* mapped */
        "::ffff:0:127.0.0.1", /* translated (RFC 2765) */
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b::8.8.8.8", /* NAT64 */
        "64:ff9b:1::127.0.0.1",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", /* local NAT64 (RFC 8215) */
        "100::",
        "100::ffff:ffff:ffff:ffff",
        "100:0:0:1::1", /* discard */
        "2001::",
        "2001:0:7f00:1::",
        "2001:1::1",
        "2001:2::1",
        "2001:10::",
        "2001:20::1",
        "2001:30::1",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", /* Teredo, benchmarks, ORCHID, DRIP */
        "2001:db8::",
        "2001:db8::1",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", /* documentation */
        "2002::",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", /* 6to4 */
        "3fff::",
        "3fff:1::1",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", /* documentation (RFC 9637) */
        "4000::",
        "5f00::1",
        "1fff:ffff::",
        "e000::", /* not allocated; SRv6 (RFC 9602) */
        "fc00::",
        "fd12:3456::1",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", /* unique local */
        "fd00:ec2::254",                           /* a cloud's metadata service */
        "fe80::",
        "fe80::1",
        "febf:ffff::1",
        "fec0::1", /* link-local, site-local */
        "ff00::",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", /* multicast */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address = parsed(rows[i]);

        assert_row(slice_of_string(rows[i]), !address_is_public(&address));
    }
}

/* The neighbours of those blocks, and some that people use. */
static void addresses_that_are_public(void **state) {
    static const char *const rows[] = {
        "1.0.0.0",        "8.8.8.8",         "9.255.255.255",  "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0",      "169.253.255.255", "169.255.0.0",    "172.15.255.255", "172.32.0.0",
        "191.255.255.255", "192.0.1.0",      "192.0.3.0",      "192.88.98.255",   "192.88.100.0",   "192.167.255.255",
        "192.169.0.0",    "198.17.255.255",  "198.20.0.0",     "198.51.99.255",   "198.51.101.0",   "203.0.112.255",
        "203.0.114.0",    "223.255.255.255", "2000::1",        "2001:200::1",     "2001:db7:ffff::1", "2001:db9::1",
        "2001:4860:4860::8888", "2003::1",   "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe::1",  "3fff:1000::1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address = parsed(rows[i]);

        assert_row(slice_of_string(rows[i]), address_is_public(&address));
    }
}

static void bytes_of_a_record(void **state) {
    static const char bytes[17] = {0x20, 0x01, 0x0d, (char)0xb8, [15] = 1};
    char text[ADDRESS_TEXT_MAX];
    struct address address;

    (void)state;
    assert_int_equal(address_from_bytes(SLICE("\x7f\0\0\x01"), 80, &address), 0);
    address_format(&address, text);
    assert_string_equal(text, "127.0.0.1:80");
    assert_int_equal(address_from_bytes(slice_of(bytes, 16), 65535, &address), 0);
    address_format(&address, text);
    assert_string_equal(text, "[2001:db8::1]:65535");
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct address untouched = {.n = 7};

        if (n == 4 || n == 16)
            continue;
        assert_int_equal(address_from_bytes(slice_of(bytes, n), 80, &untouched), -EINVAL);
        assert_int_equal(untouched.n, 7);
    }
}

static void the_longest_text_fits(void **state) {
    struct address address = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    address.in6.sin6_port = 0xffff;
    address_format(&address, text);
    assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_are_addresses),   cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test(addresses_that_are_special), cmocka_unit_test(addresses_that_are_public),
        cmocka_unit_test(bytes_of_a_record),          cmocka_unit_test(the_longest_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
