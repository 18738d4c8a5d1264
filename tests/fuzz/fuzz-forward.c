/*
 * What a client sends of addresses, scheme and host, a field a line: whatever it is, what the instance is told is
 * well-formed, ends with the peer, and holds nothing of it that is no address.
 */
#include "fuzz.h"
#include "ingress/front/front.h"

static struct http_field kept[LIMIT_FIELDS];
static struct forwarded made;

static const struct http_field *find(const char *name) {
    const struct http_field *found = NULL;

    for (size_t i = 0; i < made.n; i++)
        if (slice_equals(made.fields[i].name, slice_of_string(name))) {
            REQUIRE(!found);
            found = &made.fields[i];
        }
    return found;
}

/* How many addresses there are, each of which must be one. */
static size_t require_addresses(struct slice list) {
    struct address address;
    size_t n = 0;

    for (struct slice rest = list; rest.p; n++)
        REQUIRE(address_parse(slice_trim(slice_cut(&rest, ',')), 0, &address) == 0);
    return n;
}

static size_t count(struct slice text, struct slice what) {
    size_t n = 0;

    for (; text.n > 0; text = slice_from(text, 1))
        n += slice_starts_with(text, what);
    return n;
}

static size_t read_fields(struct slice in, struct http_field *fields) {
    size_t n = 0;

    for (struct slice rest = in; rest.p && n < LIMIT_FIELDS;) {
        struct slice value = slice_cut(&rest, '\n'), name = slice_cut(&value, ':');

        if (value.p && http_is_token(name) && http_is_field_value(value))
            fields[n++] = (struct http_field){name, value};
    }
    return n;
}

static void try(const struct front *front, const struct peer *peer, const struct request_head *request) {
    struct slice list;
    size_t n, n_kept;

    front_forward(front, peer, request, "X-User", "alice", kept, &n_kept, &made);
    REQUIRE(made.n <= FRONT_FIELDS && n_kept <= request->n_fields);
    for (size_t i = 0; i < made.n; i++)
        REQUIRE(http_is_token(made.fields[i].name) && http_is_field_value(made.fields[i].value));
    for (size_t i = 0; i < n_kept; i++)
        REQUIRE(!slice_equals_nocase(kept[i].name, SLICE("Forwarded")) &&
                !slice_equals_nocase(slice_first(kept[i].name, 12), SLICE("X-Forwarded-")) &&
                !slice_equals_nocase(kept[i].name, SLICE("X-User")));
    list = find("X-Forwarded-For") ? find("X-Forwarded-For")->value : slice_of(NULL, 0);
    n = require_addresses(list);
    REQUIRE(n <= LIMIT_FORWARDED + 1 && (n > 0 || peer->kind == PEER_UNIX));
    REQUIRE(peer->kind == PEER_UNIX || slice_ends_with(list, SLICE("192.0.2.1")));
    REQUIRE(peer->is_trusted || n == 1);
    REQUIRE(count(find("Forwarded")->value, SLICE(", for=")) + 1 == n + (peer->kind == PEER_UNIX));
    REQUIRE(count(find("Forwarded")->value, SLICE("\"")) % 2 == 0);
    REQUIRE(slice_equals(find("X-User")->value, SLICE("alice")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct front front = {.identity_header = "X-authentik-username"};
    struct http_field fields[LIMIT_FIELDS];
    struct slice rest = slice_of(size > 0 ? (const void *)data : "", size), host = slice_cut(&rest, '\n');
    struct request_head request = {.host = http_is_field_value(host) ? host : SLICE_EMPTY, .fields = fields};
    struct peer peer = {.kind = PEER_ADDRESS, .is_trusted = true};
    struct named named;

    request.n_fields = rest.p ? read_fields(rest, fields) : 0;
    REQUIRE(address_parse(SLICE("192.0.2.1"), 1, &peer.address) == 0);
    try(&front, &peer, &request);
    if (front_identify(&front, &peer, &request, &named) == NAMED)
        REQUIRE(named.name[0] && strlen(named.name) <= LIMIT_PERSON && !strpbrk(named.name, "@,\t"));
    else
        REQUIRE(!named.name[0] && named.reason);
    peer.is_trusted = false;
    try(&front, &peer, &request);
    peer = (struct peer){.kind = PEER_UNIX, .is_trusted = true};
    try(&front, &peer, &request);
    return 0;
}
