"""The proxy door as a way out: what goes through a tunnel is TLS for the host that was allowed, or nothing at all."""
import json

import pytest


# Inside the command.

def tunnel_to(authority):
    host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").rstrip("/").split(":")
    made = socket.create_connection((host, int(port)))
    made.settimeout(30)
    made.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = made.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 200 "), head
    return made


def send_through(authority, text):
    """What comes back, and whether the connection ends."""
    with tunnel_to(authority) as connection:
        try:
            connection.sendall(text.encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
        except OSError as error:
            return repr(error)


def shake_through(authority, name):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(tunnel_to(authority), server_hostname=name):
            return "done"
    except (ssl.SSLError, OSError) as error:
        return repr(error)


@pytest.fixture
def start(credfd):
    """start(function, *arguments, host): it runs inside, where that one host is let through."""
    def run(function, *arguments, host):
        return credfd.start_inside(function, *arguments, using=(tunnel_to, send_through, shake_through),
                                   extra={"egress": {"allow": [host]}})
    return run


WORDS = {"http": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ssh": "SSH-2.0-x\r\n", "words": "stolen",
         "a false record": "\x16\x03\x01\0\x06stolen"}


@pytest.mark.defence("hello")
@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
def test_nothing_but_tls_leaves_through_a_tunnel(start, serve, text):
    """A host that is let through takes whatever it is sent: it gets not a byte of what is no TLS."""
    came = []

    def listen(peer):
        while piece := peer.socket.recv(65536):
            came.append(piece)
            peer.socket.sendall(b"taken")

    host = serve(listen, tls=False)
    said = start(send_through, f"127.0.0.1:{host.port}", text, host=f"127.0.0.1:{host.port}").result()
    assert came == [] and "taken" not in said, (came, said)


@pytest.mark.defence("hello")
@pytest.mark.parametrize("name", ["evil.example", None], ids=["another name", "no name"])
def test_a_tunnel_does_not_lead_behind_its_host(start, serve, name):
    """Many hosts stand behind one address: the one that was allowed is the one that is named (domain fronting)."""
    host = serve()
    run = start(shake_through, f"localhost:{host.port}", name, host=f"localhost:{host.port}")
    assert "unrecognized name" in run.result().lower()
    assert host.handshakes == 0
    assert "not_tls" in json.dumps(run.audit(1))


def test_many_who_say_nothing_do_not_keep_others_waiting(start, serve):
    """Hundreds of connections that wait in every way that a client can: the next one is served as ever."""
    def run(authority):
        host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").rstrip("/").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(400)]
        for connection in idle[100:200]:
            connection.sendall(b"CONNECT ")
        idle += [tunnel_to(authority) for _ in range(100)]
        return shake_through(authority, "localhost")

    host = serve()
    assert start(run, f"localhost:{host.port}", host=f"localhost:{host.port}").result() == "done"


@pytest.mark.defence("hellos")
def test_long_hellos_do_not_add_up(start, serve):
    """Each ClientHello may be long, and none ever ends: what waits of them has a bound, and the next client is served."""
    def run(authority):
        hello = b"\x01" + (108 * 1024).to_bytes(3, "big") + bytes(108 * 1024)
        pieces = [hello[at:at + 16384] for at in range(0, len(hello), 16384)]
        begun = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)[:-1]
        tunnels = [tunnel_to(authority) for _ in range(60)]
        for tunnel in tunnels:
            try:
                tunnel.sendall(begun)
            except OSError:
                pass  # this one was not wanted any more
        def is_cut(tunnel, patience):
            tunnel.settimeout(patience)
            try:
                return tunnel.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionResetError:
                return True

        # no ClientHello of theirs is late yet: then the first would be cut before the last
        last = is_cut(tunnels[-1], 20) and not is_cut(tunnels[0], 0.01)
        return f"{'cut' if last else 'waits'}, {shake_through(authority, 'localhost')}"

    host = serve()
    assert start(run, f"localhost:{host.port}", host=f"localhost:{host.port}").result() == "cut, done"
