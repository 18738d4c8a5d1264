"""What the log of a step of tests/run says: how many tests passed, which failed, and what of it is to be shown."""
import collections
import re

TAIL = 60  # lines of a log that are shown where it does not say itself what matters
SHOWN = 200  # lines that are shown at most

Outcome = collections.namedtuple("Outcome", "passed failed skipped")

# As pytest, meson and tests/redteam/show-teeth name them in what they print at the end, or as they go.
FAILED = [r"^(?:FAILED|ERROR) (\S+\.py::[\w:]+(?:\[.*?\])?)(?= - |$)",
          r"^ *\d+/\d+ \S+:\S+ / (\S+) +(?:FAIL|ERROR|TIMEOUT)\b",
          r"^TOOTHLESS (\w+)"]

# No chance, however seldom: what a test leaves behind, and what the sanitizers and valgrind find. (Of leaks valgrind
# speaks wherever an assertion failed, too.)
GRAVE = re.compile(r"ERROR at teardown|ERROR: \w+Sanitizer|: runtime error: |^==\d+== (?:Inv|Cond|Use|Sys)", re.M)


def _summary(log):
    """What pytest, meson or tests/redteam/show-teeth has counted."""
    def number(*words):
        """The last such number: the summary stands at the end."""
        return sum(int(hits[-1]) for hits in (re.findall(word, log, re.M) for word in words) if hits)

    passed = number(r"(\d+) passed.* in [\d.]+s", r"^Ok: +(\d+)")
    failed = number(r"(\d+) failed.* in [\d.]+s", r"(\d+) errors?.* in [\d.]+s", r"^Fail: +(\d+)", r"^Timeout: +(\d+)")
    skipped = number(r"(\d+) skipped.* in [\d.]+s", r"^Skipped: +(\d+)")
    return Outcome(passed, failed, skipped)


def count_tests(log, status):
    """A step that counted nothing tested nothing, whatever its exit status says."""
    counted = _summary(log)
    is_failure_uncounted = (status != 0 or counted.passed == 0) and counted.failed == 0
    return counted._replace(failed=1) if is_failure_uncounted else counted


def failed_tests(log):
    """The names of those that failed, if that is all that went wrong and may have been chance: without a summary nobody
    knows what else there was."""
    told = log.rpartition("short test summary info")[2]  # all of it where there is no such line
    names = list(dict.fromkeys(name for pattern in FAILED for name in re.findall(pattern, told, re.M)))  # each once
    return names if len(names) == _summary(log).failed and not GRAVE.search(log) else []


def story(log):
    """The failures, as pytest and tests/redteam/show-teeth tell them; else the end."""
    lines = log.splitlines()
    begins = [number for number, line in enumerate(lines) if re.match(r"=+ (ERRORS|FAILURES) =+$", line)]
    return lines[begins[0]:][-SHOWN:] if begins else lines[-TAIL:]
