"""What takes a conversation: order, streaming, early and late answers, pooled connections, endings."""

import json

import pytest

from .requests import Seen
from .upstream import END, RESET, Connection, Gate, Upstream
from .wire import Malformed, Stream

MIB = 1 << 20
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
# A body that is looked at before it is whole has a newline there: behind one, masking holds nothing back.


def request(path: bytes, method: bytes = b"GET", *fields: bytes) -> bytes:
    return b"\r\n".join((b"%s %s HTTP/1.1" % (method, path), b"Host: a.test", *fields)) + b"\r\n\r\n"


def ask(stream: Stream, path: bytes, method: bytes = b"GET", *fields: bytes, body: bytes = b""):
    stream.send(request(path, method, *fields) + body)
    return stream.read_answer(method)


def until_arrived(upstream: Upstream, path: bytes) -> Connection:
    """The upstream's connection on which a request for this path, or its beginning, came."""
    upstream.wait(f"a request for {path!r}", lambda: any(each.knows(path) for each in upstream.connections))
    return upstream.connections_of(path)[-1]


# Pipelining


def test_pipelined_requests_go_one_at_a_time(dial, fence, upstream, fresh_path):
    """The second is not sent before the first is answered."""
    gate, second = Gate(), fresh_path + b"/second"
    upstream.script(fresh_path, gate, HELLO)
    stream = dial()
    stream.send(request(fresh_path) + request(second))
    until_arrived(upstream, fresh_path)
    fence(dial())  # time enough for the second to go by, if it could
    gate.open()
    assert stream.read_answer().body == b"hello"
    assert stream.read_answer().body == b"GET " + second
    order = [event for event in upstream.log if event[1] in (fresh_path, second)]
    assert order == [("request", fresh_path), ("answer", fresh_path), ("request", second), ("answer", second)]


def test_bad_second_request_waits_for_its_turn(dial, witness, upstream, fresh_path):
    """The first is answered in full although the fault behind it was there before."""
    gate = Gate()
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh\n", gate, b"llo")
    stream = dial()
    stream.send(request(fresh_path) + b"GET  / HTTP/1.1\r\n\r\n" + request(b"/never"))
    stream.wait_for(b"\r\n\r\nh\n")
    gate.open()
    assert stream.read_answer().body == b"h\nllo"
    assert stream.read_answer().status == 400
    stream.assert_ended()
    witness.assert_seen(Seen(target=fresh_path))


# Streaming


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 33\r\n\r\n",
], ids=["chunked", "until the end", "by length"])
def test_events_come_as_they_are_sent(head, dial, upstream, fresh_path):
    """Each event is with the client before the next is sent."""
    events = [b"data: one\n\n", b"data: two\n\n", b"data: six\n\n"]
    gates = [Gate() for _ in events]
    steps = [head]
    for gate, event in zip(gates, events):
        steps += [gate, b"%x\r\n%s\r\n" % (len(event), event) if b"chunked" in head else event]
    upstream.script(fresh_path, *steps, b"0\r\n\r\n" if b"chunked" in head else END)
    stream = dial()
    stream.send(request(fresh_path))
    stream.wait_for(b"\r\n\r\n")
    for gate, event in zip(gates, events):
        gate.open()
        stream.wait_for(event)
    answer = stream.read_answer()
    assert answer.whole and answer.body == b"".join(events)


def test_interim_comes_before_the_final(dial, upstream, fresh_path):
    gate = Gate()
    upstream.script(fresh_path, b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n", gate, HELLO)
    stream = dial()
    stream.send(request(fresh_path))
    stream.wait_for(b"HTTP/1.1 103")
    gate.open()
    assert stream.read_answer().interims == [103]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_goes_on_as_it_comes(framing, dial, upstream, fresh_path):
    """The upstream has the first half before the client sends the second."""
    stream = dial()
    halves = [b"a" * 1000, b"b" * 1000]
    if framing == "length":
        stream.send(request(fresh_path, b"POST", b"Content-Length: 2000"))
        sent, end = halves, b""
    else:
        stream.send(request(fresh_path, b"POST", b"Transfer-Encoding: chunked"))
        sent, end = [b"3e8\r\n" + half + b"\r\n" for half in halves], b"0\r\n\r\n"
    stream.send(sent[0])
    connection = until_arrived(upstream, fresh_path)
    upstream.wait("the first half of the body", lambda: halves[0] in connection.pending)
    stream.send(sent[1] + end)
    assert stream.read_answer().status == 200
    assert connection.requests[-1].body == b"".join(halves)


def test_large_bodies_both_ways(dial, upstream, fresh_path):
    """Larger than every buffer on the way."""
    upload, download = bytes(range(256)) * (8 * MIB // 256), bytes(reversed(range(256))) * (8 * MIB // 256)
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(download) + download)
    stream = dial()
    answer = ask(stream, fresh_path, b"PUT", b"Content-Length: %d" % len(upload), body=upload)
    assert answer.whole and answer.body == download
    assert until_arrived(upstream, fresh_path).requests[-1].body == upload


def test_huge_length_allocates_nothing(run, dial, upstream, fresh_path):
    fresh, before = dial(), run.memory()
    fresh.send(request(fresh_path, b"POST", b"Content-Length: 9223372036854775807") + b"a" * 10)
    connection = until_arrived(upstream, fresh_path)
    assert run.memory() - before < 64 * MIB
    fresh.close()
    upstream.wait_closed(connection, "its client has gone")


# Expect and early answers


def test_continue_from_the_upstream_is_passed_on_once(dial, fence, upstream, fresh_path):
    stream = dial()
    stream.send(request(fresh_path, b"POST", b"Content-Length: 5", b"Expect: 100-continue"))
    stream.wait_for(b"HTTP/1.1 100")
    stream.send(b"hello")
    answer = stream.read_answer()
    assert (answer.status, answer.interims) == (200, [100])
    assert until_arrived(upstream, fresh_path).requests[-1].body == b"hello"
    fence(stream)


def test_expectation_is_declined_by_the_upstream(dial, fence, upstream, fresh_path):
    """A final answer in place of 100: the client may send its body all the same, or not."""
    upstream.script(fresh_path, b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno", at_head=True)
    stream = dial()
    stream.send(request(fresh_path, b"POST", b"Content-Length: 5", b"Expect: 100-continue"))
    answer = stream.read_answer()
    assert (answer.status, answer.body) == (401, b"no")
    assert answer.interims in ([], [100])
    stream.send(b"hello")
    if answer.says_close:
        stream.assert_ended()
    else:
        fence(stream)


@pytest.mark.parametrize("size", [100_000, 8 * MIB], ids=["100 kB", "8 MiB"])
@pytest.mark.parametrize("status", [413, 200])
def test_early_answer_stops_the_upload(status, size, dial, fence, upstream, fresh_path):
    """Passed on at once, the upload stopped, the upstream connection dropped; the client's is drained or closed."""
    upstream.script(fresh_path, b"HTTP/1.1 %d Early\r\nContent-Length: 5\r\n\r\nearly" % status, at_head=True)
    stream = dial()
    stream.send(request(fresh_path, b"PUT", b"Content-Length: %d" % size) + b"a" * 10)
    connection = until_arrived(upstream, fresh_path)
    answer = stream.read_answer()
    assert (answer.status, answer.body, answer.whole) == (status, b"early", True)
    is_open = stream.send(b"a" * (size - 10))
    upstream.wait_closed(connection, "its answer came early")
    assert not connection.requests or connection.requests[-1].path != fresh_path, "the upload was completed"
    if answer.says_close or not is_open:
        stream.assert_ended()
    else:
        fence(stream)


def test_early_answer_to_chunks(dial, fence, upstream, fresh_path):
    upstream.script(fresh_path, b"HTTP/1.1 413 Early\r\nContent-Length: 5\r\n\r\nearly", at_head=True)
    stream = dial()
    stream.send(request(fresh_path, b"POST", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    connection = until_arrived(upstream, fresh_path)
    answer = stream.read_answer()
    assert (answer.status, answer.body) == (413, b"early")
    upstream.wait_closed(connection, "its answer came early")
    stream.send(b"5\r\nhello\r\n0\r\n\r\n")
    if answer.says_close:
        stream.assert_ended()
    else:
        fence(stream)


def test_fault_after_the_answer_has_begun(dial, upstream, fresh_path):
    """Then there is no 400 any more: the answer is cut, the upload aborted, both connections close."""
    gate = Gate()
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell\n", gate, at_head=True)
    stream = dial()
    stream.send(request(fresh_path, b"POST", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    connection = until_arrived(upstream, fresh_path)
    stream.wait_for(b"\r\n\r\nhell\n")
    stream.send(b"x\r\n")
    answer = stream.read_answer()
    assert answer.status == 200 and not answer.whole
    stream.assert_ended()
    upstream.wait_closed(connection, "the chunks broke")
    assert not connection.requests or connection.requests[-1].path != fresh_path, "the upload was completed"


# Pooled connections


def test_connections_are_reused(dial, fence, upstream):
    stream = dial()
    fence(stream)
    before = len(upstream.connections)
    for _ in range(20):
        fence(stream)
    assert len(upstream.connections) == before


def test_late_bytes_are_never_an_answer(dial, fence, upstream, fresh_path):
    """They arrive on an idle connection: it is closed, and the next answer is the next request's own."""
    stream = dial()
    ask(stream, fresh_path)
    connection = until_arrived(upstream, fresh_path)
    upstream.send_now(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    upstream.wait_closed(connection, "bytes came while it was idle")
    fence(stream)


def test_connection_that_ended_while_idle_is_not_used(dial, upstream, witness, fresh_path):
    """Not even for a request that may not be repeated."""
    stream = dial()
    ask(stream, fresh_path)
    connection = until_arrived(upstream, fresh_path)
    upstream.send_now(connection, END)
    upstream.wait_closed(connection, "the upstream ended it")
    assert ask(stream, fresh_path + b"/post", b"POST", b"Content-Length: 5", body=b"hello").status == 200


@pytest.mark.parametrize("how", [END, RESET], ids=["end", "reset"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"], ids=["GET", "HEAD"])
def test_stale_connection_is_tried_again(method, how, dial, fence, upstream, fresh_path):
    """It goes just as it is used again, and nothing came back: an idempotent request goes again, on a fresh one."""
    stream = dial()
    fence(stream)
    stale = upstream.make_stale(how)
    answer = ask(stream, fresh_path, method)
    assert answer is not None and answer.status == 200
    assert until_arrived(upstream, fresh_path) not in stale
    fence(stream)


@pytest.mark.parametrize("how", [END, RESET], ids=["end", "reset"])
@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"UNKNOWN"], ids=["POST", "PATCH", "UNKNOWN"])
def test_stale_connection_is_not_tried_again(method, how, dial, fence, upstream, witness, fresh_path):
    """Nobody knows whether the upstream has done it: 502, and never a second time."""
    stream = dial()
    fence(stream)
    upstream.make_stale(how)
    answer = ask(stream, fresh_path, method, b"Content-Length: 5", body=b"hello")
    assert answer is not None and answer.status == 502
    assert isinstance(json.loads(answer.body), dict)
    traffic = witness.traffic()
    copies = [each for each in traffic.requests if each.path == fresh_path] + [
        each for each in traffic.partial if fresh_path in each.pending]
    assert len(copies) == 1
    if not answer.says_close:
        fence(stream)


def test_retries_end(dial, upstream, witness, fresh_path):
    """An upstream that always hangs up."""
    upstream.script(fresh_path, END)
    answer = ask(dial(), fresh_path)
    assert answer.status == 502
    assert 1 <= len(witness.traffic().requests) <= 3


def test_no_retry_once_something_came_back(dial, upstream, witness, fresh_path):
    upstream.script(fresh_path, b"HTTP/1.1 2", END)
    answer = ask(dial(), fresh_path)
    assert answer.status == 502
    assert len(witness.traffic().requests) == 1


# Endings


def test_half_close_waits_for_a_slow_answer(dial, upstream, fence, fresh_path):
    gate = Gate()
    upstream.script(fresh_path, gate, HELLO)
    stream = dial()
    stream.send(request(fresh_path))
    stream.half_close()
    until_arrived(upstream, fresh_path)
    fence(dial())
    gate.open()
    assert stream.read_answer().body == b"hello"
    stream.assert_ended()


def test_client_that_goes_cancels_its_request(dial, upstream, fresh_path):
    upstream.script(fresh_path, Gate())
    stream = dial()
    stream.send(request(fresh_path))
    connection = until_arrived(upstream, fresh_path)
    stream.close()
    upstream.wait_closed(connection, "its client has gone")


def test_client_that_goes_in_mid_upload_completes_nothing(dial, upstream, witness, fresh_path):
    stream = dial()
    stream.send(request(fresh_path, b"POST", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    connection = until_arrived(upstream, fresh_path)
    stream.close()
    upstream.wait_closed(connection, "its client has gone")
    assert not witness.traffic().requests


def test_client_that_goes_in_mid_answer(dial, upstream, fence, fresh_path):
    gate = Gate()
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell\n", gate)
    stream = dial()
    stream.send(request(fresh_path))
    stream.wait_for(b"hell\n")
    stream.close()
    upstream.wait_closed(until_arrived(upstream, fresh_path), "its client has gone")
    fence(dial())


def test_streams_do_not_disturb_each_other(dial, fence, upstream, fresh_path):
    """One waits in the middle of a request, one of an answer, one is refused: a fourth is served."""
    gate = Gate()
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh\n", gate, b"llo")
    uploading, waiting, refused = dial(), dial(), dial()
    uploading.send(request(b"/upload", b"POST", b"Content-Length: 5") + b"he")
    waiting.send(request(fresh_path))
    waiting.wait_for(b"\r\n\r\nh\n")
    refused.send(b"no HTTP at all\r\n\r\n")
    assert refused.read_answer().status == 400
    fence(dial())
    gate.open()
    uploading.send(b"llo")
    assert waiting.read_answer().body == b"h\nllo"
    assert uploading.read_answer().body == b"POST /upload"


def test_reader_of_this_suite_is_strict():
    """A test that trusts its reader should know that it can say no."""
    with pytest.raises(Malformed):
        fake_stream(b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n").read_answer()
    with pytest.raises(Malformed):
        fake_stream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n").read_answer()
    with pytest.raises(Malformed):
        fake_stream(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n").read_answer()
    with pytest.raises(Malformed):
        fake_stream(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy").assert_ended()
    assert not fake_stream(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx").read_answer().whole
    assert not fake_stream(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").read_answer().whole


def fake_stream(data: bytes) -> Stream:
    ours, theirs = Stream.pair()
    theirs.sendall(data)
    theirs.close()
    return ours
