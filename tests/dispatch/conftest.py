"""A dispatcher for each test, with instances behind it; and afterwards the search for what must be nowhere."""
from served import alice, dispatch, instances  # noqa: F401
