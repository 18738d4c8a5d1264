"""WebSockets through the dispatcher, and the probe's own."""
import os
import socket
import struct
import threading

import pytest

import websocket
from procs import wait_until


def open_tunnel(served, t3, target="/ws", fields=()):
    client = served.connect()
    answer = client.upgrade(target, served.fields(cookie=f"{t3.cookie_name}={t3.new_session()}", fields=fields))
    assert answer.status == 101, answer
    return client


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3 << 20])
def test_frames_pass_untouched(alice, size):
    served, t3 = alice
    with open_tunnel(served, t3) as client:
        assert client.echo(os.urandom(size))


def test_what_was_sent_with_the_upgrade_is_not_lost(alice):
    served, t3 = alice
    with served.connect() as client:
        key = websocket.new_key()
        head = "\r\n".join(["GET /ws HTTP/1.1", "Host: t3.example.org", "X-authentik-username: alice",
                            f"Cookie: {t3.cookie_name}={t3.new_session()}", "Connection: keep-alive, Upgrade",
                            "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""])
        client.send(head.encode() + websocket.frame(websocket.TEXT, b"early", True))
        assert client.read_head().status == 101
        assert client.read_frame() == (websocket.TEXT, b"early")


def test_host_and_origin_are_as_the_browser_sent_them(alice):
    served, t3 = alice
    with open_tunnel(served, t3, "/ws?x=1", [("Origin", "https://t3.example.org")]):
        seen = t3.requests("/ws")[-1]
        assert seen.target == "/ws?x=1" and seen.field("Host") == "t3.example.org"
        assert seen.field("Origin") == "https://t3.example.org"


def test_without_a_session_there_is_no_tunnel(alice):
    served, t3 = alice
    with served.connect() as client:
        assert client.upgrade("/ws", served.fields()).status == 401
    assert not t3.requests("/ws") and served.minted == []


@pytest.mark.parametrize("fields, status", [
    ([("Upgrade", "websocket"), ("Sec-WebSocket-Version", "12")], 426),
    ([("Upgrade", "websocket")], 426),
    ([("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "short")], 400),
    ([("Upgrade", "h2c"), ("Sec-WebSocket-Version", "13")], 200),
], ids=["version 12", "no version", "a bad key", "h2c"])
def test_upgrades_that_are_none(alice, fields, status):
    served, t3 = alice
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    with served.connect() as client:
        answer = client.ask("GET", "/x", served.fields(cookie=cookie, fields=[("Connection", "Upgrade"), *fields]))
        assert answer.status == status
    for seen in t3.requests("/x"):
        assert not seen.all("Upgrade")


@pytest.mark.parametrize("mood, status", [("wrong accept", 502), ("refuses upgrades", 403)])
def test_an_instance_that_does_not_upgrade(alice, mood, status):
    served, t3 = alice
    t3.mood = mood
    with served.connect() as client:
        assert client.upgrade("/ws", served.fields(cookie=f"{t3.cookie_name}={t3.new_session()}")).status == status


def test_the_log_says_who_closed_first_and_why(alice):
    served, t3 = alice

    def browser_closes(client):
        client.send_frame(websocket.CLOSE, struct.pack("!H", 1000))
        client.read_frame()

    def instance_closes(client):
        client.send_frame(websocket.TEXT, b"close me")
        opcode, payload = client.read_frame()
        client.send_frame(opcode, payload)

    def browser_breaks_off(client):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def instance_breaks_off(client):
        client.send_frame(websocket.TEXT, b"break off")
        assert client.is_ended()

    for number, (act, code) in enumerate([(browser_closes, 1000), (instance_closes, 4001), (browser_breaks_off, 0),
                                          (instance_breaks_off, 0)], 1):
        client = open_tunnel(served, t3)
        client.echo(b"x" * 1000)
        act(client)
        client.close()
        line = served.access(number, "tunnel_end")[-1]
        assert line.get("close_code", 0) == code, line
        assert line["name"] == "alice" and line["bytes_in"] >= 1000 and line["bytes_out"] >= 1000
        by = "instance" if act in (instance_closes, instance_breaks_off) else "browser"
        assert by in line["reason"], line
        assert len(served.access(number, "tunnel_open")) == number


def test_half_a_thousand_tunnels_echo_at_once(alice):
    served, t3 = alice
    clients = [open_tunnel(served, t3) for _ in range(500)]
    assert all(client.echo(str(i).encode()) for i, client in enumerate(clients))
    for client in clients:
        client.close()
    wait_until(lambda: not t3.tunnels, "the instance sees them all closed")


def test_a_reader_that_stops_does_not_fill_the_memory(alice):
    """The instance echoes more than anybody reads: it is held up, and goes on when it is read."""
    served, t3 = alice
    with open_tunnel(served, t3) as client:
        size, count = 1 << 20, 64
        sender = threading.Thread(target=lambda: [client.send_frame(websocket.BINARY, bytes(size))
                                                  for _ in range(count)])
        sender.start()
        for _ in range(count):
            opcode, payload = client.read_frame()
            assert opcode == websocket.BINARY and len(payload) == size
        sender.join()


# The probe.

def test_the_probe_echoes_and_answers_pings(alice):
    served, _ = alice
    with served.connect() as client:
        assert client.upgrade("/probe/ws").status == 101
        assert client.echo(b"x" * 1000)
        client.send_frame(websocket.PING, b"are you there")
        assert client.read_frame() == (websocket.PONG, b"are you there")
        client.send_frame(websocket.TEXT, b"hel", is_final=False)
        client.send_frame(websocket.CONTINUATION, b"lo")
        assert client.read_frame() == (websocket.TEXT, b"hello")
        client.send_frame(websocket.CLOSE, struct.pack("!H", 1000))
        opcode, payload = client.read_frame()
        assert (opcode, websocket.close_code(payload)) == (websocket.CLOSE, 1000) and client.is_ended()


def test_the_probe_ends_what_is_no_websocket(alice):
    served, _ = alice
    with served.connect() as client:
        client.upgrade("/probe/ws")
        client.send(b"\xff" * 100)
        opcode, payload = client.read_frame()
        assert (opcode, websocket.close_code(payload)) == (websocket.CLOSE, 1002) and client.is_ended()
