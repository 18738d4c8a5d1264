#include "ingress/front/front_codec.h"

#include <errno.h>

#include "unit_front.h"

/* Everything in it that a settings file can put there. */
static struct front *full_front(void) {
    struct front *front = front_new();

    front->n_peers = LIMIT_TRUSTED_PEERS;
    for (size_t i = 2; i < LIMIT_TRUSTED_PEERS; i++)
        assert_int_equal(network_parse(SLICE("2001:db8::/32"), &front->peers[i]), 0);
    front->takes_all_uids = false;
    for (; front->n_uids < LIMIT_TRUSTED_PEERS; front->n_uids++)
        front->uids[front->n_uids] = UINT32_MAX;
    memset(front->secret_header, 'S', LIMIT_NAME);
    memset(front->assertion_header, 'A', LIMIT_NAME);
    for (; front->n_domains < LIMIT_DOMAINS; front->n_domains++)
        memset(front->domains[front->n_domains], 'd', LIMIT_HOST);
    for (; front->n_admins < LIMIT_ADMINS; front->n_admins++)
        memset(front->admins[front->n_admins], 'a', LIMIT_PERSON);
    memset(front->status_path, '/', LIMIT_PERSON);
    front->head_ms = 1;
    front->idle_ms = 2;
    front->body_ms = 3;
    front->write_ms = 4;
    front->stream_ms = 5;
    front->connect_ms = 6;
    front->response_ms = UINT64_MAX;
    return front;
}

static struct ipc_message message_of(struct ipc_writer *w) {
    assert_false(w->is_failed);
    return ipc_message_of(ipc_writer_bytes(w));
}

static void a_front_comes_as_it_went(void **state) {
    _cleanup_free_ struct front *front = full_front(), *got = calloc(1, sizeof(*got));
    struct ipc_writer w = front_encode(front);
    struct ipc_message m = message_of(&w);

    (void)state;
    assert_non_null(got);
    assert_int_equal(m.type, IPC_FRONT);
    assert_int_equal(front_decode(&m, got), 0);
    assert_memory_equal(got, front, sizeof(*front));
}

static void a_digest_does_not_travel_with_it(void **state) {
    _cleanup_free_ struct front *front = full_front(), *got = calloc(1, sizeof(*got));
    struct ipc_writer w;
    struct ipc_message m;

    (void)state;
    assert_non_null(got);
    front->has_digest = true;
    memset(front->secret_digest, 7, sizeof(front->secret_digest));
    w = front_encode(front);
    m = message_of(&w);
    assert_int_equal(front_decode(&m, got), 0);
    assert_false(got->has_digest);
    assert_int_equal(got->secret_digest[0], 0);
}

static void refuses_what_is_cut_or_longer(void **state) {
    _cleanup_free_ struct front *front = front_new(), *got = calloc(1, sizeof(*got));
    struct ipc_writer w = front_encode(front);
    struct slice whole = ipc_writer_bytes(&w);

    (void)state;
    assert_non_null(got);
    for (size_t n = 1; n < whole.n; n++) {
        _cleanup_slice_ struct slice bytes = exact_copy(slice_first(whole, n));
        struct ipc_message m = ipc_message_of(bytes);

        assert_int_equal(front_decode(&m, got), -EPROTO);
        assert_int_equal(got->n_peers, 0);
    }
    ipc_put_u8(&w, 0);
    {
        struct ipc_message m = message_of(&w);

        assert_int_equal(front_decode(&m, got), -EPROTO);
    }
}

/* Each of these is one change to a front that would be taken. */
static void refuses_what_no_settings_say(void **state) {
    _cleanup_free_ struct front *front = NULL, *got = calloc(1, sizeof(*got));

    (void)state;
    assert_non_null(got);
    for (int change = 0; change < 6; change++) {
        struct ipc_writer w;
        struct ipc_message m;

        free(front);
        front = front_new();
        if (change == 1)
            front->identity_header[0] = '\0';
        if (change == 2)
            (void)snprintf(front->identity_header, sizeof(front->identity_header), "X Y");
        if (change == 3)
            (void)snprintf(front->secret_header, sizeof(front->secret_header), "X:");
        if (change == 4)
            (void)snprintf(front->assertion_header, sizeof(front->assertion_header), "\x80");
        if (change == 5)
            front->peers[0].bits = 33;
        w = front_encode(front);
        m = message_of(&w);
        assert_int_equal(front_decode(&m, got), change == 0 ? 0 : -EPROTO);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_front_comes_as_it_went),
        cmocka_unit_test(a_digest_does_not_travel_with_it),
        cmocka_unit_test(refuses_what_is_cut_or_longer),
        cmocka_unit_test(refuses_what_no_settings_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
