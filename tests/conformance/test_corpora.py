"""Sends other people's request files; corpus.py says which of them we judge differently, and why."""

import pytest

from .corpus import ACCEPTED, FOLDER, REFUSED, File, files
from .wire import FEEDS, Stream, show
from .workload import HEADER

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/corpora is not there")


def send(stream: Stream, data: bytes, feed: str, seed: str) -> list[int]:
    """Everything, then the end: the statuses that came back."""
    stream.feed(data, feed, seed)
    stream.half_close()
    statuses = []
    while answer := stream.read_answer():
        assert answer.whole
        statuses.append(answer.status)
    return statuses


def judge(file: File, data: bytes, must_accept: bool, feed: str, dial, witness) -> None:
    stream = dial(HEADER)  # a target of `*` has no query that could carry a key
    try:
        statuses = send(stream, data, feed, str(file))
        traffic = witness.traffic()
        if must_accept:
            assert statuses[:1] == [200], f"not accepted: {statuses}"
            assert len(traffic.requests) == statuses.count(200) and not traffic.partial
        else:
            assert not statuses or statuses[-1] >= 400, f"not refused: {statuses}"
            assert not traffic.requests, "it was completed upstream"
            if not file.may_begin:
                assert not traffic.partial, "its beginning reached the upstream"
            for connection in traffic.partial:
                witness.upstream.wait_closed(connection, "an incomplete request is aborted")
    except AssertionError as fault:
        raise AssertionError(f"{file}\nsent     {show(data)}\nreceived {show(stream.received)}\n{fault}") from None


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("file", files("invalid"), ids=str)
def test_invalid(file: File, feed, dial, witness):
    judge(file, file.data, file.name in ACCEPTED and not file.lacks_host, feed, dial, witness)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("file", files("invalid", without_host=True), ids=str)
def test_invalid_with_host(file: File, feed, dial, witness):
    judge(file, file.with_host(), file.name in ACCEPTED, feed, dial, witness)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("file", files("valid"), ids=str)
def test_valid(file: File, feed, dial, witness):
    judge(file, file.data, file.name not in REFUSED and not file.lacks_host, feed, dial, witness)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("file", files("valid", without_host=True), ids=str)
def test_valid_with_host(file: File, feed, dial, witness):
    judge(file, file.with_host(), file.name not in REFUSED, feed, dial, witness)


def test_tables_name_files_that_are_there():
    assert set(REFUSED) <= {file.name for file in files("valid")}
    assert set(ACCEPTED) <= {file.name for file in files("invalid")}
