"""WebSocket through a lease: the key is in the handshake, frames pass both ways, and none that comes back says it."""
import json
import struct
import threading

import pytest

import procs
import websocket
from procs import wait_until
from websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, close_frame, frame

HEADER = {"header": "Authorization", "format": "Bearer {}"}
READERS = (websocket.Gone, websocket.read_exactly, websocket._xor, websocket.read_frame, websocket.frame)


def upgrade(stream, path="/ws", *fields):
    """The answer's head, to an upgrade that asks for what browsers ask for."""
    stream.send_head("GET", path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                     "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", *fields)
    return stream.read_head()


class Reader:
    """What is left of a lease's stream, as a file."""

    def __init__(self, stream):
        self.stream = stream

    def read(self, size):
        while len(self.stream.buffer) < size:
            data = self.stream.socket.recv(65536)
            if not data:
                break
            self.stream.buffer += data
        taken, self.stream.buffer = self.stream.buffer[:size], self.stream.buffer[size:]
        return taken


USING = (*READERS, upgrade, Reader)


def frames_of(reader):
    """Every frame until the end: [opcode, text, is_final]; and how it ended."""
    found = []
    try:
        while True:
            opcode, payload, is_final = read_frame(reader)  # noqa: F821
            found.append([opcode, payload.decode("latin-1"), is_final])
    except Gone:  # noqa: F821
        return found, "closed"
    except OSError as error:
        return found, type(error).__name__


class Ws:
    """The upstream's end."""

    def __init__(self, peer, seen):
        self.peer, self.seen = peer, seen

    def read(self, size):
        return b"".join(self.peer._exactly(size))

    def next(self):
        return websocket.read_frame(self)

    def send(self, *frames):
        self.peer.send(*frames)


@pytest.fixture
def sockets(serve):
    """sockets(talk): an upstream that accepts each upgrade and then calls talk(Ws)."""
    def make(talk, *fields, early=b""):
        def handle(peer):
            while seen := peer.read_request():
                if not seen.all("Upgrade"):
                    peer.answer()
                    continue
                accept = websocket.accept_for(seen.field("Sec-WebSocket-Key"))
                lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                         f"Sec-WebSocket-Accept: {accept}", *fields]
                peer.send("".join(line + "\r\n" for line in lines) + "\r\n", early)
                return talk(Ws(peer, seen))
        return serve(handle)
    return make


@pytest.fixture
def run_inside(credfd):
    def go(function, upstream, *arguments, using=(), options=(), **changes):
        changes = {"inject": HEADER, "websocket": True, **changes}
        credential = credfd.credential("api", upstream=upstream.url, ca_file=str(upstream.ca_file), **changes)
        return credfd.start_inside(function, *arguments, using=(*USING, frames_of, *using), credentials=[credential],
                                   options=options)
    return go


def read_all():
    """The frames that come, whole; the client says nothing."""
    with lease.connect() as stream:  # noqa: F821
        head = upgrade(stream)
        found, how = frames_of(Reader(stream)) if head.status == 101 else ([], "answered")
        return {"status": head.status, "fields": head.fields, "frames": found, "end": how}


def test_the_handshake_carries_the_key_and_frames_pass_both_ways(run_inside, sockets, credfd):
    def echo(ws):
        while True:
            opcode, payload, _ = ws.next()
            ws.send(frame(opcode, payload))
            if opcode == CLOSE:
                return

    def talk():
        with lease.connect() as stream:  # noqa: F821
            head = upgrade(stream, "/ws?room=1", "Sec-WebSocket-Protocol: chat")
            reader, said = Reader(stream), []
            bye = struct.pack("!H", 1000)  # noqa: F821
            for opcode, payload in ((1, b"hello"), (2, bytes(range(256)) * 400), (9, b"ping"), (8, bye)):
                stream.send(frame(opcode, payload, masked=True))
                said.append(read_frame(reader)[:2] == (opcode, payload))  # noqa: F821
            return [head.status, said, reader.read(1) == b""]

    upstream = sockets(echo)
    run = run_inside(talk, upstream)
    assert run.result() == [101, [True] * 4, True]
    seen = upstream.only_request()
    assert seen.field("Authorization") == f"Bearer {credfd.canary}"
    assert (seen.field("Upgrade"), seen.field("Connection")) == ("websocket", "Upgrade")
    assert seen.field("Sec-WebSocket-Protocol") == "chat" and not seen.all("Sec-WebSocket-Extensions")
    [line] = run.audit(1)
    assert (line["method"], line["path"], line["status"], line["masked"]) == ("GET", "/ws", 101, 0)
    assert line["bytes_in"] > 100_000 and line["bytes_out"] > 100_000 and "refusal" not in line


def test_what_comes_back_is_masked_whole_and_in_fragments(run_inside, sockets, credfd):
    key = credfd.canary.encode()
    stars = "*" * len(key)

    def leak(ws):
        ws.send(frame(TEXT, b'{"you": "' + key + b'"}'), frame(BINARY, b"\0" + key + b"\0"),
                frame(TEXT, b"a" + key[:5], is_final=False), frame(CONTINUATION, key[5:9], is_final=False),
                frame(PING, b"in between"), frame(CONTINUATION, b"", is_final=False),
                frame(CONTINUATION, key[9:] + b"z"), frame(PING, key[:100]), frame(TEXT, key.hex().encode()),
                frame(CLOSE, struct.pack("!H", 1008) + b"bad key " + key))

    run = run_inside(read_all, sockets(leak, f"X-Key: {credfd.canary}", "Set-Cookie: a=b"))
    found = run.result()
    assert found["status"] == 101 and found["end"] == "closed"
    fields = {name.lower(): value for name, value in found["fields"]}
    assert fields["x-key"] == stars and "set-cookie" not in fields
    assert found["frames"] == [
        [TEXT, '{"you": "' + stars + '"}', True], [BINARY, "\0" + stars + "\0", True],
        [TEXT, "a*****", False], [CONTINUATION, "****", False], [PING, "in between", True], [CONTINUATION, "", False],
        [CONTINUATION, "*" * (len(key) - 9) + "z", True], [PING, stars, True], [TEXT, "*" * 2 * len(key), True],
        [CLOSE, "\x03\xf0bad key " + stars, True]]
    [line] = run.audit(1)
    assert line["masked"] == 7


def test_it_is_masked_however_the_bytes_come(run_inside, sockets, credfd):
    key = credfd.canary.encode()

    def trickle(ws):
        first, last = frame(TEXT, b"one " + key[:7], is_final=False), frame(CONTINUATION, key[7:] + b" two")
        for byte in first + last + close_frame(1000):
            ws.send(bytes([byte]))

    run = run_inside(read_all, sockets(trickle, early=frame(TEXT, b"early " + key)))
    frames = run.result()["frames"]
    assert "".join(text for _, text, _ in frames[:-1]) == f"early {'*' * len(key)}one {'*' * len(key)} two"
    assert frames[-1][0] == CLOSE


def test_without_leave_it_is_refused_and_the_reason_teaches(run_inside, sockets):
    def ask():
        with lease.connect() as stream:  # noqa: F821
            head = upgrade(stream)
            body = b"".join(stream.body_pieces(head))
            return [head.status, body.decode(), stream.get("/after").status]

    upstream = sockets(lambda ws: None)
    run = run_inside(ask, upstream, websocket=False)
    status, text, after = run.result()
    assert (status, after) == (403, 200)
    assert "websocket: true" in json.loads(text)["hint"]
    assert run.audit(2)[0]["refusal"] == "websocket"
    assert [seen.path for seen in upstream.requests] == ["/after"]


def test_it_passes_the_rules_as_a_get(run_inside, sockets):
    def ask(path):
        with lease.connect() as stream:  # noqa: F821
            return upgrade(stream, path).status

    upstream = sockets(lambda ws: ws.send(close_frame(1000)))
    assert run_inside(ask, upstream, "/ws/1", allow=["GET /ws/*"]).result() == 101
    assert run_inside(ask, upstream, "/other", allow=["GET /ws/*"]).result() == 403
    assert len(upstream.requests) == 1


def test_an_upstream_that_declines_answers_as_ever(run_inside, serve):
    def decline(peer):
        while peer.read_request():
            peer.answer(b"no", "400 Bad Request")

    def ask():
        with lease.connect() as stream:  # noqa: F821
            head = upgrade(stream)
            body = b"".join(stream.body_pieces(head))
            return [head.status, body.decode(), stream.get("/after").status]

    assert run_inside(ask, serve(decline)).result() == [400, "no", 400]


@pytest.mark.parametrize("bad", [
    b"\xc1\x05hello", b"\x81\x85abcdhello", b"\x81\x7e\x00\x05hello", b"\x80\x01x", b"\x09\x01x", b"\x83\x00",
], ids=["reserved bit", "masked", "long length", "continuation of nothing", "fragmented ping", "unknown opcode"])
def test_frames_that_no_server_may_send_end_it(run_inside, sockets, bad):
    run = run_inside(read_all, sockets(lambda ws: (ws.send(frame(TEXT, b"good")), ws.send(bad), ws.peer.wait_gone())))
    found = run.result()
    assert [TEXT, "good", True] in found["frames"] or found["frames"] == []
    assert all(one == [TEXT, "good", True] for one in found["frames"])
    [line] = run.audit(1)
    assert line["refusal"] == "upstream" and "the upstream" in line["reason"]


def test_an_extension_that_nobody_asked_for_is_a_502(run_inside, sockets):
    run = run_inside(read_all, sockets(lambda ws: None, "Sec-WebSocket-Extensions: permessage-deflate"))
    assert run.result()["status"] == 502
    assert "extension" in run.audit(1)[0]["reason"]


def test_a_client_that_reads_nothing_stops_the_upstream_and_nothing_is_lost(run_inside, sockets):
    """Bounded memory all the way: the upstream cannot get rid of more than buffers hold until the client reads."""
    sent, total, piece = [], 24 << 20, 1 << 16

    def flood(ws):
        for _ in range(total // piece):
            ws.send(frame(BINARY, b"x" * piece))
            sent.append(piece)
        ws.send(close_frame(1000))

    def slow():
        with lease.connect() as stream:  # noqa: F821
            head, reader = upgrade(stream), Reader(stream)
            say("connected")  # noqa: F821
            hear()  # noqa: F821
            got = 0
            while (found := read_frame(reader))[0] != 8:  # noqa: F821
                got += len(found[1])
            return [head.status, got]

    run = run_inside(slow, sockets(flood))
    run.expect("connected")
    counts = []

    def has_stopped():
        counts.append(sum(sent))
        return (len(counts) > 20 and counts[-1] == counts[-20] > 0) or None

    wait_until(has_stopped, "a stop")
    assert counts[-1] < total
    run.say("read")
    assert run.result() == [101, total]


def test_an_upstream_that_reads_nothing_stops_the_client(run_inside, sockets):
    gate = threading.Event()
    heard = []

    def deaf(ws):
        assert gate.wait(procs.PATIENCE)
        while True:
            opcode, payload, _ = ws.next()
            heard.append(len(payload))
            if opcode == CLOSE:
                ws.send(close_frame(1000))
                return

    def push():
        with lease.connect() as stream:  # noqa: F821
            upgrade(stream)
            stream.socket.setblocking(False)
            sent, data = 0, frame(2, b"y" * (1 << 20), masked=True) * 24
            idle = time.monotonic()  # noqa: F821
            while sent < len(data):
                try:
                    sent += stream.socket.send(data[sent:sent + (1 << 20)])
                    idle = time.monotonic()  # noqa: F821
                except BlockingIOError:
                    if time.monotonic() > idle + 1:  # noqa: F821
                        break
                    select.select([], [stream.socket], [], 0.2)  # noqa: F821
            stuck = sent < len(data)
            say("stuck" if stuck else "all went")  # noqa: F821
            stream.socket.settimeout(lease.PATIENCE)  # noqa: F821
            stream.send(data[sent:] + frame(8, b"\3\xe8", masked=True))
            return [stuck, read_frame(Reader(stream))[0]]  # noqa: F821

    run = run_inside(push, sockets(deaf))
    run.expect("stuck")
    gate.set()
    assert run.result() == [True, CLOSE]
    assert sum(heard) == (24 << 20) + 2


def test_a_revoked_lease_says_goodbye(run_inside, sockets, credfd):
    def wait(ws):
        ws.send(frame(TEXT, b"ready"))
        ws.peer.wait_gone()

    def listen():
        with lease.connect() as stream:  # noqa: F821
            upgrade(stream)
            reader = Reader(stream)
            say(read_frame(reader)[1].decode())  # noqa: F821
            return frames_of(reader)

    run = run_inside(listen, sockets(wait))
    run.expect("ready")
    [granted] = run.events(1)
    done = credfd.command("lease", "revoke", granted["id"])
    assert done.returncode == 0, done.stderr
    found, how = run.result()
    assert [one[0] for one in found] == [CLOSE] and found[0][1].encode("latin-1")[:2] == struct.pack("!H", 1008)
    assert how == "closed" and run.audit(1)[0]["refusal"] == "revoked"


def test_in_the_middle_of_a_frame_it_is_cut(run_inside, sockets):
    """The ttl ends while a frame is under way: no close frame may stand in its payload."""
    def half(ws):
        ws.send(frame(BINARY, b"." * 1000)[:500])
        ws.peer.wait_gone()

    def listen():
        with lease.connect() as stream:  # noqa: F821
            upgrade(stream)
            reader = Reader(stream)
            try:
                return len(reader.read(2000))
            except OSError:
                return 0

    run = run_inside(listen, sockets(half), limits={"ttl": "2s"})
    assert run.result() <= 500
    assert run.audit(1)[0]["refusal"] == "ttl"


def test_its_bytes_count(run_inside, sockets):
    def flood(ws):
        for _ in range(100):
            ws.send(frame(BINARY, b"z" * 10000))
        ws.peer.wait_gone()

    run = run_inside(read_all, sockets(flood), limits={"bytes": "100KB"})
    found = run.result()
    assert sum(len(text) for opcode, text, _ in found["frames"] if opcode == BINARY) < 300_000
    assert run.audit(1)[0]["refusal"] == "bytes"


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_who_breaks_off_ends_it_for_the_other(run_inside, sockets, who):
    gone = threading.Event()

    def talk(ws):
        ws.send(frame(TEXT, b"hi"))
        if who == "upstream":
            ws.peer.reset()
        else:
            ws.peer.wait_gone()
        gone.set()

    def leave(who):
        with lease.connect() as stream:  # noqa: F821
            upgrade(stream)
            reader = Reader(stream)
            first = read_frame(reader)[1].decode() if who == "client" else None  # noqa: F821
            return first if who == "client" else frames_of(reader)[1]

    run = run_inside(leave, sockets(talk), who)
    assert run.result() in ("hi", "closed", "ConnectionResetError")
    assert gone.wait(procs.PATIENCE)
    [line] = run.audit(1)
    assert line["status"] == 101 and line["reason"]


def test_a_keeper_that_dies_ends_it_and_is_told(run_inside, sockets):
    def wait(ws):
        ws.send(frame(TEXT, b"ready"))
        ws.peer.wait_gone()

    def listen():
        with lease.connect() as stream:  # noqa: F821
            upgrade(stream)
            reader = Reader(stream)
            say(read_frame(reader)[1].decode())  # noqa: F821
            return frames_of(reader)[0]

    run = run_inside(listen, sockets(wait))
    run.expect("ready")
    procs.kill(run.role("keeper"))
    assert run.result() == []
    [line] = run.audit(1)
    assert line["refusal"] == "keeper" and line["path"] == "/ws"


def chat(address, host):
    """An echo over a door that listens: what came back, without a lease channel."""
    with lease.Stream(socket.create_connection(address), host) as stream:  # noqa: F821
        head, reader = upgrade(stream, os.environ.get("PREFIX", "") + "/ws"), Reader(stream)  # noqa: F821
        stream.send(frame(1, b"hello", masked=True))
        first = read_frame(reader)[1].decode()  # noqa: F821
        stream.send(frame(8, struct.pack("!H", 1000), masked=True))  # noqa: F821
        return [head.status, first, read_frame(reader)[0], reader.read(1) == b""]  # noqa: F821


def echo_with_key(ws):
    """Says back what it hears, and the key that it was asked with."""
    while True:
        opcode, payload, _ = ws.next()
        ws.send(frame(opcode, payload + (b" " + ws.seen.field("Authorization").encode() if opcode == TEXT else b"")))
        if opcode == CLOSE:
            return


def test_an_upstream_that_stays_after_its_goodbye_is_left(run_inside, sockets):
    """It has said that it closes, and does not: what was opened for it is closed all the same."""
    gone = threading.Event()

    def linger(ws):
        ws.send(close_frame(1000))
        ws.peer.wait_gone()
        gone.set()

    run = run_inside(read_all, sockets(linger))
    found = run.result()
    assert found["end"] == "closed" and [one[0] for one in found["frames"]] == [CLOSE]
    assert gone.wait(procs.PATIENCE)
    assert "reason" not in run.audit(1)[0]


@pytest.mark.parametrize("isolate", ["network", "none"])
def test_through_a_base_url(run_inside, sockets, credfd, isolate):
    def talk():
        import urllib.parse
        url = urllib.parse.urlsplit(os.environ["API"])  # noqa: F821
        os.environ["PREFIX"] = url.path  # noqa: F821
        return chat((url.hostname, url.port), url.netloc)

    run = run_inside(talk, sockets(echo_with_key), using=(chat,), env={"API": "{base_url}"},
                     options=("--isolate", isolate))
    assert run.result() == [101, f"hello Bearer {'*' * len(credfd.canary)}", CLOSE, True]
    [line] = run.audit(1)
    assert (line["status"], line["masked"]) == (101, 1)


def test_through_the_proxy(run_inside, sockets, credfd):
    """The TLS is the client's own, ended by the relay: the key is in the handshake, and in no frame."""
    def talk(host, port):
        import ssl
        import urllib.parse
        proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])  # noqa: F821
        plain = socket.create_connection((proxy.hostname, proxy.port))  # noqa: F821
        plain.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += plain.recv(1)
        assert answer.split()[1] == b"200", answer
        tls = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        with lease.Stream(tls, f"{host}:{port}") as stream:  # noqa: F821
            head, reader = upgrade(stream), Reader(stream)
            stream.send(frame(1, b"hello", masked=True))
            first = read_frame(reader)[1].decode()  # noqa: F821
            stream.send(frame(8, struct.pack("!H", 1000), masked=True))  # noqa: F821
            return [head.status, first, read_frame(reader)[0]]  # noqa: F821

    upstream = sockets(echo_with_key)
    run = run_inside(talk, upstream, "127.0.0.1", upstream.port, env=None, options=("--proxy",))
    assert run.result() == [101, f"hello Bearer {'*' * len(credfd.canary)}", CLOSE]
    assert run.audit(1)[0]["status"] == 101
