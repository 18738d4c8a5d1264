"""What the attacks share: upstreams that remember all that reaches them, whole requests and broken ones."""
import pytest

from procs import wait_until


class Trap:
    """An upstream of the test's own. What it heard is known for certain once the run that could talk to it is over."""

    def __init__(self, serve, answer, how):
        self.whole, self._answer = [], answer
        self.server = serve(self._handle, **how)
        self.url, self.port = self.server.url, self.server.port

    def _handle(self, peer):
        while seen := peer.read_request():
            self.whole.append(seen)
            self._answer(peer, seen)

    def _settle(self):
        wait_until(lambda: not self.server.open, "the end of every connection to the upstream")

    def heard(self):
        """Every request of which at least the head has come."""
        self._settle()
        return list(self.server.requests)

    def heard_whole(self):
        self._settle()
        return list(self.whole)

    def connections(self):
        self._settle()
        return self.server.connections


@pytest.fixture
def trap(serve):
    """Makes a Trap. `answer(peer, seen)` answers one request; the rest is as for `serve`."""
    def make(answer=lambda peer, seen: peer.answer(), **how):
        return Trap(serve, answer, how)
    return make
