"""The audit line: one for each exchange, about the one who asked, by the kernel's word; and never a value."""
import json
import os
import re
import shutil
import socket
import signal
import subprocess
import sys

import pytest

import chain
from procs import wait_until

FIELDS = {"time", "lease", "identity", "pid", "executable", "method", "authority", "path", "status", "bytes_in",
          "bytes_out", "duration_ms", "rule", "masked", "prev"}


def exchanges_in(path):
    return [line for line in map(json.loads, path.read_text().splitlines()) if "event" not in line]


def post_and_tell(body_length):
    with lease.connect() as stream:
        status = stream.post("/some/path?a=secret-value", b"secret-body" + b"x" * body_length).status
    return status, os.getpid(), os.readlink("/proc/self/exe")


def test_every_field_is_there_and_true(credfd):
    run = credfd.start_inside(post_and_tell, 5000)
    status, pid, executable = run.result()
    (line,) = run.audit(1)
    assert set(line) >= FIELDS
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["time"])
    assert (line["lease"], line["method"], line["path"], line["status"]) == ("api", "POST", "/some/path", status)
    assert line["authority"] == credfd.upstream.url.removeprefix("https://")
    assert (line["pid"], line["executable"]) == (pid, executable)
    assert max(line["bytes_in"], line["bytes_out"]) >= 5000 > min(line["bytes_in"], line["bytes_out"]) > 0
    assert line["duration_ms"] >= 0 and line["masked"] == 0
    assert "reason" not in line and "refusal" not in line


def test_no_query_value_no_body_and_no_field_is_ever_written(credfd):
    run = credfd.start_inside(post_and_tell, 100)
    run.result()
    text = (run.folder / "audit.jsonl").read_text()
    assert "secret-value" not in text and "secret-body" not in text and "app_key" not in text


def test_the_file_is_appended_to_and_is_for_its_owner_alone(credfd):
    run = credfd.start_inside(post_and_tell, 0)
    run.result()
    path = run.folder / "audit.jsonl"
    assert path.stat().st_mode & 0o007 == 0
    again = credfd.start_inside(post_and_tell, 0, audit=False, options=["--audit", str(path)])
    again.result()
    assert len(run.audit(2)) == 2
    assert len(chain.require_whole(path)) == 6


def test_the_file_may_be_named_in_the_configuration(credfd):
    folder = credfd.session.new_folder()
    run = credfd.start_inside(post_and_tell, 0, audit=False, extra={"audit": {"file": str(folder / "here.jsonl")}})
    run.result()
    assert [line["status"] for line in exchanges_in(folder / "here.jsonl")] == [200]


def test_a_dash_means_standard_error(credfd):
    run = credfd.start_inside(post_and_tell, 0, audit=False, options=["--audit", "-"])
    run.result()
    lines = chain.require_whole(run.folder / "stderr")
    assert [line.get("path") or line["event"] for line in lines] == ["lease_granted", "/some/path", "lease_ended"]


def test_an_audit_file_that_cannot_be_written_is_refused_at_the_start(credfd):
    run = credfd.start(["touch", "started"], audit=False, options=["--audit", "/no/such/folder/audit.jsonl"])
    assert run.wait() == 125
    assert "/no/such/folder/audit.jsonl" in run.stderr
    assert not (run.folder / "started").exists()


def test_a_bad_audit_file_of_the_configuration_is_named_with_its_line(credfd):
    run = credfd.start(["touch", "started"], audit=False, extra={"audit": {"file": "/no/such/folder/audit.jsonl"}})
    assert run.wait() == 125 and not (run.folder / "started").exists()
    assert re.fullmatch(r"credfd: \S+credfd\.yaml:\d+: audit\.file: /no/such/folder/audit\.jsonl: .+; .+\n", run.stderr)


def test_a_fifo_without_a_reader_is_refused_and_not_waited_for(credfd, folder):
    os.mkfifo(folder / "fifo")
    run = credfd.start(["touch", "started"], audit=False, options=["--audit", str(folder / "fifo")])
    assert run.wait() == 125 and not (run.folder / "started").exists()


def test_the_identity_is_the_one_given(credfd):
    run = credfd.start_inside(post_and_tell, 0, options=["--as", "alice"])
    run.result()
    assert run.audit(1)[0]["identity"] == "alice"


def test_every_request_of_a_stream_has_its_line_in_order(credfd):
    def ask():
        with lease.connect() as stream:
            return [stream.get(f"/number-{number}").status for number in range(20)]

    run = credfd.start_inside(ask)
    run.result()
    assert [line["path"] for line in run.audit(20)] == [f"/number-{number}" for number in range(20)]


def another_python(credfd):
    """An executable that is ours alone to recognise."""
    path = credfd.session.new_folder() / "asker"
    shutil.copy(os.path.realpath(sys.executable), path)
    path.chmod(0o755)
    return path


def test_a_grandchild_is_named_by_its_own_pid_and_executable(credfd):
    def ask_from_a_grandchild(executable):
        code = ("import os, sys; sys.path.insert(0, sys.argv[1]); import lease; lease.connect().get('/grandchild'); "
                "print('grandchild', os.getpid(), flush=True)")
        environment = {**os.environ, "PYTHONHOME": "/usr"}
        where = os.path.dirname(lease.__file__)
        middle = ["sh", "-c", f'{executable} -S -c "$0" {where}; true', code]
        return os.spawnve(os.P_WAIT, "/bin/sh", middle, environment)

    executable = another_python(credfd)
    run = credfd.start_inside(ask_from_a_grandchild, str(executable))
    pid = int(run.expect("grandchild"))
    assert run.result() == 0
    (line,) = run.audit(1)
    assert (line["pid"], line["executable"], line["path"]) == (pid, str(executable), "/grandchild")


STRANGER = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
import lease
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
os.chmod(sys.argv[2], 0o777)
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
_, (fd,), _, _ = socket.recv_fds(connection, 1, 1)
print(lease.Stream(lease.Channel(fd).dial()).get("/stranger").status, flush=True)
"""


def test_a_stranger_that_was_handed_the_channel_is_the_one_named(credfd):
    """A process that credfd did not start gets fd 3 by SCM_RIGHTS and asks with it."""
    def hand_over(path):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            socket.send_fds(connection, [b"x"], [3])
            hear()

    executable = another_python(credfd)
    path = credfd.session.new_folder() / "socket"
    stranger = subprocess.Popen([executable, "-S", "-c", STRANGER, credfd.session.stage, path], stdout=subprocess.PIPE,
                                env={"PYTHONHOME": "/usr"})
    try:
        assert stranger.stdout.readline() == b"listening\n"
        run = credfd.start_inside(hand_over, str(path))
        assert stranger.stdout.readline() == b"200\n"
        run.say("end")
        run.result()
        (line,) = run.audit(1)
        assert (line["pid"], line["executable"], line["path"]) == (stranger.pid, str(executable), "/stranger")
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_failed_exchange_has_its_line_with_the_reason(credfd, nginx):
    def ask():
        with lease.connect() as stream:
            return stream.get("/it").status

    run = credfd.start_inside(ask, upstream=nginx.url_of("expired"))
    assert run.result() == 502
    (line,) = run.audit(1)
    assert line["status"] == 502 and line["reason"] and line["refusal"] == "upstream"


FORGERIES = [
    '/x"},{"forged":"yes', "/x\\u000a{}", "/x'\"<>|`{}^", "/%22%7d%0b", "/x\x7f", "/" + "ÿ",
]


def test_nothing_that_is_sent_can_make_a_second_line(credfd):
    def send_all(targets):
        statuses = []
        for target in targets:
            with lease.connect() as stream:
                stream.send(b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\nHost: x\r\nX: \x1b[2J\r\n\r\n")
                try:
                    statuses.append(stream.read_response().status)
                except lease.Truncated:
                    statuses.append(None)
            with lease.connect() as stream:
                stream.send(b'FORGE"\\{}\x1b / HTTP/1.1\r\nHost: x\r\n\r\n')
                stream.read_response()
        with lease.connect() as stream:
            statuses.append(stream.get("/last").status)
        return statuses

    run = credfd.start_inside(send_all, FORGERIES)
    statuses = run.result()
    lines = run.audit(1)
    assert lines[-1]["path"] == "/last"
    assert all(set(line) >= {"time", "lease", "pid"} and "forged" not in line for line in lines)
    raw = (run.folder / "audit.jsonl").read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw), "a control byte in the audit file"
    assert statuses[-1] == 200


# Leases.

def test_a_lease_s_beginning_and_end_stand_around_what_it_was_used_for(credfd):
    run = credfd.start_inside(post_and_tell, 0, options=["--as", "alice"])
    run.result()
    granted, exchange, ended = chain.require_whole(run.folder / "audit.jsonl")
    assert (granted["event"], ended["event"]) == ("lease_granted", "lease_ended") and "path" in exchange
    assert granted["lease"] == "api" and granted["identity"] == "alice" and re.fullmatch(rf"{run.pid}-\d+", granted["id"])
    assert (ended["lease"], ended["identity"], ended["id"]) == ("api", "alice", granted["id"]) and ended["reason"]
    assert run.events() == [granted, ended]


def test_a_refusal_is_named_and_found_by_its_name(credfd):
    def ask():
        with lease.connect() as stream:
            return stream.get("/forbidden").status

    run = credfd.start_inside(ask, allow=["GET /allowed"])
    assert run.result() == 403
    (line,) = run.audit(1)
    assert line["refusal"] == "no_rule" and line["reason"]
    shown = credfd.command("log", "--denied", run.folder / "audit.jsonl").stdout.decode()
    assert "/forbidden" in shown and line["reason"] in shown and len(shown.splitlines()) == 2


# The chain.

def require_in_order(credfd, path, count):
    done = credfd.command("log", "--verify", path)
    assert done.returncode == 0 and b"ok: %d lines\n" % count in done.stdout, done


def test_commands_that_run_at_once_make_one_chain(credfd):
    def ask_often():
        with lease.connect() as stream:
            return [stream.get(f"/{number}").status for number in range(50)]

    path = credfd.session.new_folder() / "audit.jsonl"
    runs = [credfd.start_inside(ask_often, audit=False, options=["--audit", str(path)]) for _ in range(4)]
    for run in runs:
        assert run.result() == [200] * 50
    assert len(chain.require_whole(path)) == 4 * 52
    require_in_order(credfd, path, 4 * 52)


def test_a_line_that_was_taken_out_shows(credfd):
    run = credfd.start_inside(post_and_tell, 0)
    run.result()
    path = run.folder / "audit.jsonl"
    require_in_order(credfd, path, 3)
    first, _, last = path.read_text().splitlines()
    path.write_text(f"{first}\n{last}\n")
    done = credfd.command("log", "--verify", path)
    assert done.returncode == 1 and f"{path}:2: ".encode() in done.stdout


def test_lines_that_are_cut_off_while_it_runs_show(credfd):
    def ask_when_told():
        while hear():
            with lease.connect() as stream:
                say(f"status {stream.get('/').status}")

    def ask(count):
        run.say("now")
        assert run.expect("status") == "200"
        wait_until(lambda: len(path.read_text().splitlines()) == count, "its line")

    run = credfd.start_inside(ask_when_told)
    path = run.folder / "audit.jsonl"
    ask(2)
    ask(3)
    os.truncate(path, len("".join(path.read_text().splitlines(keepends=True)[:2])))
    ask(3)
    run.result()
    done = credfd.command("log", "--verify", path)
    assert done.returncode == 1 and f"{path}:3: does not follow".encode() in done.stdout
    assert b"1 fault in 4 lines" in done.stdout
    assert (run.folder / "stderr").read_text().count("cut off or changed behind our back") == 1


# Rotation.

def test_a_file_that_is_large_enough_is_moved_on_and_so_many_are_kept(credfd):
    def ask_often():
        with lease.connect() as stream:
            return [stream.get(f"/{number}").status for number in range(60)]

    folder = credfd.session.new_folder()
    path = folder / "audit.jsonl"
    run = credfd.start_inside(ask_often, audit=False, extra={"audit": {"file": str(path), "rotate": "2KiB", "keep": 3}})
    assert run.result() == [200] * 60
    files = [folder / "audit.jsonl.3", folder / "audit.jsonl.2", folder / "audit.jsonl.1", path]
    assert sorted(folder.iterdir()) == sorted(files)
    assert all(file.stat().st_size <= 2048 and file.stat().st_mode & 0o077 == 0 for file in files)
    start = json.loads(files[0].read_text().splitlines()[0])["prev"]
    lines = chain.require_whole(*files, start=start)
    assert lines[-1]["event"] == "lease_ended" and lines[-2]["path"] == "/59"
    require_in_order(credfd, path, len(lines))


def test_a_file_that_another_moved_is_made_anew_at_a_hangup(credfd):
    def ask_when_told():
        while hear():
            with lease.connect() as stream:
                say(f"status {stream.get('/').status}")

    def ask():
        run.say("now")
        assert run.expect("status") == "200"

    run = credfd.start_inside(ask_when_told)
    path, moved = run.folder / "audit.jsonl", run.folder / "audit.jsonl.1"
    ask()
    wait_until(lambda: len(moved.read_text().splitlines() if moved.exists() else path.read_text().splitlines()) == 2,
               "the first line")
    path.rename(moved)
    os.kill(run.pid, signal.SIGHUP)
    wait_until(path.exists, "a new file")
    ask()
    run.result()
    assert len(chain.require_whole(moved, path)) == 4 and len(exchanges_in(path)) == 1
    require_in_order(credfd, path, 4)


# What cannot be written.

def ask_until_told():
    """One request for each line; the status, and which error it is."""
    while hear():
        with lease.connect() as stream:
            response = stream.get("/")
        say(f"status {response.status} {json.loads(response.body)['error'] if response.status == 503 else ''}")


class Asker:
    def __init__(self, run):
        self.run = run
        self.passed = 0

    def ask(self):
        self.run.say("now")
        status, *error = self.run.expect("status").split()
        self.passed += status == "200"
        return int(status)

    def ask_until(self, status):
        wait_until(lambda: self.ask() == status, f"an answer {status}")


@pytest.fixture
def small_disk(credfd, as_root, sees_into_processes):
    """The front of a command line that sees a disk of 64 KiB, and the folder where it does."""
    folder = credfd.session.new_folder()
    mount = f'mount -t tmpfs -o size=64k none {folder} && exec "$@"'
    wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh"]
    if subprocess.run([*wrapper, "true"]).returncode:
        pytest.skip("no mount namespace here")
    return folder, wrapper


def seen_by(run, folder):
    """That folder, as that process sees it."""
    return f"/proc/{run.pid}/root{folder}"


def fill(folder):
    with open(f"{folder}/filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass


def test_a_full_disk_lets_nothing_through_unseen_until_there_is_room(credfd, small_disk):
    folder, wrapper = small_disk
    run = credfd.start_inside(ask_until_told, audit=False, wrapper=wrapper,
                              extra={"audit": {"file": str(folder / "audit.jsonl")}})
    asker = Asker(run)
    assert asker.ask() == 200
    there = seen_by(run, folder)
    fill(there)
    asker.ask_until(503)
    assert "No space left on device; requests are refused until it can" in run.stderr
    assert asker.ask() == 503
    os.unlink(f"{there}/filler")
    asker.ask_until(200)
    assert "can be written again" in run.stderr
    path = run.folder / "copy.jsonl"
    shutil.copy(f"{there}/audit.jsonl", path)
    run.result()
    lines = chain.require_whole(path)
    seen = [line for line in lines if line.get("status") == 200]
    assert len(seen) >= asker.passed - 1  # the last one's line may still be on its way
    assert any(line.get("refusal") == "audit" for line in lines)


def test_with_continue_requests_go_on_and_the_loss_is_told(credfd):
    run = credfd.start_inside(ask_until_told, audit=False, extra={"audit": {"file": "/dev/full", "on_error": "continue"}})
    asker = Asker(run)
    assert [asker.ask() for _ in range(5)] == [200] * 5
    run.result()
    assert run.stderr.count("/dev/full: cannot be written: No space left on device; lines are lost until it can") == 1
    assert "/dev/full: lines lost: 7" in run.stderr


def test_what_was_never_written_is_said_whole_at_the_end(credfd):
    run = credfd.start_inside(ask_until_told, audit=False, extra={"audit": {"file": "/dev/full"}})
    asker = Asker(run)
    assert asker.ask() == 503 and asker.ask() == 503
    run.result()
    lines = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    assert [line.get("event") or line["refusal"] for line in lines] == ["lease_granted", "audit", "audit", "lease_ended"]


# The journal.

def in_journal_place(folder):
    """The front of a command line that sees `folder` as the journal's."""
    place = "/run/systemd/journal"
    mount = f'mount -t tmpfs none /run && mkdir -p {place} && mount --bind {folder} {place} && exec "$@"'
    wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh"]
    if subprocess.run([*wrapper, "true"]).returncode:
        pytest.skip("no mount namespace here")
    return wrapper


def test_the_journal_gets_every_line_with_its_fields(credfd, as_root):
    folder = credfd.session.new_folder()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(folder / "socket"))
        journal.settimeout(60)
        run = credfd.start_inside(post_and_tell, 0, wrapper=in_journal_place(folder), audit=False,
                                  extra={"audit": {"journal": True}})
        run.result()
        granted, exchange, ended = [journal.recv(65536).decode().splitlines() for _ in range(3)]
    assert "CREDFD_EVENT=lease_granted" in granted and "CREDFD_EVENT=lease_ended" in ended
    assert {"SYSLOG_IDENTIFIER=credfd", "PRIORITY=6", "CREDFD_LEASE=api", "CREDFD_STATUS=200"} <= set(exchange)
    message, = [field for field in exchange if field.startswith("MESSAGE=")]
    assert json.loads(message.removeprefix("MESSAGE="))["path"] == "/some/path"


JOURNALD = "/lib/systemd/systemd-journald"
WITH_JOURNALD = f"""
mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal || exit 1
{JOURNALD} & journald=$!
until [ -S /run/systemd/journal/socket ]; do kill -0 $journald || exit 1; done
"$@"; status=$?
until journalctl --quiet --output=json --identifier=credfd >journal && grep -q lease_ended journal; do kill -0 $journald; done
kill $journald; wait $journald; exit $status
"""


@pytest.mark.skipif(not os.access(JOURNALD, os.X_OK), reason="no systemd-journald here")
def test_a_real_journal_takes_what_it_is_sent(credfd, as_root):
    run = credfd.start_inside(post_and_tell, 0, audit=False, extra={"audit": {"journal": True}},
                              wrapper=["unshare", "--mount", "--propagation", "private", "sh", "-c", WITH_JOURNALD, "sh"])
    run.result()
    entries = [json.loads(line) for line in (run.folder / "journal").read_text().splitlines()]
    assert [entry.get("CREDFD_EVENT") or entry["CREDFD_STATUS"] for entry in entries] == [
        "lease_granted", "200", "lease_ended"]
    messages = [entry["MESSAGE"] for entry in entries]
    chain.write(run.folder / "messages", messages)
    assert len(chain.require_whole(run.folder / "messages")) == 3


def test_a_journal_that_is_not_there_is_told_at_the_start(credfd, as_root):
    run = credfd.start(["touch", "started"], wrapper=in_journal_place(credfd.session.new_folder()), audit=False,
                       extra={"audit": {"journal": True}})
    assert run.wait() == 125 and not (run.folder / "started").exists()
    assert "audit.journal: " in run.stderr and "systemd-journald" in run.stderr
