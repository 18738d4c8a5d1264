"""The proxy door, spoken to byte by byte: what it tunnels, what it ends TLS for, and what it says to everybody else."""
import json
import queue
import ssl

import pytest

import names
import ports
import upstream as servers


# Inside the command: these are written out for it.

def at_proxy():
    """A connection to the proxy, as the variables say where it is."""
    host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").rstrip("/").split(":")
    made = socket.create_connection((host, int(port)))
    made.settimeout(30)
    return made


def read_all(connection):
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"<reset>")
    return b"".join(parts).decode("latin-1")


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head.decode("latin-1")


def ask(*parts):
    """What the proxy answers, all of it, until it closes."""
    with at_proxy() as connection:
        for part in parts:
            connection.sendall(part.encode("latin-1"))
        return read_all(connection)


def tunnel_to(authority):
    connection = at_proxy()
    connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = read_head(connection)
    assert head.startswith("HTTP/1.1 200 "), head + read_all(connection)
    return connection


def read_answer(connection):
    """One, of which the length is told."""
    head = read_head(connection)
    left = int([line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length")][0])
    content = b""
    while len(content) < left:
        content += connection.recv(min(65536, left - len(content)))
    return head + content.decode("latin-1")


def shake(connection, name, trusted=True, protocols=("http/1.1",)):
    """TLS over it, by the certificates that every program inside is to trust. Not `trusted`: by none; None: by any."""
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted:
        context.load_verify_locations(os.environ["SSL_CERT_FILE"])
    if trusted is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(connection, server_hostname=name)


def try_shake(connection, name, trusted=True):
    """How the handshake went, in words."""
    import ssl
    try:
        shake(connection, name, trusted).close()
        return "done"
    except ssl.SSLError as error:
        return str(error)
    except OSError as error:
        return repr(error)


TOOLS = (at_proxy, read_all, read_head, read_answer, ask, tunnel_to, shake, try_shake)


def credential_of(credfd, api, **changes):
    """A key that is a field: as it is shown in answers, and by no other name."""
    return credfd.credential("api", **{"inject": {"header": "Authorization", "format": "Bearer {}"}, "env": None,
                                       "ca_file": str(api.ca_file), "upstream": api.url, **changes})


@pytest.fixture
def inside(credfd, api):
    """inside(function, *arguments): what it returns inside, with the API's lease behind the proxy. `egress`: as in the
    settings; `started` gets the run, which is returned itself where the end is not waited for."""
    def run(function, *arguments, egress=(), started=None, wrapper=(), waits=True, **changes):
        run = credfd.start_inside(function, *arguments, using=TOOLS, wrapper=wrapper,
                                  credentials=[credential_of(credfd, api, **changes)],
                                  extra={"egress": {"allow": list(egress)}})
        if started is not None:
            started.append(run)
        return run.result() if waits else run
    return run


@pytest.fixture
def named(inside, credfd, api, tmp_path, as_root):
    """As inside, where the API is https://api.test:PORT, and hosts have names."""
    reason = names.why_not(tmp_path)
    if reason:
        pytest.skip(reason)

    def run(function, *arguments, **how):
        wrapper = names.wrapper(credfd.session.new_folder(), "127.0.0.1 api.test\n127.0.0.1 other.test\n")
        return inside(function, *arguments, wrapper=wrapper, upstream=f"https://api.test:{api.port}",
                      allow_private=True, **how)
    return run


def body_of(answer):
    return json.loads(answer.partition("\r\n\r\n")[2])


# Strangers.

STRANGERS = {
    "socks 4": ("\x04\x01\x01\xbb\x7f\0\0\x01\0", 400, "SOCKS 4"),
    "socks 5": ("\x05\x01\0", 400, "SOCKS 5"),
    "tls": ("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400, "TLS"),
    "h2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/2"),
    "garbage": ("\xff\xfe\xfd\r\n\r\n", 400, ""),
    "origin": ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400, "for which host"),
    "decimal": ("CONNECT 2130706433:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "several ways"),
    "octal": ("CONNECT 0177.0.0.1:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "several ways"),
    "short": ("CONNECT 127.1:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "several ways"),
    "user": ("CONNECT u:p@api.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "user"),
    "nul": ("CONNECT api.test\0.evil:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "NUL"),
    "dot": ("CONNECT api.test.:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "dot"),
    "idn": ("CONNECT b\xc3\xbccher.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "xn--"),
    "no port": ("CONNECT api.test HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "port"),
    "port 0": ("CONNECT api.test:0 HTTP/1.1\r\nHost: api.test:0\r\n\r\n", 400, "port"),
    "port 65536": ("CONNECT api.test:65536 HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "port"),
    "a body": ("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nContent-Length: 5\r\n\r\nhello", 400, "body"),
    "no host": ("CONNECT api.test:443 HTTP/1.1\r\n\r\n", 400, "Host is missing"),
    "two hosts": ("CONNECT api.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n", 400, "something else"),
    "https": ("GET https://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n", 400, "CONNECT"),
}


def test_strangers_are_told_what_this_is(inside, api):
    """Each in plain HTTP, with what to do about it."""
    def run(rows):
        return [ask(row) for row in rows]

    runs = []
    answers = inside(run, [text for text, _, _ in STRANGERS.values()], started=runs)
    for (name, (_, status, word)), answer in zip(STRANGERS.items(), answers):
        assert answer.startswith(f"HTTP/1.1 {status} "), (name, answer)
        body = body_of(answer)
        assert word in body["reason"] and body["hint"], (name, body)
    assert api.connections == 0
    lines = runs[0].audit(len(STRANGERS))
    assert len(lines) == len(STRANGERS)
    for (name, (_, status, word)), line in zip(STRANGERS.items(), lines):
        assert (line["lease"], line["status"], line["refusal"]) == ("egress", status, "malformed"), (name, line)
        assert word in line["reason"], (name, line)
    said = {name: (line["method"], line["authority"], line["path"]) for name, line in zip(STRANGERS, lines)}
    assert said["user"] == ("CONNECT", "api.test:443", "") and said["nul"][1] == "api.test?.evil:443"
    assert said["https"] == ("GET", "other.test", "/") and said["socks 5"] == ("", "", "")
    assert "u:p" not in json.dumps(lines)


def test_who_is_turned_away_is_named(credfd, api):
    """By the kernel's word, as anybody who is served."""
    def run():
        connection = at_proxy()
        connection.sendall(b"\x05\x01\0")
        say("here")
        hear()
        return os.path.realpath("/proc/self/exe")

    started = credfd.start_inside(run, using=TOOLS, credentials=[credential_of(credfd, api)],
                                  extra={"egress": {"allow": []}})
    started.expect("here")
    line, = started.audit(1)
    started.say("go on")
    assert line["executable"] == started.result() and line["pid"] > 0 and "SOCKS" in line["reason"]


# Other hosts.

def test_a_host_that_nobody_allowed_is_named(inside, api):
    def run(port):
        return [ask("CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n"),
                ask("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"),
                ask("GET http://other.example/x HTTP/1.1\r\nHost: other.example\r\n\r\n")]

    runs = []
    answers = inside(run, api.port, started=runs)
    for answer, host in zip(answers, ("other.example:443", "127.0.0.1:1", "other.example:80")):
        assert answer.startswith("HTTP/1.1 403 "), answer
        body = body_of(answer)
        assert body["rule"] == "egress.allow" and host in body["hint"], body
    assert [line["refusal"] for line in runs[0].audit(3)] == ["host"] * 3


def test_a_tunnel_leads_to_an_allowed_host(inside, serve, credfd):
    """TLS from end to end: it is that host's own certificate, and there is no key in it."""
    def run(port):
        with shake(tunnel_to(f"127.0.0.1:{port}"), None, trusted=None) as stream:
            certificate = stream.getpeercert(binary_form=True).hex()
            stream.sendall(b"GET /packages HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return [read_answer(stream), certificate]

    other, runs = serve(), []
    answer, certificate = inside(run, other.port, egress=[f"127.0.0.1:{other.port}"], started=runs)
    assert certificate == ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", other.port))).hex()
    assert answer.startswith("HTTP/1.1 200 ")
    assert other.only_request().path == "/packages" and not other.only_request().all("Authorization")
    line, = runs[0].audit(1)
    assert (line["lease"], line["method"], line["status"]) == ("egress", "CONNECT", 200)
    assert line["bytes_in"] > 300 and line["bytes_out"] > 300
    assert f"127.0.0.1:{other.port}" in json.dumps(line)


def test_a_large_body_passes_a_tunnel_both_ways(inside, serve):
    def run(port):
        with shake(tunnel_to(f"127.0.0.1:{port}"), None, trusted=None) as stream:
            stream.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
            for _ in range(400):
                stream.sendall(b"x" * 10000)
            return len(read_answer(stream))

    def echo(peer):
        while seen := peer.read_request():
            peer.answer(b"y" * seen.body_length)

    other = serve(echo)
    assert inside(run, other.port, egress=[f"127.0.0.1:{other.port}"]) > 4000000


def test_what_is_said_early_is_not_lost(inside, serve):
    """The ClientHello in one piece with the CONNECT, before the 200."""
    def run(port):
        import ssl
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        connection = at_proxy()

        def step(what):
            while True:
                try:
                    done = what()
                    connection.sendall(outgoing.read())
                    return done
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))

        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        head = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        connection.sendall(head + outgoing.read())
        assert read_head(connection).startswith("HTTP/1.1 200 ")
        step(tls.do_handshake)
        tls.write(b"GET /early HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.sendall(outgoing.read())
        return step(lambda: tls.read(65536)).decode()

    other = serve()
    assert inside(run, other.port, egress=[f"127.0.0.1:{other.port}"]).startswith("HTTP/1.1 200 ")
    assert other.only_request().path == "/early"


HELLOS = {
    "a foreign name": ("evil.example", "names another host"),
    "none": (None, "names no host"),
}


@pytest.mark.parametrize("name, word", HELLOS.values(), ids=HELLOS)
def test_a_tunnel_is_for_the_host_that_was_asked_for(inside, serve, name, word):
    def run(port, name):
        return try_shake(tunnel_to(f"localhost:{port}"), name, trusted=None)

    other, runs = serve(), []
    said = inside(run, other.port, name, egress=[f"localhost:{other.port}"], started=runs)
    assert "unrecognized name" in said.lower()
    assert other.handshakes == 0 and other.requests == []
    line, = runs[0].audit(1)
    assert line["refusal"] == "not_tls" and word in line["reason"], line


def test_the_right_name_passes(inside, serve):
    def run(port):
        return try_shake(tunnel_to(f"localhost:{port}"), "localhost", trusted=None)

    other = serve()
    assert inside(run, other.port, egress=[f"localhost:{other.port}"]) == "done"


GARBAGE = {
    "http": ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no TLS"),
    "ssh": ("SSH-2.0-OpenSSH_9.2\r\n", "no TLS"),
    "half": ("\x16\x03\x01\0\x05\x02\0\0\x01\0", "ClientHello"),
    "endless": ("\x16\x03\x01\x40\0\x01\x02\0\0", "longer"),
}


@pytest.mark.parametrize("text, word", GARBAGE.values(), ids=GARBAGE)
def test_not_a_byte_of_what_is_no_tls_leaves(inside, serve, text, word):
    def run(port, text):
        connection = tunnel_to(f"127.0.0.1:{port}")
        connection.sendall(text.encode("latin-1"))
        return read_all(connection)

    came = []
    other, runs = serve(lambda peer: came.append(peer.socket.recv(1)), tls=False), []
    answer = inside(run, other.port, text, egress=[f"127.0.0.1:{other.port}"], started=runs)
    assert answer.startswith("HTTP/1.1 403 " if text[0] != "\x16" else "\x15\x03"), answer
    assert text[0] == "\x16" or "that CONNECT names" in body_of(answer)["hint"], answer
    line, = runs[0].audit(1)
    assert line["refusal"] == "not_tls" and word in line["reason"], line
    assert came in ([], [b""])


def test_ech_is_refused_with_what_to_do(inside, serve):
    def run(port):
        import ssl
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        outgoing = ssl.MemoryBIO()
        tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        message = bytearray(outgoing.read()[9:])
        at = 34
        at += 1 + message[at]
        at += 2 + int.from_bytes(message[at:at + 2], "big")
        at += 1 + message[at]
        extensions = message[at + 2:] + b"\xfe\x0d\0\x04\0\0\x01\0"
        message = message[:at] + len(extensions).to_bytes(2, "big") + extensions
        message = b"\x01" + len(message).to_bytes(3, "big") + message
        connection = tunnel_to(f"localhost:{port}")
        for byte in b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message:
            connection.sendall(bytes([byte]))
        return read_all(connection)

    other, runs = serve(), []
    assert inside(run, other.port, egress=[f"localhost:{other.port}"], started=runs).startswith("\x15\x03")
    assert other.handshakes == 0
    assert "turn ECH off" in runs[0].audit(1)[0]["reason"]


def test_plain_http_to_an_allowed_host(inside, serve):
    def run(port):
        return ask(f"POST http://127.0.0.1:{port}/x?y=z HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                   "Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nConnection: X-Hop\r\n"
                   "X-Hop: 1\r\nX-End: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "0\r\n\r\n")

    other, runs = serve(tls=False), []
    answer = inside(run, other.port, egress=[f"127.0.0.1:{other.port}"], started=runs)
    assert answer.startswith("HTTP/1.1 200 ") and body_of(answer)["length"] == 5
    seen = other.only_request()
    assert seen.target == "/x?y=z" and seen.field("X-End") == "2"
    assert not any(seen.all(name) for name in ("X-Hop", "Proxy-Authorization", "Proxy-Connection", "Authorization"))
    line, = runs[0].audit(1)
    assert (line["lease"], line["method"], line["path"], line["status"]) == ("egress", "POST", "/x", 200)


def test_a_dead_host_is_502(inside):
    def run(port):
        return [ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
                ask(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")]

    port = ports.free_port()
    answers = inside(run, port, egress=[f"127.0.0.1:{port}"])
    assert all(answer.startswith("HTTP/1.1 502 ") for answer in answers), answers


# The leases' own hosts.

def test_requests_inside_the_tunnel(named, api, credfd):
    """One connection, several requests: in origin-form, in absolute-form, with a large body; then for somebody else."""
    def run(port):
        def one(head, body=b""):
            stream.sendall(head.format(port=port).encode() + body)
            answer = read_answer(stream)
            return [int(answer.split()[1]), answer.partition("\r\n\r\n")[2]]

        with shake(tunnel_to(f"api.test:{port}"), "api.test", protocols=("h2", "http/1.1")) as stream:
            return [stream.selected_alpn_protocol(),
                    one("GET /a HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n"),
                    one("GET https://api.test:{port}/b HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n"),
                    one("POST /c HTTP/1.1\r\nHost: api.test:{port}\r\nContent-Length: 3000000\r\n\r\n", b"z" * 3000000),
                    one("GET /d HTTP/1.1\r\nHost: evil.example\r\n\r\n")]

    runs = []
    protocol, first, second, third, foreign = named(run, api.port, started=runs)
    assert protocol == "http/1.1"
    assert [first[0], second[0], third[0], foreign[0]] == [200, 200, 200, 421]
    assert json.loads(third[1])["length"] == 3000000
    assert [seen.path for seen in api.requests] == ["/a", "/b", "/c"]
    assert all(seen.field("Authorization") == f"Bearer {credfd.canary}" for seen in api.requests)
    assert all(credfd.canary not in answer for _, answer in (first, second, third))
    assert [line["status"] for line in runs[0].audit(4)] == [200, 200, 200, 421]


def test_events_flow(named, api):
    """Server-sent events come one by one: the next is only made when the last was seen."""
    def run(port):
        stream = shake(tunnel_to(f"api.test:{port}"), "api.test")
        stream.sendall(f"GET /events HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n".encode())
        read_head(stream)
        for number in range(3):
            say("seen " + stream.recv(65536).decode().split("\r\n")[1].strip())
        stream.close()

    next_one = queue.Queue()

    def events(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (number := next_one.get()) is not None:
            peer.send(b"9\r\ndata: %d\n\n\r\n" % number)

    api.handle = events
    started = named(run, api.port, waits=False)
    for number in range(3):
        next_one.put(number)
        assert started.expect("seen ") == f"data: {number}"
    next_one.put(None)
    started.result()


def test_another_name_inside_the_tunnel_is_refused(named, api):
    def run(port):
        return [try_shake(tunnel_to(f"api.test:{port}"), "other.test"),
                try_shake(tunnel_to(f"api.test:{port}"), None, None)]

    runs = []
    for said in named(run, api.port, started=runs):
        assert "unrecognized" in said.lower(), said
    assert api.connections == 0
    reasons = [line["reason"] for line in runs[0].audit(2)]
    assert "another host" in reasons[0] and "no host" in reasons[1], reasons
    assert [(line["refusal"], line["status"]) for line in runs[0].audit(2)] == [("not_tls", 403)] * 2


def test_what_is_no_tls_for_a_lease_is_told_so(named, api):
    def run(port):
        connection = tunnel_to(f"api.test:{port}")
        connection.sendall(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
        return read_all(connection)

    runs = []
    answer = named(run, api.port, started=runs)
    assert answer.startswith("HTTP/1.1 403 ") and "no TLS" in body_of(answer)["reason"], answer
    line, = runs[0].audit(1)
    assert (line["lease"], line["refusal"], line["status"]) == ("api", "not_tls", 403), line
    assert api.connections == 0


def test_a_client_that_pins_is_told_of(named, api):
    """It does not know our authority, and says so in its own language: the audit has it in a plain one."""
    def run(port):
        return try_shake(tunnel_to(f"api.test:{port}"), "api.test", trusted=False)

    runs = []
    assert "verify failed" in named(run, api.port, started=runs)
    line, = runs[0].audit(1)
    assert line["lease"] == "api" and line["method"] == "CONNECT" and line["status"] == 0, line
    assert line["refusal"] == "distrusted", line
    assert "the client does not trust the certificate of this lease" in line["reason"], line


def test_credfd_log_says_whose_certificate_was_refused(named, api, credfd):
    def run(port):
        return try_shake(tunnel_to(f"api.test:{port}"), "api.test", trusted=False)

    runs = []
    named(run, api.port, started=runs)
    done = credfd.command("log", "--denied", runs[0].folder / "audit.jsonl")
    assert f"api.test:{api.port}" in done.stdout.decode(), done.stdout


def test_a_client_that_goes_in_its_handshake_without_a_word_is_told_of(named, api):
    """As some runtimes do when they do not trust a certificate: they just close."""
    def run(port):
        import ssl
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        outgoing = ssl.MemoryBIO()
        tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="api.test")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        connection = tunnel_to(f"api.test:{port}")
        connection.sendall(outgoing.read())
        assert connection.recv(100)[:1] == b"\x16"
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)

    runs = []
    named(run, api.port, started=runs)
    line, = runs[0].audit(1)
    assert line["refusal"] == "distrusted" and "pin" in line["reason"], line


def test_a_client_that_hangs_up_behind_an_exchange_is_no_refusal(named, api):
    """With a close of TLS or without one; nor is one that opens a tunnel and thinks better of it."""
    def run(port):
        for is_abrupt in (False, True):
            stream = shake(tunnel_to(f"api.test:{port}"), "api.test")
            stream.sendall(f"GET /a HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n".encode())
            read_answer(stream)
            (socket.socket(fileno=stream.detach()) if is_abrupt else stream).close()
        tunnel_to(f"api.test:{port}").close()
        with shake(tunnel_to(f"api.test:{port}"), "api.test") as stream:
            stream.sendall(f"GET /last HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n".encode())
            read_answer(stream)

    runs = []
    named(run, api.port, started=runs)
    lines = runs[0].audit(3)
    assert [line["path"] for line in lines] == ["/a", "/a", "/last"] and not any("refusal" in line for line in lines)


def test_a_client_that_goes_behind_its_handshake_is_told_of(named, api):
    """So do those that pin a key and not an authority: they take the certificate, and leave."""
    def run(port):
        return try_shake(tunnel_to(f"api.test:{port}"), "api.test")

    runs = []
    assert named(run, api.port, started=runs) == "done"
    line, = runs[0].audit(1)
    assert "pin" in line["reason"], line


PINNED = {
    "curl's key": (f"curl -sS --pinnedpubkey sha256//{'A' * 43}= https://api.test:$PORT/", "curl"),
    "node's own store": ("unset NODE_EXTRA_CA_CERTS NODE_OPTIONS SSL_CERT_FILE; node -e '"
                         "const proxy = new URL(process.env.HTTPS_PROXY), to = `api.test:${process.env.PORT}`;"
                         "const s = require(`net`).connect(proxy.port, proxy.hostname);"
                         "s.write(`CONNECT ${to} HTTP/1.1\\r\\nHost: ${to}\\r\\n\\r\\n`);"
                         "s.once(`data`, () => require(`tls`).connect({socket: s, servername: `api.test`,"
                         "ca: require(`fs`).readFileSync(`other.pem`)})"
                         ".on(`error`, error => process.exit(1)))'", "node"),
    "openssl's authority": ("openssl s_client -proxy ${HTTPS_PROXY#http://} -connect api.test:$PORT "
                            "-servername api.test -CAfile other.pem -no-CApath -no-CAstore -verify_return_error "
                            "</dev/null", "openssl"),
}


@pytest.mark.parametrize("command, program", PINNED.values(), ids=PINNED)
def test_programs_that_pin(needs, through_proxy, api, authority, command, program):
    """As they are: each goes without a request, and the audit has a line that says why."""
    needs(program)
    run = through_proxy(f"echo '{authority.ca_file.read_text()}' >other.pem\n{command} || echo it gave up")
    assert run.wait() == 0 and b"it gave up" in run.stdout, run.stdout
    line, = run.audit(1)
    assert line["lease"] == "api" and line["refusal"] == "distrusted" and "pin" in line["reason"], line
    assert api.requests == []


def test_plain_http_to_a_lease_of_https(named, api):
    def run(port):
        return [ask("GET http://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
                ask(f"GET http://api.test:{port}/x HTTP/1.1\r\nHost: api.test:{port}\r\n\r\n")]

    runs = []
    for answer in named(run, api.port, started=runs):
        assert answer.startswith("HTTP/1.1 403 ") and "https://" in body_of(answer)["hint"], answer
        assert body_of(answer)["lease"] == "api"
    assert api.connections == 0
    said = [(line["lease"], line["refusal"], line["path"]) for line in runs[0].audit(2)]
    assert said == [("api", "scheme", "/x")] * 2


def test_another_port_of_a_leases_host_is_another_host(named, api):
    def run(port):
        return ask("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n")

    answer = named(run, api.port)
    assert answer.startswith("HTTP/1.1 403 ") and body_of(answer)["rule"] == "egress.allow"


def test_a_lease_of_plain_http(inside, serve, credfd):
    """One request for each connection, by its absolute target; a CONNECT is told better."""
    def run(port):
        at = f"127.0.0.1:{port}"
        return [ask(f"GET http://{at}/x HTTP/1.1\r\nHost: {at}\r\n\r\n"),
                ask(f"POST http://{at}/y HTTP/1.1\r\nHost: {at}\r\nContent-Length: 2\r\n\r\nhi"),
                ask(f"GET http://{at}/z HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
                ask(f"CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n")]

    plain = serve(servers.answer_all, tls=False)
    first, second, foreign, tunnel = inside(run, plain.port, upstream=plain.url, ca_file=None)
    assert first.startswith("HTTP/1.1 200 ") and "connection: close" in first.lower()
    assert second.startswith("HTTP/1.1 200 ") and body_of(second)["length"] == 2
    assert foreign.startswith("HTTP/1.1 4")
    assert tunnel.startswith("HTTP/1.1 403 ") and "http://" in body_of(tunnel)["hint"]
    assert [seen.path for seen in plain.requests] == ["/x", "/y"]
    assert all(seen.field("Authorization") == f"Bearer {credfd.canary}" for seen in plain.requests)


def test_a_base_path_is_cut_off_once(named, api):
    def run(port):
        with shake(tunnel_to(f"api.test:{port}"), "api.test") as stream:
            stream.sendall(f"GET /v1/a HTTP/1.1\r\nHost: api.test:{port}\r\nConnection: close\r\n\r\n".encode())
            return read_all(stream)

    answer = named(run, api.port)
    assert answer.startswith("HTTP/1.1 200 ")
    assert api.only_request().path == "/v1/a"


def test_a_placeholder_does_not_leave(inside, serve, credfd):
    """In a field, a path, and a body in two pieces: none of them reaches the other host whole."""
    def run(port):
        token, head = os.environ["TOKEN"], f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        at = f"http://127.0.0.1:{port}"
        with at_proxy() as connection:
            connection.sendall(f"POST {at}/ {head}Content-Length: {len(token)}\r\n\r\n{token[:20]}".encode())
            say("half")
            hear()
            connection.sendall(token[20:].encode())
            pieces = read_all(connection)
        return [ask(f"GET {at}/ {head}Authorization: Bearer {token}\r\n\r\n"),
                ask(f"GET {at}/{token} {head}\r\n"), pieces]

    other = serve(tls=False)
    run = credfd.start_inside(
        run, other.port, using=TOOLS, extra={"egress": {"allow": [f"127.0.0.1:{other.port}"]}},
        credentials=[credential_of(credfd, other, upstream="http://127.0.0.1:1", ca_file=None,
                                   placeholder="ghp_{alnum:36}", env={"TOKEN": "{placeholder}"})])
    run.expect("half")
    run.say("go on")
    for answer in run.result():
        assert answer.startswith("HTTP/1.1 403 ") and body_of(answer)["rule"] == "placeholder", answer
    assert all(len(seen.body) <= 20 for seen in other.requests), other.requests
    lines = run.audit(3)
    assert [line["refusal"] for line in lines] == ["exfiltration"] * 3
    assert "ghp_" not in json.dumps(lines)
