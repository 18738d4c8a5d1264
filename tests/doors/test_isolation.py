"""`credfd run --isolate`: a command that is isolated behaves as one that is not, sees what it should, and where it
cannot be isolated the reason is told."""
import ctypes
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

import pytest

import procs
from procs import wait_until
from program import as_user

MODES = ("none", "network", "full")
each_mode = pytest.mark.parametrize("mode", MODES)
isolated_mode = pytest.mark.parametrize("mode", MODES[1:])
PATIENCE = 60.0


@pytest.fixture
def start(credfd, user):
    """Starts a command in that mode."""
    def begin(command, mode, *options, **how):
        return credfd.start(command, options=["--isolate", mode, *map(str, options)], user=user, **how)
    return begin


# As if there were nobody between.

@each_mode
@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143),
                                            ("kill -KILL $$", 137)])
def test_the_status_is_the_commands(start, mode, script, status):
    assert start(["sh", "-c", script], mode).wait() == status


@isolated_mode
@pytest.mark.parametrize("command, status", [("/usr/bin/no-such-program", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_executed_says_so(start, mode, command, status):
    run = start([command], mode)
    assert run.wait() == status
    assert command in run.stderr


def test_full_says_how_more_is_shown(start, user):
    run = start(["/var/tmp/no-such-program"], "full")
    assert run.wait() == 127
    assert "--read" in run.stderr


@isolated_mode
def test_a_signal_for_credfd_reaches_the_command(start, mode):
    run = start(["sh", "-c", "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"], mode)
    run.expect("ready")
    run.kill(signal.SIGTERM)
    run.expect("caught")
    assert run.wait() == 9


@isolated_mode
def test_with_credfd_everything_ends(start, mode):
    """Killed, it can end nothing itself."""
    # ready once there is one shell, and its child is no shell any more
    run = start(["sh", "-c", "sleep 600 & until grep -q sleep /proc/$!/comm; do :; done; echo ready; wait"], mode)
    run.expect("ready")
    command = [pid for pid in procs.descendants(run.pid) if procs.comm(pid) == "sh"]
    assert command
    run.kill(signal.SIGKILL)
    wait_until(lambda: not any(map(procs.is_alive, command)), "the command's end")
    for pid in procs.children(os.getpid()):
        if procs.comm(pid) == "sleep" and mode == "network":  # an orphan, as without isolation
            procs.kill(pid)


def test_full_leaves_no_process_behind(start):
    run = start(["sh", "-c", "setsid sleep 600 & echo done"], "full")
    assert run.wait() == 0


@isolated_mode
def test_a_large_environment_and_many_words_arrive(start, mode):
    run = start(["sh", "-c", 'echo "$# ${#LARGE} $SMALL"', *["word"] * 2000], mode,
                env={"LARGE": "x" * 120_000, "SMALL": "small"})
    assert run.wait() == 0
    assert run.stdout == b"1999 120000 small\n"


@isolated_mode
def test_standard_streams_are_its_own(start, mode):
    run = start(["cat"], mode)
    run.say("through")
    run.expect("through")
    assert run.wait() == 0


@isolated_mode
def test_the_lease_is_there(credfd, user, mode, session):
    options = ["--isolate", mode] + (["--read", str(session.stage)] if mode == "full" else [])

    def call():
        with lease.connect() as stream:  # noqa: F821
            return stream.get("/it").status

    assert credfd.inside(call, user=user, options=options) == 200


@isolated_mode
def test_the_command_has_its_lease_and_no_other_descriptor(start, mode):
    run = start(["sh", "-c", "cd /proc/self/fd; echo *"], mode)
    assert run.wait() == 0
    assert run.stdout.split()[:4] == [b"0", b"1", b"2", b"3"]
    assert len(run.stdout.split()) <= 5, "and the directory itself"


# A terminal.

class Terminal:
    """A command at a terminal of its own, in a session of its own; and what is seen there."""

    def __init__(self, command, **how):
        self.end, theirs = pty.openpty()
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **how)
        os.close(theirs)
        self.seen = b""

    def say(self, text):
        os.write(self.end, text.encode())

    def expect(self, text):
        """Waits until it is there, beyond what was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.seen:
            assert select.select([self.end], [], [], max(0, deadline - time.monotonic()))[0], (text, self.seen)
            try:
                self.seen += os.read(self.end, 4096)
            except OSError:
                raise AssertionError(f"the terminal was left before {text!r}: {self.seen}") from None
        self.seen = self.seen.partition(text.encode())[2]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.end)


@pytest.fixture
def terminal(credfd, session, user):
    """Makes one, given what comes after `credfd run` and its settings, or a command that has that in `$RUN`."""
    made = []

    def make(*arguments, shell=None):
        folder = session.new_folder(user)
        settings = credfd.write_settings(folder, [credfd.credential()], user=user)
        run = [str(session.path), "run", "-c", str(settings), "--audit", str(folder / "audit")]
        changes = {"TERM": "dumb", "PS1": "> ", "RUN": " ".join(run)}
        made.append(Terminal(shell or [*run, *arguments], cwd=folder, env=credfd.environment(folder, changes),
                             **as_user(user)))
        return made[-1]

    yield make
    for one in made:
        one.close()


# Says when it has begun, and when it goes on after a stop; the words are not those that the shell shows of it. It
# starts nobody: a stop between vfork and exec would leave a shell waiting.
JOB = ("/usr/bin/python3 -Sc 'import os, signal as s; s.signal(s.SIGINT, s.SIG_DFL); "
       's.signal(s.SIGCONT, lambda *_: os.write(1, b"goes " + b"on")); os.write(1, b"be" + b"gun")\n'
       "while True: s.pause()'")
SHELL = ["bash", "--norc", "--noprofile", "-i"]


def stop_and_go_on(terminal, command):
    terminal.say(f"stty -echo\n{command}\n")
    terminal.expect("begun")
    terminal.say("\x1a")
    terminal.expect("Stopped")
    terminal.say("fg\n")
    terminal.expect("goes on")
    terminal.say("\x03")
    terminal.say("echo status $?\n")
    terminal.expect("status 130")
    terminal.say("exit 5\n")
    assert terminal.process.wait(PATIENCE) == 5


@each_mode
def test_a_shell_inside_has_its_jobs(terminal, mode):
    stop_and_go_on(terminal("--isolate", mode, "--", *SHELL), JOB)


@each_mode
def test_a_command_that_is_stopped_stops_credfd_for_the_shell_outside(terminal, mode):
    """The shell outside sees its job stopped, and continues it."""
    stop_and_go_on(terminal(shell=SHELL), f"$RUN --isolate {mode} -- {JOB}")


# What it sees.

def test_the_network_has_a_loopback_that_is_up(start):
    run = start(["python3", "-c", "import socket\na = socket.create_server(('127.0.0.1', 0))\n"
                 "socket.create_connection(a.getsockname())\nprint(*(name for _, name in socket.if_nameindex()))"],
                "network")
    assert run.wait() == 0, run.stderr
    assert run.stdout == b"lo\n"


def test_full_shows_what_programs_need(start):
    run = start(["sh", "-c", """set -e
        pwd; echo text >file; cat file; echo x >/tmp/x; cat /tmp/x; echo x >/dev/shm/x; echo x >/dev/null
        test -r /etc/passwd; test -d /usr/lib; test -e /proc/self/exe; head -c1 /dev/urandom >/dev/null
        test "$(ls /home /root 2>/dev/null | grep -v :)" = ""; ls / >/dev/null; echo fine"""], "full")
    assert run.wait() == 0, run.stderr
    assert run.stdout.split()[1:] == [b"text", b"x", b"fine"]
    assert (run.folder / "file").read_text() == "text\n"
    assert not Path("/tmp/x").exists() or Path("/tmp/x").read_text() != "x\n"


@isolated_mode
def test_root_is_still_root_for_files(credfd, as_root, mode):
    run = credfd.start(["sh", "-c", "set -e; touch file; chown nobody file; chmod 600 file; cat file; stat -c %U file"],
                       options=["--isolate", mode])
    assert run.wait() == 0, run.stderr
    assert run.stdout == b"nobody\n"


@pytest.mark.parametrize("option", ["--read", "--write"])
def test_a_path_that_is_not_there_is_refused_even_with_best(start, option):
    run = start(["true"], "full,best", option, "/no/such/path")
    assert run.wait() == 125
    assert f"{option} /no/such/path: No such file or directory" in run.stderr


def test_a_directory_below_tmp_is_shown_where_it_is(start, user):
    folder = Path(tempfile.mkdtemp(prefix="credfd-shown-"))
    try:
        folder.chmod(0o755)
        (folder / "file").write_text("shown")
        run = start(["sh", "-c", f"cat {folder}/file; ls /tmp | wc -l"], "full", "--read", folder)
        assert run.wait() == 0
        assert run.stdout.split() == [b"shown2"], "it, and what the working directory lies in"
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_full_does_not_lose_work(credfd, session, user, place):
    """A working directory in whose place there would be an empty one: that is said, and nothing runs."""
    folder = session.new_folder(user)
    settings = credfd.write_settings(folder, [credfd.credential()], user=user)

    def run(*options):
        return subprocess.run([str(session.path), "run", "-c", str(settings), "--audit", str(folder / "audit"),
                               "--isolate", *options, "--", "sh", "-c", "pwd; test ! -w /etc && test -w ."], cwd=place,
                              env=credfd.environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, **as_user(user))

    for mode in ("full", "full,best"):
        done = run(mode)
        assert (done.returncode, done.stdout) == (125, "")
        assert f"{place} would be an empty one" in done.stderr and f"--write {place}" in done.stderr
    done = run("full", "--write", place)
    assert (done.returncode, done.stdout) == (0, f"{place}\n"), done.stderr


# Whom it trusts.

@isolated_mode
def test_the_bundle_stands_where_the_systems_does(start, mode):
    """For programs that look at no variable."""
    theirs = Path("/etc/ssl/certs/ca-certificates.crt")
    if not theirs.exists():
        pytest.skip("no bundle of certificates here")
    run = start(["sh", "-c", f'cmp {theirs} "$SSL_CERT_FILE" && wc -c <{theirs}; echo x >>{theirs}'], mode, "--proxy")
    run.wait()
    assert int(run.stdout) > theirs.stat().st_size, run.stderr
    assert "Read-only" in run.stderr or "Permission denied" in run.stderr


@isolated_mode
def test_wget_trusts_the_proxy_without_a_variable(through_proxy, needs, api, mode):
    needs("wget")
    if not Path("/etc/ssl/certs/ca-certificates.crt").exists():
        pytest.skip("no bundle of certificates here")
    run = through_proxy("env -u SYSTEM_WGETRC -u SSL_CERT_FILE wget --no-config -qO- https://api.test:$PORT/it",
                        options=["--isolate", mode])
    assert run.wait() == 0, run.stdout
    assert [seen.path for seen in api.requests] == ["/it"]


# Where it cannot be.

@pytest.fixture
def as_nobody_may(session, as_root):
    """A wrapper in whose user namespace nobody may make another."""
    script = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    return ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]


def forbid_unshare():
    """As a container's filter: EPERM for unshare. Before exec, in the child."""
    if os.uname().machine != "x86_64":
        return
    lines = [(0x20, 0, 0, 0), (0x15, 0, 1, 272), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    libc.prctl(22, 2, program)


@isolated_mode
def test_without_namespaces_it_is_told_why_and_nothing_runs(credfd, as_nobody_may, mode):
    run = credfd.start(["echo", "ran"], options=["--isolate", mode], wrapper=as_nobody_may)
    assert run.wait() == 125
    assert run.stdout == b""
    assert f"--isolate {mode}: " in run.stderr
    assert "user.max_user_namespaces is 0" in run.stderr
    assert "--isolate none" in run.stderr


@isolated_mode
def test_a_containers_filter_is_named(credfd, user, mode):
    run = credfd.start(["echo", "ran"], options=["--isolate", mode], preexec=forbid_unshare, user=user)
    assert run.wait() == 125
    assert run.stdout == b""
    assert "a filter of system calls forbids it" in run.stderr


@isolated_mode
def test_best_goes_on_with_less_and_says_what_is_lost(credfd, user, mode):
    run = credfd.start(["echo", "ran"], options=["--isolate", f"{mode},best"], preexec=forbid_unshare, user=user)
    assert run.wait() == 0
    assert run.stdout == b"ran\n"
    assert "no isolation `network`" in run.stderr
    assert "could reach every host" in run.stderr


def test_best_of_full_is_network_where_proc_is_covered(credfd, user, as_root):
    """As containers have it: a /proc that is covered in part cannot be had anew."""
    script = "mount --bind /dev/null /proc/version; exec \"$@\""
    run = credfd.start(["sh", "-c", "cat /proc/net/dev | wc -l; test -e /root && echo files"],
                       options=["--isolate", "full,best"], wrapper=["unshare", "--mount", "sh", "-c", script, "sh"])
    assert run.wait() == 0, run.stderr
    assert run.stdout.split() == [b"3", b"files"]
    assert "no isolation `full`" in run.stderr


@pytest.mark.parametrize("forbid, mark", [(None, "ok"), (forbid_unshare, "~~")], ids=["with", "without"])
def test_doctor_tells_what_there_is(credfd, session, forbid, mark):
    done = subprocess.run([str(session.path), "doctor"], capture_output=True, text=True, preexec_fn=forbid, check=False)
    for mode in MODES[1:]:
        assert [line for line in done.stdout.splitlines() if line.startswith(f"{mark}  isolate {mode}: ")], done.stdout


def test_inside_an_isolated_command_another_is_isolated(credfd, session, user):
    """A user namespace within another: the inner maps are those of the outer."""
    folder = session.new_folder(user)
    (folder / "inner").mkdir(mode=0o755)
    inner = credfd.write_settings(folder / "inner", [credfd.credential(secret={"command": ["echo", "no-key"]})])
    run = credfd.start([session.path, "run", "-c", inner, "--audit", "-", "--isolate", "network", "--",
                        "sh", "-c", "cat /proc/net/dev; id -u"],
                       options=["--isolate", "network"], user=user, folder=folder)
    assert run.wait() == 0, run.stderr
    assert run.stdout.count(b":") == 1, "the loopback"
    assert int(run.stdout.split()[-1]) == (user.pw_uid if user else os.geteuid())
