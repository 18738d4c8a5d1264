"""What the kernel tells about processes and about this machine. Nothing here runs or judges anything."""
import contextlib
import os
import platform
import resource
import subprocess
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_ns(pid):
    """CPU time of a process and its threads, what interrupts took from it included: by the scheduler's own count, in
    nanoseconds; on a kernel without it by the clock's ticks."""
    try:
        spent = sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        spent = 0
    return spent or sum(map(int, stat(pid)[11:13])) * TICK_NS


def all_cpu_ns(pids):
    return sum(map(cpu_ns, pids))


def stat(pid):
    """The fields of /proc/PID/stat from the third on: the second is a name, and may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def status(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def switches(pid):
    """How often it went to sleep of its own accord."""
    return status(pid, "voluntary_ctxt_switches")


def faults(pid):
    """Page faults that needed no disk: memory that was given back too early shows here."""
    return int(stat(pid)[7])


def peak_kib(pid):
    return status(pid, "VmHWM")


def pss_kib(pid):
    """Roles let nobody look at their memory but root: None for others. Who has ended meanwhile holds nothing."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def all_pss_kib(pids):
    sizes = [pss_kib(pid) for pid in pids]
    return None if None in sizes else sum(sizes)


def children(pid):
    """The living children of a process, by their names."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(stat(folder.name)[1]) == pid:
                found[(folder / "comm").read_text().strip()] = int(folder.name)
        except OSError:
            continue
    return found


def name(pid):
    """Its first fifteen characters: the kernel keeps no more."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def tree(pid):
    """A process and all that descend from it; without those that end meanwhile."""
    children = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(below for child in children for below in tree(child))]


def descriptors():
    """How many a process may hold; as many as the kernel lets us ask for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def busy_ns(cpu):
    """What one CPU has done for anybody, in ticks' precision; another guest's share of it included."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) * TICK_NS
    raise KeyError(cpu)


def pin(cpu):
    """This process, and all that it starts from now on, to one CPU. Without a number: the last there is."""
    allowed = os.sched_getaffinity(0)
    cpu = max(allowed) if cpu is None else cpu
    if cpu not in allowed:
        raise RuntimeError(f"there is no CPU {cpu} for this process; there are: {' '.join(map(str, sorted(allowed)))}")
    os.sched_setaffinity(0, {cpu})
    return cpu


@contextlib.contextmanager
def everywhere():
    """What is started meanwhile may run on all CPUs that there are."""
    pinned = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    try:
        yield
    finally:
        os.sched_setaffinity(0, pinned)


def other(cpu):
    """A CPU for whoever is not measured; the same where there is no other."""
    return min(set(range(os.cpu_count())) - {cpu}, default=cpu)


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return ((done.stdout or done.stderr).splitlines() or [None])[0]


def cpu_name():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def is_virtual():
    """Whether the CPU says that it is lent to a guest: then system calls and switches may cost a multiple."""
    return " hypervisor " in Path("/proc/cpuinfo").read_text()


def describe(program):
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "kernel": platform.release(),
        "machine": f"{os.cpu_count()} x {cpu_name()}{', virtual' if is_virtual() else ''}, "
                   f"{int(memory.split()[1]) / (1 << 20):.0f} GiB",
        "credfd": first_line(program, "version"),
        "openssl": first_line("openssl", "version"),
        "load_average": os.getloadavg(),
    }
