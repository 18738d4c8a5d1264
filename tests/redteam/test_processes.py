"""From inside the workload: environments, command lines, memory and descriptors of the supervisor and its roles.

As root and as a plain user. The attempts themselves are in attack.py; what is denied must be denied by the kernel.
"""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

import procs
from program import as_user
from procs import wait_until

as_plain_user = pytest.mark.parametrize("user", ["plain user"], indirect=True)
REFUSALS = {"DENIED: EPERM", "DENIED: EACCES", "DENIED: ENOSYS"}
DROPPED = {"CAP_SYS_MODULE": 16, "CAP_SYS_RAWIO": 17, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38,
           "CAP_BPF": 39, "CAP_CHECKPOINT_RESTORE": 40}


def got_through(report):
    """{role: {attempt: outcome}} of what the kernel did not refuse."""
    through = {role: {name: outcome for name, outcome in attempts.items() if outcome not in REFUSALS}
               for role, attempts in report.items()}
    return {role: attempts for role, attempts in through.items() if attempts}


def call_then(function, *arguments):
    """One call first, so that the key has been through every process it ever goes through."""
    with lease.connect() as stream:
        assert stream.get("/it").status == 200
    return function(*arguments)


def wait():
    say("called")
    hear()


def call_and_wait():
    return call_then(wait)


# Environments and command lines.

def look_at_environments(stop):
    return call_then(attack.environments, stop)


def by_variable(credfd):
    return {"secret": {"env": "MY_KEY"}, "env": {"MY_KEY": credfd.canary}}


@pytest.mark.defence("env")
def test_no_environment_that_can_be_read_holds_the_key(credfd, user):
    """The key came in a variable of credfd: the easiest one to leave behind."""
    report = credfd.inside(look_at_environments, os.getpid(), using=[call_then], user=user, **by_variable(credfd))
    assert len(report) >= 4, f"ourselves, supervisor, keeper and relay: {report}"
    for pid, (name, outcome) in report.items():
        assert not credfd.session.search.is_in(outcome.encode("latin-1")), f"the key is in the environ of {pid} {name}"


@pytest.mark.defence("dumpable")
def test_the_environments_of_the_supervisor_and_its_roles_are_unreadable(credfd, user):
    report = credfd.inside(look_at_environments, os.getpid(), using=[call_then], user=user, **by_variable(credfd))
    roles = {name: outcome for name, outcome in report.values() if name.startswith("credfd")}
    assert set(roles) >= {"credfd", "credfd-keeper", "credfd-relay"}
    assert {name: outcome for name, outcome in roles.items() if outcome not in REFUSALS} == {}


@pytest.mark.defence("env")
def test_printenv_shows_no_key(credfd, user):
    run = credfd.start(["printenv"], user=user, **by_variable(credfd))
    assert run.wait() == 0
    assert b"CREDFD=api=3" in run.stdout
    assert not credfd.session.search.is_in(run.stdout)


def test_no_command_line_holds_the_key(credfd, user):
    def look():
        return call_then(attack.command_lines)

    lines = credfd.inside(look, using=[call_then], user=user, **by_variable(credfd))
    assert len(lines) >= 4
    assert not credfd.session.search.is_in("\n".join(lines).encode("latin-1"))


def require_nothing_to_see(credfd, how):
    """environ and cmdline of everything below the test, read by somebody whom the kernel refuses nothing."""
    run = credfd.start_inside(call_and_wait, using=[call_then, wait], **how)
    run.expect("called")
    pids = [run.pid, *procs.descendants(run.pid)]
    assert len(pids) >= 4
    assert credfd.session.search.in_processes(pids) == []
    run.say("end")
    run.result()


def test_a_key_from_a_file_is_not_to_be_seen_with_every_right(credfd, sees_into_processes):
    require_nothing_to_see(credfd, {})


@pytest.mark.defence("env")
def test_a_key_from_a_variable_is_not_to_be_seen_with_every_right(credfd, sees_into_processes):
    require_nothing_to_see(credfd, by_variable(credfd))


COMMAND = """#!/bin/sh
[ -e {keep}/first ] && echo $$ >{keep}/pid.new && mv {keep}/pid.new {keep}/pid && cat {keep}/fifo >/dev/null
touch {keep}/first
cat {keep}/key
"""


@pytest.mark.defence("env")
@as_plain_user
def test_a_command_that_prints_a_secret_has_no_other_in_its_environment(credfd, session, user):
    """It runs again while the workload looks. It is a program of the user's own, so all else of it may be looked at."""
    def look(path):
        while not os.path.exists(path):
            time.sleep(0.01)
        with open(path, encoding="ascii") as file:
            pid = file.read().strip()
        with open(f"/proc/{pid}/environ", encoding="latin-1") as file:
            return file.read()

    keep = session.new_folder() / "test-secrets"
    keep.mkdir(mode=0o700)
    os.mkfifo(keep / "fifo")
    for name, text, mode in (("key", credfd.canary, 0o600), ("print", COMMAND.format(keep=keep), 0o700)):
        (keep / name).write_text(text)
        (keep / name).chmod(mode)
    for path in (keep, *keep.iterdir()) if user else ():
        os.chown(path, user.pw_uid, user.pw_gid)
    environment = {"MY_KEY": credfd.canary, "CONTEXT": "work"}
    run = credfd.start_inside(look, str(keep / "pid"), user=user, env=environment, credentials=[
        credfd.credential("one", secret={"command": [str(keep / "print")], "refresh": "1s"}, env=None),
        credfd.credential("two", secret={"env": "MY_KEY"}, env=None)])
    seen = run.result()
    assert "CONTEXT=work" in seen and not credfd.session.search.is_in(seen.encode("latin-1"))


# Memory and descriptors.

def steal():
    return call_then(lambda: attack.steal_from(attack.our_roles()))


@pytest.mark.defence("dumpable")
def test_nothing_of_the_supervisor_or_a_role_can_be_reached(credfd, user):
    """ptrace, /proc/PID/*, process_vm_readv, pidfd_getfd and their kin: same uid, whatever Yama says."""
    report = credfd.inside(steal, using=[call_then], user=user)
    assert set(report) >= {"supervisor", "credfd-keeper", "credfd-relay"}
    assert got_through(report) == {}


def take_from_supervisor(numbers):
    """What became of each of these descriptors of the supervisor, tried in both ways that there are."""
    return call_then(lambda: {number: [attack.take_descriptor(attack.supervisor(), number),
                                       attack.open_descriptor(attack.supervisor(), number)] for number in numbers})


@pytest.mark.defence("dumpable")
@as_plain_user
def test_the_sealed_secrets_stay_with_the_supervisor(credfd, user, sees_into_processes):
    """It keeps them for a keeper to come, and cannot be relieved of them. Nor did the command inherit one."""
    def look_and_take():
        say("called")
        return attack.inherited(), take_from_supervisor(json.loads(hear()))

    run = credfd.start_inside(look_and_take, using=[call_then, take_from_supervisor], user=user)
    run.expect("called")
    sealed = [number for number, what in procs.descriptors(run.pid).items() if re.match(r"/(memfd:|secretmem)", what)]
    assert sealed, procs.descriptors(run.pid)
    run.say(json.dumps(sealed))
    inherited, taken = run.result()
    assert set(inherited) == {"0", "1", "2", "3"}
    assert {outcome for outcomes in taken.values() for outcome in outcomes} <= REFUSALS and len(taken) == len(sealed)


@pytest.mark.defence("dumpable")
@pytest.mark.defence("caps")
def test_being_root_opens_no_way(credfd, as_root):
    assert got_through(credfd.inside(steal, using=[call_then])) == {}


def test_a_user_namespace_of_its_own_opens_no_way(credfd, user):
    """In there the attacker holds every capability, over nothing that is ours."""
    def steal_from_within():
        return call_then(attack.in_new_namespaces, attack.steal_from, attack.our_roles())

    assert got_through(credfd.inside(steal_from_within, using=[call_then], user=user)) == {}


# A process of the same user that is there before the run: what it does to the roles while they start.
SPY = """
import select, sys
import attack
print("watching", flush=True)
held = attack.open_memory_at_birth(lambda: select.select([sys.stdin], [], [], 0)[0])
print(*sorted(name for name in attack.readable_still(held) if name.startswith("credfd-")), flush=True)
"""


def spy_on_start(credfd, user):
    """The roles into whose memory the spy can look when the run has settled."""
    with subprocess.Popen([sys.executable, "-S", "-c", SPY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          cwd=credfd.session.stage, **as_user(user)) as spy:
        assert spy.stdout.readline() == "watching\n"
        run = credfd.start_inside(call_and_wait, using=[call_then, wait], user=user)
        run.expect("called")
        seen, _ = spy.communicate("stop\n", timeout=60)
    run.say("end")
    run.result()
    return seen.split()


@pytest.mark.defence("copy")
@as_plain_user  # root may look anyway, from outside
def test_memory_that_was_open_for_a_moment_is_not_the_roles(credfd, user, ahead):
    """A process is dumpable from its exec until it says otherwise, and who opens its memory then may go on reading."""
    assert [spy_on_start(credfd, user) for _ in range(8)] == [[]] * 8


# The same moment comes again with every keeper, and the workload can bring it about: it may kill what is its user's.

def kill_keeper_and_ask(served):
    """In a child, which ends when another keeper has answered, and says so by a byte."""
    child = os.fork()
    if child:
        return child
    try:
        os.kill(attack.our_roles()["credfd-keeper"], signal.SIGKILL)
        answer = None
        while answer != 200:
            try:
                with lease.connect() as stream:
                    answer = stream.get("/it").status
            except lease.Refused:
                pass
    finally:
        os.write(served, b"x")
        os._exit(0)


def at_each_restart(rounds, name):
    """Of which roles the attack of that name holds something when the new keeper serves."""
    held = set()
    for _ in range(rounds):
        is_served, served = os.pipe()
        child = kill_keeper_and_ask(served)
        found = getattr(attack, name)(lambda: select.select([is_served], [], [], 0)[0])
        ours = attack.our_roles().values()  # others of this user may be about, whom other tests have started
        if name == "trace_at_birth":
            held |= {attack.comm_of(pid) for pid in found if pid in ours}
        else:
            held |= attack.readable_still({pid: opened for pid, opened in found.items() if pid in ours})
            attack.close_all(found)
        os.close(is_served)
        os.close(served)
        attack.attempt(os.waitpid, child, 0)
    return sorted(held & {"credfd-keeper", "credfd-relay"})


def restart_often(credfd, user, name):
    """What was held at any of sixteen restarts, in eight runs: a keeper that dies at once again is started later."""
    for _ in range(8):
        if held := credfd.inside(at_each_restart, 2, name, using=[kill_keeper_and_ask], user=user):
            return held
    return []


@pytest.mark.defence("copy")
@as_plain_user
def test_nor_is_that_of_a_keeper_that_was_started_again(credfd, user, ahead):
    assert restart_often(credfd, user, "open_memory_at_birth") == []


@pytest.mark.defence("traced")
@as_plain_user
def test_whoever_traces_a_new_keeper_from_its_birth_has_no_keeper(credfd, user, no_sanitizer, ahead):
    """What it clones would be traced with it."""
    assert restart_often(credfd, user, "trace_at_birth") == []


def test_the_attempts_work_on_a_process_that_does_not_defend_itself(credfd, user):
    """The tests above can fail: the same attempts on a child of the workload itself get through."""
    def steal_from_a_child():
        child = os.fork()
        if child == 0:
            signal.pause()
        report = attack.steal_from({"child": child})
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return report

    report = got_through(credfd.inside(steal_from_a_child, user=user))
    through = set(report["child"])
    assert through >= {"ptrace_attach", "ptrace_seize", "read_mem_file", "vm_read", "vm_write", "pidfd_getfd",
                       "open_descriptors", "environ", "maps", "auxv"}, report


@pytest.mark.defence("caps")
def test_a_root_workload_has_lost_what_would_undo_all_this(credfd, as_root):
    def look():
        return attack.capabilities()

    sets = credfd.inside(look)
    held = {(which, name) for which, bits in sets.items() for name, bit in DROPPED.items() if bits >> bit & 1}
    assert held == set()


@pytest.mark.defence("caps")
def test_a_root_workload_cannot_get_them_back(credfd, as_root):
    """Another program, a set-uid one, a new session: the bounding set holds for all of them."""
    def look_again():
        script = "grep CapEff /proc/self/status"
        runs = (["sh", "-c", script], ["setsid", "sh", "-c", script], ["setpriv", "--reuid=0", "sh", "-c", script])
        outputs = [subprocess.run(one, capture_output=True, text=True, check=True).stdout for one in runs]
        return [int(output.split()[1], 16) for output in outputs]

    for bits in credfd.inside(look_again):
        assert not [name for name, bit in DROPPED.items() if bits >> bit & 1]


@pytest.mark.defence("core")
def test_no_role_holds_a_capability_or_may_write_a_core(credfd, user):
    """Seen from outside. What a role does not have cannot be taken over with it."""
    run = credfd.start(["sleep", "60"], user=user)
    for name in ("keeper", "relay"):
        pid = run.role(name)
        wait_until(lambda: procs.status(pid).get("Seccomp") == "2", f"{name} is in its sandbox")
        status = procs.status(pid)
        assert {status[key].strip() for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"].strip() == "1"
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            assert re.search(r"Max core file size +0 +0 ", file.read())
    run.kill(signal.SIGTERM)
    run.wait()
