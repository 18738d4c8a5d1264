"""The roles of `credfd runner`, taken over: a program of the test's stands in the place of one (usurper.py), says what
it must not, is ended for it, and leaves the other tasks as they are; and what a role can do from inside its sandbox."""
import contextlib
import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

import procs
from procs import wait_until
from runner import ROLES
from test_dispatch_confinement import a_hand_inside, call_inside  # noqa: F401
from test_dispatch_roles import TYPES, message, outcome, program_of, require_ended, saying

HERE = Path(__file__).resolve().parent


@pytest.fixture
def usurped(session, fleet):
    """usurped(role, attacks) is a runner that serves; in that role's place is a usurper until no attack is left."""
    def make(role, attacks, **settings):
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
        plan = {"types": TYPES, "real": str(real), "attacks": attacks, "behind": ()}
        (folder / "plan.json").write_text(json.dumps(plan))
        runner = fleet.runner()
        runner.said = folder / "said"
        runner.write_cli("new")
        runner.write_config(cli=str(runner.fduty), tasks={"concurrent": 24, "timeout": "60s", "grace": "100ms"},
                            settle="100ms", **settings)
        with program_of(session, folder / "credfd"):
            runner.start()
        return runner
    return make


def each_of(names, good):
    """What none may say: other types; and one of its own, cut, stretched, and with too many descriptors."""
    for name in names:
        yield message(name)
    yield "ff"
    yield good + "00"
    yield good[:-2]
    yield good + "00" * 5000
    for fds in (2, 100):
        yield good, fds, 1
    yield 150_000, 0, 1


def never(*own):
    return [name for name in TYPES if name not in own]


def as_attacks(datagrams, **how):
    return [saying(one, **how) for one in datagrams]


def require_tasks_run(runner):
    hub = runner.hub
    assert hub.result(hub.bash("echo fine"))["result"]["stdout"] == "fine\n"
    assert runner.process.poll() is None


TASK_SAYS = ("HELLO", "LOG", "TASK_OUTPUT", "TASK_DONE")
DONE = message("TASK_DONE", "BIQQ", 0, 0, 1, 1)


@pytest.mark.defence("permit")
def test_a_task_that_breaks_the_rules_is_ended_and_the_others_go_on(usurped):
    """One of each kind, many at once, beside one that goes on."""
    attacks = as_attacks([*each_of(never(*TASK_SAYS), DONE), *map(message, TASK_SAYS), (DONE, 0, 2),
                          message("TASK_DONE", "BIQQ", 99, 0, 1, 1), message("TASK_OUTPUT", "Bs", 7, b"x"),
                          message("TASK_OUTPUT", "Bs", 0, b"x" * 70_000), message("LOG", "Bs", 250, b"x"),
                          (message("TASK_OUTPUT", "Bs", 0, b"x"), 1, 1)], hears=0.1, patience=5)
    runner = usurped("task", attacks)
    hub = runner.hub
    hub.wait_connected()
    tasks = [hub.send("list", {"path": "."}) for _ in attacks]
    require_ended(runner, len(attacks))
    for task in tasks:
        result = hub.result(task)
        assert result["success"] is False and result["error"].startswith("task failed: its "), result
    require_tasks_run(runner)


@pytest.mark.defence("permit")
def test_an_executor_that_breaks_the_rules_is_ended_and_its_task_says_so(usurped):
    """To the supervisor, and to the task's own process, which is nobody's fool either."""
    to_supervisor = as_attacks(each_of(never("HELLO", "LOG", "EXEC_BEGUN")[::3], message("EXEC_BEGUN", "I", 1)))
    own = ("EXEC_BEGUN", "EXEC_PIPE", "EXEC_FAILED", "EXEC_ENDED")
    to_task = as_attacks([*each_of(never(*own)[::4], message("EXEC_ENDED", "IBB", 0, 0, 0)), *map(message, own),
                          (message("EXEC_PIPE", "B", 9), 1, 1), message("EXEC_ENDED", "IBB", 0, 99, 0)], channel=0)
    runner = usurped("exec", to_supervisor + to_task)
    hub = runner.hub
    hub.wait_connected()
    tasks = [hub.bash("touch ran") for _ in to_supervisor + to_task]
    for number in range(len(to_supervisor), len(tasks)):
        assert outcome(runner, number)["ended"], to_task[number - len(to_supervisor)]["datagrams"]
    for task in tasks:
        assert hub.result(task)["success"] is False
    assert runner.stderr.count("credfd-exec broke the rules of its channel and is killed") == len(to_supervisor)
    assert "credfd-exec broke the rules of its channel: " in runner.stderr
    assert not (runner.workspace / "ran").exists()
    require_tasks_run(runner)


def test_a_task_cannot_make_its_executor_do_what_it_is_not_for(usurped):
    """An order that is none is not run; what breaks the rules ends the channel, and the executor."""
    attacks = as_attacks([*each_of(never("EXEC", "EXEC_STOP")[::4], message("EXEC_STOP")), message("EXEC"),
                          (message("EXEC") + "00", 1, 1)], channel=0)
    orders = as_attacks([(message("EXEC"), 1, 1)], channel=0)
    runner = usurped("task", attacks + orders)
    hub = runner.hub
    hub.wait_connected()
    tasks = [hub.bash("touch ran") for _ in attacks + orders]
    for number, one in enumerate(attacks + orders):
        assert outcome(runner, number)["ended"], one["datagrams"]
    for task in tasks:
        assert hub.result(task)["success"] is False
    assert "credfd-task broke the rules of its channel" in runner.stderr
    wait_until(lambda: not runner.roles("exec"), "no executor is left")
    require_tasks_run(runner)


ID = b"t-1"
LINK_BREAKS = [
    message("TASK", "Bssss", 0, b"", b"", b"", b"why"), message("TASK", "Bssss", 200, ID, b"", b"", b"why"),
    (message("TASK", "Bssss", 0, ID, b"", b"", b"why"), 1, 1),
    message("TASK", "Bssss", 0, b"x" * 5000, b"", b"", b"why"), message("TASK_KEY", "ss", ID, b"https://x"),
    message("RESULT_SETTLED", "QB", 1, 9), message("TASK_DONE"),
]


@pytest.mark.defence("permit")
def test_a_link_that_breaks_the_rules_is_ended_and_comes_back(usurped):
    """One after the other in the one place; then the link itself has it again."""
    attacks = as_attacks(LINK_BREAKS, hears=0.2)
    runner = usurped("link", attacks)
    require_ended(runner, len(attacks))
    runner.hub.wait_connected()
    require_tasks_run(runner)


def test_a_link_that_lies_gains_nothing_but_tasks(usurped):
    """Of results that it never had, of tasks that are not there, with ids that are paths, and keys without a task."""
    ids = [b"../evil", b"/tmp/evil", b"..", b"a/b", b"a\0b", b"a\nb: \x1b[31m", b"x" * 64]
    lies = [
        message("LINK_UP", "Bss", 1, b"\x1b]0;evil\x07\n", b"a\nb"),
        message("LINK_DOWN", "Qs", 1 << 63, b"a\ncredfd: fine"),
        *(message("RESULT_SETTLED", "QB", number, 1) for number in (0, 1, 1 << 63)),
        *(message("TASK_CANCEL", "s", name) for name in ids),
        *((message("TASK_KEY", "ss", name, b"https://evil.test"), 1, 1) for name in ids),
        *((message("TASK", "Bssss", operation, name, name, name, b""), 1, 1) for name in ids for operation in (0, 1)),
        *(message("TASK", "Bssss", 0, b"r" + name, name, name, b"a\nb") for name in ids),
        message("LOG", "Bs", 3, b"a\ncredfd: x"),
    ]
    runner = usurped("link", [saying(*lies, hears=0.2, patience=0.5)])
    before = sorted(os.listdir(runner.folder))
    outcome(runner, 0)
    runner.hub.wait_connected()
    require_tasks_run(runner)
    assert sorted(os.listdir(runner.folder)) == before and not os.path.exists("/tmp/evil.result")
    made = {name for _, _, names in os.walk(runner.folder) for name in names}
    assert not made & {"evil.result", "evil.begun", "b.result"}
    assert not any(text in runner.stderr for text in ("\x1b", "\ncredfd: fine", "\ncredfd: x"))


def test_a_probe_that_breaks_the_rules_turns_nothing_on(usurped):
    """Where the CLI has changed the probe itself is asked, and says what is so."""
    answers = [message("PROBED", "Bs", 2, b""), message("PROBED", "Bs", 1, b"but"), message("PROBED", "Bs", 0, b""),
               (message("PROBED", "Bs", 1, b""), 1, 1), message("LINK_UP")]
    runners = [usurped("probe", [one]) for one in as_attacks(answers, hears=0.1)]
    for runner in runners:
        runner.hub.wait_connected()
        assert "broker" not in runner.hub.queries[0]
        runner.write_cli("new")
        runner.hub.drop()
    for runner in runners:
        runner.hub.wait_connected(2)
        assert runner.hub.queries[1]["broker"] == ["1"]
        require_tasks_run(runner)


# From inside.

EXECVE, FORK, SOCKET, OPENAT, GETPID, AT_FDCWD, AF_INET, AF_UNIX = 59, 57, 41, 257, 39, -100, 2, 1
WRITES = (os.O_WRONLY, os.O_RDONLY | os.O_CREAT)
GIVEN_UP = {
    "task": [(EXECVE, None, 0, 0), (FORK,), (SOCKET, AF_INET, 1, 0), (SOCKET, AF_UNIX, 1, 0)],
    "link": [(EXECVE, None, 0, 0), (SOCKET, AF_UNIX, 1, 0), *((OPENAT, AT_FDCWD, None, how, 0o600) for how in WRITES)],
}


def settled(runner, role):
    """The one that has come to its work: a role starts as one process and goes on as another."""
    with contextlib.suppress(AssertionError):  # where its sandbox was left out
        wait_until(lambda: procs.status(runner.role(role)).get("Seccomp") == "2", "it is in its sandbox", 1)
    return runner.role(role)


@pytest.mark.defence("sandbox")
@pytest.mark.parametrize("role", GIVEN_UP)
def test_a_role_that_calls_for_what_it_gave_up_is_ended(fleet, a_hand_inside, role):  # noqa: F811
    """In the very process, in the middle of its work; the runner has another one."""
    runner, hub = fleet.start()
    for call in GIVEN_UP[role]:
        hub.bash("sleep 600", timeout=50)
        wait_until(lambda: runner.roles("exec"), "a task that runs")
        pid = settled(runner, role)
        assert call_inside(pid, GETPID) == (pid, "returned"), "the hand works"
        assert call_inside(pid, *call, text=b"/bin/true") == (signal.SIGSYS, "killed"), call
        wait_until(lambda pid=pid: pid not in runner.roles(role), "its end")
    hub.wait_connected()
    require_tasks_run(runner)


@pytest.mark.defence("sandbox")
def test_a_task_opens_nothing_but_its_workspace_and_the_spool(fleet, a_hand_inside):  # noqa: F811
    """Nor does the link open anything of anybody's to read."""
    runner, hub = fleet.start()
    hub.bash("sleep 600")
    wait_until(lambda: runner.roles("exec"), "a task that runs")
    task, link = settled(runner, "task"), settled(runner, "link")
    assert call_inside(task, OPENAT, AT_FDCWD, None, 0, 0, text=str(runner.workspace).encode())[0] >= 0
    places = [
        b"/etc/passwd", b"/proc/self/environ", b"/", b"/tmp", str(runner.folder).encode(),
        str(runner.token_file).encode(), str(runner.config).encode(),
    ]
    for pid in (task, link):
        for place in places:
            got = call_inside(pid, OPENAT, AT_FDCWD, None, 0, 0, text=place)
            assert got == (-errno.EACCES, "returned"), (procs.comm(pid), place, got)
    made = str(runner.folder / "made").encode()
    got = call_inside(task, OPENAT, AT_FDCWD, None, os.O_WRONLY | os.O_CREAT, 0o600, text=made)
    assert got == (-errno.EACCES, "returned")
