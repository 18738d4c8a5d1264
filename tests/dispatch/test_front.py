"""Who is believed to name a person: by an assertion, which the verifier judges; by a certificate: the doorman."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest

import dispatch
import jwt
import procs
import upstream as servers
from procs import wait_until

HEADER = "X-authentik-jwt"
HANDSHAKES = 256  # LIMIT_HANDSHAKES


@pytest.fixture
def instance(serve):
    """Of alice: it says whom it was told of, and pairs nobody."""
    return serve(tls=False)


@pytest.fixture
def start(session, instance):
    """Starts a dispatcher before alice's instance."""
    made = []

    def begin(**changes):
        made.append(dispatch.Dispatch(session, {"alice": {"os_user": "alice", "port": instance.port},
                                                "bob": {"os_user": "bob", "port": instance.port}},
                                      profile="none", **changes))
        return made[-1]

    yield begin
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def keys(folder):
    place = folder / "keys"
    place.mkdir()
    return {name: jwt.Key(place, name, kind) for name, kind in
            {"one": "RSA", "two": "RSA", "curve": "EC", "stranger": "RSA"}.items()}


class Provider:
    """Publishes keys; `mood` is a status that it answers with instead."""

    def __init__(self, serve, **how):
        self.keys, self.mood, self.hold = "", None, None
        self.server = serve(self._answer, **how)
        self.url = self.server.url + "/application/o/credfd/jwks/"

    def _answer(self, peer):
        while peer.read_request():
            if self.hold:
                self.hold.wait(procs.PATIENCE)
            body = self.keys.encode()
            peer.send(f"HTTP/1.1 {self.mood or '200 OK'}\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    @property
    def asked(self):
        return len(self.server.requests)


def trust_of(jwks, **more):
    return {"jwt": {"header": HEADER, "jwks": str(jwks), "issuer": jwt.ISSUER, "audience": jwt.AUDIENCE, **more}}


def ask(one, token, fields=()):
    """The status for a request with that assertion, and with a field that names bob, which counts for nothing."""
    fields = [*([(HEADER, token)] if token is not None else []), (dispatch.HEADER, "bob"), *fields]
    return one.ask("/x", name=None, fields=fields).status


def write(file, text):
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)


@pytest.fixture
def with_file(start, keys, tmp_path):
    """A dispatcher that has its keys from a file, and that file."""
    file = tmp_path / "jwks.json"
    tmp_path.chmod(0o755)
    write(file, jwt.jwks(keys["one"], keys["curve"]))
    return start(trust=trust_of(file)).start(), file


@pytest.mark.parametrize("text", ["dispatch: {}\n", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}'])
def test_a_file_without_a_key_is_found_by_check(with_file, session, text):
    one, file = with_file
    check = [session.path, "check", "-c", one.config]
    assert subprocess.run(check, capture_output=True, timeout=procs.PATIENCE).returncode == 0
    write(file, text)
    done = subprocess.run(check, text=True, capture_output=True, timeout=procs.PATIENCE)
    assert done.returncode == 125
    assert f"dispatch.trust.jwt.jwks: {file}: there is no key in it that can be used" in done.stderr


def test_an_assertion_names_the_person(with_file, keys, instance):
    one, _ = with_file
    assert ask(one, keys["one"].sign()) == 200
    assert ask(one, keys["curve"].sign(jwt.claims("bob@example.org", aud=["x", jwt.AUDIENCE]))) == 200
    assert ask(one, keys["one"].sign(jwt.claims("carol"))) == 403
    assert len(instance.requests) == 2
    for request in instance.requests:
        assert request.all(HEADER) == [] and request.all(dispatch.HEADER) == []


REFUSED = {
    "none at all": lambda keys: None,
    "of another issuer": lambda keys: keys["one"].sign(jwt.claims(iss="https://evil.test/")),
    "for another audience": lambda keys: keys["one"].sign(jwt.claims(aud="grafana")),
    "expired": lambda keys: keys["one"].sign(jwt.claims(exp=int(time.time()) - 1)),
    "without an expiry": lambda keys: keys["one"].sign(jwt.claims(exp=None)),
    "not yet": lambda keys: keys["one"].sign(jwt.claims(nbf=int(time.time()) + 600)),
    "without the claim": lambda keys: keys["one"].sign(jwt.claims(preferred_username=None, email="alice")),
    "of a stranger's key": lambda keys: keys["stranger"].sign(kid="one"),
    "of an unknown key": lambda keys: keys["stranger"].sign(),
    "of no algorithm": lambda keys: f"{jwt.encode({'alg': 'none'})}.{jwt.encode(jwt.claims())}.",
    "of another algorithm": lambda keys: keys["one"].sign(alg="HS256"),
    "of the other kind's algorithm": lambda keys: keys["one"].sign(alg="ES256"),
    "with an extension": lambda keys: keys["one"].sign(crit=["b64"]),
    "of another type": lambda keys: keys["one"].sign(typ="at+jwt"),
    "tampered with": lambda keys: keys["one"].sign().replace(".", ".e30", 1),
    "cut short": lambda keys: keys["one"].sign()[:-8],
    "no token": lambda keys: "alice",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_assertion_that_does_not_hold_is_403(with_file, keys, instance, kind):
    one, _ = with_file
    token = REFUSED[kind](keys)
    assert ask(one, token) == 403
    assert instance.requests == []
    assert ask(one, keys["one"].sign()) == 200
    assert not token or len(token) < 20 or token not in one.stderr


def test_two_assertions_are_none(with_file, keys, instance):
    one, _ = with_file
    token = keys["one"].sign()
    assert ask(one, token, [(HEADER, token)]) == 400
    assert instance.requests == []


def test_a_changed_file_of_keys_is_in_force_at_once(with_file, keys):
    one, file = with_file
    assert ask(one, keys["two"].sign()) == 403
    write(file, jwt.jwks(keys["two"]))
    wait_until(lambda: ask(one, keys["two"].sign()) == 200, "the new key is known")
    assert ask(one, keys["one"].sign()) == 403
    write(file, "{ not json")
    wait_until(lambda: "file of keys is not taken" in one.stderr, "the bad file is told")
    assert ask(one, keys["two"].sign()) == 200


def test_a_verifier_that_dies_comes_back_with_its_keys(with_file, keys):
    one, _ = with_file
    pid = one.role("verifier")
    os.kill(pid, 9)
    wait_until(lambda: one.roles("verifier") not in ([], [pid]), "another verifier")
    wait_until(lambda: ask(one, keys["one"].sign()) == 200, "assertions are judged again")


def test_published_keys_over_tls(start, serve, keys, authority):
    provider = Provider(serve, host="localhost")
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url, ca_file=str(authority.ca_file))).start()
    assert ask(one, keys["one"].sign()) == 200
    seen = provider.server.requests[0]
    assert (seen.method, seen.path) == ("GET", "/application/o/credfd/jwks/")
    assert seen.field("Host") == f"localhost:{provider.server.port}"


@pytest.mark.parametrize("pem", ["foreign", "wrong_name", "expired"])
def test_keys_are_taken_from_nobody_else(start, serve, keys, authority, pem):
    provider = Provider(serve, pem=getattr(authority, pem))
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url, ca_file=str(authority.ca_file))).start()
    wait_until(lambda: "cannot be had" in one.stderr, "the fault is told")
    assert ask(one, keys["one"].sign()) == 403
    assert provider.asked == 0


def test_the_systems_certificates_are_trusted_without_ca_file(start, serve, keys):
    provider = Provider(serve)
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url)).start()
    wait_until(lambda: "its certificate: " in one.stderr, "the fault is told")
    assert ask(one, keys["one"].sign()) == 403 and provider.asked == 0


def test_certificates_that_the_environment_names_are_trusted_beside_the_systems(start, serve, keys, authority):
    provider = Provider(serve, host="localhost")
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url), env={"SSL_CERT_FILE": str(authority.ca_file)}).start()
    assert ask(one, keys["one"].sign()) == 200


def test_a_directory_of_certificates_in_place_of_the_systems(start, serve, keys, authority, tmp_path):
    tmp_path.chmod(0o755)
    shutil.copy(authority.ca_file, tmp_path / "ca.pem")
    subprocess.run(["openssl", "rehash", tmp_path], check=True)
    provider = Provider(serve, host="localhost")
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url), env={"SSL_CERT_DIR": str(tmp_path)}).start()
    assert ask(one, keys["one"].sign()) == 200


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_text("")],
                         ids=["gone", "empty"])
def test_without_its_certificates_nobody_is_asked_for_keys(start, serve, keys, authority, tmp_path, spoil):
    """Least of all whoever the system's certificates vouch for: another verifier is started, and the file is spoilt."""
    tmp_path.chmod(0o755)
    ca_file = tmp_path / "ca"
    ca_file.write_bytes(authority.ca_file.read_bytes())
    provider = Provider(serve, host="localhost")
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url, ca_file=str(ca_file))).start()
    assert ask(one, keys["one"].sign()) == 200
    asked = provider.asked
    spoil(ca_file)
    os.kill(one.role("verifier"), signal.SIGKILL)
    wait_until(lambda: "no keys are fetched" in one.stderr or "its certificate: " in one.stderr, "the fault is told")
    assert ask(one, keys["one"].sign(jwt.claims(jti="other"))) == 403  # one that no dispatcher remembers
    assert provider.asked == asked and "its certificate: " not in one.stderr


def test_who_comes_before_the_keys_waits_for_them(start, serve, keys):
    provider = Provider(serve, tls=False)
    provider.keys, provider.hold = jwt.jwks(keys["one"]), threading.Event()
    one = start(trust=trust_of(provider.url)).start()
    statuses = []
    asking = [threading.Thread(target=lambda: statuses.append(ask(one, keys["one"].sign()))) for _ in range(8)]
    for thread in asking:
        thread.start()
    wait_until(lambda: provider.asked == 1, "the keys are asked for")
    provider.hold.set()
    for thread in asking:
        thread.join()
    assert statuses == [200] * 8 and provider.asked == 1


def test_an_unknown_key_is_asked_for_once_in_a_while(start, serve, keys):
    provider = Provider(serve, tls=False)
    provider.keys = jwt.jwks(keys["one"])
    one = start(trust=trust_of(provider.url)).start()
    assert ask(one, keys["one"].sign()) == 200
    for number in range(10):
        assert ask(one, keys["stranger"].sign(kid=f"made-up-{number}")) == 403
    assert provider.asked == 1  # which has only just been


def test_a_provider_that_fails_is_told_and_nobody_is_believed(start, serve, keys, instance):
    provider = Provider(serve, tls=False)
    provider.keys, provider.mood = jwt.jwks(keys["one"]), "500 Oh"
    one = start(trust=trust_of(provider.url)).start()
    wait_until(lambda: "cannot be had" in one.stderr, "the fault is told")
    assert ask(one, keys["one"].sign()) == 403
    assert instance.requests == []


# Certificates.


class Fronts:
    """A server's certificate and its CA's, and fronts with certificates of their own."""

    def __init__(self, authority):
        self.authority, self.ca_file = authority, authority.ca_file
        self.server = authority.good
        self.front = authority.issue("front", "DNS:front.test", usage="clientAuth")
        self.nameless = authority.issue("nameless", "DNS:other.test", usage="clientAuth")
        self.server_only = authority.issue("server-only", "DNS:front.test", usage="serverAuth")
        self.foreign = authority.issue("foreign-front", "DNS:front.test", ca="foreign-ca", usage="clientAuth")
        self.foreign_ca = authority.folder / "foreign-ca.crt"


@pytest.fixture(scope="module")
def fronts(authority):
    return Fronts(authority)


@pytest.fixture
def with_tls(start, fronts, tmp_path):
    """A dispatcher with a tls: place, its port, and the folder of its certificate and key."""
    tmp_path.chmod(0o755)
    for name in ("certificate", "key"):
        (tmp_path / name).write_bytes(fronts.server.read_bytes())
        (tmp_path / name).chmod(0o600)
    (tmp_path / "ca").write_bytes(fronts.ca_file.read_bytes())
    port = servers.free_port()
    one = start(listen=[f"tls:127.0.0.1:{port}"], trust={"mtls": {
        "certificate": str(tmp_path / "certificate"), "key": str(tmp_path / "key"), "ca": str(tmp_path / "ca"),
        "names": ["front.test"]}}).start()
    one.port = port
    one.certificates = tmp_path
    return one


class TlsClient(dispatch.Client):
    def __init__(self, one, fronts, pem, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(fronts.ca_file)
        context.maximum_version = version
        if pem:
            context.load_cert_chain(pem)
        plain = socket.create_connection(("127.0.0.1", one.port), procs.PATIENCE)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rb")


NAMED = [(dispatch.HEADER, "alice")]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_front_with_a_certificate_names_the_person(with_tls, fronts, instance, version):
    with TlsClient(with_tls, fronts, fronts.front, version) as client:
        for path in ("/one", "/two"):
            assert client.ask("GET", path, NAMED).status == 200
        assert client.socket.version() == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    assert [request.path for request in instance.requests] == ["/one", "/two"]


def is_turned_away(one, fronts, pem):
    try:
        with TlsClient(one, fronts, pem) as client:
            client.send_request("GET", "/", NAMED)
            return client.file.read(1) == b""
    except OSError:
        return True


@pytest.mark.parametrize("who, why", {"nobody": "did not return a certificate", "nameless": "has no name",
                                      "server_only": "purpose", "foreign": "issuer"}.items())
def test_nobody_else_enters(with_tls, fronts, instance, who, why):
    assert is_turned_away(with_tls, fronts, getattr(fronts, who, None))
    assert instance.requests == []
    with TlsClient(with_tls, fronts, fronts.front) as client:
        assert client.ask("GET", "/", NAMED).status == 200


def test_a_front_of_another_name_is_told_and_counted(start, with_tls, fronts):
    port = servers.free_port()
    with_tls.write_config(top={"metrics": f"127.0.0.1:{port}"})
    with_tls.stop()
    with_tls.start()
    assert is_turned_away(with_tls, fronts, fronts.nameless)
    wait_until(lambda: "its certificate is of other.test, which dispatch.trust.mtls.names does not have" in
               with_tls.stderr, lambda: with_tls.stderr)

    def strangers():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=procs.PATIENCE) as answer:
            return 'credfd_dispatch_refused_total{reason="stranger"} 1\n' in answer.read().decode()
    wait_until(strangers, "the stranger is counted")
    assert is_turned_away(with_tls, fronts, fronts.foreign)  # of nobody whom we know: no alarm
    assert "foreign" not in with_tls.stderr


def test_a_silent_crowd_keeps_nobody_out(with_tls, fronts):
    crowd = [socket.create_connection(("127.0.0.1", with_tls.port), procs.PATIENCE) for _ in range(HANDSHAKES + 50)]
    with TlsClient(with_tls, fronts, fronts.front) as client:
        assert client.ask("GET", "/", NAMED).status == 200
    for one in crowd:
        one.close()
    assert with_tls.stderr.count("is refused") <= 40


def test_a_plain_request_is_turned_away(with_tls):
    with with_tls.connect() as client:
        client.send_request("GET", "/", NAMED)
        assert client.is_ended()


def test_much_passes_through_unharmed(with_tls, fronts):
    body = os.urandom(3 << 20)
    with TlsClient(with_tls, fronts, fronts.front) as client:
        answer = client.ask("PUT", "/up", NAMED, body)
        assert answer.status == 200 and answer.json()["length"] == len(body)


def test_a_new_certificate_is_shown_without_an_end_of_what_is_open(with_tls, fronts):
    before = fronts.server.read_bytes()
    after = fronts.authority.issue("renewed", servers.GOOD_NAMES).read_bytes()
    assert before != after

    def shown():
        with TlsClient(with_tls, fronts, fronts.front) as client:
            return ssl.DER_cert_to_PEM_cert(client.socket.getpeercert(True)).encode() in after

    with TlsClient(with_tls, fronts, fronts.front) as old:
        assert old.ask("GET", "/", NAMED).status == 200
        assert not shown()
        for name in ("certificate", "key"):
            new = with_tls.certificates / "new"
            new.write_bytes(after)
            new.chmod(0o600)
            os.replace(new, with_tls.certificates / name)
        wait_until(shown, "the new certificate is shown")
        assert old.ask("GET", "/", NAMED).status == 200


def test_who_is_off_the_list_is_ended_and_nobody_else(with_tls, fronts):
    trust = with_tls.settings["trust"]["mtls"]
    with_tls.write_config(trust={"mtls": {**trust, "names": ["front.test", "other.test"]}})
    with_tls.reload()
    wait_until(lambda: not is_turned_away(with_tls, fronts, fronts.nameless), "the other front is let in")
    with TlsClient(with_tls, fronts, fronts.front) as stays, TlsClient(with_tls, fronts, fronts.nameless) as goes:
        assert stays.ask("GET", "/", NAMED).status == goes.ask("GET", "/", NAMED).status == 200
        with_tls.write_config(trust={"mtls": trust})
        with_tls.reload()
        assert goes.file.read(1) == b""  # without a request of its own
        assert stays.ask("GET", "/", NAMED).status == 200


def test_whose_authority_is_not_trusted_any_more_is_ended(with_tls, fronts):
    with TlsClient(with_tls, fronts, fronts.front) as client:
        assert client.ask("GET", "/", NAMED).status == 200
        new = with_tls.certificates / "new"
        new.write_bytes(fronts.foreign_ca.read_bytes())
        os.replace(new, with_tls.certificates / "ca")
        with_tls.reload()
        assert client.file.read(1) == b""
    with TlsClient(with_tls, fronts, fronts.foreign) as client:
        assert client.ask("GET", "/", NAMED).status == 200


def test_a_doorman_that_dies_comes_back(with_tls, fronts):
    pid = with_tls.role("doorman")
    os.kill(pid, 9)
    wait_until(lambda: with_tls.roles("doorman") not in ([], [pid]), "another doorman")

    def enters():
        try:
            with TlsClient(with_tls, fronts, fronts.front) as client:
                return client.ask("GET", "/", NAMED).status == 200
        except OSError:
            return False

    wait_until(enters, "a front enters again")


def test_a_drain_lets_the_open_request_finish(with_tls, fronts, instance):
    instance.handle = gate = servers.Gate()
    with TlsClient(with_tls, fronts, fronts.front) as client:
        client.send_request("GET", "/slow", NAMED)
        instance.wait_requests(1)
        with_tls.terminate()
        wait_until(lambda: is_refused(with_tls.port), "nobody is accepted any more")
        gate.open()
        assert client.read_answer().status == 200
    assert with_tls.wait() == 0


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), procs.PATIENCE).close()
        return False
    except ConnectionRefusedError:
        return True
