"""Every wait has an end: a run with short timeouts, and peers that keep it waiting."""

import json

import pytest

from .test_connections import MIB, request, until_arrived
from .upstream import DEAF, HEAR, Gate
from .wire import BOUND, Stream
from .workload import QUERY, Workload

# A second is short for a test and long for a machine: what must not time out here takes a few milliseconds.
TIMEOUTS = "timeouts: { head: 1s, idle: 1s, body: 1s, write: 1s, stream: 1s }\n"


@pytest.fixture(scope="module")
def hurried(program, key, upstream, tmp_path_factory):
    with Workload(program, tmp_path_factory.mktemp("hurried"), key, upstream.authority.decode(), extra=TIMEOUTS,
                  credential_extra="response_timeout: 1s") as workload:
        yield workload


@pytest.fixture
def stream(hurried):
    stream = hurried.dial(QUERY)
    yield stream
    stream.close()


def drip(stream: Stream, piece: bytes) -> None:
    """Sends a piece each tenth of a second until the relay says something or closes."""
    stream.sock.settimeout(0.1)
    for _ in range(int(BOUND * 10)):
        stream.send(piece)
        try:
            if data := stream.sock.recv(65536):
                stream.received += data
            else:
                stream.ended = True
            break
        except TimeoutError:
            continue
        except ConnectionResetError:
            stream.ended = True
            break
    else:
        pytest.fail(f"{BOUND:.0f} s of drops, and the relay went along")
    stream.sock.settimeout(BOUND)


def assert_timed_out(stream: Stream, *statuses: int) -> None:
    answer = stream.read_answer()
    assert answer is not None and answer.status in statuses, answer
    stream.assert_ended()


@pytest.mark.parametrize("sent", [b"GET /x HT", b"GET /x HTTP/1.1\r\n", b"GET /x HTTP/1.1\r\nHost: a.test\r\n"],
                         ids=["request line", "no field", "no end"])
def test_head_that_stops(sent, stream):
    stream.send(sent)
    assert_timed_out(stream, 408)


def test_head_that_drips(stream):
    """The time runs from its first byte: a byte now and then does not prolong it."""
    stream.send(b"GET /x HTTP/1.1\r\nHost: a.test\r\nX-A: ")
    drip(stream, b"a")
    assert_timed_out(stream, 408)


def test_head_of_a_second_request(stream, upstream, fresh_path):
    stream.send(request(fresh_path) + b"GET ")
    assert stream.read_answer().status == 200
    assert_timed_out(stream, 408)


def test_idle_before_a_request(stream):
    """Closed without a word: an answer to no request could be taken for the next one's."""
    stream.assert_ended()


def test_idle_between_requests(stream, fence):
    fence(stream)
    stream.assert_ended()


@pytest.mark.parametrize("head, body", [
    (b"Content-Length: 10", b"hello"),
    (b"Content-Length: 10", b""),
    (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
    (b"Transfer-Encoding: chunked", b"5\r\nhe"),
    (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n"),
], ids=["length", "none of it", "between chunks", "in a chunk", "before the end"])
def test_body_that_stops(head, body, stream, upstream, fresh_path):
    """Never completed upstream."""
    stream.send(request(fresh_path, b"POST", head) + body)
    connection = until_arrived(upstream, fresh_path)
    assert_timed_out(stream, 408, 400)
    upstream.wait_closed(connection, "its body did not come")
    assert fresh_path not in [each.path for each in connection.requests]


def test_body_that_drips(stream, upstream, fresh_path):
    """A byte now and then is enough: here the time is for each byte, and the whole takes three times as long."""
    stream.send(request(fresh_path, b"POST", b"Content-Length: 31"))
    stream.sock.settimeout(0.1)
    for _ in range(30):
        assert stream.send(b"a")
        with pytest.raises(TimeoutError):
            stream.sock.recv(1)  # nothing may come yet
    stream.sock.settimeout(BOUND)
    stream.send(b"a")
    assert stream.read_answer().status == 200
    assert until_arrived(upstream, fresh_path).requests[-1].body == b"a" * 31


def test_client_that_reads_nothing(stream, upstream, fresh_path):
    """It is closed, and what it can still read is visibly cut."""
    size = 32 * MIB
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"a" * size)
    stream.send(request(fresh_path))
    stream.wait_for_hang_up()
    answer = stream.read_answer()
    assert answer.status == 200 and not answer.whole
    upstream.wait_closed(until_arrived(upstream, fresh_path), "nobody reads its answer")


def test_upstream_that_reads_nothing(stream, upstream, fresh_path):
    """The upload is given up, and not completed when the upstream wakes."""
    size, gate = 32 * MIB, Gate()
    upstream.script(fresh_path, DEAF, gate, HEAR, at_head=True)
    stream.send(request(fresh_path, b"PUT", b"Content-Length: %d" % size))
    connection = until_arrived(upstream, fresh_path)
    stream.send(b"a" * size)
    assert_timed_out(stream, 502, 504)
    gate.open()
    upstream.wait_closed(connection, "it took nothing")
    assert not connection.requests or connection.requests[-1].path != fresh_path, "the upload was completed"


def test_upstream_that_does_not_answer(stream, upstream, fresh_path, fence):
    upstream.script(fresh_path, Gate())
    stream.send(request(fresh_path))
    answer = stream.read_answer()
    assert answer.status == 504 and isinstance(json.loads(answer.body), dict)
    upstream.wait_closed(until_arrived(upstream, fresh_path), "no answer came")
    if not answer.says_close:
        fence(stream)


def test_upstream_that_answers_half_a_head(stream, upstream, fresh_path):
    upstream.script(fresh_path, b"HTTP/1.1 200 OK\r\nX-A: ", Gate())
    stream.send(request(fresh_path))
    assert stream.read_answer().status == 504
    upstream.wait_closed(until_arrived(upstream, fresh_path), "no whole head came")


@pytest.mark.parametrize("script", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
], ids=["length", "chunked", "until the end"])
def test_upstream_that_stops_in_a_body(script, stream, upstream, fresh_path):
    """The client sees a message that is cut, never a well-formed short one."""
    upstream.script(fresh_path, script, Gate())
    stream.send(request(fresh_path))
    answer = stream.read_answer()
    assert answer.status == 200 and not answer.whole and answer.framing != "close"
    stream.assert_ended()
    upstream.wait_closed(until_arrived(upstream, fresh_path), "its body stopped")
