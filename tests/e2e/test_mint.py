"""credfd-mint by the shipped sudoers line, with real sudo and real accounts: who may be minted for, what the command is
given, and every row of the threats about the wrapper."""
import json
import os
import signal
import socket
import subprocess

import pytest

import machine as machines
import procs
from procs import wait_until

pytestmark = pytest.mark.skipif(machines.why_not() is not None, reason=str(machines.why_not()))

INVALID_USER, NOT_MAPPED, BAD_PROFILE, UNSAFE_FILE, NO_ACCOUNT, NOT_DROPPED, NOT_RUN, TOO_LATE = range(2, 10)
ALICE = machines.ACCOUNTS[1]
# Python ignores two itself, and nobody can change libc's own two, whoever has ignored them before.
IGNORED = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1 | 1 << 31 | 1 << 32

# What a command can say about how it was started. It runs isolated: nothing of its own is added to the environment.
REPORT = """
import json, os, resource, sys
status = dict(line.rstrip().split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps({
    "argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "uids": os.getresuid(), "gids": os.getresgid(),
    "groups": sorted(os.getgroups()),
    "fds": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{fd}")},
    "session": os.getsid(0) == os.getpid(), "umask": status["Umask"], "core": resource.getrlimit(resource.RLIMIT_CORE),
    "caps": {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")},
    "no_new_privs": status["NoNewPrivs"], "blocked": status["SigBlk"], "ignored": status["SigIgn"],
}))
"""


@pytest.fixture
def machine(session):
    machine = machines.Machine(session.new_folder(), session.path.parent / "credfd-mint")
    session.services.add(machine.holder.pid)
    yield machine
    machine.close()
    session.services.discard(machine.holder.pid)


@pytest.fixture
def report(machine):
    """A machine whose command `report` tells how it was started."""
    machine.put("/usr/local/bin/report.py", REPORT)
    machine.profile("report", "# a comment", "", "/usr/bin/python3", "-I", "/usr/local/bin/report.py", "  spaced out  ",
                    "--user={os_user}", "{home}/x:{os_user}", "{os_use}", "$HOME;`id`", "'")
    return machine


def refused(result, status, words):
    assert result.returncode == status, result
    assert words in result.stderr.decode() and not result.stdout, result


def told(result):
    assert result.returncode == 0, result
    return json.loads(result.stdout)


# What it does.

def test_the_sudoers_line_is_sound(machine):
    result = machine.run(machine.as_root("visudo", "-c"))
    assert result.returncode == 0, result


def test_default_command_and_its_output_are_passed_through(machine):
    machine.put("/usr/bin/t3", "#!/bin/sh\nprintf '%s|' \"$@\"\necho '{\n\"credential\": \"x\"\n}'\necho words >&2\n",
                0o755)
    result = machine.mint("alice")
    assert result.returncode == 0, result
    assert result.stdout == (b"auth|pairing|create|--base-dir|/home/alice/.t3|--ttl|5m|--json|"
                             b"{\n\"credential\": \"x\"\n}\n")
    assert result.stderr == b""


def test_the_command_is_that_user_wholly_and_has_nothing_else(report):
    report.map("anna=alice")
    said = told(report.mint("alice", "report"))
    assert said["uids"] == said["gids"] == [ALICE.uid] * 3
    assert said["groups"] == [ALICE.uid, machines.GROUP[1]]
    assert set(said["caps"].values()) == {"0" * 16}
    assert said["no_new_privs"] == "1"
    assert said["env"] == {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": ALICE.home,
                           "USER": "alice", "LOGNAME": "alice", "SHELL": "/bin/sh"}
    assert said["cwd"] == ALICE.home and said["session"]
    assert said["umask"] == "0077" and said["core"] == [0, 0]
    assert set(said["fds"]) == {"0", "1", "2"} and said["fds"]["0"] == said["fds"]["2"] == "/dev/null"
    assert said["blocked"] == "0" * 16 and int(said["ignored"], 16) & ~IGNORED == 0


REACH = """
import os, sys
sys.stderr.write("\\x1b[2Jforged\\n" * 100000)
for attempt in (lambda: os.ftruncate(2, 0), lambda: open(f"/proc/{os.getppid()}/fd/2", "w")):
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__, error.errno)
"""


def test_the_caller_s_log_is_out_of_reach_of_the_command(machine):
    """It is the user's own, who could else flood the log, forge what stands there, and cut it off: by its own standard
    error, or by that of the process that waits for it as the same user."""
    machine.put("/usr/local/bin/reach.py", REACH)
    machine.profile("t3", "/usr/bin/python3", "-I", "/usr/local/bin/reach.py")
    with open(machine.path("/usr/local/log"), "w+b") as log:
        log.write(b"before\n")
        log.flush()
        log.seek(0)
        os.fchmod(log.fileno(), 0o666)
        result = subprocess.run(machine.as_root("/usr/local/bin/credfd-mint", "alice"), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=log, timeout=60, check=True)
        assert result.stdout == b"OSError 22\nPermissionError 13\n", result
        assert log.read() == b"before\n"


def test_the_service_s_own_groups_are_not_kept(report):
    assert told(report.mint("bob", "report"))["groups"] == [60003]


def test_words_of_a_profile_are_words_and_nothing_more(report):
    assert told(report.mint("alice", "report"))["argv"] == [
        "spaced out", "--user=alice", "/home/alice/x:alice", "{os_use}", "$HOME;`id`", "'"]


def test_names_of_every_permitted_form(report):
    report.map("x=a-b_1", "  y=" + "a" * 32 + " ", "z=alice")  # the last of the three, and blanks at the ends
    for name in ("a-b_1", "a" * 32, "alice"):
        assert told(report.mint(name, "report"))["env"]["USER"] == name


def test_the_last_line_needs_no_end(report):
    report.put("/etc/ttyd-user-map", "bert=bob\nanna=alice")
    told(report.mint("alice", "report"))


def test_exit_status_and_signal_of_the_command_are_passed_on(machine):
    machine.profile("seven", "/bin/sh", "-c", "exit 7")
    machine.profile("killed", "/bin/sh", "-c", "kill -SEGV $$")
    assert machine.mint("alice", "seven").returncode == 7
    assert machine.mint("alice", "killed").returncode == 128 + signal.SIGSEGV


def test_a_command_that_is_not_there_is_said(machine):
    machine.profile("gone", "/usr/bin/not-there")
    refused(machine.mint("alice", "gone"), NOT_RUN, "cannot be run")


def test_it_can_be_called_by_the_old_wrapper_s_name(machine):
    machine.path("/usr/local/bin/t3-mint").symlink_to("credfd-mint")
    line = machine.path("/etc/sudoers.d/credfd").read_text().replace("/credfd-mint ^", "/t3-mint ^")
    machine.put("/etc/sudoers.d/credfd", line, 0o440)
    machine.put("/usr/bin/t3", "#!/bin/sh\necho \"$8\"\n", 0o755)
    result = machine.run(machine.as_service("sudo", "-n", "/usr/local/bin/t3-mint", "alice"))
    assert (result.returncode, result.stdout) == (0, b"--json\n"), result


# Nobody outlives it.

def test_children_that_are_left_end_with_the_command(machine):
    machine.profile("leaver", "/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo left")
    assert machine.mint("alice", "leaver").stdout == b"left\n"
    wait_until(lambda: not machine.processes("alice"), "the end of what the command left")


def test_a_command_that_nobody_reads_any_more_ends_with_its_group(machine):
    """How the dispatcher, which may not kill it, is rid of a mint that hangs."""
    machine.profile("hangs", "/bin/sh", "-c", "echo begun; sleep 1000 & sleep 1000")
    process = subprocess.Popen(machine.as_service("sudo", "-n", "/usr/local/bin/credfd-mint", "alice", "hangs"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"begun\n"
    assert machine.processes("alice")
    process.stdout.close()
    assert process.wait(60) == TOO_LATE
    wait_until(lambda: not machine.processes("alice"), "the end of the command and its children")
    assert b"nobody reads" in process.stderr.read()


def test_a_caller_that_dies_takes_the_command_with_it(machine):
    machine.profile("hangs", "/bin/sh", "-c", "echo begun; exec sleep 1000")
    process = subprocess.Popen(machine.as_root("/usr/local/bin/credfd-mint", "alice", "hangs"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"begun\n"
    procs.kill(process.pid)
    process.wait(60)
    process.stdout.close()
    wait_until(lambda: not machine.processes("alice"), "the end of the command")


# Whom it refuses: by itself, whatever sudo lets through.

LONG = "a" * 33
NAMES = ["root", "../x", "-u root", "-u", "alice\n", "\nalice", "", LONG, "Alice", "1alice", "alice ", " alice",
         "al ice", "*", "alice;id", "$(id)", "{os_user}", "alïce", "alice\t", "-alice", "anna=alice", "#alice"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_or_is_not_mapped_is_refused(machine, name):
    machine.map("anna=alice", "r=root", *(f"x={name}" for name in NAMES if name != "root"))
    result = machine.run(machine.as_root("/usr/local/bin/credfd-mint", name))
    if name == "root":  # a name like another; but nobody's workspace, even where the map says so
        refused(result, NO_ACCOUNT, "root is nobody's workspace")
    else:
        refused(result, INVALID_USER, "invalid user")


@pytest.mark.parametrize("words", [*([name] for name in NAMES), ["alice", "bob"], ["alice", "-x"], ["alice", ""]])
def test_no_such_word_gets_anywhere_by_sudo(machine, words):
    machine.map("anna=alice")
    result = machine.mint(*words)
    assert result.returncode != 0 and not result.stdout, result


@pytest.mark.parametrize("words", [[], ["alice", "t3", "x"], ["alice", "t3", ""]])
def test_one_name_and_one_profile_at_most(machine, words):
    refused(machine.run(machine.as_root("/usr/local/bin/credfd-mint", *words)), INVALID_USER, "invalid user")


@pytest.mark.parametrize("command", [
    ["/bin/sh", "-c", "id"], ["/usr/local/bin/credfd-mint"], ["-u", "alice", "/usr/local/bin/credfd-mint", "alice"],
    ["/usr/local/bin/credfd-mint", "alice", "t3", "x"], ["/usr/bin/t3"],
    ["LD_PRELOAD=/x", "/usr/local/bin/credfd-mint", "alice"], ["-E", "/usr/local/bin/credfd-mint", "alice"],
    ["-s"], ["-e", "/etc/ttyd-user-map"],
])
def test_the_service_may_do_nothing_else_as_root(machine, command):
    machine.put("/usr/bin/t3", "#!/bin/sh\necho ran\n", 0o755)
    assert machine.mint("alice").stdout == b"ran\n"  # so that what follows is refused for what it is
    result = machine.run(machine.as_service("sudo", "-n", *command))
    assert result.returncode != 0 and b"ran" not in result.stdout, result


def test_only_the_service_may(machine):
    machine.put("/usr/bin/t3", "#!/bin/sh\necho ran\n", 0o755)
    other = ["setpriv", "--reuid=60003", "--regid=60003", "--clear-groups"]
    result = machine.run(machine.as_root(*other, "sudo", "-n", "/usr/local/bin/credfd-mint", "alice"))
    assert result.returncode != 0 and b"ran" not in result.stdout
    refused(machine.run(machine.as_root(*other, "/usr/local/bin/credfd-mint", "bob")), NOT_DROPPED, "by sudo")


def test_made_setuid_by_mistake_it_serves_nobody(machine):
    machine.path("/usr/local/bin/credfd-mint").chmod(0o4755)
    refused(machine.run(machine.as_service("/usr/local/bin/credfd-mint", "alice")), NOT_DROPPED, "by sudo")


@pytest.mark.parametrize("lines", [
    [], ["#anna=alice"], ["# anna=alice"], ["  #anna=alice"], ["alice"], ["=alice"], ["alice="], ["alice=bob"],
    ["anna=alice2"], ["anna=xalice"], ["anna=alice # since May"], ["anna= alice"], ["anna=alice=bob"], ["anna:alice"],
    ["bert=bob", "#", "", "=", "=="],
])
def test_a_name_that_stands_on_the_right_of_no_line_is_refused(machine, lines):
    machine.map(*lines)
    refused(machine.mint("alice"), NOT_MAPPED, "user not mapped")


def test_a_mapped_name_without_an_account_or_in_roots_group_is_refused(machine):
    machine.map("x=nobody-of-that-name", "y=roots")
    refused(machine.mint("nobody-of-that-name"), NO_ACCOUNT, "no such account")
    refused(machine.mint("roots"), NO_ACCOUNT, "root is nobody's workspace")


def test_root_by_another_name_is_root(machine):
    with open(machine.path("/etc/passwd"), "a", encoding="ascii") as file:
        file.write("toor:x:0:60002::/home/alice:/bin/sh\n")
    machine.map("x=toor")
    refused(machine.mint("toor"), NO_ACCOUNT, "root is nobody's workspace")


# The map and the profiles: root's alone.

def as_link(machine, path):
    machine.path(path).rename(machine.path(path + ".real"))
    machine.path(path).symlink_to(path + ".real")


def as_folder(machine, path):
    machine.path(path).unlink()
    machine.path(path).mkdir()


def as_pipe(machine, path):
    machine.path(path).unlink()
    os.mkfifo(machine.path(path), 0o644)


def as_socket(machine, path):
    machine.path(path).unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(machine.path(path)))


def with_nul(machine, path):
    with open(machine.path(path), "ab") as file:
        file.write(b"\0")


def too_large(machine, path):
    with open(machine.path(path), "ab") as file:
        file.write(b"#" * (1024 * 1024 + 1))


SPOILT = {
    "a link": as_link, "a folder": as_folder, "a pipe": as_pipe, "a socket": as_socket, "with a NUL": with_nul,
    "too large": too_large,
    "group-writable": lambda machine, path: machine.path(path).chmod(0o664),
    "world-writable": lambda machine, path: machine.path(path).chmod(0o646),
    "the service's": lambda machine, path: os.chown(machine.path(path), 60001, 0),
    "in a folder that others may write": lambda machine, path: machine.path(path).parent.chmod(0o777),
    "in a folder with the sticky bit": lambda machine, path: machine.path(path).parent.chmod(0o1777),
    "in the service's folder": lambda machine, path: os.chown(machine.path(path).parent, 60001, 60001),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("path", ["/etc/ttyd-user-map", "/etc/credfd/mint.d/t3.conf"])
def test_a_file_that_is_not_root_s_alone_is_not_believed(machine, path, how):
    machine.profile("t3", "/bin/echo", "ran")
    assert machine.run(machine.as_root("/usr/local/bin/credfd-mint", "alice")).stdout == b"ran\n"
    SPOILT[how](machine, path)
    refused(machine.run(machine.as_root("/usr/local/bin/credfd-mint", "alice")), UNSAFE_FILE, "its map or profile")


def test_a_folder_above_that_is_a_link_is_not_followed(machine):
    machine.profile("t3", "/bin/echo", "ran")
    as_link(machine, "/etc/credfd")
    refused(machine.mint("alice"), UNSAFE_FILE, "its map or profile")


def test_without_a_map_nobody_is_minted_for(machine):
    machine.path("/etc/ttyd-user-map").unlink()
    refused(machine.mint("alice"), UNSAFE_FILE, "no map")


@pytest.mark.parametrize("profile", ["T3", "../t3", "", "a_b", "-x", "1", "t3.conf", "a" * 33, "none"])
def test_a_profile_that_is_none_is_refused(machine, profile):
    refused(machine.run(machine.as_root("/usr/local/bin/credfd-mint", "alice", profile)), BAD_PROFILE, "profile")


@pytest.mark.parametrize("words", [[], ["# nothing"], ["echo", "x"], ["./echo"], ["/bin/echo", *["x"] * 32],
                                   ["/bin/echo", "x" * 9000], ["/bin/echo", *["{home}" * 200] * 10]])
def test_a_profile_that_is_no_command_is_refused(machine, words):
    machine.profile("t3", *words)
    refused(machine.mint("alice"), BAD_PROFILE, "its profile")


# What a caller that was taken over can add.

def test_descriptors_environment_and_signals_of_the_caller_do_not_reach_the_command(report):
    spare = [os.memfd_create("secret") for _ in range(40)]
    for fd in spare:
        os.set_inheritable(fd, True)

    def spoil():
        signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, 32)))
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.umask(0)

    evil = dict.fromkeys(("IFS", "BASH_ENV", "HOME", "GCONV_PATH"), "/evil")
    evil["PATH"] = "/evil:/usr/bin:/bin:/usr/sbin"
    result = report.run(report.as_root("/usr/local/bin/credfd-mint", "alice", "report"), preexec_fn=spoil,
                        pass_fds=spare, env=evil)
    for fd in spare:
        os.close(fd)
    said = told(result)
    assert set(said["fds"]) == {"0", "1", "2"}
    assert set(said["env"]) == {"PATH", "LANG", "HOME", "USER", "LOGNAME", "SHELL"} and "/evil" not in str(said["env"])
    assert said["umask"] == "0077" and said["blocked"] == "0" * 16
    assert not int(said["ignored"], 16) & (1 << signal.SIGTERM - 1 | 1 << signal.SIGCHLD - 1 | 1 << signal.SIGHUP - 1)


def test_the_three_first_descriptors_are_there_even_when_the_caller_closed_them(machine):
    machine.profile("t3", "/bin/sh", "-c", "ls -l /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 >out")
    command = " ".join(machine.as_root("/usr/local/bin/credfd-mint", "alice")) + " <&- >&- 2>&-"
    assert machine.run(["sh", "-c", command]).returncode == 0
    listed = machine.path("/home/alice/out").read_text()
    assert listed.count("/dev/null") == 2  # the middle one is the file


def test_inherited_capabilities_and_securebits_are_of_no_use(report):
    with_fixup_off = ["setpriv", "--securebits=+no_setuid_fixup", "/usr/local/bin/credfd-mint", "alice", "report"]
    refused(report.run(report.as_root(*with_fixup_off)), NOT_DROPPED, "cannot become")


def test_no_core_even_when_the_caller_wants_one(report):
    result = report.run(report.as_root("prlimit", "--core=unlimited", "/usr/local/bin/credfd-mint", "alice", "report"))
    assert told(result)["core"] == [0, 0]


def test_no_word_of_the_caller_s_is_repeated(machine):
    for words in (["\x1b]0;evil\x07"], ["alice", "\x1b]0;evil\x07"]):
        result = machine.run(machine.as_root("/usr/local/bin/credfd-mint", *words))
        assert result.returncode in (INVALID_USER, BAD_PROFILE) and b"evil" not in result.stderr
