"""What the attacks share: upstreams that remember all that reaches them, whole requests and broken ones; a dispatcher
with two people behind it; and runners with their control plane."""
import os

import pytest

from fleets import fleet  # noqa: F401
from procs import wait_until
from served import alice, dispatch, instances  # noqa: F401


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


PEOPLE = ("alice", "bob")


@pytest.fixture
def ahead():
    """What the test starts gets a processor before all else on the machine: an attack that has to win a race is not to
    lose it to other suites. Where that is permitted, which is to say as root."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    yield
    os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture
def house(dispatch, trap):  # noqa: F811
    """Starts a dispatcher: (it, {name: Trap}) of two people, without pairing; their instances say their names."""
    def make(answer=None, **settings):
        traps = {name: trap(answer or (lambda peer, seen, name=name: peer.answer(f"{name}\n".encode())), tls=False)
                 for name in PEOPLE}
        served = dispatch(table={name: {"os_user": name, "port": traps[name].port} for name in PEOPLE},
                          **{"profile": "none", "workers": 1, **settings})
        return served.start(), traps
    return make
