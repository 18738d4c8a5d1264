"""From inside the workload: environments, command lines, memory and descriptors of the supervisor and its roles.

As root and as a plain user. The attempts themselves are in attack.py; what is denied must be denied by the kernel.
"""
import os
import re
import signal
import subprocess
import sys

import pytest

import procs
from program import as_user
from procs import wait_until

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


@pytest.mark.parametrize("source", ["file", "env"])
def test_even_from_outside_with_every_right_only_the_keeper_could_be_asked(credfd, source, sees_into_processes):
    """environ and cmdline of everything below the test, read by somebody whom the kernel refuses nothing."""
    how = by_variable(credfd) if source == "env" else {}
    run = credfd.start_inside(call_and_wait, using=[call_then, wait], **how)
    run.expect("called")
    pids = [run.pid, *procs.descendants(run.pid)]
    assert len(pids) >= 4
    assert credfd.session.search.in_processes(pids) == []
    run.say("end")
    run.result()


# Memory and descriptors.

def steal():
    return call_then(lambda: attack.steal_from(attack.our_roles()))


@pytest.mark.defence("dumpable")
def test_nothing_of_the_supervisor_or_a_role_can_be_reached(credfd, user):
    """ptrace, /proc/PID/*, process_vm_readv, pidfd_getfd and their kin: same uid, whatever Yama says."""
    report = credfd.inside(steal, using=[call_then], user=user)
    assert set(report) >= {"supervisor", "credfd-keeper", "credfd-relay"}
    assert got_through(report) == {}


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
@pytest.mark.parametrize("user", ["plain user"], indirect=True)  # root may look anyway, from outside
def test_memory_that_was_open_for_a_moment_is_not_the_roles(credfd, user):
    """A process is dumpable from its exec until it says otherwise, and who opens its memory then may go on reading."""
    assert [spy_on_start(credfd, user) for _ in range(8)] == [[]] * 8


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
