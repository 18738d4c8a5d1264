"""What the tables share: how what reached the upstream is held against what had to."""

from __future__ import annotations

from collections.abc import Callable

from .requests import Seen
from .upstream import Request, Traffic, Upstream
from .wire import show
from .workload import QUERY, Workload

HOP_BY_HOP = (b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"upgrade", b"expect")


def without_key(target: bytes, key: bytes) -> bytes:
    """The target as the client sent it: with the one parameter that was put in taken out again."""
    path, mark, query = target.partition(b"?")
    parameters = query.split(b"&") if mark else []
    assert parameters.count(b"app_key=" + key) == 1 and target.count(b"app_key") == 1, f"the key in {target!r}"
    parameters.remove(b"app_key=" + key)
    return path + (b"?" + b"&".join(parameters) if parameters else b"")


class Witness:
    """Of one test: what reached the upstream since it began."""

    def __init__(self, upstream: Upstream, run: Workload, fence: Callable):
        self.upstream, self.run, self.fence = upstream, run, fence
        self.mark = upstream.mark()

    def traffic(self) -> Traffic:
        stream = self.run.dial()
        try:
            self.fence(stream)
        finally:
            stream.close()
        return self.upstream.since(self.mark)

    def assert_nothing(self) -> None:
        traffic = self.traffic()
        assert not traffic.requests, f"reached the upstream: {[show(request.raw) for request in traffic.requests]}"
        assert not traffic.partial, f"reached the upstream: {[show(bytes(each.pending)) for each in traffic.partial]}"

    def assert_seen(self, *expected: Seen, lease: int = QUERY, may_have_more: bool = False) -> None:
        """
        Exactly these requests, complete and in order. With `may_have_more`, the beginning of another one as well, on a
        connection that was then closed.
        """
        traffic = self.traffic()
        assert len(traffic.requests) == len(expected), [show(request.raw) for request in traffic.requests]
        for request, seen in zip(traffic.requests, expected):
            self._assert_is(request, seen, lease)
        if not may_have_more:
            assert not traffic.partial, [show(bytes(each.pending)) for each in traffic.partial]
        for connection in traffic.partial:
            self.upstream.wait_closed(connection, "an incomplete request is aborted")

    def _assert_is(self, request: Request, seen: Seen, lease: int) -> None:
        is_query = lease == QUERY
        target = without_key(request.target, self.run.key) if is_query else request.target
        assert (request.method, target, request.body) == (seen.method, seen.target, seen.body)
        assert request.values(b"host") == [self.upstream.authority]
        if not is_query:
            assert request.values(b"x-key") == [b"Key " + self.run.key]
        for name in HOP_BY_HOP:
            if name != b"expect" or name in seen.fields:
                assert not request.values(name), f"{name!r} went upstream"
        for option in request.values(b"connection"):  # only ever the keeper's own
            assert option.lower() in (b"close", b"keep-alive"), option
        for name, value in seen.fields.items():
            assert request.values(name) == ([] if value is None else [value]), name
