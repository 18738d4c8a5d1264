"""credfd call, libcredfd through its two examples, and the commands that only tell."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def call(credfd, *arguments, **how):
    """`credfd call` as the workload: its exit status and what it wrote to standard output."""
    run = credfd.start([credfd.session.path, "call", *arguments], **how)
    return run.wait(), run.stdout, run


def test_the_body_goes_to_standard_output(credfd):
    status, output, _ = call(credfd, "api", "/some/path?a=1")
    assert status == 0
    assert json.loads(output)["path"] == "/some/path"
    assert credfd.upstream.requests[0].keys() == [credfd.canary]


def test_a_large_body_arrives_whole(credfd):
    folder = credfd.session.new_folder()
    with open(folder / "out", "wb") as out:
        run = credfd.start([credfd.session.path, "call", "api", "/file/big"], stdout=out)
        assert run.wait() == 0
    done = subprocess.run(["sha256sum", folder / "out"], capture_output=True, text=True, check=True)
    (folder / "out").unlink()
    assert done.stdout.split()[0] == credfd.upstream.big_sha256


@pytest.mark.parametrize("status", ["400", "404", "500", "503"])
def test_an_error_status_is_exit_22_with_its_body(credfd, serve, status):
    def refuse(peer):
        while peer.read_request():
            peer.answer(b"the reason", f"{status} No")

    code, output, _ = call(credfd, "api", "/it", upstream=serve(refuse).url)
    assert (code, output) == (22, b"the reason")


def test_method_data_and_fields(credfd):
    folder = credfd.session.new_folder()
    (folder / "data").write_bytes(b"from a file")
    calls = [["-X", "PUT", "-d", "inline", "-H", "X-Mine: 1", "-H", "Content-Type: text/plain", "api", "/one"],
             ["-d", f"@{folder}/data", "api", "/two"], ["-X", "DELETE", "api", "/three"]]
    for arguments in calls:
        assert call(credfd, *arguments)[0] == 0
    one, two, three = credfd.upstream.requests
    assert (one.method, one.body) == ("PUT", b"inline")
    assert (one.field("X-Mine"), one.field("Content-Type")) == ("1", "text/plain")
    assert (two.method, two.body) == ("POST", b"from a file")
    assert (three.method, three.body) == ("DELETE", b"")


def test_i_shows_the_head_too(credfd):
    _, output, _ = call(credfd, "-i", "api", "/it")
    head, _, body = output.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"X-Connection" in head
    assert json.loads(body)["path"] == "/it"


def test_a_lease_that_is_not_there_is_said(credfd):
    status, output, run = call(credfd, "absent", "/it")
    assert status not in (0, 22) and output == b""
    assert "absent" in run.stderr


def test_outside_of_a_lease_it_says_so(credfd):
    done = credfd.command("call", "api", "/it")
    assert done.returncode not in (0, 22) and done.stderr and not done.stdout


def test_a_cut_answer_is_no_success(credfd, serve):
    def cut(peer):
        if peer.read_request():
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    status, output, run = call(credfd, "api", "/it", upstream=serve(cut).url)
    assert status not in (0, 22) and output == b"half" and run.stderr


def test_a_broken_standard_output_is_no_success(credfd):
    run = credfd.start(["sh", "-c", f"{credfd.session.path} call api /it > /dev/full"])
    assert run.wait() not in (0, 22)


# libcredfd.

def test_the_python_example_calls_through_the_lease(credfd):
    run = credfd.start([sys.executable, staged(credfd, ROOT / "examples" / "connect.py"), "api", "/example"])
    assert run.wait() == 0, run.story()
    assert credfd.upstream.requests[0].path == "/example"
    assert b'"/example"' in run.stdout


def test_the_c_example_calls_through_the_lease(credfd):
    binary = credfd.session.path.parent / "examples" / "connect"
    run = credfd.start([binary, "api", "/example"])
    assert run.wait() == 0, run.story()
    assert credfd.upstream.requests[0].path == "/example"
    assert b'"/example"' in run.stdout


@pytest.mark.parametrize("example", ["connect.py", "connect.c"])
def test_the_examples_stay_short(example):
    lines = [line for line in (ROOT / "examples" / example).read_text().splitlines() if line.strip()]
    assert len(lines) <= 40


def staged(credfd, path):
    copy = credfd.session.new_folder() / path.name
    copy.write_bytes(path.read_bytes())
    return copy


# The commands that only tell.

def test_version_as_json(credfd):
    done = credfd.command("version", "--json")
    about = json.loads(done.stdout)
    assert done.returncode == 0
    assert about["name"] == "credfd" and about["version"] and "commit" in about
    assert about["broker_egress"] is True


def test_version_as_text(credfd):
    done = credfd.command("version")
    assert done.returncode == 0 and done.stdout.startswith(b"credfd ")


def test_doctor_has_one_line_each(credfd):
    done = credfd.command("doctor")
    lines = done.stdout.decode().splitlines()
    assert done.returncode in (0, 1) and len(lines) >= 5
    text = done.stdout.decode().lower()
    assert all(word in text for word in ("memfd_secret", "seccomp", "landlock", "pidfd"))


@pytest.mark.parametrize("command", [[], ["run"], ["call"], ["check"], ["doctor"], ["version"]],
                         ids=lambda words: "".join(words) or "credfd")
def test_help_goes_to_standard_output(credfd, command):
    done = credfd.command(*command, "--help")
    assert done.returncode == 0 and not done.stderr
    assert b"credfd " + "".join(command).encode() in done.stdout
