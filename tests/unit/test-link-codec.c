#include "fleet/link/link_codec.h"

#include <errno.h>

#include "unit.h"

static const struct link_settings settings = {
    .url = "wss://hub.example.org:8443/safari/ws",
    .has_ca = true,
    .log_level = LOG_DEBUG,
    .proxy = "http://u:p@proxy:3128",
    .no_proxy = "localhost,.example.net",
    .version = "1.2.3",
    .workspace = "/var/lib/credfd/workspace",
    .username = "runner",
    .home = "/home/runner",
    .shell = "/bin/bash",
};

static int decode(struct slice bytes, struct link_settings *ret) {
    struct ipc_message m = ipc_message_of(bytes);

    assert_int_equal(m.type, IPC_LINK);
    return link_settings_decode(&m, ret);
}

static void what_goes_in_comes_out(void **state) {
    static struct link_settings got;
    struct ipc_writer w = link_settings_encode(&settings);

    (void)state;
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), 0);
    assert_string_equal(got.url, settings.url);
    assert_true(got.has_ca && got.log_level == LOG_DEBUG);
    assert_string_equal(got.proxy, settings.proxy);
    assert_string_equal(got.no_proxy, settings.no_proxy);
    assert_string_equal(got.version, settings.version);
    assert_string_equal(got.workspace, settings.workspace);
    assert_string_equal(got.username, settings.username);
    assert_string_equal(got.home, settings.home);
    assert_string_equal(got.shell, settings.shell);
    assert_true(got.hub.is_tls);
    assert_slice(got.hub.host, "hub.example.org");
    assert_true(got.hub.host.p >= got.url && got.hub.host.p < got.url + sizeof(got.url)); /* and not into the message */
    assert_slice(got.hub.base_path, "/safari/ws");
    assert_int_equal(got.hub.port, 8443);
}

/* At its longest it fits into a datagram. */
static void the_longest_fits(void **state) {
    static struct link_settings longest, got;
    struct ipc_writer w;

    (void)state;
    longest = settings;
    memset(longest.proxy, 'p', sizeof(longest.proxy) - 1);
    memset(longest.no_proxy, 'n', sizeof(longest.no_proxy) - 1);
    memset(longest.workspace, 'w', sizeof(longest.workspace) - 1);
    memset(longest.home, 'h', sizeof(longest.home) - 1);
    memset(longest.shell, 's', sizeof(longest.shell) - 1);
    w = link_settings_encode(&longest);
    assert_false(w.is_failed);
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), 0);
    assert_string_equal(got.shell, longest.shell);
}

static void what_is_cut_or_goes_on_is_refused(void **state) {
    static struct link_settings got;
    struct ipc_writer w = link_settings_encode(&settings);
    struct slice whole = ipc_writer_bytes(&w);

    (void)state;
    got.log_level = LOG_WARNING;
    for (size_t n = 1; n < whole.n; n++) {
        _cleanup_slice_ struct slice part = exact_copy(slice_first(whole, n));

        assert_int_equal(decode(part, &got), -EPROTO);
    }
    ipc_put_u8(&w, 0);
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), -EPROTO);
    assert_int_equal(got.log_level, LOG_WARNING); /* untouched */
}

static void a_value_out_of_its_range_is_refused(void **state) {
    static struct link_settings odd, got;
    struct ipc_writer w;

    (void)state;
    odd = settings;
    memcpy(odd.url, "gopher://x", sizeof("gopher://x"));
    w = link_settings_encode(&odd);
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), -EPROTO);
    odd = settings;
    odd.log_level = (enum log_level)(LOG_DEBUG + 1);
    w = link_settings_encode(&odd);
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), -EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(what_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(a_value_out_of_its_range_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
