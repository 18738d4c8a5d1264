"""What each role of the dispatcher has, seen from outside and tried from inside: as little as its work needs; and
nothing of it for a process of its own user, for a crash, or from whoever started it."""
import contextlib
import ctypes
import errno
import json
import os
import re
import signal
from pathlib import Path

import pytest

import attack
import procs
import program
from dispatch import ROLES
from procs import wait_until
from test_cores import Cores, core_pattern
from test_processes import got_through
from upstream import free_port

ROOT = Path(__file__).resolve().parents[2]


def settle(pids):
    """Until they are in their sandboxes; those that never will be, for a moment."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: {procs.status(pid).get("Seccomp") for pid in pids} == {"2"}, "they are in their sandboxes",
                   1)


@pytest.fixture
def everybody(house, authority, tmp_path, keys_file):
    """A dispatcher with every role there is: (it, {role: pid})."""
    tmp_path.chmod(0o755)
    for name, text in (("certificate", authority.good.read_bytes()), ("key", authority.good.read_bytes()),
                       ("ca", authority.ca_file.read_bytes())):
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).chmod(0o600)
    served, _ = house(listen=[f"tls:127.0.0.1:{free_port()}"], drain="100ms", trust={
        "mtls": {**{name: str(tmp_path / name) for name in ("certificate", "key", "ca")}, "names": ["front.test"]},
        "jwt": {"header": "X-authentik-jwt", "jwks": str(keys_file), "issuer": "https://x/", "audience": "x"}})
    pids = {role: served.role(role) for role in ROLES}
    settle(pids.values())
    yield served, pids
    served.process.kill()  # at once: a drain would wait for those who are just being started again
    served.wait()


@pytest.fixture
def keys_file(tmp_path):
    file = tmp_path / "keys.json"
    file.write_text('{"keys": []}')
    return file


@pytest.mark.defence("core")
def test_no_role_holds_a_capability_or_may_write_a_core(everybody):
    _, pids = everybody
    for role, pid in pids.items():
        status = procs.status(pid)
        assert {status[key].strip() for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}, role
        assert status["NoNewPrivs"].strip() == "1"
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            assert re.search(r"Max core file size +0 +0 ", file.read()), role


@pytest.mark.defence("dumpable")
def test_the_same_user_reaches_nothing_of_any_of_them(dispatch, trap, session):
    """ptrace, /proc/PID/*, process_vm_readv, pidfd_getfd and their kin, by a process of the dispatcher's own user."""
    if not program.is_root():
        pytest.skip("needs root, to be somebody else")
    user = program.NOBODY
    lone = trap(tls=False)
    served = dispatch(table={"alice": {"os_user": "alice", "port": lone.port}}, profile="none", access_log=None,
                      workers=1)
    served.env["HOME"] = str(served.folder)
    served.start(through=["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"])
    pids = {"supervisor": served.pid, **{role: served.role(role) for role in ("dispatcher", "pairer", "steward")}}
    settle([pid for role, pid in pids.items() if role != "supervisor"])
    assert {procs.status(pid)["Uid"].split()[0] for pid in pids.values()} == {str(user.pw_uid)}
    assert got_through(as_user(user, attack.steal_from, pids)) == {}


def as_user(user, function, *arguments):
    """What the function gives in a process of that user; JSON must hold it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            os.write(writer, json.dumps(function(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text)


HELD = {  # what may stand in a role's table of descriptors, beside its epoll, timers and /dev/null
    "dispatcher": r"socket:|/memfd:|anon_inode:|/dev/null|.*/access.jsonl",
        "pairer": r"socket:|/memfd:|anon_inode:|/dev/null|pipe:",
    "steward": r"socket:|/memfd:|anon_inode:|/dev/null", "verifier": r"socket:|anon_inode:|/dev/null",
    "doorman": r"socket:|anon_inode:|/dev/null",
}


@pytest.mark.defence("close_range")
def test_a_role_inherits_nothing(house, session, no_sanitizer, sees_into_processes):
    """Whoever started the dispatcher had files open: none of them is in a role."""
    extra = os.open(session.stage / "lease.py", os.O_RDONLY)
    served, _ = house()
    served.stop()
    served.start(pass_fds=[extra])
    os.close(extra)
    for role in ("dispatcher", "pairer", "steward"):
        pid = served.role(role)
        settle([pid])
        odd = [what for what in procs.descriptors(pid).values() if not re.fullmatch(f"({HELD[role]}).*", what)]
        assert odd == [], role


@pytest.mark.defence("core")
def test_a_crash_leaves_no_core(dispatch, instances, session, as_root, no_sanitizer):
    """Of those through whom a credential and cookies have gone, where cores of this machine go into a pipe."""
    cores = Cores(session.new_folder(), "piped")
    with core_pattern(cores.pattern):
        if not cores.control(None):
            pytest.skip("this machine catches no core at all")
        served = dispatch(workers=1)
        t3 = instances(served)
        served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
        cookie = served.start().sign_in()
        assert served.ask("/x", cookie=cookie).status == 200
        for role in ("dispatcher", "pairer", "steward"):
            victim = served.role(role)
            assert attack.crash(victim, signal.SIGSEGV) == "it crashed"
            wait_until(lambda role=role, victim=victim: served.roles(role) not in ([], [victim]), f"another {role}")
            assert cores.of(victim) == [], role
        wait_until(lambda: served.ask("/x", cookie=cookie).status == 200, "people are served")


# From inside: a call is made in the role's own name, by the hand of a debugger that may.

class Registers(ctypes.Structure):
    """user_regs_struct of x86_64."""
    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
        "orig_rax", "rip",
        "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs")]


GETREGS, SETREGS, CONT, DETACH, SEIZE, INTERRUPT, SYSCALL = 12, 13, 7, 17, 0x4206, 0x4207, 24  # PTRACE_
WAIT_ALL = 0x40000000  # __WALL


def call_inside(pid, number, *arguments, text=None):
    """Has a role that sleeps in a system call make another: its result, or the signal of which it died. An argument
    that is None becomes the address of `text`."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def trace(request, data=None):
        if libc.ptrace(request, pid, None, data) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request}")

    saved, mine = Registers(), Registers()
    while True:
        trace(SEIZE)
        trace(INTERRUPT)
        os.waitpid(pid, WAIT_ALL)
        trace(GETREGS, ctypes.addressof(saved))
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(saved.rip - 2)
            if memory.read(2) == b"\x0f\x05":
                break
        trace(DETACH)  # not in a system call just now
    ctypes.memmove(ctypes.addressof(mine), ctypes.addressof(saved), ctypes.sizeof(saved))
    where = saved.rsp - 4096
    if text:
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(where)
            memory.write(text + b"\0")
    values = [where if value is None else value for value in arguments] + [0] * 6
    mine.rip, mine.rax, mine.orig_rax = saved.rip - 2, number, (1 << 64) - 1
    mine.rdi, mine.rsi, mine.rdx, mine.r10, mine.r8, mine.r9 = (value & (1 << 64) - 1 for value in values[:6])
    trace(SETREGS, ctypes.addressof(mine))
    for _ in range(2):  # into the call, and out of it
        trace(SYSCALL)
        os.waitpid(pid, WAIT_ALL)
    trace(GETREGS, ctypes.addressof(mine))
    result = ctypes.c_longlong(mine.rax).value
    if result == number:  # rolled back, for the filter has ended the process
        trace(CONT)
        return os.WTERMSIG(os.waitpid(pid, WAIT_ALL)[1]), "killed"
    trace(SETREGS, ctypes.addressof(saved))
    trace(DETACH)
    return result, "returned"


# One for each, that its list has not: more of them are in tests/unit/test-seccomp.c. Numbers are of x86_64.
GIVEN_UP = {
    "dispatcher": ("execve", 59, None, 0, 0), "pairer": ("open", 2, None, 0), "steward": ("fork", 57),
    "verifier": ("ptrace", 101, 16, 1, 0, 0), "doorman": ("a socket", 41, 2, 1, 0),
}
GETPID, OPENAT, AT_FDCWD = 39, 257, -100


@pytest.fixture
def a_hand_inside(no_sanitizer, sees_into_processes):
    if os.uname().machine != "x86_64":
        pytest.skip("knows the registers of x86_64 alone")


@pytest.mark.defence("sandbox")
def test_a_role_that_calls_for_what_it_gave_up_is_ended(everybody, a_hand_inside):
    """In the very process, in the middle of its work."""
    served, pids = everybody
    for role, (name, *call) in GIVEN_UP.items():
        assert call_inside(pids[role], GETPID) == (pids[role], "returned"), "the hand works"
        assert call_inside(pids[role], *call, text=b"/bin/true") == (signal.SIGSYS, "killed"), (role, name)
    for role, pid in pids.items():
        wait_until(lambda role=role, pid=pid: served.roles(role) not in ([], [pid]), f"another {role}")


@pytest.mark.defence("sandbox")
def test_a_role_that_may_open_files_opens_none_but_its_own(everybody, a_hand_inside):
    """For their libraries' sake two of them may read files: by Landlock not those of anybody."""
    _, pids = everybody
    for role in ("steward", "verifier"):
        for path in (b"/etc/passwd", b"/proc/self/environ", str(ROOT).encode(), b"/"):
            got = call_inside(pids[role], OPENAT, AT_FDCWD, None, 0, 0, text=path)
            assert got == (-errno.EACCES, "returned"), (role, path)
