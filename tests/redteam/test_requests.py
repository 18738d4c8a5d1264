"""Requests with which a workload would use its lease for more than it is for: a second key, another place, another
server, another path, another request behind the first. Each is refused with nothing sent, or is made harmless."""
import pytest

SENTINEL = "broker-sentinel"


def attack_all(cases):
    return attack.talk_each(cases)


def request(target, *fields, method="GET", body=""):
    lines = [f"{method} {target} HTTP/1.1", "Host: api.broker.local", *fields]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def numbered(cases):
    """{its number: request}: the upstream then knows by X-Case which one it got."""
    return {str(number): raw.replace("\r\n", f"\r\nX-Case: {number}\r\n", 1) for number, raw in enumerate(cases)}


def by_case(requests):
    found = {}
    for seen in requests:
        found.setdefault(seen.field("X-Case"), []).append(seen)
    return found


def launch(credfd, upstream, cases, **how):
    """{name: statuses}, by one run for all."""
    return credfd.inside(attack_all, cases, upstream=upstream.url, **how)


def require_refused(answers, *allowed):
    """Each was answered once, so, and the stream ended."""
    through = {name: got for name, got in answers.items() if len(got) != 1 or got[0] not in allowed}
    assert not through, f"not refused: {through}"


# The key in its place, once.

@pytest.mark.defence("query")
def test_a_sentinel_twice_or_in_disguise_is_refused(credfd, trap):
    upstream = trap()
    queries = [f"app_key={SENTINEL}&app_key={SENTINEL}", f"app_key={SENTINEL}&a=1&app_key=x", "app_key&app_key",
               f"%61pp_key={SENTINEL}", f"app%5Fkey={SENTINEL}&app_key={SENTINEL}", f"app_key={SENTINEL}&app_key[]=x",
               f"%61%70%70%5f%6b%65%79={SENTINEL}", f"app_key={SENTINEL}&app_key[0]=x", f"a=1;app_key={SENTINEL}",
               f"app_key={SENTINEL};app_key=x", f"app_key%00={SENTINEL}", f"app_key=a%00b&app_key={SENTINEL}"]
    answers = launch(credfd, upstream, {query: request("/it?" + query) for query in queries})
    require_refused(answers, 400)
    assert upstream.heard() == []


ELSEWHERE = [
    request(f"/it?app_key={SENTINEL}#app_key={SENTINEL}"),
    request(f"/app_key={SENTINEL}"),
    request(f"/it;app_key={SENTINEL}?app_key={SENTINEL}"),
    request(f"/it?other=app_key={SENTINEL}"),
    request(f"/it?other=%26app_key={SENTINEL}"),
    request(f"/it?app_key={SENTINEL}%26app_key=x"),
    request(f"/it?a=1;app_key={SENTINEL}"),
    request(f"/it?%2561pp_key={SENTINEL}"),
    request(f"/it?app_key=%00{SENTINEL}"),
    request("/it", f"Cookie: app_key={SENTINEL}"),
    request("/it", f"App-Key: {SENTINEL}", f"app_key: {SENTINEL}"),
    request("/it", f"Referer: http://api/?app_key={SENTINEL}"),
    request("/it", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {8 + len(SENTINEL)}",
            method="POST", body=f"app_key={SENTINEL}"),
]


def names_of_key(query):
    """Every value that some server would take for the key's: parameters end at & for most, at ; for some."""
    parameters = [part.partition("=") for part in query.replace(";", "&").split("&")]
    return [value for name, _, value in parameters if name.lower() == "app_key"]


@pytest.mark.defence("query")
def test_wherever_the_sentinel_stands_there_is_one_key_in_one_place(credfd, trap):
    upstream = trap()
    answers = launch(credfd, upstream, numbered(ELSEWHERE))
    heard = by_case(upstream.heard())
    for number, got in answers.items():
        assert got in ([200], [400]), (ELSEWHERE[int(number)], got)
        assert len(heard.get(number, [])) == (got == [200])
    assert sum(got == [200] for got in answers.values()) >= 8, "most of them are only odd"
    for [seen] in heard.values():
        assert names_of_key(seen.raw_query) == [credfd.canary]
        everywhere = " ".join([seen.target, *(value for _, value in seen.fields), seen.body.decode()])
        assert everywhere.count(credfd.canary) == 1


# Credentials of the workload's own.

OWN = [[name + ": mine"] for name in (
    "Authorization", "authorization", "Cookie", "X-Api-Key", "X_API_KEY", "X-Auth-Token", "Proxy-Authorization",
    "Private-Token", "X-Goog-Api-Key", "X-Vault-Token")]
OWN += [["Authorization: Bearer mine", "Authorization: Basic bWluZTptaW5l"], ["Cookie: a=mine", "Cookie: b=mine"],
        ["X-Api-Key: mine", "x-api-key: mine", "X.Api.Key: mine"]]
PLACES = {
    "query": {"query": "app_key"},
    "bearer": {"header": "Authorization", "format": "Bearer {}"},
    "x-api-key": {"header": "X-Api-Key"},
    "cookie": {"cookie": "session"},
    "basic": {"basic": {"user": "robot"}},
}
CREDENTIALS = {"authorization", "cookie", "x-api-key", "x-auth-token", "proxy-authorization", "private-token",
               "x-goog-api-key", "x-vault-token"}


@pytest.mark.defence("fields")
def test_no_credential_of_its_own_goes_beside_the_injected_one(credfd, trap):
    def attack_each(names, cases):
        return {name: [attack.statuses(attack.talk(raw, name)) for raw in cases] for name in names}

    upstreams = {name: trap() for name in PLACES}
    credentials = [credfd.credential(name, inject=place, upstream=upstreams[name].url, env=None)
                   for name, place in PLACES.items()]
    answers = credfd.inside(attack_each, list(PLACES), [request("/it", *fields) for fields in OWN],
                            credentials=credentials)
    for name, upstream in upstreams.items():
        heard = upstream.heard()
        assert all(got in ([200], [400]) for got in answers[name])
        assert len(heard) == answers[name].count([200])
        for seen in heard:
            carried = [field for field, _ in seen.fields if field.lower().replace("_", "-").replace(".", "-") in CREDENTIALS]
            assert len(carried) == (name != "query"), (name, seen.fields)
            assert not [value for _, value in seen.fields if "mine" in value], (name, seen.fields)


# Another server.

@pytest.mark.defence("target")
def test_no_target_aims_the_key_elsewhere(credfd, trap):
    upstream, elsewhere = trap(), trap(tls=False)
    evil = f"127.0.0.1:{elsewhere.port}"
    own = upstream.url.partition("//")[2]
    cases = {raw: raw for raw in (
        request(f"http://{evil}/it"), request(f"HTTP://{evil}/it"), request(f"http://{own}@{evil}/it"),
        request(f"https://{own}/it"), request(f"http://{evil}"), request(f"{evil}/it"), request(f"{evil}"),
        request(evil, method="CONNECT"), request(f"{own}", method="CONNECT"), request("/it", method="CONNECT"),
        request(f"@{evil}/it"), request(f"\\\\{evil}/it"), request("*"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        f"PRI * HTTP/2.0\r\nHost: {evil}\r\n\r\nSM\r\n\r\n",
    )}
    answers = launch(credfd, upstream, cases)
    require_refused(answers, 400)
    assert upstream.heard() == [] and elsewhere.connections() == 0


@pytest.mark.defence("fields")
def test_no_field_aims_the_key_elsewhere(credfd, trap):
    """Host is ours whatever is said, and nothing turns the connection into one of another protocol."""
    upstream, elsewhere = trap(), trap(tls=False)
    evil = f"127.0.0.1:{elsewhere.port}"
    cases = [request("/it").replace("api.broker.local", evil), request(f"//{evil}/it"), request("/it", f"X-Host: {evil}"),
             "GET /it HTTP/1.0\r\n\r\n", request("/it", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings",
                                                 "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
             request("/it", "Connection: keep-alive", "Keep-Alive: timeout=1000", "Proxy-Connection: keep-alive"),
             request("/it", "TE: trailers", "Trailer: X-Late")]
    answers = launch(credfd, upstream, numbered(cases))
    heard = by_case(upstream.heard())
    assert set(map(tuple, answers.values())) == {(200,)} and len(heard) == len(cases)
    for [seen] in heard.values():
        assert seen.field("Host") == upstream.url.partition("//")[2]
        names = {name.lower() for name, _ in seen.fields}
        assert not names & {"upgrade", "http2-settings", "connection", "keep-alive", "proxy-connection", "te", "trailer"}
    assert elsewhere.connections() == 0


@pytest.mark.defence("fields")
def test_a_host_twice_or_a_connection_that_takes_out_what_is_ours_is_refused(credfd, trap):
    upstream = trap()
    cases = {raw: raw for raw in (
        request("/it", "Host: 127.0.0.1"), request("/it", "host: api.broker.local"),
        request("/it").replace("api.broker.local", "a, b"), request("/it").replace("api.broker.local", "a@b"),
        request("/it").replace("api.broker.local", ""), request("/it", "Connection: Host"),
        request("/it", "Connection: Content-Length", "Content-Length: 1"), request("/it", "Connection: authorization"),
        request("/it", "Connection: close, X-Api-Key"))}
    answers = launch(credfd, upstream, cases, inject={"header": "X-Api-Key"})
    require_refused(answers, 400)
    assert upstream.heard() == []


# Another path.

SLIPS = ["/public/../secret", "/public/%2e%2e/secret", "/public/.%2E/secret", "/public//../secret", "//public/../secret",
         "/public/..%2fsecret", "/public/..;/secret", "/public/..;x=y/secret", "/public/x/../../secret",
         "/public/%252e%252e/secret", "/public/%2e%2e%2fsecret", "/public/..%5csecret", "/public/./../secret",
         "/public/..", "/public/../"]
OUTSIDE = ["/secret/../public/x", "//public/x", "/PUBLIC/x", "/public./x", "/public%2fx", "/secret;/public/x", "/./public/x",
           "/secret", "/%70ublic/x", "/publicx", "/public;x=y/x"]


@pytest.mark.defence("path")
def test_no_spelling_slips_past_a_path_rule(credfd, trap):
    upstream = trap()
    answers = launch(credfd, upstream, {path: request(path) for path in SLIPS + OUTSIDE}, allow=["GET /public/**"])
    require_refused(answers, 400, 403)
    assert upstream.heard() == []


DENIED = ["/secret", "/%73ecret", "//secret", "/./secret", "/x/../secret", "/x/%2e%2e/secret", "/secret/", "/secret;x=y",
          "/secret/.", "/%2573ecret", "/SECRET", "/secret.", "/secret%2f", "/secret%20", "/x/..;/secret", "/secret%3fa"]


@pytest.mark.defence("path")
def test_no_spelling_slips_past_a_denial(credfd, trap):
    upstream = trap()
    answers = launch(credfd, upstream, {path: request(path) for path in DENIED}, allow="all",
                     deny=["* /secret", "* /secret/**"])
    require_refused(answers, 400, 403)
    assert upstream.heard() == []


# Another request behind the first.

HIDDEN = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


def with_field(field):
    """A request with that field line, as it is."""
    return f"GET /it HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n"


SPLITS = [request(f"/it{byte}GET%20/hidden") for byte in ("%0d%0a", "%0D", "%0A", "%00", "?a=%0d%0aX:%20y")]
SPLITS += [request(f"/it{byte}/hidden") for byte in ("\r", "\n", "\0", "\r\n")]
SPLITS += [request("/it", method=f"GE{byte}T") for byte in ("\r", "\n", "\0", "\r\n ")]
SPLITS += [with_field(field) for field in (
    "X: a\rGET /hidden HTTP/1.1", "X: a\nGET /hidden HTTP/1.1", "X: a\0b", "X: a\r\rb", "X: a\n\nGET /hidden HTTP/1.1",
    "X\r: a", "X\n: a", "X\0: a", "X: a\r\n b", "X: a\r\n\tGET /hidden HTTP/1.1", "X : a", ": a", "X", " X: a",
    "X: a\x0bb", "X: \x7f")]
SPLITS += ["GET /it HTTP/1.1\nHost: x\n\n", "GET /it HTTP/1.1\rHost: x\r\r", "GET /it HTTP/1.1\r\nHost: x\n\r\n",
           "GET /it HTTP/1.1\0\r\nHost: x\r\n\r\n", "GET /it\r\n\r\n", "\r\n\r\n" + HIDDEN]


@pytest.mark.defence("split")
def test_no_line_end_hides_in_any_part(credfd, trap):
    upstream = trap()
    answers = launch(credfd, upstream, {raw: raw + HIDDEN for raw in SPLITS})
    require_refused(answers, 400)
    assert upstream.heard() == []


def post(*fields, body=""):
    return request("/it", *fields, method="POST", body=body)


CHUNKED = "Transfer-Encoding: chunked"
TWO_FRAMINGS = [
    post("Content-Length: 5", CHUNKED, body="0\r\n\r\n" + HIDDEN),
    post(CHUNKED, "Content-Length: 60", body="0\r\n\r\n" + HIDDEN),
    post("Content-Length: 5", "Transfer-Encoding: xchunked", body="hello" + HIDDEN),
]
ODD_FRAMINGS = [
    *(post(*fields, body="hello" + HIDDEN) for fields in (
        ("Content-Length: 5", "Content-Length: 5"), ("Content-Length: 5", "Content-Length: 60"), ("Content-Length: 5, 5",),
        ("Content-Length: +5",), ("Content-Length: -5",), ("Content-Length: 0x5",), ("Content-Length: 5 5",),
        ("Content-Length: 5.0",), ("Content-Length:",), ("Content-Length: 9223372036854775808",),
        ("Content-Length: 18446744073709551621",), ("Content-Length : 5",), ("Content-Length\t: 5",))),
    *(post(*fields, body="0\r\n\r\n" + HIDDEN) for fields in (
        (CHUNKED, CHUNKED), ("Transfer-Encoding: chunked, chunked",), ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, gzip",), ("Transfer-Encoding: chunked, identity",), ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked;a=b",), ("Transfer-Encoding: \x0bchunked",), ("Transfer-Encoding : chunked",),
        ("Transfer-Encoding:\r\n chunked",), ("Transfer-Encoding: \"chunked\"",), ("Transfer-Encoding:",),
        ("Transfer-Encoding: chunked", "transfer-encoding: identity"))),
    "POST /it HTTP/1.0\r\nHost: x\r\n" + CHUNKED + "\r\n\r\n0\r\n\r\n" + HIDDEN,
]


@pytest.mark.defence("framing")
def test_no_framing_hides_a_second_request(credfd, trap):
    upstream = trap()
    answers = launch(credfd, upstream, {raw: raw for raw in TWO_FRAMINGS + ODD_FRAMINGS})
    require_refused(answers, 400)
    assert upstream.heard() == []


BROKEN_CHUNKS = [
    "5\r\nhelloXX0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n", "\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nHost: y\r\n\r\n",
    "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", "5\r\nhello\r\n0\r\nX : y\r\n\r\n", "5\r\nhello\r\n0\r\n\r",
]


@pytest.mark.defence("chunks")
def test_no_broken_chunk_hides_a_second_request(credfd, trap):
    """The fault may come after the head went on: then the upstream never sees that request's end."""
    upstream = trap()
    answers = launch(credfd, upstream, {body: post(CHUNKED, body=body + HIDDEN) for body in BROKEN_CHUNKS})
    require_refused(answers, 400)
    assert upstream.heard_whole() == [] and "/hidden" not in [seen.path for seen in upstream.heard()]


def test_an_honest_second_request_is_heard(credfd, trap):
    """The tests above can fail: what is pipelined in order is served in order."""
    upstream = trap()
    answers = launch(credfd, upstream, {"two": post("Content-Length: 5", body="hello" + HIDDEN)})
    assert answers == {"two": [200, 200]}
    assert [seen.path for seen in upstream.heard_whole()] == ["/it", "/hidden"]
