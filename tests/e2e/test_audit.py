"""The audit line: one for each exchange, about the one who asked, by the kernel's word; and never a value."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys

FIELDS = {"time", "lease", "identity", "pid", "executable", "method", "authority", "path", "status", "bytes_in",
          "bytes_out", "duration_ms", "rule", "masked"}


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
    assert "reason" not in line or not line["reason"]


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


def test_the_file_may_be_named_in_the_configuration(credfd):
    folder = credfd.session.new_folder()
    run = credfd.start_inside(post_and_tell, 0, audit=False, extra={"audit": {"file": str(folder / "here.jsonl")}})
    run.result()
    assert [json.loads(line)["status"] for line in (folder / "here.jsonl").read_text().splitlines()] == [200]


def test_a_dash_means_standard_error(credfd):
    run = credfd.start_inside(post_and_tell, 0, audit=False, options=["--audit", "-"])
    run.result()
    assert [json.loads(line)["path"] for line in run.stderr.splitlines()] == ["/some/path"]


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
    assert line["status"] == 502 and line["reason"]


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
