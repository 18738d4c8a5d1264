"""Putting the key in: exactly one, the real one, in the configured place, whatever the workload sent there."""
import base64
import json
from urllib.parse import unquote

import pytest

from upstream import BIG

SENTINEL = "broker-sentinel"


def ask(target, *fields):
    with lease.connect() as stream:
        answer = stream.get(target, *fields)
        return answer.status, answer.text


def asked(credfd, target, *fields, **how):
    """The status, and what reached upstream."""
    status, text = credfd.inside(ask, target, *fields, **how)
    return status, text, list(credfd.upstream.requests)


@pytest.mark.parametrize("target", [
    "/it", "/it?", "/it?a=1", f"/it?app_key={SENTINEL}", f"/it?app_key={SENTINEL}&a=1",
    f"/it?a=1&app_key={SENTINEL}&b=2",
    "/it?app_key=", "/it?app_key", f"/it?my_app_key={SENTINEL}", f"/it?app_key2={SENTINEL}",
])
def test_upstream_sees_exactly_one_real_key_in_the_query(credfd, target):
    status, _, requests = asked(credfd, target)
    assert status == 200
    (seen,) = requests
    assert seen.keys() == [credfd.canary]
    assert seen.path == "/it"
    others = [part for part in target.partition("?")[2].split("&") if part and part.split("=")[0] != "app_key"]
    assert [part for part in seen.raw_query.split("&") if part.split("=")[0] != "app_key"] == others


@pytest.mark.parametrize("target", [
    f"/it?app_key={SENTINEL}&app_key={SENTINEL}", f"/it?app_key={SENTINEL}&a=1&app_key=x", "/it?app_key&app_key",
    f"/it?%61pp_key={SENTINEL}", f"/it?app%5Fkey={SENTINEL}", f"/it?app%5fkey={SENTINEL}&app_key={SENTINEL}",
    f"/it?%61%70%70%5f%6b%65%79={SENTINEL}",
])
def test_a_second_or_a_disguised_key_is_a_400_that_names_the_reason(credfd, target):
    status, text, requests = asked(credfd, target)
    assert (status, requests) == (400, [])
    answer = json.loads(text)
    assert answer["lease"] == "api" and answer["error"] and "query" in answer["reason"]


@pytest.mark.parametrize("target", [
    f"/it?app_key[]={SENTINEL}", f"/it?a=1;app_key={SENTINEL}", f"/it?app_key={SENTINEL};app_key=x",
    "/it?app_key=a%00b",
    f"/it?a=%00&app_key={SENTINEL}", f"/it?app_key=x#&app_key={SENTINEL}", f"/it?app+key={SENTINEL}",
    f"/it?app_key={SENTINEL}%26app_key=x", f"/it?app_key%00={SENTINEL}", f"/it?%2561pp_key={SENTINEL}",
    f"/it?APP_KEY={SENTINEL}",
])
def test_odd_spellings_give_a_400_or_exactly_one_key(credfd, target):
    status, _, requests = asked(credfd, target)
    if status == 400:
        assert requests == []
        return
    assert status == 200
    (seen,) = requests
    # As every upstream might take it apart: at & and at ;
    values = [part.partition("=")[2] for part in seen.raw_query.replace(";", "&").split("&")
              if part.partition("=")[0] == "app_key"]
    assert values == [credfd.canary]


def test_the_sentinel_elsewhere_is_not_a_key(credfd):
    def send_everywhere(sentinel):
        with lease.connect() as stream:
            return stream.post(f"/app_key={sentinel}", f"app_key={sentinel}".encode(), f"X-App-Key: {sentinel}",
                               f"Referer: http://x/?app_key={sentinel}").status

    assert credfd.inside(send_everywhere, SENTINEL) == 200
    (seen,) = credfd.upstream.requests
    assert seen.keys() == [credfd.canary]
    assert seen.body == f"app_key={SENTINEL}".encode()
    fields = [value for name, value in seen.fields if not name.startswith("X-Seen-")]  # nginx's account of the request
    assert not [place for place in (seen.path, *fields) if credfd.canary in place]


def test_a_key_with_odd_characters_is_encoded_once(credfd, session):
    odd = session.canary + "+/=&%20 #?;ü\"'"
    credfd.inside(ask, "/it?a=1", key=odd)
    (seen,) = credfd.upstream.requests
    assert seen.query == [("a", "1"), ("app_key", odd)] or seen.query == [("app_key", odd), ("a", "1")]


@pytest.mark.parametrize("own", [[], ["Authorization: Bearer mine"], ["authorization: basic bWluZTptaW5l"]],
                         ids=["none of its own", "its own", "its own in other letters"])
def test_the_header_holds_the_key_in_its_format_and_nothing_else(credfd, own):
    status, _, requests = asked(credfd, "/it", *own, inject={"header": "Authorization", "format": "Bearer {}"})
    assert status == 200
    (seen,) = requests
    assert seen.all("Authorization") == [f"Bearer {credfd.canary}"]
    assert credfd.canary not in seen.target


def test_two_of_the_header_never_arrive(credfd):
    status, _, requests = asked(credfd, "/it", "X-Api-Key: one", "X-Api-Key: two", inject={"header": "X-Api-Key"})
    assert status in (200, 400)
    assert [seen.all("X-Api-Key") for seen in requests] == ([[credfd.canary]] if status == 200 else [])


def test_a_header_without_a_format_is_the_key_alone(credfd):
    asked(credfd, "/it", inject={"header": "X-Api-Key"})
    assert credfd.upstream.requests[0].all("X-Api-Key") == [credfd.canary]


@pytest.mark.parametrize("half, pair", [
    ({"user": "alice"}, "alice:{}"), ({"user": ""}, ":{}"), ({"password": "x-oauth-basic"}, "{}:x-oauth-basic"),
    ({"password": ""}, "{}:"),
], ids=["the password", "the password of nobody", "the user", "the user without a password"])
@pytest.mark.parametrize("own", [[], ["Authorization: Basic bWluZTptaW5l"], ["authorization: Bearer mine"]],
                         ids=["none of its own", "its own", "a token of its own"])
def test_basic_holds_the_key_as_one_half_of_the_pair(credfd, half, pair, own):
    status, _, requests = asked(credfd, "/it?a=1", *own, inject={"basic": half})
    assert status == 200
    (seen,) = requests
    scheme, encoded = seen.field("Authorization").split(" ")
    assert (scheme, base64.b64decode(encoded, validate=True).decode()) == ("Basic", pair.format(credfd.canary))
    assert seen.target == "/it?a=1"


@pytest.mark.parametrize("own", [[], ["Cookie: session=mine; other=mine"], ["cookie: a=b", "Cookie: session=mine"]],
                         ids=["none of its own", "its own", "two of its own"])
def test_cookies_are_the_credentials_alone(credfd, own):
    places = [{"cookie": "session"}, {"cookie": "csrf"}]
    status, _, requests = asked(credfd, "/it", *own, inject=places)
    assert status == 200
    (seen,) = requests
    assert seen.field("Cookie") == f"session={credfd.canary}; csrf={credfd.canary}"


@pytest.mark.parametrize("target", ["/getMe", "/a/b?x=y&z", "/", "/a//b/;c=d"])
def test_the_path_begins_with_the_key(credfd, target):
    key = f"123456:{credfd.canary}"
    status, _, requests = asked(credfd, target, inject={"path": "/bot{}"}, key=key)
    assert status == 200
    (seen,) = requests
    assert seen.target == f"/bot{key}{target}"


def test_a_key_in_the_path_stays_one_segment(credfd):
    odd = f"a/../{credfd.canary}?b#c%2f;d e"
    status, _, requests = asked(credfd, "/getMe", inject={"path": "/bot{}/v1"}, key=odd)
    assert status == 200
    (seen,) = requests
    before, segment, *after = seen.target.split("/")
    assert (before, unquote(segment), after) == ("", f"bot{odd}", ["v1", "getMe"])


@pytest.mark.parametrize("target", ["/../getMe", "/a/../../b", "/%2e%2e/getMe", "/..;/getMe", "/..%2fgetMe"])
def test_no_path_climbs_out_of_the_keys(credfd, target):
    """Although the rules permit everything."""
    status, _, requests = asked(credfd, target, inject={"path": "/bot{}"})
    assert status in (400, 403) and requests == []


@pytest.mark.parametrize("place", [{"query": "app_key"}, {"path": "/bot{}"}], ids=["query", "path"])
def test_a_target_without_a_place_for_the_key_is_a_400(credfd, place):
    def ask_about_the_server():
        with lease.connect() as stream:
            answer = stream.request("OPTIONS", "*")
            return answer.status, answer.text

    status, text = credfd.inside(ask_about_the_server, inject=place)
    assert (status, credfd.upstream.requests) == (400, [])
    assert "*" in json.loads(text)["reason"]


def test_every_place_at_once(credfd):
    places = [{"query": "app_key"}, {"query": "token"}, {"header": "X-Key", "format": "Key {}"},
              {"basic": {"user": "alice"}}, {"cookie": "sid"}, {"path": "/t{}"}]
    own = ["X-Key: mine", "Authorization: Bearer mine", "Cookie: sid=mine", "X-Mine: mine"]
    status, _, requests = asked(credfd, "/it?token=mine&a=1", *own, inject=places)
    assert status == 200
    (seen,) = requests
    key = credfd.canary
    assert seen.path == f"/t{key}/it"
    assert sorted(seen.query) == [("a", "1"), ("app_key", key), ("token", key)]
    assert seen.field("X-Key") == f"Key {key}" and seen.field("Cookie") == f"sid={key}"
    assert base64.b64decode(seen.field("Authorization").removeprefix("Basic ")).decode() == f"alice:{key}"
    assert [name for name, value in seen.fields if "mine" in value and not name.startswith("X-Seen-")] == ["X-Mine"]


@pytest.mark.parametrize("inject, key", [
    ({"cookie": "sid"}, "a;b"), ({"cookie": "sid"}, "a b"), ({"basic": {"password": ""}}, "a:b"),
    ({"path": "/{}"}, ".."), ([{"query": "app_key"}, {"cookie": "sid"}], "a,b"),
], ids=["a semicolon in a cookie", "a blank in a cookie", "a colon in a user", "a path of dots", "one of two places"])
def test_a_key_that_its_place_cannot_hold_goes_nowhere(credfd, inject, key):
    status, text, requests = asked(credfd, "/it", inject=inject, key=key)
    assert (status, requests) == (503, [])
    assert json.loads(text)["lease"] == "api"


@pytest.mark.parametrize("place, name", [
    ({"header": "Authorization"}, "Authorization"), ({"header": "X-Api-Key"}, "X-Api-Key"),
    ({"basic": {"user": "alice"}}, "Authorization"), ({"cookie": "sid"}, "Cookie"),
    ([{"header": "X-One"}, {"query": "app_key"}, {"header": "X-Two"}], "x-two"),
])
def test_connection_cannot_take_the_injected_field_away(credfd, place, name):
    status, _, requests = asked(credfd, "/it", f"Connection: {name}", inject=place)
    assert status == 400 and requests == []


def test_the_key_goes_to_its_authority_whatever_the_host_says(credfd):
    def aim_elsewhere(hosts):
        statuses = []
        for host in hosts:
            with lease.connect() as stream:
                stream.host = host
                statuses.append(stream.get("/it").status)
        return statuses

    hosts = ["evil.example", "127.0.0.1:1", "localhost", "[::1]:99"]
    assert credfd.inside(aim_elsewhere, hosts) == [200] * 4
    assert {seen.field("Host") for seen in credfd.upstream.requests} == {credfd.upstream.url.removeprefix("https://")}


def test_compression_is_not_asked_for_upstream(credfd):
    """A key reflected inside a compressed body could not be seen."""
    asked(credfd, "/it", "Accept-Encoding: gzip, br")
    assert credfd.upstream.requests[0].all("Accept-Encoding") == ["identity"]


def test_no_part_of_a_response_is_asked_for(credfd):
    """A key reflected in pieces could not be seen either."""
    asked(credfd, "/it", "Range: bytes=0-3", 'If-Range: "x"', "Request-Range: bytes=0-3", "A-IM: range")
    (seen,) = credfd.upstream.requests
    assert [name for name in ("Range", "If-Range", "Request-Range", "A-IM") if seen.all(name)] == []


def test_a_server_that_knows_ranges_sends_the_whole(credfd):
    """nginx answers Range with 206 for a file."""
    def take_length():
        with lease.connect() as stream:
            answer = stream.request("HEAD", "/file/big", "Range: bytes=0-3")
            return answer.status, answer.field("Content-Length")

    assert credfd.inside(take_length) == [200, str(BIG)]
    assert credfd.inside(take_length, mask="off") == [206, "4"]


def test_without_a_mask_the_workload_chooses_what_it_gets(credfd):
    asked(credfd, "/it", "Accept-Encoding: br", "Range: bytes=0-3", mask="off")
    (seen,) = credfd.upstream.requests
    assert (seen.all("Accept-Encoding"), seen.all("Range")) == (["br"], ["bytes=0-3"])


def test_each_lease_carries_its_own_key(credfd):
    def ask_both():
        for name in ("one", "two"):
            with lease.connect(name) as stream:
                stream.get(f"/through-{name}")

    folder = credfd.session.new_folder()
    second = base64.b32encode(credfd.canary[-10:].encode()).decode()
    keys = {"one": credfd.canary, "two": second}
    credentials = [credfd.credential(name, secret={"file": str(credfd.write_secret(folder, name, key))})
                   for name, key in keys.items()]
    credfd.inside(ask_both, credentials=credentials)
    assert [(seen.path, seen.keys()) for seen in credfd.upstream.requests] == [
        ("/through-one", [keys["one"]]), ("/through-two", [keys["two"]])]
    connections = [seen.field("X-Seen-Connection") for seen in credfd.upstream.requests]
    assert connections[0] != connections[1], "two credentials shared an upstream connection"
