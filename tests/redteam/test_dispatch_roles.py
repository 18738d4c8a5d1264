"""A role of the dispatcher that was taken over: a program of the test's stands in its place (usurper.py), says what it
must not to the supervisor and to the other roles, is ended for it, and leaves everybody else served."""
import contextlib
import json
import re
import shutil
import struct
import sys
from pathlib import Path

import pytest

import jwt
import procs
from dispatch import ROLES, Client
from procs import wait_until

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PEERS = ("dispatcher", "pairer", "steward", "verifier", "doorman", "resolver")


def ipc_types():
    """{name: number} as src/ipc/message.h has them."""
    text = re.search(r"enum ipc_type \{(.*?)\n\};", (ROOT / "src/ipc/message.h").read_text(), re.S)[1]
    names = re.findall(r"^\s*IPC_([A-Z_]+)\b", re.sub(r"/\*.*?\*/", "", text, flags=re.S), re.M)
    return {name: number for number, name in enumerate(names)}


TYPES = ipc_types()


def message(name, form="", *values):
    """A datagram; in `form` s is a text with its length."""
    data = bytes([TYPES[name]])
    for code, value in zip(form, values):
        data += struct.pack("<I", len(value)) + value if code == "s" else struct.pack("<" + code, value)
    return data.hex()


def saying(*datagrams, channel=None, patience=1, **how):
    """One attack: (datagram, descriptors, times) each, or a datagram alone. So long is the end of it waited for."""
    datagrams = [one if isinstance(one, tuple) else (one, 0, 1) for one in datagrams]
    return {"channel": channel, "datagrams": datagrams, "patience": patience, **how}


@pytest.fixture
def usurped(session, dispatch, trap):
    """usurped(role, attacks=... or behind=...) is a dispatcher of two people; in that role's place is a usurper."""
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
        plan = {"types": TYPES, "real": str(real), "attacks": attacks, "behind": behind}
        (folder / "plan.json").write_text(json.dumps(plan))
        traps = {name: trap(tls=False) for name in ("alice", "bob")}
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
    text = wait_until(lambda: path.exists() and path.read_text(), lambda: f"{number} is over: {served.stderr}",
                      patience)
    return json.loads(text)


def ask(served, name="alice", target="/x"):
    with Client(served.front) as client:
        return client.ask("GET", target, served.fields(name)).status


def require_all_serves(served, role, dead=()):
    """Whoever took the place is gone, the role itself is there, and people are served."""
    wait_until(lambda: served.roles(role) and not set(dead) & set(served.roles(role)),
               f"{role}: another, {served.stderr}")
    wait_until(lambda: {ask(served, name) for name in ("alice", "bob")} == {200}, "they are served")
    assert served.process.poll() is None


# What the supervisor hears.

MAY_SAY = {"HELLO", "LOG", "TALLY", "SEEN", "STATUS_ASK", "DRAINED"}  # to the supervisor, by a dispatcher


def malformed():
    """Types that a dispatcher may not say, others' and nobody's; and its own, cut, stretched, and with too much."""
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
    """Each of so many was killed for what it said: their pids."""
    began = [outcome(served, f"{number}.began")["pid"] for number in range(count)]
    for pid in began:
        wait_until(lambda pid=pid: procs.state(pid) in ("", "Z"), lambda: f"it is killed: {served.stderr}")
    told = {number: outcome(served, number) for number in range(count) if (served.said / str(number)).exists()}
    lived = [number for number, one in told.items() if not one["ended"]]
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
    """Of people who are not there, and of numbers beyond belief; and log lines that look like others'."""
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
    mints = [message("MINT", "IQI", number, table, instance) for number, table, instance in (
        *((number, 99, number) for number in range(200)), *((1000 + number, 1, 1 << 31) for number in range(200)),
        *((2000 + number, number % 3, 0) for number in range(1200)))]
    stops = [(message("MINT_STOP", "I", 5), 0, 10)]
    served = usurped("pairer", [saying(*stops, *mints, patience=0.2, lingers=True)], workers=1)
    served.write_mint("#!/bin/sh\nexec sleep 2\n")
    assert not outcome(served, 0)["ended"], "they are well-formed"
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


def session_of(want=1, host=b"x", proto=b"https", cookie=b"", number=1, instance=0):
    return message("SESSION", "IQIBQsss", number, 1, instance, want, 7, host, proto, cookie)


BAD_SESSIONS = [session_of(want=2), session_of(host=b"x y"), session_of(host=b"x\r\nX: y"), session_of(host=b"x" * 400),
                session_of(proto=b"ftp"), session_of(cookie=b"a=b\r\nX: y"), session_of(cookie=b"a" * 20_000)]
TO_PAIRER = [*bad_questions(session_of(), "SESSION"),
             *(as_peer("dispatcher", saying(text), 63) for text in BAD_SESSIONS)]
TO_STEWARD = [*bad_questions(message("WAKE", "IQI", 1, 1, 0), "WAKE"),
              as_peer("dispatcher", saying(message("ACTIVITY")), 63)]


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
               answer_of(state=5, fault=99, cookies=()), answer_of(count=255),
               answer_of(state=0, names=b"a\nb", cookies=()),
               (answer_of(), 1, 1), (answer_of(), 2, 1)],
    "steward": [message("AWAKE"), message("AWAKE", "IBs", 1, 200, b"x"), message("SESSION_ANSWER")],
    "verifier": [message("ASSERTED"), message("ASSERTED", "IBQs", 1, 2, 1, b"alice"), message("ASSERTION")],
    "doorman": [message("GUEST"), message("GUEST", "Iss", 0, b"\x7f\0\0\1", b"front"), message("DRAINED"),
                *((message("GUEST", "Iss", 0, address, name), 1, 1) for address, name in (
                    (b"\x7f\0\0", b"front"), (b"\x7f\0\0\1" * 5, b"front"), (b"\x7f\0\0\1", b"x" * 300)))],
}


@pytest.mark.defence("permit")
def test_a_dispatcher_does_not_believe_what_no_role_may_say(usurped):
    """A pairer, a steward, a verifier or a doorman that was taken over: the dispatcher drops that channel."""
    attacks = [as_peer(peer, saying(text)) for peer, texts in FROM_ROLES.items() for text in texts]
    served = usurped("dispatcher", behind=attacks, workers=1)
    require_dropped(served, attacks)
    require_all_serves(served, "dispatcher")


def test_a_flood_of_questions_to_the_pairer_mints_what_it_may(usurped, no_sanitizer):
    """Well-formed, for everybody in the table, for nobody, and none of the answers read."""
    questions = [(session_of(number=number, instance=number % 7), 0, 20) for number in range(1000)]
    flood = [as_peer("dispatcher", saying(*questions, reads=False, patience=0.5), 63)]
    served = usurped("pairer", behind=flood, profile="t3", mint=None)
    assert "broke the rules" not in outcome(served, 0)["log"], "they are well-formed"
    outcome(served, "over", 60)
    wait_until(lambda: ask(served) == 401, "people are served")
    pairer = max(procs.descendants(served.role("pairer")) or [served.role("pairer")])
    assert procs.peak_kib(pairer) < 64 * 1024
