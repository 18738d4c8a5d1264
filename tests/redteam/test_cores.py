"""A crash of the keeper or the relay, brought about by the workload: no core is written, to a file or into a pipe.

Changes kernel.core_pattern while it runs, and puts it back whatever happens: only as root, and one run at a time.
"""
import contextlib
import fcntl
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import procs
import program
from procs import wait_until

PATTERN = Path("/proc/sys/kernel/core_pattern")


def unlimited():
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


class Cores:
    """A folder in which every core of this machine ends up meanwhile."""

    def __init__(self, folder, kind):
        self.folder = folder
        folder.chmod(0o777)
        if kind == "piped":
            catcher = folder / "catch"
            catcher.write_text('#!/bin/sh\numask 077\ncat > "$1"\n')
            catcher.chmod(0o755)
            self.pattern = f"|{catcher} {folder}/core.%p"
        else:
            self.pattern = f"{folder}/core.%p"

    def of(self, pid):
        return [path for path in self.folder.iterdir() if path.name.split(".")[:2] == ["core", str(pid)]]

    def control(self, user):
        """A process of that user that defends itself against nothing: is its core caught here?"""
        victim = subprocess.Popen([sys.executable, "-S", "-c", "import os; os.abort()"], preexec_fn=unlimited,
                                  cwd=self.folder, **program.as_user(user))
        victim.wait()
        return bool(self.of(victim.pid))


@contextlib.contextmanager
def core_pattern(text):
    """The machine's pattern for a while. The lock keeps two runs from taking each other's for the machine's own."""
    with open(PATTERN, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = PATTERN.read_text()
        try:
            PATTERN.write_text(text)
        except OSError as error:
            pytest.skip(f"kernel.core_pattern cannot be set here: {error}")
        try:
            yield
        finally:
            PATTERN.write_text(before)


@pytest.fixture
def cores(request, credfd, as_root, user, no_sanitizer):
    made = Cores(credfd.session.new_folder(), request.param)
    with core_pattern(made.pattern):
        if not made.control(user):
            pytest.skip(f"this machine catches no core at all by {made.pattern.split()[0]}")
        yield made


def crash(role, number):
    with lease.connect() as stream:
        assert stream.get("/it").status == 200
    pid = attack.our_roles()[f"credfd-{role}"]
    say(f"victim {pid}")
    hear()
    say(attack.crash(pid, number))


def require_no_core(credfd, cores, user, role, number):
    run = credfd.start_inside(crash, role, int(number), user=user, preexec=unlimited)
    victim = int(run.expect("victim"))
    assert victim == run.role(role)
    run.say("now")
    wait_until(lambda: not procs.is_alive(victim), f"the {role} has crashed")
    run.wait()  # whatever becomes of the command: it has nothing to talk to
    credfd.require_nothing_left()
    assert cores.of(victim) == []
    assert not any(credfd.session.search.in_file(path) for path in cores.folder.iterdir())


by_signal = pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=["SEGV", "ABRT"])
of_role = pytest.mark.parametrize("role", ["keeper", "relay"])


@pytest.mark.parametrize("cores", ["plain"], indirect=True)
@by_signal
@of_role
def test_a_crash_writes_no_core(credfd, cores, user, role, number):
    """For two reasons: the sandbox lets a role create no file either."""
    require_no_core(credfd, cores, user, role, number)


@pytest.mark.defence("core")
@pytest.mark.parametrize("cores", ["piped"], indirect=True)
@by_signal
@of_role
def test_a_crash_pipes_no_core(credfd, cores, user, role, number):
    require_no_core(credfd, cores, user, role, number)


@pytest.mark.defence("core")
@pytest.mark.parametrize("cores", ["plain", "piped"], indirect=True)
@by_signal
def test_a_crash_of_the_supervisor_writes_no_core(credfd, cores, number):
    run = credfd.start(["sleep", "60"], preexec=unlimited)
    run.command()
    run.kill(number)
    run.wait()
    assert cores.of(run.pid) == []
