"""Fixtures of tests that run a dispatcher: one for each test, with instances behind it; and afterwards the search for
what must be nowhere. A conftest.py imports them."""
import pytest

import procs
from dispatch import Dispatch
from procs import wait_until
from t3 import T3


@pytest.fixture
def dispatch(session):
    """Makes dispatchers: dispatch(table=..., **settings) is one that is not started yet."""
    made = []

    def make(**how):
        made.append(Dispatch(session, **how))
        return made[-1]

    yield make
    hits = session.search.in_processes([pid for each in made if each.process and each.process.poll() is None
                                        for pid in [each.pid, *procs.descendants(each.pid)]])
    for each in made:
        each.stop()
    wait_until(lambda: not session.leftovers(), lambda: f"left running: {[procs.cmdline(p) for p in session.leftovers()]}")
    for each in made:
        hits += session.search.in_tree(each.folder)
        assert "runtime error" not in each.stderr and "Sanitizer" not in each.stderr, each.stderr
    assert not hits, f"a credential or a cookie was left in {hits}"


@pytest.fixture
def instances(session):
    """Makes instances: instances(dispatch, "alice", **how) is one that redeems what is minted for that user."""
    made = []

    def make(served, name="alice", **how):
        made.append(T3(served.credentials(name), session.canary, name, **how))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def alice(dispatch, instances):
    """A dispatcher that serves, with alice's instance: (dispatch, t3)."""
    served = dispatch()
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    return served.start(), t3
