"""What the tests of the runner share."""
from fleets import fleet  # noqa: F401
