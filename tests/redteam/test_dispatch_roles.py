"""A role of the dispatcher that was taken over: a program of the test's stands in its place (usurper.py), says what it
must not to the supervisor and to the other roles, is ended for it, and leaves everybody else served. And what each role
has, seen from outside and tried from inside: as little as its work needs, and nothing of it for the same user."""
import contextlib
import ctypes
import errno
import json
import os
import re
import shutil
import signal
import struct
import sys
from pathlib import Path

import pytest

import attack
import jwt
import procs
import program
from dispatch import ROLES, Client
from procs import wait_until
from test_processes import got_through
from upstream import free_port

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PEERS = ("dispatcher", "pairer", "steward", "verifier", "doorman", "resolver")
MIB = 1 << 20


def ipc_types():
    """{name: number} as src/ipc/message.h has them."""
    text = re.search(r"enum ipc_type \{(.*?)\n\};", (ROOT / "src/ipc/message.h").read_text(), re.S)[1]
    names = re.findall(r"\bIPC_([A-Z_]+)\b(?:\s*=\s*0)?,?(?=[^A-Za-z]*(?:/\*|\n|$))", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    return {name: number for number, name in enumerate(names)}


TYPES = ipc_types()


def message(name, form="", *values):
    """A datagram; in `form` s is a text with its length."""
    data = bytes([TYPES[name]])
    for code, value in zip(form, values):
        data += struct.pack("<I", len(value)) + value if code == "s" else struct.pack("<" + code, value)
    return data.hex()


def saying(*datagrams, channel=None, patience=1.5, **how):
    """One attack: (datagram, descriptors, times) each, or a datagram alone. So long is the other side's answer waited for."""
    datagrams = [one if isinstance(one, tuple) else (one, 0, 1) for one in datagrams]
    return {"channel": channel, "datagrams": datagrams, "patience": patience, **how}


@pytest.fixture
def usurped(session, dispatch, trap):
    """usurped(role, attacks=... or behind=...) is a dispatcher of two people, with a usurper in the place of that role."""
    def make(role, attacks=(), behind=(), **settings):
        folder = session.new_folder() / "bin"
        (folder / "said").mkdir(parents=True)
        for file in session.path.parent.glob("credfd*"):
            if file.is_file():
                shutil.copy(file, folder / file.name)
        shutil.copytree(session.path.parent / "profiles", folder / "profiles", dirs_exist_ok=True)
        place, real = folder / ROLES[role], folder / f"real-{role}"
        place.rename(real)
        place.write_text(f"#!{sys.executable} -IS\n" + (HERE / "usurper.py").read_text())
        place.chmod(0o755)
        (folder / "plan.json").write_text(json.dumps({"types": TYPES, "real": str(real), "attacks": attacks, "behind": behind}))
        traps = {name: trap(lambda peer, seen, name=name: peer.answer(name.encode()), tls=False) for name in ("alice", "bob")}
        served = dispatch(table={name: {"os_user": name, "port": one.port} for name, one in traps.items()},
                          **{"profile": "none", "listen": [f"unix:{folder / 'front'}"], **settings})
        served.said = folder / "said"
        served.front = folder / "front"
        with program_of(session, folder / "credfd"):
            made.append(served.start())
        return served

    made = []
    yield make
    for served in made:  # at once: a drain would wait for those who know nothing of one
        served.process.kill()
        served.wait()


@contextlib.contextmanager
def program_of(session, path):
    before, session.path = session.path, path
    try:
        yield
    finally:
        session.path = before


def outcome(served, number, patience=30):
    """What an attack came to."""
    path = served.said / str(number)
    return json.loads(wait_until(lambda: path.exists() and path.read_text(), lambda: f"{number} is over: {served.stderr}",
                                 patience))


def ask(served, name="alice", target="/x"):
    with Client(served.front) as client:
        return client.ask("GET", target, served.fields(name)).status


def require_all_serves(served, role, dead=()):
    """Whoever took the place is gone, the role itself is there, and people are served."""
    wait_until(lambda: served.roles(role) and not set(dead) & set(served.roles(role)), f"{role}: another, {served.stderr}")
    wait_until(lambda: {ask(served, name) for name in ("alice", "bob")} == {200}, "they are served")
    assert served.process.poll() is None


# What the supervisor hears.

MAY_SAY = {"HELLO", "LOG", "TALLY", "SEEN", "STATUS_ASK", "DRAINED"}  # to the supervisor, by a dispatcher


def malformed():
    """Types that a dispatcher may not say, others' and nobody's; and its own, cut, stretched and with what is not theirs."""
    never = [name for name in TYPES if name not in MAY_SAY]
    for name in {*never[::5], "SECRET", "PEER", "TABLE", "MINT", "PAIRED", "COMMAND", "HEALTH", "SESSION", "INVALID"}:
        yield saying(message(name))
    for text in ("ff", bytes([len(TYPES)]).hex(), message("DRAINED"), message("HELLO", "I", 1)):
        yield saying(text)
    for name in sorted(MAY_SAY - {"DRAINED"}):
        yield saying(message(name))  # too short
        yield saying(message(name) + "00" * 5000)  # too long
    for fds in (1, 2, 200):
        yield saying((message("LOG", "Bs", 3, b"x"), fds, 1))
    yield saying(message("LOG", "BI", 3, 0xffffffff) + "41")  # of a length that is not there
    yield saying(message("LOG", "Bs", 250, b"x"))  # of no level
    yield saying((150_000, 0, 1))  # longer than any datagram of ours


def require_ended(served, count):
    """Each of so many was killed for what it said, and lived to tell of none of it: their pids."""
    began = [outcome(served, f"{number}.began")["pid"] for number in range(count)]
    for pid in began:
        wait_until(lambda pid=pid: procs.state(pid) in ("", "Z"), lambda: f"it is killed: {served.stderr}")
    lived = [number for number in range(count) if (served.said / str(number)).exists()]
    assert lived == [], "these were not ended"
    assert served.stderr.count("broke the rules of its channel and is killed") == count, served.stderr
    return began


@pytest.mark.defence("permit")
def test_a_dispatcher_that_breaks_the_rules_is_ended_and_the_others_go_on(usurped):
    """Many of them say one thing each that they must not, all at once."""
    attacks = list(malformed())
    served = usurped("dispatcher", attacks, workers=20)
    dead = require_ended(served, len(attacks))
    require_all_serves(served, "dispatcher", dead)


@pytest.mark.parametrize("role, attacks", [
    ("pairer", [saying(message("SEEN", "sQQQI", b"alice", 1, 1, 1, 1)), saying(message("MINT", "I", 1)),
                saying(message("PAIRED", "QIBBs", 1, 0, 200, 0, b"x"))]),
    ("steward", [saying(message("MINT", "IQI", 1, 1, 0)), saying(message("COMMAND", "IBQI", 1, 77, 1, 0)),
                 saying((message("HEALTH", "QIBI", 1, 0, 1, 1), 1, 1))]),
], ids=["pairer", "steward"])
def test_so_is_another_role(usurped, role, attacks):
    """One after the other in the one place; then the role itself has it again."""
    served = usurped(role, attacks, workers=1)
    require_all_serves(served, role, require_ended(served, len(attacks)))


def test_lies_that_keep_to_the_rules_gain_nothing(usurped):
    """Of people who are not there, of tables that are not, of all there is at once; and log lines that look like others'."""
    lies = saying(message("SEEN", "sQQQI", b"<b>mallory", 1 << 63, 1 << 63, 1 << 63, 1 << 31),
                  message("LOG", "Bs", 3, b"\x1b]0;evil\x07\ncredfd: all is well\r\n"),
                  (message("STATUS_ASK", "I", 7), 0, 3), patience=0.2, lingers=True)
    served = usurped("dispatcher", [lies], workers=2, admins=["root"])
    one = outcome(served, 0)
    assert one["how"] == "sent" and not one["ended"]
    with Client(served.front) as client:
        page = client.ask("GET", "/-/credfd", served.fields("root")).text
    assert "mallory" not in page
    assert "\ncredfd: all is well" not in served.stderr and "\x1b" not in served.stderr
    require_all_serves(served, "dispatcher")


def test_questions_whose_answers_nobody_reads_are_bounded(usurped, no_sanitizer):
    """It asks for the page again and again: the supervisor keeps so many answers and no more, and ends it."""
    served = usurped("dispatcher", [saying((message("STATUS_ASK", "I", 1), 0, 20_000), patience=10)], workers=2)
    pid = outcome(served, "0.began")["pid"]
    wait_until(lambda: procs.state(pid) in ("", "Z") or (served.said / "0").exists(), "it is ended, or has given up")
    assert procs.peak_kib(served.pid) < 64 * 1024
    require_all_serves(served, "dispatcher")


def test_a_pairer_cannot_have_more_commands_run_than_there_may_be(usurped):
    """For instances that are not there: none. For one that is: so many at once; each is ended in its time."""
    served = usurped("pairer", [saying(*(message("MINT", "IQI", number, 99, number) for number in range(200)),
                                       *(message("MINT", "IQI", 1000 + number, 1, 1 << 31) for number in range(200)),
                                       (message("MINT_STOP", "I", 5), 0, 10),
                                       *(message("MINT", "IQI", 2000 + number, number % 3, 0) for number in range(1200)),
                                       patience=0.2, lingers=True)], workers=1)
    served.write_mint("#!/bin/sh\nexec sleep 2\n")
    outcome(served, 0)
    running = [pid for pid in procs.children(served.pid) if b"sleep" in procs.cmdline(pid)]
    assert len(running) <= 128, "LIMIT_COMMANDS"
    wait_until(lambda: ask(served) == 200, "people are served")


# What the other roles hear.

def bad_questions(good, name):
    """What no dispatcher may say to that role, each as a fresh one of the same number."""
    others = [other for other in TYPES if other != name]
    for text in (*map(message, others[::4]), message("SESSION" if name != "SESSION" else "WAKE"), message("PEER"), "ff",
                 message(name), good + "00", good[:-2], good[:len(good) // 4 * 2], message(name) + "ff" * 60):
        yield as_peer("dispatcher", saying(text), 63)
    for fds in (1, 2, 100):
        yield as_peer("dispatcher", saying((good, fds, 1)), 63)
    yield as_peer("dispatcher", saying((150_000, 0, 1)), 63)


def as_peer(peer, attack_of_it, number=0):
    return {**attack_of_it, "peer": PEERS.index(peer), "number": number}


def require_dropped(served, attacks, is_logged=False):
    """The role has ended the channel on which each of them was said."""
    for number, one in enumerate(attacks):
        told = outcome(served, number)
        assert told["ended"], one["datagrams"][0]
        assert told["log"] or not is_logged, ("nothing in the log", one["datagrams"][0])
    outcome(served, "over")


def session_of(want=1, host=b"x", proto=b"https", cookie=b""):
    return message("SESSION", "IQIBsss", 1, 1, 0, want, host, proto, cookie)


BAD_SESSIONS = [session_of(want=2), session_of(host=b"x y"), session_of(host=b"x\r\nX: y"), session_of(host=b"x" * 400),
                session_of(proto=b"ftp"), session_of(cookie=b"a=b\r\nX: y"), session_of(cookie=b"a" * 20_000)]
TO_PAIRER = [*bad_questions(session_of(), "SESSION"), *(as_peer("dispatcher", saying(text), 63) for text in BAD_SESSIONS)]
TO_STEWARD = [*bad_questions(message("WAKE", "IQI", 1, 1, 0), "WAKE"), as_peer("dispatcher", saying(message("ACTIVITY")), 63)]


@pytest.mark.defence("permit")
@pytest.mark.parametrize("role, attacks", [("pairer", TO_PAIRER), ("steward", TO_STEWARD)], ids=["pairer", "steward"])
def test_a_dispatcher_that_breaks_the_rules_loses_its_channel_to_the_other_roles(usurped, role, attacks):
    """And nobody else does: the role that it spoke to is the same as before, and answers the others."""
    served = usurped(role, behind=attacks)
    require_dropped(served, attacks, is_logged=True)
    require_all_serves(served, role)


def test_so_it_does_to_the_verifier(usurped, tmp_path, folder):
    tmp_path.chmod(0o755)
    place = folder / "usurper-keys"
    place.mkdir(exist_ok=True)
    key = jwt.Key(place, "one")
    (tmp_path / "jwks.json").write_text(jwt.jwks(key))
    header = "X-authentik-jwt"
    attacks = list(bad_questions(message("ASSERTION", "Is", 1, b"x.y.z"), "ASSERTION"))
    served = usurped("verifier", behind=attacks, trust={"jwt": {
        "header": header, "jwks": str(tmp_path / "jwks.json"), "issuer": jwt.ISSUER, "audience": jwt.AUDIENCE}})
    require_dropped(served, attacks)
    with Client(served.front) as client:
        assert client.ask("GET", "/x", [(header, key.sign())]).status == 200


def answer_of(state=4, fault=0, names=b"", cookies=(b"a=b",), count=None):
    count = len(cookies) if count is None else count
    return message("SESSION_ANSWER", "IBBIIsB" + "s" * len(cookies), 1, state, fault, 0, 1, names, count, *cookies)


FROM_ROLES = {
    "pairer": [message("SESSION"), message("TABLE"), message("SESSION_ANSWER"), answer_of() + "00", answer_of()[:-2],
               answer_of(cookies=(b"a=b\r\nX: y",)), answer_of(cookies=()), answer_of(state=9, cookies=()),
               answer_of(state=5, fault=99, cookies=()), answer_of(count=255), answer_of(state=0, names=b"a\nb", cookies=()),
               (answer_of(), 1, 1), (answer_of(), 2, 1)],
    "steward": [message("AWAKE"), message("AWAKE", "IBs", 1, 200, b"x"), message("SESSION_ANSWER")],
    "verifier": [message("ASSERTED"), message("ASSERTED", "IBQs", 1, 2, 1, b"alice"), message("ASSERTION")],
    "doorman": [message("GUEST"), message("GUEST", "Iss", 0, b"\x7f\0\0\1", b"front"), message("DRAINED"),
                *((message("GUEST", "Iss", 0, address, name), 1, 1) for address, name in (
                    (b"\x7f\0\0", b"front"), (b"\x7f\0\0\1" * 5, b"front"), (b"\x7f\0\0\1", b"x" * 300)))],
}


@pytest.mark.defence("permit")
def test_a_dispatcher_does_not_believe_what_no_role_may_say(usurped):
    """A pairer, a steward, a verifier or a doorman that was taken over: the dispatcher drops that channel, and serves on."""
    attacks = [as_peer(peer, saying(text)) for peer, texts in FROM_ROLES.items() for text in texts]
    served = usurped("dispatcher", behind=attacks, workers=1)
    require_dropped(served, attacks)
    require_all_serves(served, "dispatcher")


def test_a_flood_of_questions_to_the_pairer_mints_what_it_may(usurped, no_sanitizer):
    """Well-formed, for everybody in the table, for nobody, and none of the answers read."""
    questions = [(message("SESSION", "IQIBsss", number, 1, number % 7, 1, b"x", b"https", b""), 0, 20) for number in range(1000)]
    flood = [as_peer("dispatcher", saying(*questions, reads=False, patience=0.5), 63)]
    served = usurped("pairer", behind=flood, profile="t3", mint=None)
    outcome(served, "over", 60)
    wait_until(lambda: ask(served) == 401, "people are served")
    pairer = max(procs.descendants(served.role("pairer")) or [served.role("pairer")])
    assert procs.peak_kib(pairer) < 64 * 1024


# What a role has.

def settle(pids):
    """Until they are in their sandboxes; those that never will be, for a moment."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: {procs.status(pid).get("Seccomp") for pid in pids} == {"2"}, "they are in their sandboxes", 1)


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
    served = dispatch(table={"alice": {"os_user": "alice", "port": lone.port}}, profile="none", access_log=None, workers=1)
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
    "dispatcher": r"socket:|/memfd:|anon_inode:|/dev/null|.*/access.jsonl", "pairer": r"socket:|/memfd:|anon_inode:|/dev/null|pipe:",
    "steward": r"socket:|/memfd:|anon_inode:|/dev/null", "verifier": r"socket:|anon_inode:|/dev/null",
    "doorman": r"socket:|anon_inode:|/dev/null",
}


@pytest.mark.defence("close_range")
def test_a_role_inherits_nothing(house, authority, tmp_path, keys_file, sees_into_processes, session):
    """Whoever started the dispatcher had files open: none of them is in a role."""
    extra = os.open(session.stage / "lease.py", os.O_RDONLY)
    served, _ = house()
    served.stop()
    served.start(pass_fds=[extra])
    os.close(extra)
    for role in ("dispatcher", "pairer", "steward"):
        pid = served.role(role)
        settle([pid])
        odd = {number: what for number, what in procs.descriptors(pid).items() if not re.fullmatch(f"({HELD[role]}).*", what)}
        assert odd == {}, role


# From inside: a call is made in the role's own name, by the hand of a debugger that may.

class Registers(ctypes.Structure):
    """user_regs_struct of x86_64."""
    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip",
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
            assert call_inside(pids[role], OPENAT, AT_FDCWD, None, 0, 0, text=path) == (-errno.EACCES, "returned"), (role, path)
