"""The program under test, its upstream, and the checks that every table shares."""

from __future__ import annotations

import itertools
import os
import secrets
from pathlib import Path

import pytest

from .checks import Witness
from .upstream import Upstream
from .wire import Stream
from .workload import QUERY, Workload

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def program() -> Path:
    path = ROOT / os.environ.get("CREDFD", "build/credfd")
    if not path.exists():
        pytest.exit(f"{path} is not there: build it with `make`, or name another in CREDFD", returncode=1)
    return path


@pytest.fixture(scope="session")
def key() -> str:
    return f"canary-{secrets.token_hex(16)}"


@pytest.fixture(scope="session")
def upstream():
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def run(program, key, upstream, tmp_path_factory):
    """The one run that every test shares but those about time."""
    with Workload(program, tmp_path_factory.mktemp("run"), key, upstream.authority.decode()) as workload:
        yield workload


@pytest.fixture
def dial(run):
    """Streams of the shared run, closed after the test."""
    streams: list[Stream] = []

    def dial_one(lease: int = QUERY) -> Stream:
        streams.append(run.dial(lease))
        return streams[-1]

    yield dial_one
    for stream in streams:
        stream.close()


@pytest.fixture(scope="session")
def fence():
    """
    A request that must be answered, by every lease. On a stream, to show that it is in order; and after it, whatever
    was sent upstream before is on record there.
    """
    numbers = itertools.count()

    def pass_through(stream: Stream) -> None:
        path = b"/open/fence/%d" % next(numbers)
        assert stream.send(b"GET %s HTTP/1.1\r\nHost: fence.test\r\n\r\n" % path), "the stream was closed"
        answer = stream.read_answer()
        assert answer is not None, "the stream was closed"
        assert (answer.status, answer.body) == (200, b"GET " + path)

    return pass_through


@pytest.fixture
def fresh_path(request):
    """A path that no other test uses, for a script."""
    return b"/case/" + "".join(c if c.isalnum() else "-" for c in request.node.name).encode()


@pytest.fixture
def witness(upstream, run, fence):
    return Witness(upstream, run, fence)
