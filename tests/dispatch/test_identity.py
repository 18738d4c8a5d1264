"""Who a request is for: the identity field, who may set it, and the ways to look like somebody else."""
import socket

import pytest

from dispatch import HEADER, Client
from procs import wait_until

NOT_PROVISIONED = "no t3 instance provisioned for this user"


@pytest.fixture
def serve(dispatch, instances):
    def serve(names=("alice", "bob"), top=None, **settings):
        served = dispatch(**settings)
        made = {name: instances(served, name) for name in names}
        served.write_table({name: {"os_user": name, "port": t3.port} for name, t3 in made.items()})
        return served.start(), made
    return serve


def session_of(t3):
    return f"{t3.cookie_name}={t3.new_session()}"


@pytest.mark.parametrize("value, whose", [
    ("alice", "alice"), ("alice@example.org", "alice"), ("bob@anywhere.example", "bob"),
    ("carol", None), ("ALICE", None), ("", None), (None, None), ("@example.org", None), ("alice@a@b", None),
    ("alice bob", None), ("al\u00efce", None), ("a" * 500, None), ("alice;bob", None),
], ids=str)
def test_the_name_is_what_stands_before_the_at(serve, value, whose):
    served, made = serve()
    cookie = "; ".join(session_of(t3) for t3 in made.values())
    answer = served.ask("/who", value, cookie=cookie)
    if whose:
        assert answer.status == 200 and answer.json()["instance"] == whose
    else:
        assert answer.status == 403 and NOT_PROVISIONED in answer.text
        assert not any(t3.requests("/who") for t3 in made.values())


@pytest.mark.parametrize("value, whose", [
    ("alice@good.example", "alice"), ("alice@GOOD.example", "alice"), ("alice", "alice"),
    ("alice@evil.example", None), ("alice@good.example.evil.example", None), ("alice@", None),
    ("alice@good.example@good.example", None), ("alice@sub.good.example", None),
], ids=str)
def test_only_the_listed_domains_may_stand_behind_it(serve, value, whose):
    served, made = serve(identity={"header": HEADER, "domains": ["good.example"]})
    answer = served.ask("/who", value, cookie=session_of(made["alice"]))
    assert answer.status == (200 if whose else 403), answer.text


@pytest.mark.parametrize("fields", [
    [(HEADER, "alice"), (HEADER, "bob")],
    [(HEADER, "alice"), (HEADER, "alice")],
    [(HEADER, "alice, bob")],
    [(HEADER, "alice"), (HEADER.upper(), "bob")],
    [(HEADER, "alice"), (HEADER.replace("-", "_"), "bob")],
    [(HEADER, "alice"), (HEADER.replace("-", "_", 1), "bob")],
    [(HEADER, "alice"), (HEADER.replace("-", "."), "bob")],
    [(HEADER, "alice"), ("Connection", HEADER)],
    [(HEADER, "alice"), ("Connection", f"keep-alive, {HEADER.lower()}")],
    [(HEADER, "alice"), (HEADER + " ", "bob")],
    [(HEADER, "alice\x00bob")],
], ids=["two", "the same twice", "a list of names", "in capitals too", "_ for -", "one _", ". for -", "Connection", "in a list",
        "a blank", "NUL"])
def test_tricks_with_the_field_are_refused(serve, fields):
    served, made = serve()
    with served.connect() as client:
        answer = client.ask("GET", "/who", [*fields, ("Cookie", "; ".join(map(session_of, made.values())))])
        assert answer.status == 400 and client.is_ended()
    assert not any(t3.requests("/who") for t3 in made.values())


def test_other_names_for_the_field_are_possible(serve):
    served, made = serve(identity={"header": "Remote-User"})
    answer = served.ask("/who", None, fields=[("Remote-User", "bob")], cookie=session_of(made["bob"]))
    assert answer.status == 200 and answer.json()["instance"] == "bob"
    assert served.ask("/who", "alice", cookie=session_of(made["alice"])).status == 403


# Who may name a person.

def test_by_default_loopback_and_unix_sockets_are_trusted_and_the_first_line_says_so(serve, tmp_path):
    served, made = serve()
    first = served.stderr.lower()
    assert "loopback" in first and "unix" in first


@pytest.mark.parametrize("peers, is_trusted", [
    (["127.0.0.1"], True), (["127.0.0.0/8"], True), (["10.0.0.0/8"], False), (["127.0.0.2/32"], False),
    (["::1/128"], False),
], ids=str)
def test_peers_are_ranges_of_addresses(serve, peers, is_trusted):
    served, made = serve(trust={"peers": peers})
    answer = served.ask("/who", cookie=session_of(made["alice"]))
    assert answer.status == (200 if is_trusted else 403)
    if not is_trusted:
        assert NOT_PROVISIONED not in answer.text and not made["alice"].requests("/who")


def test_the_address_decides_and_not_what_is_said_of_it(serve):
    served, made = serve(trust={"peers": ["127.0.0.2/32"]})
    cookie = session_of(made["alice"])
    with served.connect(source="127.0.0.2") as client:
        assert client.ask("GET", "/who", served.fields(cookie=cookie)).status == 200
    for claim in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        assert served.ask("/who", cookie=cookie, fields=[(claim, "127.0.0.2")]).status == 403


def test_whoever_is_not_trusted_still_sees_that_it_lives(serve):
    served, _ = serve(trust={"peers": ["10.0.0.0/8"]})
    for path in ("/healthz", "/probe/healthz"):
        answer = served.ask(path, None)
        assert (answer.status, answer.body) == (200, b"ok\n")
    with served.connect() as client:
        assert client.upgrade("/probe/ws").status == 101
        assert client.echo(b"hello")


def test_a_unix_socket(serve, session):
    place = session.new_folder() / "front.sock"
    served, made = serve(listen=[f"unix:{place}"])
    with Client(place) as client:
        assert client.ask("GET", "/who", served.fields(cookie=session_of(made["alice"]))).status == 200


def test_a_shared_secret(serve, session):
    folder = session.new_folder() / "test-secrets"
    folder.mkdir()
    secret = folder / "front.secret"
    secret.write_text(session.canary + "\n")
    secret.chmod(0o600)
    served, made = serve(trust={"shared_secret": {"header": "X-Front-Secret", "secret": {"file": str(secret)}}})
    cookie = session_of(made["alice"])

    def status(*fields):
        return served.ask("/who", cookie=cookie, fields=fields).status

    assert status(("X-Front-Secret", session.canary)) == 200
    assert "X-Front-Secret" not in [name for name, _ in made["alice"].requests("/who")[-1].fields]
    assert status() == 403 and status(("X-Front-Secret", "wrong")) == 403 and status(("X-Front-Secret", "")) == 403
    assert status(("X-Front-Secret", session.canary), ("X-Front-Secret", session.canary)) in (400, 403)
    assert status(("X-Front-Secret", session.canary[:-1])) == 403
    secret.write_text("another-" + session.canary)
    wait_until(lambda: status(("X-Front-Secret", "another-" + session.canary)) == 200, "the new secret counts")
    assert status(("X-Front-Secret", session.canary)) == 403


# What the instance is told.

def test_forwarding_fields_are_set_once_and_nobody_elses_travel(serve):
    served, made = serve()
    said = [("X-Forwarded-User", "root"), ("X-Forwarded-Groups", "admins"), ("X-Authentik-Groups", "admins"),
            ("X-Authentik-Jwt", "x"), ("Remote-User", "root"), ("X-WebAuth-User", "root"),
            ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Port", "1"), ("X-Real-IP", "6.6.6.6"),
            ("X-Original-URL", "/admin"), ("Forwarded", "for=6.6.6.6"), ("X-Kept", "yes"),
            ("Origin", "https://t3.example.org"), ("Accept-Language", "en")]
    assert served.ask("/who", cookie=session_of(made["alice"]), fields=said).status == 200
    seen = made["alice"].requests("/who")[-1]
    names = [name.lower() for name, _ in seen.fields]
    for name in ("x-forwarded-user", "x-forwarded-groups", "x-authentik-groups", "x-authentik-jwt", "remote-user",
                 "x-webauth-user", HEADER.lower(), "x-real-ip", "x-original-url", "x-forwarded-port"):
        assert name not in names, name
    assert seen.field("X-Forwarded-For") == "127.0.0.1"
    assert seen.field("X-Forwarded-Host") == "t3.example.org" == seen.field("Host")
    assert seen.field("X-Forwarded-Proto") == "http"
    assert "6.6.6.6" not in seen.field("Forwarded") and 'host="t3.example.org"' in seen.field("Forwarded") or \
        "host=t3.example.org" in seen.field("Forwarded")
    assert seen.field("Origin") == "https://t3.example.org" and seen.field("X-Kept") == "yes"


def test_what_a_trusted_front_says_of_the_browser_goes_on(serve):
    served, made = serve()
    served.ask("/who", cookie=session_of(made["alice"]),
               fields=[("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")])
    seen = made["alice"].requests("/who")[-1]
    assert seen.field("X-Forwarded-For") == "203.0.113.7, 127.0.0.1"
    assert seen.field("X-Forwarded-Proto") == "https"
    assert "proto=https" in seen.field("Forwarded") and "for=203.0.113.7" in seen.field("Forwarded")


# Instances that have no session of their own: the person's name in a field is all that opens them.

@pytest.mark.parametrize("origin, is_let_in", [
    (None, True), ("https://t3.example.org", True), ("https://evil.example", False), ("null", False),
    ("https://t3.example.org.evil.example", False),
], ids=str)
def test_another_sites_page_opens_no_terminal(serve, origin, is_let_in):
    served, made = serve(profile="ttyd")
    fields = [("Origin", origin)] if origin else []
    with served.connect() as client:
        assert client.upgrade("/ws", served.fields(fields=fields)).status == (101 if is_let_in else 403)
    assert served.ask("/x", method="POST", body=b"x", fields=fields).status == (200 if is_let_in else 403)
    assert served.ask("/x", fields=fields).status == 200
    assert made["alice"].requests("/x")[-1].field("X-WEBAUTH-USER") == "alice"


# What a reload tightens holds at once.

def test_a_secret_that_cannot_be_had_lets_nobody_in(serve):
    served, made = serve()
    cookie = session_of(made["alice"])
    assert served.ask("/who", cookie=cookie).status == 200
    served.write_config(trust={"shared_secret": {"header": "X-Front-Secret", "secret": {"command": ["false"]}}})
    served.reload()
    wait_until(lambda: served.ask("/who", cookie=cookie).status == 403, "the front is not believed any more")
