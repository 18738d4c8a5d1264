"""From inside a task of `credfd runner`: what of keys, of the token and of our processes a command can get at; what it
leaves behind; and what its end leaves of it. As root and as a plain user, who is also the runner's own."""
import array
import contextlib
import json
import os
import signal
import socket
import struct

import pytest

import attack
import lease
import procs
from procs import wait_until
from program import NOBODY, is_root
from test_cores import Cores, core_pattern
from test_dispatch_confinement import as_user
from test_processes import got_through

ROLES = ("link", "task", "exec", "keeper", "relay", "resolver")


@pytest.fixture
def lair(fleet, session):
    """lair(user=None, **settings) is a runner that is connected, all of it that user's: (runner, hub, api)."""
    def make(user=None, age="new", pass_fds=(), through=None, **settings):
        api, runner = fleet.api(), fleet.runner()
        runner.write_cli(age)
        runner.write_config(cli=str(runner.fduty), **settings)
        for top, folders, files in os.walk(runner.folder) if user else ():
            for name in (".", *folders, *files):
                os.chown(os.path.join(top, name), user.pw_uid, user.pw_gid)
        runner.start(through=through or as_somebody(user), pass_fds=pass_fds)
        runner.hub.wait_connected()
        return runner, runner.hub, api
    return make


def as_somebody(user):
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"] if user else []


@pytest.fixture
def somebody(as_root):
    """A plain user; the test itself is root, to look at what becomes of it."""
    return NOBODY


def paused(runner, hub, credential, then="true", first="", **more):
    """A task that has used its key and waits: (it, a function that lets it go on with `then`, told one text)."""
    gate = runner.folder / f"gate-{len(hub.tasks)}"
    script = f"{first or f'{runner.fduty} get /first'}; until [ -e {gate} ]; do sleep 0.02; done; {then}"
    task = hub.bash(script.replace("GATE", str(gate)), credential=credential, **more)
    hub.wait(lambda: task.said() or task.result, lambda: f"its first words: {runner.stderr}")

    def go_on(text=""):
        (runner.folder / "told").write_text(text)
        (runner.folder / "told").chmod(0o644)
        os.replace(runner.folder / "told", gate)
    return task, go_on


def attacking(session, call):
    """A command line: this call of attack.py's, with the text of the gate as `told`; it prints what came of it."""
    code = f"import attack, json; told = json.load(open('GATE')); print(json.dumps({call}))"
    return f'cd {session.stage}; echo; python3 -S -c "{code}"'


def report(hub, task):
    return json.loads(hub.result(task)["result"]["stdout"].splitlines()[-1])


def everybody(runner):
    """{role: pid} of the runner's processes while a task with a lease runs."""
    return {"supervisor": runner.pid, **{role: runner.role(role) for role in ROLES}}


# Memory, environments, command lines.

@pytest.mark.defence("dumpable")
def test_a_task_of_the_runners_own_user_reaches_nothing_of_its_roles(lair, fleet, session, somebody):
    """ptrace, /proc/PID/*, process_vm_readv, pidfd_getfd and their kin: the very same uid."""
    runner, hub, api = lair(somebody)
    task, go_on = paused(runner, hub, fleet.key(api), attacking(session, "attack.steal_from(told)"))
    pids = everybody(runner)
    assert {procs.status(pid)["Uid"].split()[0] for pid in pids.values()} == {str(somebody.pw_uid)}
    go_on(json.dumps(pids))
    seen = report(hub, task)
    assert set(seen) == set(pids) and got_through(seen) == {}
    assert api.requests[0].keys() == [session.canary]


@pytest.mark.defence("caps")
def test_a_task_of_root_reaches_nothing_either(lair, fleet, session, as_root):
    """In a namespace of its own it does not even see them; and it cannot undo that."""
    runner, hub, api = lair()
    attempt = "umount /proc 2>/dev/null; mount --bind / /mnt 2>/dev/null; "
    task, go_on = paused(runner, hub, fleet.key(api), attempt + attacking(session, "attack.steal_from(told)"))
    go_on(json.dumps(everybody(runner)))
    seen = report(hub, task)
    through = {role: {how: what for how, what in found.items() if not attack.is_denied(what)}
               for role, found in seen.items()}
    assert {role: found for role, found in through.items() if found} == {}


def readable_with(needles):
    """Whose memory, of all that this process may read, holds one of these: [(pid, name)]."""
    found = []
    for pid in set(attack.everyone()) - {os.getpid()}:
        with contextlib.suppress(OSError, ProcessLookupError):
            if any(procs.memory_holds(pid, needle.encode()) for needle in needles):
                found.append((pid, procs.comm(pid)))
    return found


def apart_from_upstreams(found, session):
    """The tests' own servers know the key, and may run as that user."""
    known = {pid for service in session.services for pid in [service, *procs.descendants(service)]}
    return [(pid, name) for pid, name in found if pid not in known]


def test_no_memory_that_the_user_may_read_holds_key_or_token(lair, fleet, session, somebody, sees_into_processes):
    runner, hub, api = lair(somebody)
    task, go_on = paused(runner, hub, fleet.key(api))
    everybody(runner)
    found = as_user(somebody, readable_with, [session.canary])  # the token begins with it
    assert apart_from_upstreams(found, session) == []
    assert session.search.in_processes([runner.pid, *runner.processes]) == []
    go_on()
    hub.result(task)


def test_that_search_finds_what_is_there_to_be_found(lair, fleet, session, somebody, no_sanitizer):
    """Where an old CLI needs its key in the environment, the memory of the command holds it, and no role's does."""
    runner, hub, api = lair(somebody, age="old")
    task, go_on = paused(runner, hub, fleet.key(api))
    holders = {name for _, name in apart_from_upstreams(as_user(somebody, readable_with, [session.canary]), session)}
    assert "bash" in holders and not any(name.startswith("credfd") for name in holders)
    wait_until(lambda: procs.children(runner.role("exec")), "the command")
    go_on()
    hub.result(task)
    hub.wait(lambda: not runner.roles("task"), "its end")


def test_the_token_is_in_no_line_of_the_log(lair, fleet, session):
    """At the most talkative, let in and refused; what else it may stand in, the fixture searches."""
    runner = fleet.runner()
    runner.write_config(top={"log": "debug"})
    runner.start().hub.wait_connected()
    runner.hub.manners.refusal = (302, [("Location", f"wss://elsewhere.example/?token={runner.hub.manners.token}")])
    runner.hub.drop()
    runner.wait_said("302")
    assert session.canary not in runner.stderr and "token=" not in runner.stderr


# Descriptors and leases.

@pytest.mark.defence("close_range")
def test_a_command_inherits_its_standard_streams_and_its_lease_alone(lair, fleet, session, no_sanitizer):
    """Also where whoever started the runner had more open; and so do those that the command starts."""
    extra = os.open(session.stage / "lease.py", os.O_RDONLY)
    os.set_inheritable(extra, True)
    runner, hub, api = lair(pass_fds=[extra])
    os.close(extra)
    task, go_on = paused(runner, hub, fleet.key(api),
                         attacking(session, "[attack.inherited(), attack.inherited_by_grandchild()]"))
    go_on("0")
    for found in report(hub, task):
        assert set(found) == {"0", "1", "2", "3"} and found["3"].startswith("socket:"), found


SENDS = "import array, socket; s = socket.socket(socket.AF_UNIX); s.connect(chr(0) + '{name}'); " \
        "s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [3]))])"


def take_lease(runner, hub, credential):
    """The channel of a task's lease, which the task has given away; and how the task goes on."""
    name = f"credfd-test-{runner.pid}"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("\0" + name)
        door.listen()
        task, go_on = paused(runner, hub, credential, first=f'python3 -S -c "{SENDS.format(name=name)}"; echo sent')
        door.settimeout(20)
        with door.accept()[0] as peer:
            rights = peer.recvmsg(1, socket.CMSG_SPACE(4))[1]
    fd = struct.unpack("i", rights[0][2])[0]
    channel = lease.Channel(fd)
    os.close(fd)
    return channel, task, go_on


@pytest.mark.defence("lent")
def test_a_lease_that_was_given_away_is_dead_after_its_task(lair, fleet, session):
    """While it lives whoever holds it may use it, and the audit says who that is."""
    runner, hub, api = lair()
    channel, task, go_on = take_lease(runner, hub, fleet.key(api))
    with lease.Stream(channel.dial()) as stream:
        assert stream.get("/mine?app_key=broker-sentinel").status == 200
    go_on()
    hub.result(task)
    wait_until(lambda: not runner.roles("task"), "nothing of it is left")
    with pytest.raises((lease.ChannelClosed, lease.Refused)):
        wait_until(lambda: channel.dial() and None, "the end of the lease", 5)
    channel.close()
    assert len(api.requests) == 1


HIDE_CGROUPS = 'umount -l /sys/fs/cgroup/unified /sys/fs/cgroup 2>/dev/null; exec "$@"'
WITHOUT_CGROUPS = ["unshare", "-m", "sh", "-c", HIDE_CGROUPS, "-"]


def test_a_task_in_a_namespace_of_its_own_cannot_take_anothers_lease(lair, fleet, session, as_root):
    """Where there is no cgroup to be had. Elsewhere, and without root, tasks of one user are not kept apart."""
    runner, hub, api = lair(through=WITHOUT_CGROUPS)
    victim, end = paused(runner, hub, fleet.key(api))
    command = procs.descendants(runner.role("exec"))
    if len({os.readlink(f"/proc/{pid}/ns/pid") for pid in (os.getpid(), *command)}) == 1:
        pytest.skip("tasks have no namespace of their own here")
    thief, go_on = paused(runner, hub, fleet.key(api), attacking(
        session, "[attack.take_descriptor(told, 3), attack.open_descriptor(told, 3)]"))
    go_on(json.dumps(max(command)))
    outcomes = report(hub, thief)
    assert all(map(attack.is_denied, outcomes)), outcomes
    end()
    hub.result(victim)


# Crashes.

@pytest.mark.defence("core")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=["SEGV", "ABRT"])
def test_a_crash_of_the_link_or_of_a_task_leaves_no_core(lair, fleet, session, as_root, no_sanitizer, number):
    """Of the one that has the token, and of one that had a key for a command's environment."""
    cores = Cores(session.new_folder(), "piped")
    with core_pattern(cores.pattern):
        if not cores.control(None):
            pytest.skip("this machine catches no core at all")
        runner, hub, api = lair(age="old")
        task, _ = paused(runner, hub, fleet.key(api))
        for role in ("task", "link"):
            victim = runner.role(role)
            assert attack.crash(victim, number) == "it crashed"
            wait_until(lambda victim=victim: not procs.is_alive(victim), "it is gone")
            assert cores.of(victim) == [], role
        hub.wait_connected(2)
        assert "ended unexpectedly" in hub.result(task)["error"]


# What is printed.

PRINTS = """echo a $K; echo b $K >&2; printf %s "${K:0:9}"; sleep 0.1; echo "${K:9}"
printf %s "$K" | base64 -w0; printf %s "x$K" | base64 -w0; printf %s "$K" | od -An -tx1 -v | tr -d ' \\n'; echo
env | grep CANARY; cat /proc/self/environ | tr '\\0' '\\n' | grep -a canary
seq 1 9000; echo $K; exit 3"""


@pytest.mark.defence("printed")
def test_a_key_in_the_environment_is_masked_wherever_it_is_printed(lair, fleet, session):
    """In what is streamed, in the result, in its file, in the spool; whole, in pieces, encoded."""
    runner, hub, api = lair(age="old", settle="100ms")
    hub.manners.withholds_acks, hub.manners.acks = True, True
    hub.drop()
    hub.wait_connected(2)
    task = hub.bash("K=$FLASHDUTY_APP_KEY CANARY=$K; " + PRINTS, credential=fleet.key(api))
    result = hub.result(task)["result"]
    kept = runner.workspace / result["file_path"]
    assert result["exit_code"] == 3 and f"a {'*' * 8}" in task.said() and "9000\n" in kept.read_text()
    said = json.dumps(hub.messages) + kept.read_text() + runner.stderr
    assert not session.search.is_in(said.encode())
    assert runner.spooled() and session.search.in_tree(runner.spool) == []


# Its end.

CLINGS = """(trap '' TERM HUP INT; exec -a {name} sleep 7777) &
(setsid setsid bash -c "trap '' TERM; exec -a {name} sleep 7777 &" &)
bash -c 'kill -STOP $$; exec -a {name} sleep 7777' & exec -a {name} nohup setsid sleep 7777 >/dev/null 2>&1 &
echo up; {last}"""


@pytest.mark.defence("tree")
def test_whatever_clings_to_life_ends_with_its_task(lair, fleet, session):
    """Sessions of its own, orphans, the stopped, the deaf: at the end of a task, and when it is cancelled."""
    runners = [lair(user) for user in ((None, NOBODY) if is_root() else (None,))]
    tasks, name = [], f"clings-{os.getpid()}"  # to this run, for others may run beside it
    for number, (_, hub, _) in enumerate(runners):
        for last in ("sleep 0.3", "sleep 8888"):
            tasks.append((hub, hub.bash(CLINGS.format(name=f"{name}-{number}", last=last)), last))
    for hub, task, last in tasks:
        hub.wait(lambda task=task: task.said() == "up\n", "its word")
        if last == "sleep 8888":
            hub.cancel(task)
    for hub, task, _ in tasks:
        hub.result(task)
    clinging = [pid for pid in attack.everyone() if name.encode() in procs.cmdline(pid) and procs.is_alive(pid)]
    found = [procs.describe(pid) for pid in clinging]
    for pid in clinging:
        procs.kill(pid)
    assert found == [], [task.results for _, task, _ in tasks]
