"""git through a lease: a helper of fifty lines (examples/git-remote-credfd), git's own HTTP, and a forge that wants a
password which git never has."""
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

import git_server
import procs
import program
import upstream as servers
from procs import wait_until

HELPER = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "git-remote-credfd")
READ = ["GET /team/project.git/info/refs", "POST /team/project.git/git-upload-pack"]
WRITE = [*READ, "POST /team/project.git/git-receive-pack"]


@pytest.fixture
def forge(nginx, folder):
    made = git_server.GitServer(folder)
    made.make("team/project.git")
    made.make("team/other.git")
    yield made
    made.stop()


@pytest.fixture
def git(credfd, forge):
    """Starts a shell script that has git, the helper, and a lease of the forge."""
    def start(script, allow=WRITE, key=None, **changes):
        folder = credfd.session.new_folder()
        shutil.copy(HELPER, folder / "git-remote-credfd")
        environment = {name: value for name, value in forge.environment.items() if name.startswith("GIT_")}
        environment |= {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
        how = {"upstream": credfd.upstream.url + "/git", "inject": {"basic": {"user": servers.GIT_USER}}, **changes}
        return credfd.start(["sh", "-ec", f"exec 2>&1\n{script}"], folder=folder, env=environment, key=key,
                            credentials=[credfd.credential("forge", env=None, allow=allow, **how)])
    return start


def test_without_the_key_the_forge_gives_nothing(forge, nginx):
    """What the tests below could not do otherwise."""
    done = subprocess.run(["git", "-c", "http.sslVerify=false", "ls-remote", f"{nginx.url}/git/team/project.git"],
                          env={**forge.environment, "GIT_TERMINAL_PROMPT": "0"}, capture_output=True, text=True)
    assert done.returncode != 0 and "Username" in done.stderr
    assert forge.requests == []


def test_clone_commit_push_and_fetch(credfd, git, forge):
    run = git("""
        git clone -q credfd::forge/team/project.git one
        git clone -q credfd://forge/team/project.git two
        cd one
        head -c 300000 /dev/urandom >large; git add large; git commit -qm second
        git -c http.postBuffer=70000 push -q origin main
        cd ../two
        git pull -q
        git log --format=%s
        cmp large ../one/large
        git fetch -q && git ls-remote -q origin main
    """)
    assert run.wait() == 0, run.stdout
    first, second, head = run.stdout.decode().split("\n")[:3]
    assert (first, second) == ("second", "first")
    assert forge.git("-C", forge.root / "team/project.git", "log", "--format=%s").split() == ["second", "first"]
    assert head.startswith(forge.git("-C", forge.root / "team/project.git", "rev-parse", "main"))

    assert {seen.field("X-Remote-User") for seen in forge.requests} == {servers.GIT_USER}
    pushes = [seen for seen in forge.requests if seen.path.endswith("git-receive-pack")]
    assert max(seen.body_length for seen in pushes) > 300_000
    config = (run.folder / "one" / ".git" / "config").read_text()
    assert "credfd::forge/team/project.git" in config and "127.0.0.1" not in config
    # The key is in no file and no output: `credfd` searches the whole folder at the test's end, base64 included.
    assert credfd.session.search.in_tree(str(run.folder)) == []
    assert {line["refusal"] for line in run.audit() if "refusal" in line} == set()


def test_a_repository_that_the_rules_do_not_allow_is_refused(git, forge):
    run = git("git clone -q credfd::forge/team/other.git other || echo status $?; test ! -e other")
    assert run.wait() == 0, run.stdout
    assert re.search(r"403(.|\n)*status 128", run.stdout.decode())
    assert forge.requests == []
    assert [line["refusal"] for line in run.audit(1)] == ["no_rule"]


def test_a_lease_for_reading_pushes_nothing(git, forge):
    run = git("""
        git clone -q credfd::forge/team/project.git work
        cd work
        git commit -q --allow-empty -m second
        git push -q origin main || echo status $?
        git fetch -q
    """, allow=["* /**"], deny=["* /**/git-receive-pack"])
    assert run.wait() == 0, run.stdout
    assert re.search(r"403(.|\n)*status", run.stdout.decode())
    assert forge.git("-C", forge.root / "team/project.git", "log", "--format=%s") == "first"


def test_a_wrong_key_is_an_error_and_nobody_is_asked_for_another(credfd, git, forge):
    run = git("git clone -q credfd::forge/team/project.git work || echo status $?", key="not-the-key")
    assert run.wait() == 0 and "status 128" in run.stdout.decode()
    assert forge.requests == []


@pytest.mark.parametrize("address, complaint", [
    ("credfd::other/team/project.git", "other: there is no lease of that name here"),
    ("credfd::forge", "no address of a repository"), ("credfd::", "no address of a repository"),
    ("credfd::for ge/x", "no address of a repository"),
])
def test_a_wrong_address_is_told_in_one_line(git, address, complaint):
    run = git(f"git ls-remote -q '{address}' || echo status $?")
    assert run.wait() == 0
    said, *rest = run.stdout.decode().splitlines()
    assert said.startswith("git-remote-credfd: ") and complaint in said
    assert rest[-1].startswith("status ")


def test_outside_of_a_run_the_helper_says_so(forge):
    environment = {**forge.environment, "PATH": f"{os.path.dirname(HELPER)}:{os.environ['PATH']}"}
    done = subprocess.run(["git", "ls-remote", "credfd::forge/x.git"], env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "credfd run" in done.stderr


ASK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as connection:
    connection.sendall(b"GET /stranger HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    try:
        print(connection.recv(100))
    except ConnectionResetError:
        print(b"")
"""


def test_no_other_user_gets_through_the_helpers_port(git, serve, as_root):
    """Anybody on the machine may connect to it. Whose process asks is what the kernel says."""
    is_over = threading.Event()

    def answer(peer):
        while seen := peer.read_request():
            # git's own comes last: the helper ends with git, and cuts what goes through it
            assert seen.path == "/ours" or is_over.wait(procs.PATIENCE)
            peer.answer()

    upstream = serve(answer)
    run = git("git ls-remote -q credfd::forge/x.git || true", allow="all", upstream=upstream.url)
    upstream.wait_requests(1)
    lines = [procs.cmdline(pid).decode() for pid in procs.descendants(run.pid)]
    (port,) = {found.group(1) for line in lines if (found := re.search(r"http://127\.0\.0\.1:(\d+)/x", line))}

    stranger = subprocess.run([sys.executable, "-S", "-c", ASK, port], capture_output=True, text=True, timeout=60,
                              **program.as_user(program.NOBODY))
    assert (stranger.stdout, stranger.returncode) == ("b''\n", 0), stranger.stderr
    with socket.create_connection(("127.0.0.1", int(port)), procs.PATIENCE) as ours:
        ours.sendall(b"GET /ours HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ours.recv(100).startswith(b"HTTP/1.1 200 ")
    is_over.set()
    assert [seen.path for seen in upstream.requests][:2] == ["/x.git/info/refs", "/ours"]
    run.wait()
    assert "/stranger" not in [seen.path for seen in upstream.requests]


def test_a_git_that_is_killed_leaves_nothing(credfd, git, serve):
    gate = servers.Gate()
    upstream = serve(gate)
    run = git("git clone -q credfd::forge/x.git & echo $!; wait", allow="all", upstream=upstream.url)
    pid = int(run.expect(""))
    upstream.wait_requests(1)
    procs.kill(pid)
    assert run.wait() == 0
    gate.open()
    # The helper is git's own child, and ends with what it talked to.
    leftovers = credfd.session.leftovers
    wait_until(lambda: not leftovers(), lambda: f"the end of {list(map(procs.describe, leftovers()))}")
