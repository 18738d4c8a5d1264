"""Putting the key in: exactly one, the real one, in the configured place, whatever the workload sent there."""
import base64
import json

import pytest

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


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key"])
def test_connection_cannot_take_the_injected_header_away(credfd, name):
    status, _, requests = asked(credfd, "/it", f"Connection: {name}", inject={"header": name})
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
    codings = credfd.upstream.requests[0].all("Accept-Encoding")
    assert codings in ([], ["identity"])


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
