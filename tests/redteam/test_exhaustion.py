"""A workload that wants everything: connections, memory, time. It gets what is its own, and others go on.

Memory is bounded by numbers that are far above what is needed and far below what was sent. A sanitizer keeps what was
freed: there only the answers count.
"""
import resource
import threading

import pytest

import procs
from procs import wait_until

MIB = 1 << 20
BOUND_KIB = 24 * 1024  # resident, of any role
FLOOD = 64 * MIB  # sent, or offered
SLOW = 6  # seconds for what takes a fraction of one
STUCK = 1.5  # seconds without progress, where none is to come; on a slow machine it is only seen sooner


def others_go_on():
    with lease.connect("other") as stream:
        return stream.get("/other").status


def two_leases(credfd, upstream=None, **changes):
    names = ("greedy", "other")
    return [credfd.credential(name, env=None, **({"upstream": upstream.url} if upstream else {}), **changes)
            for name in names]


def with_room():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))


def require_bounded(credfd, run):
    """What any of our processes has ever held."""
    if not credfd.session.is_sanitized:
        peaks = {name: procs.peak_kib(run.role(name)) for name in ("keeper", "relay")}
        peaks["supervisor"] = procs.peak_kib(run.pid)
        assert max(peaks.values()) < BOUND_KIB, peaks


# Connections.

def take_all(attempts):
    """So many dials, and everything that was given is kept, with half a request on it."""
    channel, held, refused = lease.Channel(lease.numbers()["greedy"]), [], 0
    for _ in range(attempts):
        try:
            held.append(channel.dial())
            held[-1].send(b"GET /half")
        except lease.Refused:
            refused += 1
    say("taken")
    hear()
    return len(held), refused, others_go_on()


@pytest.mark.defence("streams")
def test_ten_thousand_connections(credfd):
    run = credfd.start_inside(take_all, 10_000, using=[others_go_on], credentials=two_leases(credfd), preexec=with_room)
    run.expect("taken")
    require_bounded(credfd, run)
    run.say("go on")
    held, refused, other = run.result()
    assert held <= 256 and held + refused == 10_000 and other == 200
    credfd.require_nothing_left()


# Time.

def be_slow(beginnings, patience):
    """A byte at a time on each stream, for as long as nobody answers: the answers, and how many never came."""
    waiting, answers = {}, []
    for beginning in beginnings:
        stream = lease.connect("greedy")
        stream.send(beginning.encode())
        waiting[stream.socket] = stream
    deadline = time.monotonic() + patience
    while waiting and time.monotonic() < deadline:
        ready, _, _ = select.select(waiting, [], [], 0.05)
        for one in ready:
            answers.append(waiting.pop(one).read_response().status)
        for one in waiting:
            try:
                one.send(b"a")
            except BrokenPipeError:
                pass  # answered in between
    return answers, len(waiting), others_go_on()


@pytest.mark.defence("timeout")
def test_slow_heads_are_not_waited_for(credfd):
    beginnings = ["GET /", "GET /slow HTTP/1.1\r\nHost: x\r\nX: "] * 32
    answers, waiting, other = credfd.inside(be_slow, beginnings, SLOW, using=[others_go_on],
                                            credentials=two_leases(credfd), extra={"timeouts": {"head": "300ms"}})
    assert answers == [408] * 64 and waiting == 0 and other == 200
    assert [seen.path for seen in credfd.upstream.requests] == ["/other"]


def stop_in_the_middle(streams, patience):
    held = [lease.connect("greedy") for _ in range(streams)]
    for stream in held:
        stream.send_head("POST", "/slow", "Content-Length: 1000000")
        stream.send(b"a" * 10)
        stream.socket.settimeout(patience)
    return [stream.read_response().status for stream in held], others_go_on()


@pytest.mark.defence("timeout")
def test_slow_bodies_are_not_waited_for(credfd, trap):
    upstream = trap()
    answers, other = credfd.inside(stop_in_the_middle, 32, SLOW, using=[others_go_on], extra={"timeouts": {"body": "300ms"}},
                                   credentials=two_leases(credfd, upstream))
    assert answers == [408] * 32 and other == 200
    assert [seen.path for seen in upstream.heard_whole()] == ["/other"]


# Memory.

def send_huge_heads(streams, size):
    answers = []
    for number in range(streams):
        field = f"X-{number}: " + "a" * 8000 + "\r\n"
        head = "GET /huge HTTP/1.1\r\nHost: x\r\n" + field * (size // len(field))
        answers.append(attack.statuses(attack.talk(head, "greedy")))
    say("sent")
    hear()
    return answers, others_go_on()


@pytest.mark.defence("head")
def test_huge_heads_are_cut_off(credfd):
    run = credfd.start_inside(send_huge_heads, 4, 16 * MIB, using=[others_go_on], credentials=two_leases(credfd),
                              extra={"timeouts": {"head": "1s"}})
    run.expect("sent")
    require_bounded(credfd, run)
    run.say("go on")
    answers, other = run.result()
    assert answers == [[431]] * 4 and other == 200
    assert [seen.path for seen in credfd.upstream.requests] == ["/other"]


def upload(path, flood, patience):
    """Chunks without an end, until `flood` were taken or nothing more is for so many seconds: how many bytes were."""
    with lease.connect("greedy") as stream:
        stream.send_head("POST", path, "Transfer-Encoding: chunked")
        chunk, sent = b"10000\r\n" + b"x" * 65536 + b"\r\n", 0
        stream.socket.settimeout(patience)
        try:
            while sent < flood:
                stream.send(chunk)
                sent += len(chunk)
        except TimeoutError:
            pass
        say("sent")
        hear()
        return sent, others_go_on()


def deaf_to_uploads(over):
    def handle(peer):
        while seen := peer.read_head():
            if seen.path == "/deaf":
                over.wait(procs.PATIENCE)
                return
            peer.read_body(seen)
            peer.answer()
    return handle


def launch_upload(credfd, upstream, path, patience):
    run = credfd.start_inside(upload, path, FLOOD, patience, using=[others_go_on], credentials=two_leases(credfd, upstream))
    run.expect("sent")
    require_bounded(credfd, run)
    run.say("go on")
    return run.result()


@pytest.mark.defence("memory")
def test_an_endless_upload_waits_for_the_upstream(credfd, serve):
    over = threading.Event()
    sent, other = launch_upload(credfd, serve(deaf_to_uploads(over)), "/deaf", STUCK)
    over.set()
    assert sent < FLOOD / 2 and other == 200


def test_an_endless_upload_goes_through_and_is_nowhere_kept(credfd, serve):
    sent, other = launch_upload(credfd, serve(deaf_to_uploads(threading.Event())), "/taken", procs.PATIENCE)
    assert sent >= FLOOD and other == 200


class Endless:
    """An upstream that says FLOOD bytes to each, or as many as are taken from it."""

    def __init__(self):
        self.ended, self.lock = [], threading.Lock()

    def __call__(self, peer):
        while seen := peer.read_request():
            if seen.path != "/endless":
                peer.answer()
                continue
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n")
            peer.socket.settimeout(STUCK)
            said = 0
            try:
                while said < FLOOD:
                    peer.send(b"x" * 65536)
                    said += 65536
            except TimeoutError:
                pass
            with self.lock:
                self.ended.append(said)
            return peer.wait_gone()


def never_read(streams):
    held = [lease.connect("greedy") for _ in range(streams)]
    for stream in held:
        stream.send_head("GET", "/endless")
    say("asked")
    hear()
    return others_go_on()


@pytest.mark.defence("memory")
def test_an_answer_that_is_never_read_waits_at_its_source(credfd, serve):
    endless = Endless()
    run = credfd.start_inside(never_read, 8, using=[others_go_on], credentials=two_leases(credfd, serve(endless)))
    run.expect("asked")
    wait_until(lambda: len(endless.ended) == 8, "the upstream has said what it can")
    require_bounded(credfd, run)
    run.say("go on")
    assert run.result() == 200
    assert max(endless.ended) < FLOOD / 2
