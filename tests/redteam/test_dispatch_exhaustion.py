"""Browsers, and whoever else reaches the listener, that want everything: connections, memory, time. Memory is bounded
by numbers that are far above what is needed and far below what was sent; and others go on."""
import contextlib
import re
import resource
import socket
import threading
import time

import pytest

import procs
import websocket
from attack import statuses
from dispatch import HEADER
from procs import wait_until

MIB = 1 << 20
BOUND_KIB = 32 * 1024  # resident, of any role, whatever is sent or offered
CROWD = 10_000
CROWD_KIB = 64 * 1024  # resident, of the dispatcher that holds so many of them as it may
FLOOD = 64 * MIB
STUCK = 1  # seconds without progress, where none is to come; on a slow machine it is only seen sooner
SLOW = 4  # seconds for what takes a fraction of one
ROLES = ("dispatcher", "pairer", "steward")


def require_bounded(served, bound=BOUND_KIB):
    """What any of our processes has ever held; a sanitizer keeps what was freed."""
    if not served.session.is_sanitized:
        peaks = {name: procs.peak_kib(pid) for name in ROLES for pid in served.roles(name)}
        peaks["supervisor"] = procs.peak_kib(served.pid)
        assert max(peaks.values()) < bound, peaks


def others_go_on(served, name="bob"):
    return served.ask("/other", name).status


@contextlib.contextmanager
def many_descriptors(wanted):
    """For the test itself, and for what it starts meanwhile no more than before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < wanted:
        pytest.skip(f"needs {wanted} descriptors; a process may have {before[1]}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


# Connections.

def crowd_of(served, count, beginning):
    """So many connections, each with half a request; what was closed meanwhile is closed here too."""
    crowd = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", served.port))
        crowd.append(one)
        if len(crowd) % 500 == 0:
            for late in crowd[-500:]:
                with contextlib.suppress(OSError):
                    late.send(beginning)
    return crowd


def held_by(pid):
    return len(procs.descriptors(pid))


def descriptors_limit(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return int(re.search(r"Max open files +(\d+)", file.read())[1])


def test_ten_thousand_connections(house, no_sanitizer):
    """Each with half a request. They cost little, and as soon as one of them has gone there is room for another."""
    with many_descriptors(CROWD + 500):
        served, traps = house()
        dispatcher = served.role("dispatcher")
        crowd = crowd_of(served, CROWD, b"GET /half HTTP/1.1\r\nHost: x\r\nX: ")
        if procs.has_capability(procs.CAP_SYS_PTRACE):
            room = descriptors_limit(dispatcher) // 2
            wait_until(lambda: held_by(dispatcher) > min(CROWD, room) * 0.9,
                       lambda: f"they are in: {held_by(dispatcher)}")
            assert held_by(dispatcher) < room + 200
        assert procs.memory_kib(dispatcher) < CROWD_KIB
        for one in crowd:
            one.close()
        wait_until(lambda: others_go_on(served) == 200, "others are served")


@pytest.mark.defence("room")
def test_without_a_descriptor_left_it_goes_on(house, no_sanitizer):
    """It has room for few. Who only sits there makes room; who wants something is served."""
    served, _ = house()
    served.stop()
    served.start(through=["prlimit", "--nofile=200:200"])
    crowd = crowd_of(served, 1000, b"")
    for name in ("alice", "bob") * 5:
        with served.connect() as client:
            client.socket.settimeout(3)
            assert client.ask("GET", "/other", served.fields(name)).status == 200
    for one in crowd:
        one.close()
    assert others_go_on(served) == 200


def test_probes_are_counted(alice):
    """They are open to anybody: so many, and no more; and a person's tunnel beside them is opened all the same."""
    served, t3 = alice
    held = []
    for _ in range(700):
        client = served.connect()
        held.append(client)
        with contextlib.suppress(websocket.Gone, OSError):
            client.upgrade("/probe/ws")
    alive = 0
    for client in held:
        with contextlib.suppress(websocket.Gone, OSError):
            alive += client.echo(b"x")
    assert 0 < alive <= 2 * 256
    with served.connect() as client:
        assert client.upgrade("/ws", served.fields(cookie=f"{t3.cookie_name}={t3.new_session()}")).status == 101
        assert client.echo(b"mine")
    for client in held:
        client.close()


# Time.

def drip(served, beginning, patience=SLOW):
    """What is answered to these bytes and one more from time to time, for as long as nobody answers."""
    with served.connect() as client:
        client.send(beginning)
        client.socket.settimeout(0.05)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                return statuses(client.socket.recv(65536).decode("latin-1"))
            except TimeoutError:
                with contextlib.suppress(OSError):
                    client.send(b"a")
        return "waited for"


def drip_all(served, beginnings):
    answers = []
    threads = [threading.Thread(target=lambda text=text: answers.append(drip(served, text))) for text in beginnings]
    for thread in threads:
        thread.start()
    assert others_go_on(served) == 200
    for thread in threads:
        thread.join()
    assert len(answers) == len(beginnings)
    return answers


@pytest.mark.defence("timeout")
def test_slow_heads_are_not_waited_for(house):
    served, traps = house(top={"timeouts": {"head": "300ms"}})
    named = f"GET / HTTP/1.1\r\nHost: x\r\n{HEADER}: alice\r\nX: ".encode()
    answers = drip_all(served, [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"POST /x HTTP/1.1\r\nX: ", named] * 8)
    assert answers == [[408]] * 32
    served.stop()
    assert [seen.target for trap in traps.values() for seen in trap.heard()] == ["/other"]


def test_slow_bodies_are_not_waited_for(house):
    """It stops in the middle: for alice, whose instance has the beginning, and for a stranger."""
    served, traps = house(top={"timeouts": {"body": "300ms", "write": "300ms"}})
    answers = []
    for name in ("alice", "carol"):
        with served.connect() as client:
            client.send_request("POST", "/slow", served.fields(name, [("Content-Length", "1000000")]))
            client.send(b"a" * 10)
            client.socket.settimeout(SLOW)
            answers.append(client.read_answer().status)
            assert client.is_ended()
    assert answers == [408, 403] and others_go_on(served) == 200
    served.stop()
    assert [seen.target for trap in traps.values() for seen in trap.heard_whole()] == ["/other"]


@pytest.mark.defence("timeout")
def test_who_takes_nothing_and_who_says_nothing_is_let_go(house):
    served, _ = house(lambda peer, seen: peer.answer(b"x" * (8 * MIB) if seen.target == "/big" else b"ok"),
                      top={"timeouts": {"write": "300ms", "idle": "300ms"}})
    deaf, silent = served.connect(), served.connect()
    deaf.send_request("GET", "/big", served.fields("alice"))
    assert silent.ask("GET", "/x", served.fields("bob")).status == 200
    silent.socket.settimeout(SLOW)
    assert silent.is_ended()
    wait_until(lambda: [line for line in served.access(2) if line["path"] == "/big"], "the log has its end")
    deaf.socket.settimeout(SLOW)
    with contextlib.suppress(OSError):
        assert not deaf.read_answer().is_whole
    deaf.close()


# Memory.

@pytest.mark.defence("head")
def test_huge_heads_are_cut_off(house):
    served, traps = house(top={"timeouts": {"head": "1s"}})
    field = "X: " + "a" * 8000 + "\r\n"
    heads = ["GET /huge HTTP/1.1\r\nHost: x\r\n" + field * (8 * MIB // len(field)),
             f"GET /huge HTTP/1.1\r\nHost: x\r\n{HEADER}: alice\r\n" + field * (MIB // len(field)) + "\r\n",
             "GET /huge HTTP/1.1\r\nHost: x\r\nX: " + "a" * MIB, "GET /" + "a" * MIB, "G" * MIB,
             f"GET /huge HTTP/1.1\r\nHost: x\r\n{HEADER}: alice\r\n" + "X: y\r\n" * 100_000 + "\r\n"]
    for head in heads * 3:
        assert statuses(served.talk(head.encode())) in ([431], [414], [501], [400], []), head[:60]
    require_bounded(served)
    assert others_go_on(served) == 200
    served.stop()
    assert traps["alice"].heard() == []


def test_an_endless_upload_waits_for_the_instance(house):
    over = threading.Event()

    def deaf(peer):
        while seen := peer.read_head():
            if seen.target == "/deaf":
                over.wait(procs.PATIENCE)
                return
            peer.answer()

    served, traps = house()
    traps["alice"].server.handle = deaf
    chunk, sent = b"10000\r\n" + b"x" * 65536 + b"\r\n", 0
    with served.connect() as client:
        client.send_request("POST", "/deaf", served.fields("alice", [("Transfer-Encoding", "chunked")]))
        client.socket.settimeout(STUCK)
        with contextlib.suppress(TimeoutError):
            while sent < FLOOD:
                client.send(chunk)
                sent += len(chunk)
        require_bounded(served)
        assert others_go_on(served) == 200
    over.set()
    assert sent < FLOOD / 2


def test_an_endless_upload_goes_through_and_is_nowhere_kept(house):
    served, _ = house()
    chunk, count = b"10000\r\n" + b"x" * 65536 + b"\r\n", FLOOD // 65536
    with served.connect() as client:
        client.send_request("POST", "/taken", served.fields("alice", [("Transfer-Encoding", "chunked")]))
        for _ in range(count):
            client.send(chunk)
        client.send(b"0\r\n\r\n")
        assert client.read_answer().status == 200
    require_bounded(served)


@pytest.mark.defence("memory")
def test_an_answer_that_is_never_read_waits_at_its_source(house):
    said, lock = [], threading.Lock()

    def endless(peer, seen):
        if seen.target != "/endless":
            peer.answer()
            return
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n")
        peer.socket.settimeout(STUCK)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < FLOOD:
                peer.send(b"x" * 65536)
                sent += 65536
        with lock:
            said.append(sent)
        peer.wait_gone()

    served, _ = house(endless)
    held = []
    for _ in range(4):
        held.append(served.connect())
        held[-1].send_request("GET", "/endless", served.fields("alice"))
    wait_until(lambda: len(said) == 4, "the instance has said what it can")
    require_bounded(served)
    assert others_go_on(served) == 200 and max(said) < FLOOD / 2
    for client in held:
        client.close()


def test_pipelined_requests_wait_for_their_turn(house):
    """Thousands in one breath, and none of the answers read: each waits in the sender's own socket."""
    served, _ = house(lambda peer, seen: peer.answer(b"x" * 50_000))
    line = f"GET /it HTTP/1.1\r\nHost: x\r\n{HEADER}: alice\r\n\r\n".encode()
    with served.connect() as client:
        client.socket.settimeout(STUCK)
        with contextlib.suppress(TimeoutError):
            for _ in range(1000):
                client.send(line * 1000)
        require_bounded(served)
        assert others_go_on(served) == 200


def test_questions_to_the_pairer_are_bounded(dispatch, instances):
    """Everybody at once asks for a session, and each is told something; what waits, waits in bounds."""
    served = dispatch(workers=1, script="#!/bin/sh\nexec sleep 2", drain="100ms")
    t3 = instances(served)
    served.write_table({f"p{i}": {"os_user": f"u{i}", "port": t3.port} for i in range(3000)})
    served.start()
    held = []
    with many_descriptors(8000):
        for i in range(3000):
            held.append(served.connect())
            held[-1].send_request("GET", "/", served.fields(f"p{i}", navigate=True))
        assert served.ask("/x", "p7").status == 401
        running = [pid for pid in procs.children(served.pid) if b"sleep" in procs.cmdline(pid)]
        assert len(running) <= 16, "LIMIT_MINTS"
        require_bounded(served, 64 * 1024)
        for client in held:
            client.close()
    wait_until(lambda: served.ask("/x", "p7").status == 401, "it goes on")
