"""`credfd lease`: the leases that live, what they have spent, and the end of one before its time."""
import concurrent.futures
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

import procs
import program
from procs import wait_until

COLUMNS = ["ID", "LEASE", "IDENTITY", "AGE", "REQUESTS", "REFUSED", "ACTIVE", "BYTES", "EXPIRES"]
KEYS = {"id", "pid", "lease", "identity", "age_ms", "expires_in_ms", "ended", "requests", "refused", "active",
        "bytes_in", "bytes_out"}


@pytest.fixture
def runtime(credfd):
    """A runtime directory for this test alone, as a login would make it."""
    path = credfd.session.new_folder() / "runtime"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def command(credfd, runtime):
    """Runs `credfd lease ...` there."""
    def run(*arguments, **how):
        return credfd.command("lease", *arguments, env={"XDG_RUNTIME_DIR": str(runtime)}, **how)
    return run


@pytest.fixture
def leases(command):
    """What `credfd lease list --json` says: only of this test, since /run may hold others'."""
    def ask(pid):
        done = command("list", "--json")
        assert done.returncode == 0, done.stderr
        return [row for row in json.loads(done.stdout) if row["pid"] == pid]
    return ask


@pytest.fixture
def start(credfd, runtime):
    def run(function, *arguments, env=None, **how):
        return credfd.start_inside(function, *arguments, env={"XDG_RUNTIME_DIR": str(runtime), **(env or {})}, **how)
    return run


def sockets(runtime):
    folder = runtime / "credfd"
    return sorted(folder.iterdir()) if folder.exists() else []


def ask_as_told():
    """A request for each line from the test, on one stream each; its status is said."""
    say("running")
    while True:
        target = hear()
        if not target:
            return True
        with lease.connect() as stream:
            say(f"status {stream.get(target).status}")


# What the list shows.

def test_a_lease_is_listed_with_what_it_has_spent(credfd, start, leases):
    run = start(ask_as_told, allow=["GET /yes/**"], options=["--as", "alice"])
    run.expect("running")
    (row,) = leases(run.pid)
    assert set(row) == KEYS
    assert (row["id"], row["lease"], row["identity"]) == (f"{run.pid}-1", "api", "alice")
    assert (row["requests"], row["refused"], row["active"], row["bytes_out"]) == (0, 0, 0, 0)
    assert row["ended"] is None and row["expires_in_ms"] is None and row["age_ms"] >= 0
    for target, status in [("/yes/1", "200"), ("/no", "403"), ("/yes/2", "200")]:
        run.say(target)
        assert run.expect("status") == status
    row = wait_until(lambda: [row for row in leases(run.pid) if row["requests"] == 3], "three requests")[0]
    assert row["refused"] == 1 and row["bytes_out"] > 0
    run.result()
    assert leases(run.pid) == []


def test_the_table_has_a_line_for_each_lease_in_order(credfd, command, start):
    names = ["first", "second"]
    runs = [start(ask_as_told, credentials=[credfd.credential(name, env=None) for name in names]) for _ in range(2)]
    for run in runs:
        run.expect("running")
    done = command("list")
    assert done.returncode == 0 and done.stderr == b""
    lines = [re.split(r"\s\s+", line.strip()) for line in done.stdout.decode().splitlines()]
    assert lines[0] == COLUMNS
    ours = [line for line in lines[1:] if line[0].split("-")[0] in {str(run.pid) for run in runs}]
    assert [line[0] for line in ours] == [f"{pid}-{n}" for pid in sorted(run.pid for run in runs) for n in (1, 2)]
    assert [line[1] for line in ours] == names * 2
    assert all(line[4:7] == ["0", "0", "0"] and line[8] == "-" for line in ours)
    for run in runs:
        run.result()


class Holder:
    """A server's handler that answers when the test says so."""

    def __init__(self):
        self.asked, self.release = threading.Event(), threading.Event()

    def __call__(self, peer):
        while peer.read_request():
            self.asked.set()
            self.release.wait(procs.PATIENCE)
            peer.answer()


@pytest.fixture
def holder():
    made = Holder()
    yield made
    made.release.set()


def test_a_request_under_way_is_active(credfd, start, leases, serve, holder):
    server = serve(holder)
    run = start(ask_as_told, upstream=server.url)
    run.expect("running")
    run.say("/slow")
    wait_until(lambda: leases(run.pid)[0]["active"] == 1, "an active exchange")
    holder.release.set()
    assert run.expect("status") == "200"
    wait_until(lambda: leases(run.pid)[0]["active"] == 0, "its end")
    run.result()


def test_a_time_to_live_is_shown_and_then_over(credfd, start, leases):
    run = start(ask_as_told, limits={"ttl": "1h"})
    run.expect("running")
    assert 0 < leases(run.pid)[0]["expires_in_ms"] <= 3600 * 1000
    run.result()
    run = start(ask_as_told, limits={"ttl": "1ms"})
    run.expect("running")
    row = wait_until(lambda: [row for row in leases(run.pid) if row["ended"]], "the end of its time")[0]
    assert row["ended"] == "ttl" and row["expires_in_ms"] is None
    run.result()


def test_what_others_named_themselves_is_printable(credfd, command, start, leases):
    run = start(ask_as_told, options=["--as", "\x1b[2Jevil\nroot"])
    run.expect("running")
    text = command("list").stdout
    assert b"\\x1b[2Jevil\\x0aroot" in text and b"\x1b" not in text
    assert leases(run.pid)[0]["identity"] == "\x1b[2Jevil\nroot"
    run.result()


# Revocation.

def test_a_revoked_lease_refuses_and_says_so(credfd, command, start, leases):
    run = start(ask_as_told)
    run.expect("running")
    run.say("/before")
    assert run.expect("status") == "200"
    done = command("revoke", f"{run.pid}-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    run.say("/after")
    assert run.expect("status") == "403"
    assert leases(run.pid)[0]["ended"] == "revoked"
    assert command("revoke", f"{run.pid}-1").returncode == 0, "it has ended: that is what was wanted"
    run.result()
    assert [line["path"] for line in run.audit(2)] == ["/before", "/after"]
    assert run.audit(2)[1]["refusal"] == "revoked"
    (ended,) = [event for event in run.events() if event["event"] == "lease_ended"]
    assert ended["id"] == f"{run.pid}-1" and "revoked" in ended["reason"]


def test_a_request_under_way_is_cut(credfd, command, start, serve, holder):
    def read_all():
        with lease.connect() as stream:
            stream.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            say("asked")
            try:
                return stream.read_response().status
            except lease.Truncated:
                return "cut"

    server = serve(holder)
    run = start(read_all, upstream=server.url)
    run.expect("asked")
    assert holder.asked.wait(procs.PATIENCE)
    assert command("revoke", f"{run.pid}-1").returncode == 0
    assert run.result() in (403, "cut")


def test_other_leases_live_on(credfd, command, start, leases):
    def ask_each():
        say("running")
        hear()
        statuses = []
        for number in (3, 4):
            with lease.Stream(lease.Channel(number).dial()) as stream:
                statuses.append(stream.get("/it").status)
        return statuses

    run = start(ask_each, credentials=[credfd.credential(name, env=None) for name in ("one", "two")])
    run.expect("running")
    assert command("revoke", f"{run.pid}-1").returncode == 0
    run.say("go on")
    assert run.result() == [403, 200]


@pytest.mark.parametrize("text", ["", "1", "x-1", "1-x", "0-1", "1-0", "1-1-1", "-1", "99999999999-1", "1-99999999999"])
def test_what_is_no_id_is_refused(command, text):
    done = command("revoke", "--", text)
    assert done.returncode == 125
    assert b"PID-NUMBER" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_lease_that_is_not_there_is_said_to_be(credfd, command, start):
    run = start(ask_as_told)
    run.expect("running")
    for text in (f"{run.pid}-2", f"{run.pid}-4294967295", "2147483647-1"):
        done = command("revoke", text)
        assert done.returncode == 125
        assert f"{text}: no such lease".encode() in done.stderr and done.stderr.count(b"\n") == 1
    done = command("revoke", "2147483647-1", f"{run.pid}-1")
    assert done.returncode == 125, "one of two failed"
    run.say("/after")
    assert run.expect("status") == "403", "the other was ended all the same"
    run.result()


# The command line.

@pytest.mark.parametrize("arguments", [[], ["revoke"], ["list", "x"], ["kill", "1-1"], ["--nonsense"], ["list", "-x"],
                                       ["revoke", "--json", "1-1"]])
def test_wrong_use_is_told_in_one_line(command, arguments):
    done = command(*arguments)
    assert done.returncode == 125 and done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and b"see credfd lease --help" in done.stderr


def test_help_is_printed(command):
    done = command("--help")
    assert done.returncode == 0 and done.stdout.startswith(b"usage: credfd lease list")


def test_a_configuration_is_accepted_as_by_every_command(command):
    assert command("list", "-c", "/no/such/file").returncode == 0


def test_a_full_disk_is_no_success(credfd, runtime):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(credfd.session.path), "lease", "list"], stdout=full, stderr=subprocess.PIPE,
                              env=credfd.environment(runtime))
    assert done.returncode == 125 and b"standard output" in done.stderr


# The socket.

def test_the_socket_is_for_its_owner_and_gone_with_the_command(credfd, runtime, start, user):
    if user:
        os.chown(runtime, user.pw_uid, user.pw_gid)
    run = start(ask_as_told, user=user)
    run.expect("running")
    (path,) = sockets(runtime)
    assert path.name == f"{run.pid}.sock"
    assert stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    run.result()
    assert sockets(runtime) == []


def test_what_a_killed_supervisor_left_is_removed_quietly(credfd, runtime, command, start):
    run = start(ask_as_told)
    run.expect("running")
    run.kill(signal.SIGKILL)
    run.process.wait(procs.PATIENCE)
    assert len(sockets(runtime)) == 1
    done = command("list")
    assert (done.returncode, done.stderr) == (0, b"")
    assert str(run.pid).encode() not in done.stdout and sockets(runtime) == []


def test_a_revocation_from_a_dead_supervisor_is_no_such_lease(runtime, command):
    (runtime / "credfd").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(runtime / "credfd" / "77.sock"))
    done = command("revoke", "77-1")
    assert done.returncode == 125 and b"no such lease" in done.stderr


@pytest.fixture
def false_supervisor(runtime):
    """A socket that looks like a supervisor's, of a process that does as it likes."""
    (runtime / "credfd").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(runtime / "credfd" / "1.sock"))
        listener.listen()
        listener.settimeout(procs.PATIENCE)
        yield listener


def test_one_that_does_not_answer_is_named_and_left_out(credfd, command, start, false_supervisor):
    run = start(ask_as_told)
    run.expect("running")
    with concurrent.futures.ThreadPoolExecutor() as side_by_side:  # each waits for its answer
        listed, revoked = side_by_side.map(lambda words: command(*words), [["list"], ["revoke", "1-1"]])
    assert listed.returncode == 0
    assert listed.stderr.count(b"/credfd/1.sock") == 1  # of other tests' supervisors, one may end while it is asked
    assert f"{run.pid}-1".encode() in listed.stdout
    assert revoked.returncode == 125 and b"does not answer" in revoked.stderr
    run.result()


@pytest.mark.parametrize("answer", [b"", b"\x00", b"garbage " * 1000, b"\x01" * 60000])
def test_one_that_talks_nonsense_is_named_and_left_out(credfd, command, false_supervisor, answer):
    def talk():
        connection, _ = false_supervisor.accept()
        with connection:
            connection.recv(100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            connection.send(answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)  # until the command has gone

    talker = threading.Thread(target=talk)
    talker.start()
    done = command("list")
    talker.join(procs.PATIENCE)
    assert not talker.is_alive()
    assert done.returncode == 0
    assert done.stderr.count(b"/credfd/1.sock") == 1
    assert b"garbage" not in done.stderr + done.stdout


def test_other_names_in_the_directory_are_passed_over(runtime, command):
    folder = runtime / "credfd"
    folder.mkdir(mode=0o700)
    for name in ("x.sock", "12", "12.sock.old", "-1.sock", ".sock", "0.sock", "99999999999.sock"):
        (folder / name).touch()
    done = command("list")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list(folder.iterdir())) == 7


GARBAGE = [b"\x00", b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", b"x" * 60000]


def test_garbage_ends_that_client_alone(credfd, runtime, start, leases):
    run = start(ask_as_told)
    run.expect("running")
    (path,) = sockets(runtime)
    for garbage in GARBAGE:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(procs.PATIENCE)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            client.connect(str(path))
            client.send(garbage)
            assert hears_the_end(client)
    assert len(leases(run.pid)) == 1
    run.say("/it")
    assert run.expect("status") == "200"
    run.result()
    lines = [line for line in run.stderr.splitlines() if "is dropped" in line]
    assert len(lines) == len(GARBAGE) == len(run.stderr.splitlines())


def hears_the_end(client):
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def test_clients_that_say_nothing_keep_nobody_out(credfd, runtime, start, leases):
    run = start(ask_as_told)
    run.expect("running")
    (path,) = sockets(runtime)
    clients = []
    for _ in range(20):
        clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        clients[-1].connect(str(path))
    assert len(leases(run.pid)) == 1
    for client in clients:
        client.close()
    run.result()


def test_another_user_is_not_heard(credfd, runtime, start, as_root):
    """Not even where somebody has opened the way: then the kernel's word on who asks counts."""
    run = start(ask_as_told)
    run.expect("running")
    (path,) = sockets(runtime)
    for opened in (runtime, path.parent, path):
        opened.chmod(0o777)
    done = wait_as_nobody(lambda: connect_and_hear(path))
    assert done == 0
    assert "uid 65534" in run.stderr
    run.say("/it")
    assert run.expect("status") == "200"
    run.result()


def connect_and_hear(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(procs.PATIENCE)
        client.connect(str(path))
        return hears_the_end(client)


def wait_as_nobody(function):
    pid = os.fork()
    if pid == 0:
        try:
            os.setresgid(*3 * [program.NOBODY.pw_gid])
            os.setresuid(*3 * [program.NOBODY.pw_uid])
            os._exit(0 if function() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_user_does_not_see_anothers_leases(credfd, command, start, as_root):
    run = start(ask_as_told)
    run.expect("running")

    def ask():
        done = subprocess.run([str(credfd.session.path), "lease", "revoke", f"{run.pid}-1"], capture_output=True,
                              env={"XDG_RUNTIME_DIR": "/nonexistent"})
        return done.returncode == 125 and b"no such lease" in done.stderr

    assert wait_as_nobody(ask) == 0
    run.result()


@pytest.mark.parametrize("place", ["a link", "open to others", "a file"])
def test_a_place_that_is_not_safe_is_told_and_the_command_runs(credfd, runtime, start, place):
    folder = runtime / "credfd"
    if place == "a link":
        (runtime / "other").mkdir(mode=0o700)
        folder.symlink_to("other")
    elif place == "a file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o770)
    run = start(ask_as_told)
    run.expect("running")
    run.say("/it")
    assert run.expect("status") == "200"
    run.result()
    assert run.stderr.count("\n") == 1 and str(folder) in run.stderr and "0700" in run.stderr


def test_without_a_place_the_command_runs_and_nothing_is_said(credfd, as_root):
    def ask():
        with lease.connect() as stream:
            return stream.get("/it").status

    run = credfd.start_inside(ask, user=program.NOBODY)
    assert run.result() == 200 and run.stderr == ""
