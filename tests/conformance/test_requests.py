"""Sends every row of requests.py, whole, byte by byte and in two pieces."""

import pytest

from .requests import ROWS, SILENCE, Row
from .wire import FEEDS, Stream, show


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_request(row, feed, dial, fence, witness):
    stream = dial(row.lease)
    stream.feed(row.sent, feed, row.id)
    if row.half_closes:
        stream.half_close()
    try:
        check_answers(row, stream)
        if row.closes is False:
            fence(stream)
        witness.assert_seen(*row.seen, lease=row.lease, may_have_more=row.aborts)
    except AssertionError as fault:
        raise AssertionError(f"{row.section}: {row.rule}\nsent     {show(row.sent)}\n"
                             f"received {show(stream.received)}\n{fault}") from None


def check_answers(row: Row, stream: Stream) -> None:
    answer = None
    for index, statuses in enumerate(row.answers):
        seen = row.seen[index] if index < len(row.seen) else None
        answer = stream.read_answer(seen.method if seen else b"GET")
        status = answer.status if answer else SILENCE
        assert status in statuses, f"answer {index + 1} was {status}, not one of {statuses}"
        if answer:
            assert answer.whole, f"answer {index + 1} was cut"
            assert answer.interims.count(100) <= (b"100-continue" in row.sent.lower()), "100 unasked or more than once"
        if answer and seen and seen.method != b"HEAD":
            assert answer.body == seen.method + b" " + seen.target.partition(b"?")[0], "not this request's answer"
    if row.closes or (row.closes is None and answer.says_close):
        stream.assert_ended()


def test_ids_are_unique():
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids))
