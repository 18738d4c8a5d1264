"""What a hostile workload tries. Runs inside the workload; every attempt reports what it got.

An attempt gives "DENIED: <errno>" where the kernel refused, and anything else where it got through: so a test asserts
that all is denied, and a new way in cannot pass for a refusal. Standard library and system calls only.
"""
import ctypes
import errno
import json
import os
import re
import resource
import socket
import struct
import time

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

PTRACE_CONT, PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 7, 16, 17, 0x4206
TRACE_CLONES = 0x02 | 0x04 | 0x08  # PTRACE_O_TRACEFORK, _TRACEVFORK, _TRACECLONE
WAIT_ALL = 0x40000000  # __WALL
SYS_PROCESS_VM_READV = {"x86_64": 310, "aarch64": 270}
SYS_PROCESS_VM_WRITEV = {"x86_64": 311, "aarch64": 271}
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_PROCESS_MADVISE = 434, 438, 440
SYS_KCMP = {"x86_64": 312, "aarch64": 272}
SYS_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID = 0x10000000, 0x00020000, 0x20000000
DENIALS = {errno.EPERM, errno.EACCES, errno.ESRCH, errno.ENOENT, errno.ENOSYS}
SENSITIVE = ("environ", "maps", "smaps", "auxv", "pagemap", "stack", "syscall")


def denied(number):
    return f"DENIED: {errno.errorcode.get(number, number)}"


def is_denied(outcome):
    return isinstance(outcome, str) and outcome.startswith("DENIED: ")


def attempt(function, *arguments):
    """Calls it; an OSError of refusal becomes a denial, any other one is told as it is."""
    try:
        return function(*arguments)
    except OSError as error:
        return denied(error.errno) if error.errno in DENIALS else f"got past the check: {error!r}"


def _call(number, *arguments):
    ctypes.set_errno(0)
    if isinstance(number, dict):
        number = number[os.uname().machine]
    wide = (ctypes.c_long(one) if isinstance(one, int) else one for one in (number, *arguments))
    value = _libc.syscall(*wide)
    if value < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return value


# Finding out who is there.

def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def comm_of(pid):
    with open(f"/proc/{pid}/comm", encoding="latin-1") as file:
        return file.read().rstrip("\n")


def everyone():
    """{pid: parent} of all that can be seen."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = parent_of(int(name))
            except OSError:
                pass
    return found


def supervisor():
    """The credfd process that this workload descends from."""
    pid = os.getppid()
    while not comm_of(pid).startswith("credfd"):
        pid = parent_of(pid)
    return pid


def our_roles():
    """{name: pid} of the supervisor and the roles below it."""
    top = supervisor()
    roles = {"supervisor": top}
    for pid, parent in everyone().items():
        if parent == top and pid != os.getpid():
            try:
                roles[comm_of(pid)] = pid
            except OSError:
                pass  # gone meanwhile
    return roles


# Memory of another process.

def ptrace_attach(pid):
    return _ptrace(PTRACE_ATTACH, pid)


def ptrace_seize(pid):
    return _ptrace(PTRACE_SEIZE, pid)


def _ptrace(request, pid):
    ctypes.set_errno(0)
    if _libc.ptrace(request, pid, None, None) != 0:
        return denied(ctypes.get_errno())
    if request == PTRACE_ATTACH:
        os.waitpid(pid, 0)
    _libc.ptrace(PTRACE_DETACH, pid, None, None)
    return "attached"


def read_mem_file(pid):
    def read():
        with open(f"/proc/{pid}/mem", "rb", buffering=0):
            return "opened its memory"
    return attempt(read)


def open_memory_at_birth(is_over):
    """Opens the memory of every new process as soon as that is permitted, until `is_over()`: {pid: (mem, maps)}."""
    held, patience, last = {}, {}, _newest_pid()
    while not is_over():
        last = _add_newborn(patience, last)
        for pid in list(patience):
            try:
                opened = os.open(f"/proc/{pid}/mem", os.O_RDONLY), os.open(f"/proc/{pid}/maps", os.O_RDONLY)
                close_all({pid: held.pop(pid, ())})  # of what it was before it became another program
                held[pid] = opened
                if comm_of(pid).startswith("credfd-"):
                    patience.pop(pid)
            except PermissionError:
                patience[pid] -= 1
                if patience[pid] == 0:
                    patience.pop(pid)
            except OSError:
                patience.pop(pid)
    return held


def close_all(held):
    for fds in held.values():
        for fd in fds:
            os.close(fd)


def readable_still(held):
    """Of what was opened: the programs whose memory can be read through it now."""
    programs = set()
    for pid, (mem, maps) in held.items():
        try:
            mapped = os.read(maps, 4096).decode("latin-1")
            if mapped and os.pread(mem, 16, int(mapped.split("-")[0], 16)):
                programs.add(comm_of(pid))
        except OSError:
            pass
    return programs


def trace_at_birth(is_over):
    """Traces new processes as soon as that is permitted, and what they clone, until it has a keeper: those that are left."""
    patience, last, has_one = {}, _newest_pid(), False
    while not is_over():
        last = _add_newborn(patience, last)
        for pid in [] if has_one else list(patience):
            ctypes.set_errno(0)
            if _libc.ptrace(PTRACE_SEIZE, pid, None, TRACE_CLONES) == 0:
                has_one = comm_of(pid) == "credfd-keeper"
            elif ctypes.get_errno() == errno.EPERM and patience[pid] > 0:
                patience[pid] -= 1
                continue
            patience.pop(pid)
        _let_go_on()
    return [pid for pid in everyone() if tracer_of(pid) == os.getpid()]


def _let_go_on():
    """Whoever of the traced has stopped."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | WAIT_ALL)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            is_event = status >> 16 != 0
            _libc.ptrace(PTRACE_CONT, pid, None, 0 if is_event else os.WSTOPSIG(status))


def tracer_of(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="latin-1") as file:
            return int(re.search(r"^TracerPid:\t(\d+)", file.read(), re.M)[1])
    except OSError:
        return 0


def _add_newborn(patience, last):
    """Whoever has come after `last`, each to be tried so many times; the newest of them."""
    newest = _newest_pid()
    patience.update((pid, 3000) for pid in range(last + 1, newest + 1))
    return max(last, newest)


def _newest_pid():
    with open("/proc/loadavg", encoding="ascii") as file:
        return int(file.read().split()[-1])


def write_mem_file(pid):
    def write():
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
        return "opened its memory for writing"
    return attempt(write)


def _vm_vectors():
    local = ctypes.create_string_buffer(16)
    mine = struct.pack("PN", ctypes.addressof(local), 16)
    # Where the other's memory may be: any address does, for who may look is asked before what is there.
    other = struct.pack("PN", 0x400000, 16)
    return local, ctypes.create_string_buffer(mine), ctypes.create_string_buffer(other)


def _vm(number, pid):
    _local, mine, other = _vm_vectors()
    return f"moved {_call(number, pid, ctypes.byref(mine), 1, ctypes.byref(other), 1, 0)} bytes"


def vm_read(pid):
    return attempt(_vm, SYS_PROCESS_VM_READV, pid)


def vm_write(pid):
    return attempt(_vm, SYS_PROCESS_VM_WRITEV, pid)


def madvise(pid):
    """MADV_COLD on the other's memory: the same question to the kernel in another guise."""
    def advise():
        _local, _mine, other = _vm_vectors()
        return _call(SYS_PROCESS_MADVISE, _call(SYS_PIDFD_OPEN, pid, 0), ctypes.byref(other), 1, 20, 0)
    return attempt(advise)


def perf(pid):
    """A performance counter on the other process: registers and stacks can be sampled through it."""
    def open_counter():
        attributes = bytearray(128)
        struct.pack_into("IIQ", attributes, 0, 1, 128, 1)  # PERF_TYPE_SOFTWARE, task clock
        buffer = (ctypes.c_char * 128).from_buffer(attributes)
        return f"perf fd {_call(SYS_PERF_EVENT_OPEN, ctypes.byref(buffer), pid, -1, -1, 0)}"
    return attempt(open_counter)


# Descriptors of another process.

def take_descriptor(pid, number):
    def take(handle):
        os.close(_call(SYS_PIDFD_GETFD, handle, number, 0))
        return f"got descriptor {number}"

    handle = attempt(_call, SYS_PIDFD_OPEN, pid, 0)
    if isinstance(handle, str):
        return handle
    outcome = attempt(take, handle)
    os.close(handle)
    return outcome


def open_descriptor(pid, number):
    """Through /proc/PID/fd: the way to a memfd that nobody else has."""
    def steal():
        os.close(os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY))
        return f"opened descriptor {number}"
    return attempt(steal)


def pidfd_getfd(pid):
    """Every descriptor up to 64: none may be had."""
    return worst({take_descriptor(pid, number) for number in range(64)})


def open_descriptors(pid):
    return worst({open_descriptor(pid, number) for number in range(64)})


def read_links(pid):
    def look(name):
        return f"{name} is {os.readlink(f'/proc/{pid}/{name}')}"
    return worst({attempt(look, name) for name in ("cwd", "root", "exe", *(f"fd/{number}" for number in range(64)))})


def map_files(pid):
    def look():
        names = os.listdir(f"/proc/{pid}/map_files")
        os.close(os.open(f"/proc/{pid}/map_files/{names[0]}", os.O_RDONLY))
        return "opened a mapping"
    return attempt(look)


def compare_descriptors(pid):
    """kcmp: whether its descriptors are ours; asks for the same right as ptrace."""
    return attempt(lambda: f"compared: {_call(SYS_KCMP, os.getpid(), pid, 0, 0, 0)}")


def worst(outcomes):
    """One that got through, if there is any."""
    through = [outcome for outcome in outcomes if not is_denied(outcome)]
    return through[0] if through else sorted(outcomes)[0]


def sensitive_files(pid):
    def read(name):
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return f"{name} holds {len(file.read(1 << 16))} bytes"
    return {name: attempt(read, name) for name in SENSITIVE if os.path.exists(f"/proc/self/{name}")}


THEFTS = (ptrace_attach, ptrace_seize, read_mem_file, write_mem_file, vm_read, vm_write, madvise, perf, pidfd_getfd,
          open_descriptors, read_links, map_files, compare_descriptors)


def steal_from(pids):
    """{role: {attempt: outcome}}: everything against everyone."""
    return {role: {theft.__name__: theft(pid) for theft in THEFTS} | sensitive_files(pid) for role, pid in pids.items()}


def in_new_namespaces(function, *arguments):
    """The same from a child in a user namespace of its own, where it holds every capability there is."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)
        try:
            os.write(writer, json.dumps(function(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        found = json.loads(file.read())
    os.waitpid(child, 0)
    return found


# Environments.

def environments(stop):
    """{pid: [name, what its environ gave]} of ourselves, our ancestors below `stop`, and what the supervisor ran."""
    def read(pid):
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().decode("latin-1")

    pids, table, top = {os.getpid()}, everyone(), supervisor()
    pid = os.getppid()
    while pid not in (stop, 0, 1):
        pids.add(pid)
        pid = parent_of(pid)
    pids |= {child for child, parent in table.items() if parent == top}
    return {pid: [comm_of(pid), attempt(read, pid)] for pid in pids}


def command_lines():
    """Every command line that can be seen below the supervisor, and its own."""
    top, found = supervisor(), []
    for pid, parent in everyone().items():
        if top in (pid, parent):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found.append(file.read().decode("latin-1"))
    return found


# Descriptors that came along.

def inherited():
    """{number: what it is} in this process, without the one that the listing itself needs."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if not target.endswith(f"/proc/{os.getpid()}/fd"):
            found[int(number)] = target
    return found


def inherited_by_grandchild():
    """The same from a grandchild that the shell starts."""
    reader, writer = os.pipe()
    listing = f"ls -l /proc/self/fd >&{writer}"
    os.set_inheritable(writer, True)
    os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", f"({listing})"])
    os.close(writer)
    with os.fdopen(reader) as file:
        rows = [line.split() for line in file if " -> " in line]
    numbers = {int(row[-3]): row[-1] for row in rows}
    return {number: target for number, target in numbers.items()
            if number != writer and not target.startswith("/proc/")}


# On a stream of a lease.

def talk(raw, name=None):
    """All that one stream says to these bytes (text of latin-1) until its end; it is told that no more comes."""
    import lease  # beside this file where a workload runs, and nowhere else

    received = b""
    with lease.connect(name) as stream:
        try:
            stream.send(raw.encode("latin-1"))
            stream.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused in the middle: the answer is there to be read
        try:
            while part := stream.socket.recv(1 << 16):
                received += part
        except ConnectionResetError:
            pass
    return received.decode("latin-1")


def statuses(text):
    """The statuses of all answers in it."""
    return [int(number) for number in re.findall(r"^HTTP/1\.1 (\d{3}) ", text, re.M)]


def talk_each(cases):
    """{name: bytes}, each on a stream of its own: {name: the statuses that came}."""
    return {name: statuses(talk(raw)) for name, raw in cases.items()}


# Crashes.

def crash(pid, number):
    """Raises its core limit from outside as far as one may, then crashes it; waits until it is gone."""
    raise_core_limit(pid)
    try:
        os.kill(pid, number)
    except PermissionError:
        return "DENIED: EPERM"
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and _state(pid) not in "ZX":
        if time.monotonic() > deadline:
            return "it lives"
        time.sleep(0.01)
    return "it crashed"


def raise_core_limit(pid):
    """To no limit; where that is refused, to the hard one."""
    endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for wanted in (lambda: endless, lambda: (resource.prlimit(pid, resource.RLIMIT_CORE)[1],) * 2):
        try:
            resource.prlimit(pid, resource.RLIMIT_CORE, wanted())
            return
        except (PermissionError, ValueError):
            continue


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def capabilities():
    """The workload's five sets as numbers."""
    with open("/proc/self/status", encoding="latin-1") as file:
        rows = dict(line.split(":\t", 1) for line in file if line.startswith("Cap"))
    return {name: int(text, 16) for name, text in rows.items()}
