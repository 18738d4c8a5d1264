"""The command runs as if credfd were not there: exit status, signals, descriptors, terminal. Nothing stays behind."""
import fcntl
import inspect
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

import procs
from procs import wait_until

SHELL = "/bin/sh"


def shell(text):
    return [SHELL, "-c", text]


# The exit status.

@pytest.mark.parametrize("status", [0, 1, 7, 22, 124, 125, 126, 127, 128, 255])
def test_the_exit_status_is_the_commands(credfd, status):
    run = credfd.start(shell(f"exit {status}"))
    assert run.wait() == status
    assert run.stderr == ""


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "KILL", "TERM", "USR1", "SEGV", "ABRT", "PIPE", "ALRM"])
def test_a_command_ended_by_a_signal_gives_128_and_its_number(credfd, name):
    run = credfd.start(shell(f"ulimit -c 0; kill -{name} $$"))
    assert run.wait() == 128 + getattr(signal, f"SIG{name}")


def test_a_command_that_is_not_there_is_127(credfd):
    for name in ("/no/such/command", "no-such-command-in-path"):
        run = credfd.start([name])
        assert run.wait() == 127
        assert name in run.stderr and len(run.stderr.splitlines()) == 1


def test_a_command_that_may_not_be_executed_is_126(credfd):
    folder = credfd.session.new_folder()
    (folder / "data").write_text("no program")
    for path in (folder / "data", folder):
        run = credfd.start([path])
        assert run.wait() == 126
        assert str(path) in run.stderr and len(run.stderr.splitlines()) == 1


def test_a_script_is_found_through_path(credfd):
    folder = credfd.session.new_folder()
    script = folder / "my-tool"
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    assert credfd.start(["my-tool"], env={"PATH": f"{folder}:/usr/bin:/bin"}).wait() == 9


def test_credfd_that_failed_is_125(credfd):
    run = credfd.start(["touch", "started"], config="/no/such/file.yaml")
    assert run.wait() == 125
    assert "/no/such/file.yaml" in run.stderr and len(run.stderr.splitlines()) == 1
    assert not (run.folder / "started").exists()


@pytest.mark.parametrize("arguments", [["run"], ["run", "--"], ["run", "--no-such-option", "--", "true"],
                                       ["no-such-command"]], ids=" ".join)
def test_a_wrong_command_line_is_125_and_starts_nothing(credfd, arguments):
    done = credfd.command(*arguments)
    assert done.returncode == 125 and done.stderr


# What the command gets.

def test_arguments_pass_through_untouched(credfd):
    arguments = ["a b", "", "--audit", "-c", "$HOME", "ü", "*", "--"]
    run = credfd.start([sys.executable, "-c", "import sys; print(sys.argv[1:])", *arguments])
    assert run.wait() == 0
    assert run.stdout.decode().strip() == repr(arguments)


def standing():
    """What a process can tell about how it was started."""
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
    limits = open("/proc/self/limits").read()
    old = os.umask(0)
    return {"signals": {name: status[name].strip() for name in ("SigBlk", "SigIgn")}, "umask": old, "limits": limits,
            "cwd": os.getcwd(), "nice": os.nice(0), "ids": os.getresuid() + os.getresgid(), "groups": os.getgroups(),
            "session": os.getsid(0)}


def test_signals_limits_ids_and_folder_are_as_without_credfd(credfd):
    def before():
        os.umask(0o027)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
        resource.setrlimit(resource.RLIMIT_NOFILE, (500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    run = credfd.start_inside(standing, preexec=before)
    inside = run.result()
    code = "import os, json\n" + inspect.getsource(standing) + "\nprint(json.dumps(standing()))"
    done = subprocess.run([sys.executable, "-S", "-c", code], preexec_fn=before, cwd=run.folder, capture_output=True,
                          check=True)
    outside = json.loads(done.stdout)
    assert inside == outside


def test_a_starter_that_ignores_its_children_changes_nothing(credfd):
    """Then the kernel would reap ours unseen; and the command still finds the signal ignored, as it would without us."""
    def ignored():
        return signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN

    run = credfd.start_inside(ignored, preexec=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert run.result() is True


def test_the_environment_gains_the_leases_and_loses_nothing(credfd):
    def look():
        return dict(os.environ)

    run = credfd.start_inside(look, env={"MINE": "kept", "EMPTY": ""})
    inside = run.result()
    expected = credfd.environment(run.folder, {"MINE": "kept", "EMPTY": ""})
    assert {name: inside.get(name) for name in expected} == expected
    assert set(inside) - set(expected) == {"CREDFD", "API_FD"}


def test_the_three_standard_descriptors_are_the_very_same(credfd):
    def identify():
        return [[os.fstat(fd).st_dev, os.fstat(fd).st_ino, fcntl.fcntl(fd, fcntl.F_GETFL)] for fd in (0, 1, 2)]

    reader, writer = os.pipe()
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    with open("/dev/null", "rb") as null:
        run = credfd.start_inside(identify, stdin=null, stdout=writer)
        about = [os.fstat(null.fileno()), os.fstat(writer), os.stat(run.folder / "stderr")]
        inside = run.result()
    assert [row[:2] for row in inside] == [[one.st_dev, one.st_ino] for one in about]
    assert inside[1][2] == flags, "the pipe's flags were changed"
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]], ids=str)
def test_closed_standard_descriptors_do_not_shift_the_lease(credfd, closed):
    """Whatever is missing of 0, 1 and 2, the lease is on 3 and nothing secret slides into their place."""
    def look():
        with lease.connect() as stream:
            status = stream.get("/it").status
        held = {}
        for fd in (0, 1, 2):
            try:
                held[fd] = os.readlink(f"/proc/self/fd/{fd}")
            except OSError:
                held[fd] = "closed"
        return status, lease.numbers(), held

    def close_them():
        for fd in closed:
            os.close(fd)

    run = credfd.start_inside(look, preexec=close_them)
    status, numbers, held = run.result()
    assert (status, numbers) == (200, {"api": 3})
    assert {held[str(fd)] for fd in closed} <= {"closed", "/dev/null"}


def test_output_passes_untouched_even_binary(credfd):
    every_byte = bytes(range(256)) * 4096
    folder = credfd.session.new_folder()
    (folder / "data").write_bytes(every_byte)
    run = credfd.start(["cat", folder / "data"])
    assert run.wait() == 0
    assert run.stdout == every_byte


def test_a_pipe_into_and_out_of_the_command(credfd):
    run = credfd.start(["tr", "a-z", "A-Z"])
    run.say("through")
    run.process.stdin.close()
    assert run.wait() == 0
    assert run.stdout == b"THROUGH\n"


# Signals.

@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT", "USR1", "USR2"])
def test_a_signal_to_credfd_reaches_the_command(credfd, name):
    def trap(number):
        signal.signal(number, lambda *_: os._exit(9))
        say("ready")
        while True:
            signal.pause()

    number = getattr(signal, f"SIG{name}")
    run = credfd.start_inside(trap, int(number))
    run.expect("ready")
    run.kill(number)
    assert run.wait() == 9


def test_a_sighup_that_somebody_sends_is_for_credfd_alone(credfd):
    """It means that the configuration is to be read again (see test_lease_life.py)."""
    def listen():
        signal.signal(signal.SIGHUP, lambda *_: os._exit(9))
        say("ready")
        hear()
        with lease.connect() as stream:
            return stream.get("/it").status

    run = credfd.start_inside(listen)
    run.expect("ready")
    for _ in range(3):
        audit = run.folder / "audit.jsonl"
        audit.rename(run.folder / "audit.old")
        run.kill(signal.SIGHUP)
        wait_until(audit.exists, "credfd has heard it")
    run.say("go on")
    assert run.result() == 200


def test_a_command_that_ignores_a_signal_goes_on(credfd):
    def ignore_once():
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"heard it\n"))
        say("ready")
        hear()
        with lease.connect() as stream:
            return stream.get("/it").status

    run = credfd.start_inside(ignore_once)
    run.expect("ready")
    run.kill(signal.SIGTERM)
    run.expect("heard it")
    run.say("go on")
    assert run.result() == 200


# Nothing left behind. (Every test checks that at its end; these make it hard.)

def test_killing_credfd_leaves_nothing(credfd):
    def live_on():
        stream = lease.connect()
        if os.fork() == 0:
            signal.pause()
        say(str(stream.get("/it").status))
        signal.pause()

    run = credfd.start_inside(live_on)
    assert run.expect("") == "200"
    # What the command itself started and let go is its own; our roles and the command are ours.
    ours = [pid for pid in procs.children(run.pid)]
    assert len(ours) >= 3
    run.kill(signal.SIGKILL)
    wait_until(lambda: not any(map(procs.is_alive, ours)), "the roles and the command are gone")
    for pid in credfd.session.leftovers():
        assert not procs.comm(pid).startswith("credfd"), procs.describe(pid)
        procs.kill(pid)


@pytest.mark.parametrize("stage", ["anything", "credfd-keeper", "credfd-relay", "sleep"])
def test_killing_credfd_while_it_starts_leaves_nothing(credfd, stage):
    """A child asks to die with its parent only once it runs: the parent may be gone by then."""
    def has_come():
        return any(stage in ("anything", procs.comm(pid)) for pid in procs.children(run.pid))

    for _ in range(12):
        run = credfd.start(["sleep", "60"])
        while run.process.poll() is None and not has_come():
            pass  # no pause: the moment itself is what is looked for
        run.kill(signal.SIGKILL)
        run.wait()
        credfd.require_nothing_left()


@pytest.mark.parametrize("role", ["keeper", "relay"])
def test_a_role_that_dies_takes_no_other_along_for_ever(credfd, role):
    """A killed role: requests fail, and when the command ends nothing is left."""
    def ask_again():
        stream = lease.connect()
        first = stream.get("/it").status
        say("first")
        hear()
        try:
            lease.connect().get("/again")
            return first, "answered"
        except (lease.ChannelClosed, lease.Refused, lease.Truncated, OSError):
            return first, "refused"

    run = credfd.start_inside(ask_again)
    run.expect("first")
    victim = run.role(role)
    procs.kill(victim)
    wait_until(lambda: not procs.is_alive(victim), "the role is dead")
    run.say("go on")
    status = run.wait()
    assert status != 0 or run.result()[0] == 200
    credfd.require_nothing_left()


def test_a_daemon_that_the_command_leaves_does_not_hold_credfd_up(credfd):
    def leave_a_daemon():
        if os.fork() == 0:
            os.setsid()
            signal.pause()

    run = credfd.start_inside(leave_a_daemon)
    run.result()
    for pid in credfd.session.leftovers():
        assert not procs.comm(pid).startswith("credfd"), procs.describe(pid)
        procs.kill(pid)


# The terminal.

class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, folder, environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                      {**environment, "PS1": "prompt> ", "TERM": "dumb"})
        self.shown = b""

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, timeout=30):
        """Waits for it to be shown after what was awaited last; returns the match."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern.encode(), self.shown)):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], f"no {pattern!r} in {self.shown!r}"
            self.shown += os.read(self.fd, 65536)
        self.shown = self.shown[found.end():]
        return found

    def hang_up(self):
        """As when its window is closed."""
        os.close(self.fd)
        self.fd = None

    def close(self):
        procs.kill(self.pid, signal.SIGHUP)
        procs.kill(self.pid)
        os.waitpid(self.pid, 0)
        if self.fd is not None:
            os.close(self.fd)


@pytest.fixture
def terminal(credfd):
    folder = credfd.session.new_folder()
    made = Terminal(folder, credfd.environment(folder))
    credfd.session.services.add(made.pid)
    made.folder = folder
    made.expect("prompt> ")
    yield made
    made.close()
    credfd.session.services.discard(made.pid)


TALKER = '''
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import lease
stream = lease.connect()
print("pid", os.getpid(), stream.get("/it").status, flush=True)
for line in sys.stdin:
    print("heard", line.strip(), stream.get("/it").status, flush=True)
'''


def start_talker(credfd, terminal):
    (terminal.folder / "talker.py").write_text(TALKER)
    config = credfd.write_settings(terminal.folder, [credfd.credential()])
    terminal.type(f"{credfd.session.path} run -c {config} -- {sys.executable} -S talker.py {credfd.session.stage}\n")
    return int(terminal.expect(r"pid (\d+) 200").group(1))


def test_stop_and_continue_from_a_terminal(credfd, terminal):
    talker = start_talker(credfd, terminal)
    terminal.type("one\n")
    terminal.expect("heard one 200")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    assert procs.state(talker) == "T"
    terminal.expect("prompt> ")
    terminal.type("echo shell is $((20 + 22))\n")
    terminal.expect("shell is 42")
    terminal.type("fg\n")
    terminal.expect("talker.py")
    terminal.type("two\n")
    terminal.expect("heard two 200")
    terminal.type("\x04")
    terminal.expect("prompt> ")
    terminal.type("echo status $?\n")
    terminal.expect("status 0")


def test_stop_and_continue_in_the_background(credfd, terminal):
    talker = start_talker(credfd, terminal)
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.expect("prompt> ")
    terminal.type("bg\n")
    # It reads from the terminal, so the kernel stops it again: with SIGTTIN, as any job. The shell takes it for running
    # until it hears of that, which is after credfd has stopped, too.
    terminal.expect("talker.py")
    terminal.type("until jobs | grep -q Stopped; do sleep 0.05; done; echo it has $((2 * 21))\n")
    terminal.expect("it has 42")
    assert procs.state(talker) == "T"
    terminal.type("fg\n")
    terminal.expect("talker.py")
    terminal.type("three\n")
    terminal.expect("heard three 200")
    terminal.type("\x04")
    terminal.expect("prompt> ")


def test_interrupt_from_a_terminal(credfd, terminal):
    start_talker(credfd, terminal)
    terminal.type("\x03")
    terminal.expect("prompt> ")
    terminal.type("echo status $?\n")
    terminal.expect("status 130")


def test_a_command_may_handle_the_interrupt_itself(credfd, terminal):
    script = terminal.folder / "trap.sh"
    script.write_text("trap 'echo trapped' INT\necho ready\nuntil read line; do :; done\necho got $line\nexit 5\n")
    config = credfd.write_settings(terminal.folder, [credfd.credential()])
    terminal.type(f"{credfd.session.path} run -c {config} -- /bin/bash trap.sh\n")
    terminal.expect("ready\r\n")
    terminal.type("\x03")
    terminal.expect("trapped")
    terminal.type("first\n")
    terminal.expect("got first")
    terminal.expect("prompt> ")
    terminal.type("echo status $?\n")
    terminal.expect("status 5")


def test_the_terminals_settings_and_size_are_the_same(credfd, terminal):
    config = credfd.write_settings(terminal.folder, [credfd.credential()])
    terminal.type(f"stty rows 33 cols 77; {credfd.session.path} run -c {config} -- stty size; stty size; echo end\n")
    terminal.expect("33 77")
    terminal.expect("33 77")
    asking = "test -t 0 && test -t 1 && echo is a $((1)) terminal"
    terminal.type(f"{credfd.session.path} run -c {config} -- sh -c '{asking}'\n")
    terminal.expect("is a 1 terminal")


def hear_the_hang_up(mark):
    """Runs in the workload: tells the terminal's end where it can still be told."""
    def heard(*_):
        with open(mark, "w", encoding="utf-8") as file:
            file.write("heard it")
        os._exit(9)

    signal.signal(signal.SIGHUP, heard)
    print("ready", flush=True)
    while True:
        signal.pause()


@pytest.mark.parametrize("leader", ["credfd", "a shell"])
def test_a_terminal_that_hangs_up_reaches_the_command(credfd, terminal, leader):
    """The kernel tells the session's leader and what runs in front: the command hears of it in either place."""
    mark = terminal.folder / "mark"
    code = "import os, signal\n" + inspect.getsource(hear_the_hang_up) + f"hear_the_hang_up({str(mark)!r})\n"
    (terminal.folder / "listen.py").write_text(code)
    config = credfd.write_settings(terminal.folder, [credfd.credential()])
    before = "exec " if leader == "credfd" else ""
    terminal.type(f"{before}{credfd.session.path} run -c {config} -- {sys.executable} -S listen.py\n")
    terminal.expect("ready\r\n")
    terminal.hang_up()
    wait_until(lambda: mark.exists() and mark.read_text() == "heard it", "the command heard it")


# Roles that do not start.

@pytest.mark.parametrize("program", ["true", "false", None])
@pytest.mark.parametrize("role", ["keeper", "relay", "source", "resolver"])
def test_a_role_that_does_not_start_is_an_error_and_the_command_never_runs(credfd, folder, role, program):
    """`program` in the place of the role's own; None: there is none."""
    for file in credfd.session.path.parent.glob("credfd*"):
        if file.is_file():
            shutil.copy(file, folder)
    (folder / f"credfd-{role}").unlink()
    if program:
        shutil.copy(shutil.which(program), folder / f"credfd-{role}")
    config = credfd.write_settings(folder, [credfd.credential(upstream="https://api.test")])
    done = subprocess.run([folder / "credfd", "run", "-c", config, "--", "touch", "started"], cwd=folder, timeout=60,
                          env=credfd.environment(folder), capture_output=True, text=True)
    assert done.returncode == 125 and not (folder / "started").exists()
    assert len(done.stderr.splitlines()) == 1, done.stderr
