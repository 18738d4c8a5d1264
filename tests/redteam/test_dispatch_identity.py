"""From the browser or beside the front: to be somebody else. Who is not a trusted front names nobody; a trusted one
names one person, in one way, for each request by itself; and what a browser says of itself reaches no instance."""
import os
import re
import socket
import ssl
import time

import pytest

import dispatch as harness
import jwt
import procs
import program
import upstream as servers
from attack import statuses
from dispatch import HEADER, Client


FORGED = [(HEADER, "alice")]
CLAIMS = [("X-Forwarded-For", "127.0.0.9"), ("X-Real-IP", "127.0.0.9"), ("Forwarded", "for=127.0.0.9"),
          ("Forwarded", 'for="unix:"'), ("X-Forwarded-For", "127.0.0.9, 127.0.0.9"), ("Via", "1.1 127.0.0.9"),
          ("X-Client-IP", "127.0.0.9"), ("True-Client-IP", "127.0.0.9"), ("CF-Connecting-IP", "127.0.0.9")]


def require_nobody_heard(served, traps):
    served.stop()
    assert {name: trap.heard() for name, trap in traps.items()} == {name: [] for name in traps}


def paths(trap):
    return [seen.target for seen in trap.heard()]


# The listener, reached directly.

@pytest.mark.defence("front")
def test_an_address_that_is_no_front_names_nobody(house):
    served, traps = house(trust={"peers": ["127.0.0.9/32"]})
    with served.connect(source="127.0.0.9") as client:
        assert client.ask("GET", "/front", FORGED).status == 200
    for claim in [[], *([claim] for claim in CLAIMS), CLAIMS[:3]]:
        for source in ("127.0.0.1", "127.0.0.10"):
            with served.connect(source=source) as client:
                assert client.ask("GET", "/forged", [*FORGED, *claim]).status == 403, (source, claim)
    served.stop()
    assert paths(traps["alice"]) == ["/front"] and paths(traps["bob"]) == []


def ask_as(user, place):
    """The status for a forged request from a process of that user; 0 if it could not even connect."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 0
        try:
            os.setgroups([])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            with Client(place) as client:
                status = client.ask("GET", "/forged", FORGED).status
        finally:
            os.write(writer, str(status).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        os.waitpid(child, 0)
        return int(file.read())


@pytest.mark.defence("front")
def test_another_user_at_the_unix_socket_names_nobody(house, session, as_root):
    """Whose socket it is, the kernel says: by its file's mode, or by who is connected."""
    place = session.new_folder() / "front.sock"
    served, traps = house(listen=[f"unix:{place}"], trust={"users": ["root"]})
    place.chmod(0o777)
    with Client(place) as client:
        assert client.ask("GET", "/front", FORGED).status == 200
    assert ask_as(program.NOBODY, place) == 403
    served.stop()
    assert paths(traps["alice"]) == ["/front"]


@pytest.mark.defence("front")
def test_without_the_fronts_secret_nobody_is_named(house, session):
    folder = session.new_folder() / "test-secrets"
    folder.mkdir()
    secret, value = folder / "front.secret", session.canary
    secret.write_text(value + "\n")
    secret.chmod(0o600)
    served, traps = house(trust={"shared_secret": {"header": "X-Front-Secret", "secret": {"file": str(secret)}}})
    name = "X-Front-Secret"
    tries = [[], [(name, "")], [(name, value[:-1])], [(name, value + "x")], [(name, value.upper())],
             [(name, value[::-1])], [(name, f'"{value}"')], [(name, f"{value}, {value}")],
             [(name, value), (name, value)], [(name, "x"), (name, value)], [(name + "2", value)],
             [("X_Front_Secret", value)],
             [("X.Front.Secret", value)], [("Connection", name), (name, value)], [("Cookie", f"{name}={value}")]]
    for fields in tries:
        status = served.ask("/forged", None, fields=[*FORGED, *fields]).status
        assert status in (400, 403), fields
    assert served.ask(f"/forged?{name}={value}", None, fields=FORGED).status == 403
    assert served.ask("/front", None, fields=[*FORGED, (name, value)]).status == 200
    served.stop()
    assert paths(traps["alice"]) == ["/front"]
    assert not session.search.is_in(repr(traps["alice"].heard()).encode()), "the secret went on to the instance"


@pytest.fixture(scope="module")
def keys(folder):
    place = folder / "attack-keys"
    place.mkdir()
    return {name: jwt.Key(place, name, kind) for name, kind in {"one": "RSA", "stranger": "RSA"}.items()}


@pytest.mark.defence("front")
def test_an_assertion_that_the_provider_has_not_signed_names_nobody(house, keys, tmp_path):
    """What a stranger can make himself, or of a token that he has: every one for a person who is in the table."""
    tmp_path.chmod(0o755)
    (tmp_path / "jwks.json").write_text(jwt.jwks(keys["one"]))
    header = "X-authentik-jwt"
    served, traps = house(trust={"jwt": {"header": header, "jwks": str(tmp_path / "jwks.json"), "issuer": jwt.ISSUER,
                                         "audience": jwt.AUDIENCE}})
    own, good = keys["stranger"], keys["one"].sign(jwt.claims("bob"))
    head, said, signature = good.split(".")
    modulus = keys["one"].public["n"]
    tokens = {
        "none": None, "a name": "alice",
        "of no algorithm": f"{jwt.encode({'alg': 'none'})}.{jwt.encode(jwt.claims())}.",
        "of None": f"{jwt.encode({'alg': 'None', 'kid': 'one'})}.{jwt.encode(jwt.claims())}.{signature}",
        "of a stranger": own.sign(), "of a stranger, by that name": own.sign(kid="one"),
        "with its own key": own.sign(jwk=own.public, kid="one"),
        "with a place of keys": own.sign(jku="http://127.0.0.1/"),
        "by HMAC with the public key": own.sign(alg="HS256", kid="one", k=modulus),
        "another's claims": f"{head}.{jwt.encode(jwt.claims())}.{signature}",
        "another's head": f"{jwt.encode({'alg': 'RS256', 'kid': 'one', 'x': 1})}.{said}.{signature}",
        "no signature": f"{head}.{said}.", "two parts": f"{head}.{said}", "four parts": f"{good}.{signature}",
        "expired": keys["one"].sign(jwt.claims(exp=int(time.time()) - 1)),
        "for others": keys["one"].sign(jwt.claims(aud="other")),
        "a name that is a list": keys["one"].sign(jwt.claims(preferred_username=["alice"])),
        "two names": keys["one"].sign(jwt.claims("alice@a@b")),
        "a name with NUL": keys["one"].sign(jwt.claims("alice\0x")),
        "huge": "A" * 13000, "with blanks": good.replace(".", " . "), "padded": f"{head}==.{said}.{signature}",
    }
    for what, token in tokens.items():
        fields = [*FORGED, *([(header, token)] if token is not None else [])]
        assert served.ask("/forged", None, fields=fields).status in (400, 403), what
    assert served.ask("/forged", None, fields=[*FORGED, (header, good), (header, good)]).status == 400
    assert served.ask("/front", None, fields=[*FORGED, (header, good)]).status == 200
    served.stop()
    assert paths(traps["alice"]) == [] and paths(traps["bob"]) == ["/front"]


class TlsClient(Client):
    def __init__(self, port, authority, pem):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority.ca_file)
        if pem:
            context.load_cert_chain(pem)
        plain = socket.create_connection(("127.0.0.1", port), procs.PATIENCE)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rb")


def ask_by_tls(port, authority, pem):
    try:
        with TlsClient(port, authority, pem) as client:
            return client.ask("GET", "/forged", FORGED).status
    except (OSError, harness.websocket.Gone):
        return 0


@pytest.mark.defence("front")
def test_without_a_fronts_certificate_nobody_is_named(house, authority, tmp_path):
    tmp_path.chmod(0o755)
    for name, text in (("certificate", authority.good.read_bytes()), ("key", authority.good.read_bytes()),
                       ("ca", authority.ca_file.read_bytes())):
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).chmod(0o600)
    port = servers.free_port()
    mtls = {name: str(tmp_path / name) for name in ("certificate", "key", "ca")}
    served, traps = house(listen=[f"tls:127.0.0.1:{port}"], trust={"mtls": {**mtls, "names": ["front.test"]}})
    front = authority.issue("rt-front", "DNS:front.test", usage="clientAuth")
    others = [None, authority.issue("rt-other", "DNS:front.test.evil", usage="clientAuth"),
              authority.issue("rt-wild", "DNS:*.test", usage="clientAuth"),
              authority.issue("rt-server", "DNS:front.test", usage="serverAuth"),
              authority.issue("rt-foreign", "DNS:front.test", ca="foreign-ca", usage="clientAuth")]
    assert [ask_by_tls(port, authority, pem) for pem in others] == [0] * len(others)
    assert statuses(served.talk(b"GET /forged HTTP/1.1\r\nHost: x\r\nX-authentik-username: alice\r\n\r\n",
                                place=("127.0.0.1", port))) == []
    with TlsClient(port, authority, front) as client:
        assert client.ask("GET", "/front", FORGED).status == 200
    served.stop()
    assert paths(traps["alice"]) == ["/front"]


# The field that names the person.

DISGUISES = [
    [(HEADER, "bob"), (HEADER, "alice")], [(HEADER, "bob"), (HEADER.lower(), "bob")], [(HEADER, "bob,alice")],
    [(HEADER, "bob"), (HEADER.replace("-", "_"), "alice")], [(HEADER, "bob"), ("X_authentik-username", "alice")],
    [(HEADER, "bob"), ("X-authentik_username", "alice")], [(HEADER, "bob"), ("X.authentik.username", "alice")],
    [(HEADER, "bob"), ("x-AUTHENTIK.Username", "alice")], [("X_AUTHENTIK_USERNAME", "alice")],
    [("X.Authentik.Username", "alice")], [(HEADER, "bob"), ("Connection", HEADER)],
    [(HEADER, "bob"), ("Connection", "close, x-AUTHENTIK-username")], [(HEADER, "bob"), (HEADER + " ", "alice")],
    [(HEADER, "bob"), (HEADER + "\t", "alice")], [(HEADER, "bob\0alice")], [(HEADER, "bob\ralice")],
    [(HEADER, "bob"), ("Connection", "X-Forwarded-For")], [(HEADER, "bob"), ("any_thing", "x")],
]


@pytest.mark.defence("identity")
def test_a_field_twice_or_in_disguise_is_refused(house):
    served, traps = house()
    for fields in DISGUISES:
        with served.connect() as client:
            assert client.ask("GET", "/forged", fields).status == 400 and client.is_ended(), fields
    require_nobody_heard(served, traps)


def test_a_field_that_the_front_left_out_is_nobodys_to_fill(house):
    """The front omitted it: whatever else names a person is none of it."""
    served, traps = house()
    for fields in ([], [("Remote-User", "alice")], [("X-Forwarded-User", "alice")], [("X-authentik-email", "alice")],
                   [("X-authentik-username2", "alice")], [("Authorization", "Basic YWxpY2U6eA==")],
                   [("Cookie", f"{HEADER}=alice")], [("Trailer", HEADER)]):
        assert served.ask(f"/forged?{HEADER}=alice", None, fields=fields).status == 403, fields
    late = (f"POST /forged HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{HEADER}: alice\r\n\r\n")
    assert statuses(served.talk(late.encode())) in ([400], [403])
    require_nobody_heard(served, traps)


@pytest.mark.defence("domain")
def test_only_listed_domains_name_a_person(house):
    served, traps = house(identity={"header": HEADER, "domains": ["good.example"]})
    for value in ("alice@evil.example", "alice@good.example.evil.example", "alice@sub.good.example", "alice@",
                  "alice@good.example@evil.example", "alice@evil.example@good.example", "alice@@good.example",
                  "@good.example", "alice@good.example.", "alice@good.exam\u200bple".encode().decode("latin-1"),
                  "alice@good.example evil", "alice@good.example,x", "alice @good.example", "alice%40good.example",
                  "alice@xgood.example", "alice@good.example\\", "alice@[good.example]"):
        assert served.ask("/forged", value).status in (400, 403), value
    assert served.ask("/front", "alice@GOOD.example").status == 200
    served.stop()
    assert paths(traps["alice"]) == ["/front"] and paths(traps["bob"]) == []


def test_names_that_are_spelled_almost_like_somebodys_are_nobodys(house):
    served, traps = house()
    for value in ("Alice", "alice ", " alice", "al%69ce", "alice/", "../alice", "alice\\", "alice;", "alice'",
                  "a\u200blice",
                  "\u0430lice", "alice\u0301", "*", "alice|bob", "a" * 4000):
        value = value.encode().decode("latin-1")
        status = served.ask("/forged", value).status
        assert status == (200 if value.strip(" ") == "alice" else 403), value
    served.stop()
    assert len(paths(traps["alice"])) == 2 and paths(traps["bob"]) == []


# One connection of the front, many people.

def test_each_request_on_a_connection_is_judged_by_itself(house):
    """A front keeps its connections, and mixes people on them: nobody is remembered from one request to the next."""
    served, traps = house()
    turns = ["alice", "bob", None, "alice", "carol", "bob", "bob", "alice@x", None, "bob"]
    with served.connect() as client:
        for name in turns:
            answer = client.ask("GET", f"/of-{name}", served.fields(name))
            who = name.partition("@")[0] if name else None
            assert (answer.status, answer.text.strip()) == (200, who) if who in traps else answer.status == 403, name
    raw = "".join(f"GET /p{number} HTTP/1.1\r\nHost: x\r\n{HEADER}: {('alice', 'bob')[number % 2]}\r\n\r\n"
                  for number in range(20))
    assert re.findall("^(alice|bob)$", served.talk(raw.encode()), re.M) == ["alice", "bob"] * 10
    served.stop()
    assert all(f"/p{number}" in paths(traps[("alice", "bob")[number % 2]]) for number in range(20))
    assert not [seen for trap in traps.values() for seen in trap.heard() if "None" in seen.target]


# Another site's page, in the browser of somebody who is signed in.

FOREIGN = [[("Origin", origin)] for origin in (
    "https://evil.example", "null", "https://t3.example.org.evil.example", "https://evil.t3.example.org", "file://",
    "https://t3.example.org@evil.example", "http://t3.example.org:8080", "https://t3.example.orgevil", "")]
FOREIGN += [[("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")],
            [("Origin", "https://t3.example.org"), ("Origin", "https://evil.example")],
            [("Origin", "https://t3.example.org"), ("Sec-Fetch-Site", "cross-site")]]


@pytest.mark.defence("foreign")
def test_another_sites_page_does_nothing_in_the_persons_name(house):
    """Where an instance has no session of its own, whoever may open a WebSocket or post is whoever the front names."""
    served, traps = house()
    for fields in FOREIGN:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert served.ask("/forged", "alice", method, fields, body=b"x").status in (400, 403), (method, fields)
        with served.connect() as client:
            assert client.upgrade("/forged", served.fields("alice", fields)).status in (400, 403), fields
    own = [("Origin", "https://t3.example.org"), ("Sec-Fetch-Site", "same-origin")]
    assert served.ask("/own", "alice", "POST", own, body=b"x").status == 200
    served.stop()
    assert paths(traps["alice"]) == ["/own"]


# What the instance is told.

def test_what_a_browser_says_of_itself_is_not_passed_on(house):
    """Every spelling of fields that an instance may believe: none of them arrives but those which are made here."""
    served, traps = house()
    lies = [(name, "liar") for name in (
        "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix", "X-Forwarded", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Authentik-Groups",
        "X-Authentik-Email", "X-Authentik-Jwt", "Remote-User", "Remote-Groups", "REMOTE-USER", "X-Remote-User",
        "X-WebAuth-User", "X-WEBAUTH-USER", "X-Original-URL", "X-Rewrite-URL", "X-Original-Forwarded-For",
        "Cf-Access-Jwt-Assertion", "Cf-Access-Authenticated-User-Email", "Proxy", "X.Forwarded.User", "Remote.User",
        "X-WebAuth.User")]
    lies += [("X-Forwarded-For", "liar"), ("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=liar"),
             ("X-Forwarded-Proto", "liar"),
             ("X-Forwarded-Host", "liar"), ("X-Forwarded-Port", "6666"), ("X-Client-IP", "6.6.6.6")]
    assert served.ask("/it", "alice", fields=lies).status == 200
    served.stop()
    [seen] = traps["alice"].heard()
    told = [(name, value) for name, value in seen.fields if "liar" in value or "6666" in value or "6.6.6.6" in value]
    assert told == []
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"):
        assert len(seen.all(name)) == 1, name
    assert seen.all(HEADER) == []


@pytest.mark.defence("forwarded")
def test_an_instance_that_believes_a_header_is_told_by_the_dispatcher_alone(dispatch, trap):
    """A terminal without sessions takes whoever is named there (profile ttyd)."""
    lone = trap(tls=False)
    served = dispatch(table={"alice": {"os_user": "alice", "port": lone.port}}, profile="ttyd", workers=1)
    served.start()
    name = "X-WEBAUTH-USER"
    tries = [[(name, "root")], [(name.lower(), "root")], [(name, "root"), (name, "root")], [("X.WEBAUTH.USER", "root")],
             [("X-WebAuth.User", "root")]]
    for fields in tries:
        assert served.ask("/it", "alice", fields=fields).status in (200, 400)
    for fields in ([("X_WEBAUTH_USER", "root")], [("Connection", name)]):
        served.ask("/it", "alice", fields=fields)
    served.stop()
    for seen in lone.heard():
        folded = [(field.lower().replace(".", "-").replace("_", "-"), value) for field, value in seen.fields]
        assert [value for field, value in folded if field == name.lower()] == ["alice"]
    assert lone.heard()


def test_the_pairing_page_and_the_open_paths_name_nobody(house):
    """What anybody may ask for tells nothing of anybody, and no spelling of it leads further."""
    served, traps = house(trust={"peers": ["127.0.0.9/32"]})
    for path in ("/healthz", "/probe/healthz"):
        answer = served.ask(path, None, fields=FORGED)
        assert (answer.status, answer.body) == (200, b"ok\n")
    for path in ("/healthz/", "/healthz/../", "/healthz%2f..", "/healthz;/x", "//healthz", "/HEALTHZ", "/healthz%00",
                 "/probe/ws/../../x", "/probe/healthz/x", "/probe", "/healthz/%2e%2e/x"):
        assert served.ask(path, None, fields=FORGED).status in (400, 403), path
    assert served.ask("/healthz?x=1", None).status == 200
    require_nobody_heard(served, traps)
