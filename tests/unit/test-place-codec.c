#include "egress/door/place_codec.h"

#include <errno.h>

#include "unit.h"

static char storage[LIMIT_DATAGRAM];
static size_t stored;

static struct ipc_message pass(const struct credential *credential) {
    struct ipc_writer w = place_encode(7, credential);

    assert_false(w.is_failed);
    stored = ipc_writer_bytes(&w).n;
    memcpy(storage, ipc_writer_bytes(&w).p, stored);
    return ipc_message_of(slice_of(storage, stored));
}

static struct credential credential_to(const char *upstream) {
    struct credential credential = {.allows_websocket = true};

    assert_null(uri_parse_upstream(slice_of_string(upstream), &credential.authority));
    return credential;
}

static void a_place_comes_back(void **state) {
    static const struct {
        const char *upstream, *host, *path;
        bool is_tls;
        uint16_t port;
    } rows[] = {
        {"https://api.example.com", "api.example.com", "", true, 443},
        {"https://API.Example.com:8443/v1", "api.example.com", "/v1", true, 8443},
        {"http://127.0.0.1:80", "127.0.0.1", "", false, 80},
        {"https://[2001:DB8:0::1]", "2001:db8::1", "", true, 443},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct credential credential = credential_to(rows[i].upstream);
        struct ipc_message m = pass(&credential);
        struct door_place place;

        assert_int_equal(m.type, IPC_DOOR_PLACE);
        assert_int_equal(place_decode(&m, &place), 0);
        assert_int_equal(place.door, 7);
        assert_int_equal(place.is_tls, rows[i].is_tls);
        assert_true(place.allows_websocket);
        assert_slice(place.host, rows[i].host);
        assert_int_equal(place.port, rows[i].port);
        assert_slice(place.base_path, rows[i].path);
    }
}

static void refuses_what_is_cut_or_odd(void **state) {
    struct credential credential = credential_to("https://api.example.com/v1");
    struct door_place place;
    struct ipc_message m;

    (void)state;
    (void)pass(&credential);
    for (size_t n = 1; n < stored; n++) {
        m = ipc_message_of(slice_of(storage, n));
        assert_int_equal(place_decode(&m, &place), -EPROTO);
    }
    storage[1 + 4] = 4; /* a flag that nobody has */
    m = ipc_message_of(slice_of(storage, stored));
    assert_int_equal(place_decode(&m, &place), -EPROTO);
    memset(storage + 1, 0xff, 4); /* a door that nobody has */
    storage[1 + 4] = 1;
    m = ipc_message_of(slice_of(storage, stored));
    assert_int_equal(place_decode(&m, &place), -EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_comes_back),
        cmocka_unit_test(refuses_what_is_cut_or_odd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
