"""The fixture of tests that run `credfd runner`: a control plane, an API and runners for each test; and afterwards the
search for what must be nowhere. A conftest.py imports it."""
import pytest

from runner import Fleet


@pytest.fixture
def fleet(session, authority, serve):
    made = Fleet(session, authority, serve)
    yield made
    hits = made.close()
    assert not hits, f"a key or the token was left in {hits}"
