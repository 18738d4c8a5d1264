"""Has the upstream answer with every row of responses.py, whole, byte by byte and in two pieces."""

import json

import pytest

from .responses import HEAD, ROWS, Row
from .wire import FEEDS, Answer, Stream, show


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_response(row, feed, dial, fence, upstream, fresh_path):
    upstream.script(fresh_path, *row.script, feed=feed)
    stream = dial()
    stream.send(row.request % fresh_path)
    try:
        answer = stream.read_answer(row.request.split(b" ")[0])
        assert answer is not None, "closed without an answer"
        if row.is_cut:
            check_cut(answer)
        else:
            check_answer(row, answer)
        connections = upstream.connections_of(fresh_path)
        assert connections, "nothing reached the upstream"
        if row.drops:
            # Before anything else is asked: late bytes on a connection in use could not be told from an answer.
            for connection in connections:
                upstream.wait_closed(connection, "the rule drops it")
        check_after(row, stream, answer, fence)
        assert row.drops or not connections[-1].closed, "the upstream connection was dropped without need"
    except AssertionError as fault:
        raise AssertionError(
            f"{row.section}: {row.rule}\nupstream {[show(s) if isinstance(s, bytes) else s.name for s in row.script]}\n"
            f"received {show(stream.received)}\n{fault}") from None


def check_answer(row: Row, answer: Answer) -> None:
    assert answer.whole, "the answer was cut"
    assert answer.status == row.status
    assert answer.interims == list(row.interims)
    if row.body is not None:
        assert answer.body == row.body
    if row.status == 502 and row.request != HEAD:
        assert isinstance(json.loads(answer.body), dict), "no JSON object that names the reason"
    if row.framing:
        assert answer.framing == row.framing
    if row.status == 204:
        declared = answer.values(b"content-length") + answer.values(b"transfer-encoding")
        assert not declared, "S 8.6: not in a 204"
    for name, expected in row.fields.items():
        assert answer.values(name) == expected, name
    for text in row.absent:
        assert text.lower() not in answer.raw.lower(), f"{text!r} was passed on"
    for option in answer.values(b"connection"):  # only ever the relay's own
        assert option.lower() in (b"close", b"keep-alive"), option


def check_cut(answer: Answer) -> None:
    """Where nothing of the response had gone on yet, a 502 is as good."""
    assert not answer.whole or answer.status == 502, "a well-formed answer to a broken response"
    if not answer.whole:
        assert answer.framing in ("length", "chunked"), "nobody can see that this one is cut"
        assert b"hello".startswith(answer.body)


def check_after(row: Row, stream: Stream, answer: Answer, fence) -> None:
    """The client's connection is closed where the rule says so, and else goes on with the next request."""
    if row.closes and not (row.is_cut and answer.whole) or answer.says_close:
        stream.assert_ended()
        assert row.closes or answer.status == 502, "closed without need"
    else:
        fence(stream)


def test_ids_are_unique():
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids))
