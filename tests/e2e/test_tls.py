"""Upstream TLS: verified in full, never without; a fault is a 502 that names it, and the stream stays in order."""
import json
import socket
import ssl

import pytest

import upstream as servers


def ask(count=1):
    """`count` requests on one stream: the statuses and the last body."""
    with lease.connect() as stream:
        answers = [stream.get("/once" if count > 1 else "/it") for _ in range(count)]
        return [answer.status for answer in answers], answers[-1].text, [answer.field("X-Reused") for answer in answers]


def ask_twice_on_one_stream():
    with lease.connect() as stream:
        answers = [stream.get("/it") for _ in range(2)]
        return [answer.status for answer in answers], answers[0].text


def require_refused(credfd, word, **how):
    """Both requests are refused on the one stream, with a reason in which one of the words stands. Returns the run."""
    run = credfd.start_inside(ask_twice_on_one_stream, **how)
    statuses, text = run.result()
    assert statuses == [502, 502]
    answer = json.loads(text)
    assert answer["lease"] == "api" and answer["error"] and answer["reason"]
    assert any(one in (answer["error"] + " " + answer["reason"]).lower() for one in word.split("|")), answer
    assert credfd.canary not in text
    line = run.audit(2)[0]
    assert line["status"] == 502 and line["reason"]
    return run


CERTIFICATES = {"expired": "expired", "wrong_name": "name|host|match", "foreign": "issuer|trust|verif|unable",
                "self_signed": "self|trust|verif", "client_only": "purpose"}


@pytest.mark.parametrize("kind, word", CERTIFICATES.items(), ids=CERTIFICATES)
def test_a_certificate_that_does_not_hold_is_refused(credfd, nginx, kind, word):
    require_refused(credfd, word, upstream=nginx.url_of(kind))
    assert nginx.requests == []


@pytest.mark.parametrize("kind", ["expired", "foreign", "wrong_name"])
def test_nothing_is_sent_to_a_server_whose_certificate_does_not_hold(credfd, serve, authority, kind):
    upstream = serve(pem=getattr(authority, kind))
    credfd.inside(ask, upstream=upstream.url)
    assert upstream.requests == []


def test_a_private_authority_is_not_trusted_without_ca_file(credfd):
    require_refused(credfd, "issuer|trust|verif|unable", ca_file=None)


@pytest.mark.parametrize("beside", [{}, {"SSL_CERT_DIR": "/etc/ssl/certs"}], ids=["alone", "beside SSL_CERT_DIR"])
def test_what_ssl_cert_file_names_is_trusted(credfd, beside):
    env = {"SSL_CERT_FILE": str(credfd.upstream.ca_file), **beside}
    assert credfd.inside(ask, ca_file=None, env=env)[0] == [200]


def test_an_ssl_cert_file_that_is_not_there_is_refused_by_its_name(credfd):
    run = credfd.start(["touch", "started"], env={"SSL_CERT_FILE": "/no/such.pem"})
    assert run.wait() == 125 and not (run.folder / "started").exists()
    assert run.stderr.startswith("credfd: SSL_CERT_FILE: /no/such.pem: ") and len(run.stderr.splitlines()) == 1


def test_a_ca_file_is_trusted_instead_of_the_systems_store_only_for_its_credential(credfd):
    def ask_both():
        found = {}
        for name in ("with", "without"):
            with lease.connect(name) as stream:
                found[name] = stream.get("/it").status
        return found

    credentials = [credfd.credential("with"), credfd.credential("without", ca_file=None)]
    assert credfd.inside(ask_both, credentials=credentials) == {"with": 200, "without": 502}


def test_a_server_that_speaks_no_tls_is_refused(credfd, serve):
    def answer_in_plain(peer):
        peer.socket.recv(4096)
        peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    upstream = serve(answer_in_plain, tls=False)
    require_refused(credfd, "tls|ssl|handshake", upstream=upstream.url.replace("http:", "https:"),
                    ca_file=str(credfd.upstream.ca_file))
    assert upstream.requests == []


def speaks_tls11(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as connection:
            return connection.version() == "TLSv1.1"
    except OSError:
        return False


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
def test_tls_1_1_is_refused(credfd, nginx):
    if not speaks_tls11(nginx.ports["tls11"]):
        pytest.skip("this OpenSSL gives nginx no TLS 1.1 to speak")
    require_refused(credfd, "tls|protocol|version|handshake", upstream=nginx.url_of("tls11"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_tls_1_2_and_1_3_are_spoken(credfd, serve, authority, version):
    upstream = serve()
    upstream.context.maximum_version = upstream.context.minimum_version = version
    statuses, _, _ = credfd.inside(ask, upstream=upstream.url)
    assert statuses == [200]


def test_a_server_that_is_down_is_refused(credfd):
    require_refused(credfd, "refused|connect|unreachable", upstream=f"https://127.0.0.1:{servers.free_port()}")


def test_a_server_that_closes_in_the_handshake_is_refused(credfd, serve):
    def close_at_once(peer):
        peer.socket.recv(1)
        peer.reset()

    upstream = serve(close_at_once, tls=False)
    require_refused(credfd, "tls|ssl|handshake|reset|closed", upstream=upstream.url.replace("http:", "https:"),
                    ca_file=str(credfd.upstream.ca_file))


def test_a_server_that_hangs_in_the_handshake_runs_into_the_connect_timeout(credfd, serve):
    def hang(peer):
        while peer.socket.recv(4096):
            pass

    upstream = serve(hang, tls=False)
    statuses, text, _ = credfd.inside(ask, upstream=upstream.url.replace("http:", "https:"),
                                      ca_file=str(credfd.upstream.ca_file), extra={"timeouts": {"connect": "1s"}})
    assert statuses in ([502], [504])
    assert json.loads(text)["reason"]


def test_the_fault_of_one_upstream_is_not_the_others(credfd, nginx):
    def ask_both():
        found = []
        for name in ("bad", "good", "bad", "good"):
            with lease.connect(name) as stream:
                found.append(stream.get("/it").status)
        return found

    credentials = [credfd.credential("bad", upstream=nginx.url_of("expired")), credfd.credential("good")]
    assert credfd.inside(ask_both, credentials=credentials) == [502, 200, 502, 200]


def test_an_upstream_that_mends_is_used_again(credfd, authority):
    """Down at first, up later, on the same port: nothing remembers the failure."""
    def ask_before_and_after():
        with lease.connect() as stream:
            first = stream.get("/it").status
            say("first")
            hear()
            return first, stream.get("/it").status

    port = servers.free_port()
    run = credfd.start_inside(ask_before_and_after, upstream=f"https://127.0.0.1:{port}")
    run.expect("first")
    server = servers.Server(servers.answer_all, authority, address=("127.0.0.1", port))
    try:
        run.say("up now")
        assert run.result() == [502, 200]
    finally:
        server.stop()


def test_sessions_are_resumed(credfd):
    """/once closes its connection: every request after the first needs a new one, and shakes hands only in part."""
    statuses, _, reused = credfd.inside(ask, 5)
    assert statuses == [200] * 5
    assert reused[1:] == ["r"] * 4


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_the_name_asked_for_is_the_one_in_the_certificate(credfd, nginx, host):
    if host == "[::1]" and not servers.has_ipv6():
        pytest.skip("no IPv6 here")
    statuses, _, _ = credfd.inside(ask, upstream=nginx.url_of("good", host))
    assert statuses == [200]
    assert nginx.requests[0].field("Host") == f"{host}:{nginx.ports['good']}"


def test_the_server_name_is_indicated(credfd, serve):
    names = []
    upstream = serve()
    upstream.context.sni_callback = lambda _socket, name, _context: names.append(name)
    credfd.inside(ask, upstream=upstream.url.replace("127.0.0.1", "localhost"))
    assert set(names) == {"localhost"}


def test_an_address_is_never_indicated_as_a_name(credfd, serve):
    """RFC 6066 §3: literal addresses are not permitted in the extension."""
    names = []
    upstream = serve()
    upstream.context.sni_callback = lambda _socket, name, _context: names.append(name)
    credfd.inside(ask, upstream=upstream.url)
    assert set(names) == {None}


def test_plain_http_on_loopback_is_allowed(credfd, serve):
    upstream = serve(tls=False)
    statuses, _, _ = credfd.inside(ask, upstream=upstream.url, ca_file=None)
    assert statuses == [200]
    assert upstream.requests[0].keys() == [credfd.canary]
