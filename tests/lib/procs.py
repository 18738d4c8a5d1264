"""What /proc says about processes: who descends from whom, what they hold, and waiting for it to change."""
import ctypes
import os
import re
import signal
import time

PATIENCE = 20.0  # seconds that a condition may take; far above what is needed, so that only a fault runs into it

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def wait_until(condition, what, timeout=PATIENCE, pause=0.005):
    """Polls until `condition()` is true and returns its value; fails at the deadline with `what` or what it returns.
    `pause` is between two looks: longer where a look is dear."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(pause)


def become_subreaper():
    """From now on every orphan below this process becomes its child, so nothing can slip out of sight."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def die_with_parent():
    """For preexec_fn: a helper server does not outlive the tests."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def status(pid):
    """/proc/PID/status as {key: text}; empty if the process is gone."""
    lines = _read(pid, "status").decode("utf-8", "replace").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def comm(pid):
    return _read(pid, "comm").decode("utf-8", "replace").rstrip("\n")


def cmdline(pid):
    return _read(pid, "cmdline")


def environ(pid):
    return _read(pid, "environ")


def state(pid):
    """One letter, "" if the process is gone."""
    return status(pid).get("State", "")[:1]


def is_alive(pid):
    return state(pid) not in ("", "Z", "X")


def parents():
    """{pid: its parent} of everything that runs."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = re.match(rb"\d+ \(.*\) . (\d+)", _read(name, "stat"), re.DOTALL)
            if found:
                table[int(name)] = int(found.group(1))
    return table


def children(pid):
    """Whoever ends meanwhile may hide another for a moment (proc(5)): to be asked again and again."""
    try:
        return sorted(int(child) for thread in os.listdir(f"/proc/{pid}/task")
                      for child in _read(pid, f"task/{thread}/children").split())
    except OSError:
        return []


def descendants(pid):
    table, found, last = parents(), [], [pid]
    while last:
        last = [child for child, parent in table.items() if parent in last]
        found += last
    return found


def descriptors(pid):
    """{number: what it is} of an open process; needs the right to look into it."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def memory_kib(pid, key="VmRSS"):
    return int(status(pid)[key].split()[0])


def peak_kib(pid):
    return memory_kib(pid, "VmHWM")


def pss_kib(pid):
    """Its memory, with what it shares counted in parts. As root, of processes that nobody may look into."""
    return int(re.search(rb"^Pss:\s+(\d+)", _read(pid, "smaps_rollup"), re.M).group(1))


def readable_ranges(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        for line in file:
            span, access = line.split()[:2]
            if access.startswith("r") and not line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                low, high = (int(end, 16) for end in span.split("-"))
                yield low, high, line.rstrip()


def memory_holds(pid, needle):
    """The mappings of another process in which `needle` stands. As root, with CAP_SYS_PTRACE."""
    hits = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for low, high, line in readable_ranges(pid):
            if needle in _range(memory, low, high):
                hits.append(line)
    return hits


def _range(memory, low, high):
    parts = []
    while low < high:
        try:
            part = os.pread(memory.fileno(), min(high - low, 1 << 20), low)
        except OSError:
            part = b""  # memfd_secret and guard pages are not readable at all
        parts.append(part)
        low += len(part) or 4096
    return b"".join(parts)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def describe(pid):
    return f"{pid} {comm(pid)} ({state(pid)}): {cmdline(pid).replace(bytes(1), b' ').decode('utf-8', 'replace')[:200]}"


def has_capability(number):
    return bool(int(status(os.getpid())["CapEff"], 16) >> number & 1)


CAP_SYS_PTRACE, CAP_SYS_ADMIN = 19, 21
