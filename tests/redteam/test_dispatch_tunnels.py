"""WebSockets: frames of every odd kind pass, or end, without harm to anybody else; and who is taken out of the table
keeps no tunnel."""
import contextlib
import os
import socket
import struct

import pytest

import procs
import websocket
from attack import statuses
from dispatch import HEADER
from procs import wait_until

LONG = b"\x82\xff" + struct.pack("!Q", 1 << 62)
ODD = {
    "nothing": b"", "zeros": bytes(4096), "ones": b"\xff" * 4096, "noise": os.urandom(65536), "half a head": b"\x82",
    "reserved bits": b"\xf2\x80aaaa",
    "unknown opcodes": b"".join(bytes([0x80 | code, 0x80]) + b"aaaa" for code in range(3, 8)),
    "unmasked": websocket.frame(websocket.TEXT, b"hello"), "a length of 2^62": LONG + b"aaaa" + b"x" * 1000,
    "a negative length": b"\x82\xff" + b"\xff" * 8 + b"aaaa", "a length in too many bytes": b"\x82\xfe\x00\x01aaaax",
    "a long ping": websocket.frame(websocket.PING, b"x" * 126, True),
    "a ping in parts": websocket.frame(9, b"x", True, False),
    "a continuation of nothing": websocket.frame(websocket.CONTINUATION, b"x", True),
    "text in text": websocket.frame(1, b"a", True, False) + websocket.frame(1, b"b", True),
    "no UTF-8": websocket.frame(websocket.TEXT, b"\xc3\x28\xed\xa0\x80", True),
    "a close of one byte": websocket.frame(websocket.CLOSE, b"\x03", True),
    "a close that is too long": websocket.frame(websocket.CLOSE, b"\x03\xe8" + b"x" * 200, True),
    "a close with a bad code": websocket.frame(websocket.CLOSE, b"\xff\xff", True),
    "words after a close": websocket.close_frame(1000, b"", True) + websocket.frame(1, b"more", True) * 100,
    "HTTP": f"GET /hidden HTTP/1.1\r\nHost: x\r\n{HEADER}: bob\r\n\r\n".encode(),
    "ten thousand pings": websocket.frame(websocket.PING, b"", True) * 10_000,
    "a hundred thousand empty frames": websocket.frame(0, b"", True, False) * 100_000,
}


@pytest.fixture
def people(dispatch, instances):
    """A dispatcher of two, and their instances: (dispatch, {name: t3})."""
    served = dispatch(workers=1, drain="100ms")
    made = {name: instances(served, name) for name in ("alice", "bob")}
    served.write_table({name: {"os_user": name, "port": t3.port} for name, t3 in made.items()})
    return served.start(), made


def cookie_of(t3):
    return f"{t3.cookie_name}={t3.new_session()}"


def open_tunnel(served, t3, name="alice"):
    client = served.connect()
    assert client.upgrade("/ws", served.fields(name, cookie=cookie_of(t3))).status == 101
    return client


def send_and_go(client, data):
    """Sends it, listens for a moment, and is gone by a reset."""
    client.socket.settimeout(0.01)
    with contextlib.suppress(OSError):
        client.send(data)
        while client.socket.recv(1 << 16):
            pass
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def test_odd_frames_from_a_browser_harm_nobody(people):
    """The dispatcher passes bytes on: what they mean is between browser and instance. It bears them all."""
    served, made = people
    dispatcher = served.role("dispatcher")
    other = open_tunnel(served, made["bob"], "bob")
    for what, data in ODD.items():
        send_and_go(open_tunnel(served, made["alice"]), data)
        assert other.echo(b"still here"), what
    for data in ODD.values():  # and as the first bytes, with the upgrade itself
        client = served.connect()
        key = websocket.new_key()
        head = (f"GET /ws HTTP/1.1\r\nHost: x\r\n{HEADER}: alice\r\nCookie: {cookie_of(made['alice'])}\r\n"
                f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n\r\n")
        send_and_go(client, head.encode() + data[:100_000])
    assert other.echo(b"still here")
    assert served.role("dispatcher") == dispatcher, "it is the one that it was"
    wait_until(lambda: not made["alice"].tunnels, "alice's are gone")
    assert not made["bob"].requests("/hidden")
    assert {line["name"] for line in served.access(len(ODD), "tunnel_end")} == {"alice"}


def test_odd_frames_at_the_probe_harm_nobody(people):
    served, made = people
    dispatcher = served.role("dispatcher")
    for what, data in ODD.items():
        client = served.connect()
        assert client.upgrade("/probe/ws").status == 101
        send_and_go(client, data)
        with served.connect() as good:
            assert good.upgrade("/probe/ws").status == 101 and good.echo(b"x"), what
    with served.connect() as client:  # more than a message may have, in one and in many
        client.upgrade("/probe/ws")
        send_and_go(client, websocket.frame(websocket.BINARY, bytes(1 << 20), True))
    with served.connect() as client:
        client.upgrade("/probe/ws")
        send_and_go(client, websocket.frame(websocket.BINARY, bytes(1000), True, False)
                    + websocket.frame(websocket.CONTINUATION, bytes(1000), True, False) * 2000)
    assert served.role("dispatcher") == dispatcher
    if not served.session.is_sanitized:
        assert procs.peak_kib(dispatcher) < 32 * 1024


def test_odd_frames_from_an_instance_harm_nobody(dispatch, trap):
    """It may be anything: its bytes go to its own person, and the dispatcher bears them."""
    data = {"now": b""}

    def answer(peer, seen):
        accept = websocket.accept_for(seen.field("Sec-WebSocket-Key"))
        peer.send("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Accept: {accept}\r\n\r\n", data["now"])
        peer.wait_gone()

    lone = trap(answer, tls=False)
    served = dispatch(table={"alice": {"os_user": "alice", "port": lone.port}}, profile="none", workers=1).start()
    dispatcher = served.role("dispatcher")
    for what, data["now"] in ODD.items():
        with served.connect() as client:
            assert client.upgrade("/ws", served.fields()).status == 101, what
            size = min(len(data["now"]), 65536)
            client.socket.settimeout(2)
            assert len(client.file.read(size)) == size, what
    assert served.role("dispatcher") == dispatcher


BAD_UPGRADES = [
    ["Upgrade: h2c"], ["Upgrade: websocket, h2c"], ["Upgrade: WebSocket", "Upgrade: websocket"],
    ["Upgrade: websocket2"],
    ["Upgrade: TLS/1.0"], ["Upgrade: "],
]


def test_what_is_no_websocket_opens_no_tunnel(people):
    """h2c above all: past such a tunnel the instance would be reached by anybody's requests."""
    served, made = people
    cookie = cookie_of(made["alice"])
    for fields in BAD_UPGRADES:
        for method in ("GET", "POST"):
            lines = "".join(f"{field}\r\n" for field in fields)
            raw = (f"{method} /x HTTP/1.1\r\nHost: x\r\n{HEADER}: alice\r\nCookie: {cookie}\r\nConnection: Upgrade, "
                   f"HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n{lines}Content-Length: 0\r\n\r\n")
            assert 101 not in statuses(served.talk(raw.encode())), fields
    for seen in made["alice"].requests("/x"):
        assert not seen.all("Upgrade") and not seen.all("HTTP2-Settings")


# Taken out of the table.

@pytest.mark.defence("removed")
def test_whoever_is_removed_keeps_no_tunnel(people):
    """Also one who goes on talking, one who takes nothing, and one in the middle of a frame."""
    served, made = people
    tunnels = [open_tunnel(served, made["alice"]) for _ in range(6)]
    kept = open_tunnel(served, made["bob"], "bob")
    tunnels[1].send(LONG + b"aaaa" + b"x" * 100_000)
    tunnels[2].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    tunnels[3].send_frame(websocket.TEXT, b"half", is_final=False)
    running = served.connect()
    running.send_request("GET", "/events", served.fields("alice", cookie=cookie_of(made["alice"])))
    assert running.read_head().status == 200
    served.write_table({"bob": {"os_user": "bob", "port": made["bob"].port}})
    wait_until(lambda: not made["alice"].tunnels, "none reaches the instance any more", 4)
    for client in [*tunnels, running]:
        client.socket.settimeout(2)
        with contextlib.suppress(ConnectionResetError):
            while client.socket.recv(1 << 16):
                pass
    assert served.ask("/x", "alice", cookie=cookie_of(made["alice"])).status == 403
    assert kept.echo(b"still here")


def test_whoever_is_led_elsewhere_keeps_no_tunnel_to_where_he_was(people):
    """The name is somebody else's now: what the one before had open is not his."""
    served, made = people
    tunnel, kept = open_tunnel(served, made["alice"]), open_tunnel(served, made["bob"], "bob")
    served.write_table({"alice": {"os_user": "bob", "port": made["bob"].port},
                        "bob": {"os_user": "bob", "port": made["bob"].port}})
    tunnel.socket.settimeout(8)
    assert tunnel.read_frame()[0] == websocket.CLOSE and tunnel.is_ended()
    assert kept.echo(b"still here")
