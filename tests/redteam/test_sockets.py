"""What else can be spoken to while a command runs: the supervisor's control socket, and the metrics."""
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

import program

GARBAGE = [b"", b"\0", b"\xff", b"garbage", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 60000, b"\xff" * 200]


@pytest.fixture
def runtime(credfd):
    """A runtime directory that everybody may pass through; what credfd makes in it is for credfd to close."""
    path = credfd.session.new_folder() / "runtime"
    path.mkdir(mode=0o711)
    return path


@pytest.fixture
def question(credfd):
    """The bytes with which `credfd lease list` asks: learned from itself, by taking a supervisor's place."""
    folder = credfd.session.new_folder() / "learned"
    (folder / "credfd").mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / "credfd" / f"{os.getpid()}.sock"))
        listener.listen()
        asker = threading.Thread(target=credfd.command, args=("lease", "list"),
                                 kwargs={"env": {"XDG_RUNTIME_DIR": str(folder)}})
        asker.start()
        with listener.accept()[0] as client:
            asked = client.recv(1 << 16)
        asker.join()
    assert asked
    return asked


def is_listed(credfd, runtime, run):
    listed = credfd.command("lease", "list", env={"XDG_RUNTIME_DIR": str(runtime)})
    return f"{run.pid}-1".encode() in listed.stdout


# The control socket.

STRANGER = """
import socket, sys
client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.settimeout(20)
try:
    client.connect(sys.argv[1])
    client.send(bytes.fromhex(sys.argv[2]))
    print("answered" if client.recv(1 << 16) else "hung up")
except OSError as error:
    print(type(error).__name__)
"""


def as_nobody(path, question):
    done = subprocess.run([sys.executable, "-S", "-c", STRANGER, str(path), question.hex()], capture_output=True, text=True,
                          cwd="/", **program.as_user(program.NOBODY))
    return done.stdout.strip()


@pytest.mark.defence("control")
def test_the_control_socket_is_deaf_to_other_users(credfd, as_root, runtime, question):
    """The directory keeps them out; should somebody open it, the socket asks the kernel who is there."""
    run = credfd.start(["sleep", "60"], env={"XDG_RUNTIME_DIR": str(runtime)})
    run.command()
    path = runtime / "credfd" / f"{run.pid}.sock"
    assert as_nobody(path, question) == "PermissionError"
    path.parent.chmod(0o755)
    path.chmod(0o666)
    assert as_nobody(path, question) in ("hung up", "ConnectionResetError", "BrokenPipeError")
    assert is_listed(credfd, runtime, run)
    run.kill(15)
    run.wait()


def speak_garbage(folder, garbage, question):
    """Each on a connection of its own, with a good question behind it: whether any was answered."""
    [name] = os.listdir(folder)
    answered = []
    for text in garbage:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(lease.PATIENCE)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            client.connect(os.path.join(folder, name))
            try:
                client.send(bytes.fromhex(text))
                client.send(bytes.fromhex(question))
                answered += [text[:20]] if client.recv(1 << 16) else []
            except (BrokenPipeError, ConnectionResetError):
                pass
    say("spoken")
    hear()
    with lease.connect() as stream:
        return answered, stream.get("/it").status


@pytest.mark.defence("garbage")
def test_garbage_on_the_control_socket_ends_that_client_alone(credfd, user, question):
    runtime = credfd.session.new_folder(user) / "runtime"
    runtime.mkdir(mode=0o700)
    if user:
        os.chown(runtime, user.pw_uid, user.pw_gid)
    run = credfd.start_inside(speak_garbage, str(runtime / "credfd"), [one.hex() for one in GARBAGE],
                              question.hex(), user=user, env={"XDG_RUNTIME_DIR": str(runtime)})
    run.expect("spoken")
    assert is_listed(credfd, runtime, run)
    run.say("go on")
    assert run.result() == [[], 200]


# The metrics.

def ask_metrics(path, requests):
    """The first line of each answer, and then the whole of a good one."""
    def talk(raw):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(lease.PATIENCE)
            client.connect(path)
            received = b""
            try:
                client.sendall(raw.encode("latin-1"))
                client.shutdown(socket.SHUT_WR)
                while part := client.recv(1 << 16):
                    received += part
            except (BrokenPipeError, ConnectionResetError):
                pass
        return received.decode("latin-1")

    with lease.connect() as stream:
        for target in ("/it?say=outside", "/outside%22%7B"):
            stream.get(target, 'X: outside"} 1', "User-Agent: outside")
    answers = [attack.statuses(talk(raw)) for raw in requests]
    return answers, talk("GET /metrics HTTP/1.1\r\nHost: outside\r\nConnection: close\r\n\r\n")


BAD = ["GET /metrics HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "GET /metrics HTTP/1.1\nHost: x\n\n", "A" * 100_000,
       "GET http://x/metrics HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
       "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "GET /metrics HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", "GET /metrics\r\n\r\n",
       "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"]


@pytest.mark.defence("framing")
def test_garbage_at_the_metrics_is_refused_and_nothing_of_it_shows(credfd):
    path = credfd.session.new_folder() / "metrics.sock"
    answers, good = credfd.inside(ask_metrics, str(path), BAD, extra={"metrics": f"unix:{path}"})
    assert all(len(got) == 1 and 400 <= got[0] < 502 for got in answers), answers
    assert good.startswith("HTTP/1.1 200 OK\r\n") and re.search(r'^credfd_\w+\{[^}]*lease="api"', good, re.M)
    assert "outside" not in good and not credfd.session.search.is_in(good.encode("latin-1"))
