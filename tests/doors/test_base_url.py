"""The base_url door: one lease as a URL, over TCP and over a unix socket, for programs that know HTTP and nothing else.

Without a namespace of its own whoever has the URL could connect: so he must know its path, and belong to the command.
"""
import http.client
import json
import os
import signal
import socket
import threading
import urllib.parse

import pytest

import lease
import procs
from procs import wait_until

MIB = 1 << 20
WHERE = ["tcp", "tcp alone", "unix"]  # in the command's own network, without one, and by the file system
ISOLATIONS = ["none", "network", "full"]


def knock(socket_path=None, path=""):
    """A fresh stream to the door, and what every target begins with."""
    import urllib.parse
    if os.environ.get("WHERE") == "unix" or socket_path:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(socket_path or os.environ["SOCK"])
        return lease.Stream(connected), ""
    url = urllib.parse.urlsplit(path or os.environ["API"])
    return lease.Stream(socket.create_connection((url.hostname, url.port))), url.path


def ask(target="/it"):
    """[status, rule, reason]; an answer of the upstream's has neither."""
    stream, prefix = knock()
    with stream:
        answer = stream.get(prefix + target)
    refusal = answer.json() if answer.status >= 400 else {}
    return [answer.status, refusal.get("rule"), refusal.get("reason")]


@pytest.fixture
def door(credfd):
    """Starts a function, or a command, behind the door; `where` is one of WHERE."""
    def start(what, *arguments, where="tcp", isolate=None, env=None, using=(), **how):
        isolate = isolate or {"tcp": "network", "tcp alone": "none", "unix": "network"}[where]
        options = ["--isolate", isolate, *(["--read", str(credfd.session.stage)] if isolate == "full" else [])]
        how = {"env": {"WHERE": where, **(env or {})}, "options": options, **how}
        credentials = how.pop("credentials", None) or [credfd.credential(
            env={"API": "{base_url}", "SOCK": "{socket}"}, **how.pop("changes", {}))]
        if isinstance(what, list):
            return credfd.start(what, credentials=credentials, **how)
        return credfd.start_inside(what, *arguments, using=[knock, ask, *using], credentials=credentials, **how)
    return start


# Requests.

@pytest.mark.parametrize("isolate", ISOLATIONS)
def test_curl_finds_the_api_by_its_url_and_by_its_socket(door, credfd, nginx, user, isolate):
    script = """get() { curl -sS -o answer -w '%{http_code}\\n' "$@"; }
                get "$API/a?b=c"
                get --unix-socket "$SOCK" http://x/d"""
    run = door(["sh", "-ec", script], isolate=isolate, user=user)
    assert run.wait() == 0, run.story()
    assert run.stdout.split().count(b"200") == 2, run.story()
    assert [(seen.path, seen.keys()) for seen in nginx.requests] == [("/a", [credfd.canary]), ("/d", [credfd.canary])]
    assert [line["executable"] for line in run.audit(2)] == [os.path.realpath("/usr/bin/curl")] * 2


def talk_on_one():
    stream, prefix = knock()
    with stream:
        return [stream.get(f"{prefix}/{i}").status for i in range(8)]


@pytest.mark.parametrize("where", WHERE)
def test_a_connection_stays_for_more_requests(door, nginx, where):
    assert door(talk_on_one, where=where).result() == [200] * 8
    assert [seen.path for seen in nginx.requests] == [f"/{i}" for i in range(8)]


def talk_on_many(streams, requests):
    statuses = []

    def one(number):
        stream, prefix = knock()
        with stream:
            for i in range(requests):
                statuses.append(stream.get(f"{prefix}/{number}/{i}").status)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.parametrize("where", WHERE)
def test_many_are_served_at_once(door, where):
    assert door(talk_on_many, 48, 4, where=where).result() == [200] * 192


def exchange_big(size):
    body = b"0123456789abcdef" * (size // 16)
    stream, prefix = knock()
    with stream:
        answer = stream.post(prefix + "/echo", body)
        return [answer.status, len(answer.body), answer.body == body]


def echo(peer):
    while seen := peer.read_request():
        peer.answer(b"0123456789abcdef" * (seen.body_length // 16))


@pytest.mark.parametrize("where", WHERE)
def test_big_bodies_pass_both_ways(door, serve, where):
    server = serve(echo)
    run = door(exchange_big, 24 * MIB, where=where, changes={"upstream": server.url, "ca_file": str(server.ca_file)})
    assert run.result() == [200, 24 * MIB, True]


def leave_at_once(times):
    for _ in range(times):
        stream, _ = knock()
        stream.close()
    return ask()


@pytest.mark.parametrize("where", WHERE)
def test_who_leaves_at_once_leaves_nothing_behind(door, where):
    """More than may be open at a time, one after another."""
    run = door(leave_at_once, 600, where=where)
    assert run.result()[0] == 200
    assert [line["status"] for line in run.audit(1)] == [200]  # who is gone has done nothing


def keep_silent(limit):
    silent = [knock()[0] for _ in range(limit)]
    too_many = ask()
    for stream in silent:
        stream.close()
    while (answer := ask())[0] == 503:  # until their ends have been heard
        pass
    return too_many, answer[0]


@pytest.mark.parametrize("where", WHERE)
def test_so_many_connections_are_open_and_no_more(door, where):
    too_many, after = door(keep_silent, 256, where=where).result()
    assert too_many[0] == 503 and "too many connections" in too_many[2] and after == 200


# The path that nobody guesses.

def try_paths():
    stream, prefix = knock()
    stream.close()
    assert len(prefix) == 33 and set(prefix[1:]) <= set("0123456789abcdef"), prefix
    wrong = "0" if prefix[-1] != "0" else "1"
    answers = []
    for target in (prefix + "/right", prefix, "/", "/missing", prefix[:-1] + "/short", prefix[:-1] + wrong + "/wrong",
                   prefix + "0/long", "/" + prefix + "/twice", "/x" + prefix, prefix.upper() + "X"):
        stream, _ = knock()
        with stream:
            answers.append(stream.get(target).status)
    return answers


def test_without_a_namespace_the_path_must_be_right(door, nginx):
    run = door(try_paths, where="tcp alone")
    assert run.result() == [200, 200, *[404] * 8]
    assert [seen.path for seen in nginx.requests] == ["/right", "/"]
    assert [line["status"] for line in run.audit(10)].count(404) == 8


def look_at_url():
    return os.environ["API"]


def test_in_a_namespace_there_is_no_such_path(door):
    assert urllib.parse.urlsplit(door(look_at_url, where="tcp").result()).path == ""


# Who may connect.

def show_and_wait():
    say("at " + os.environ["API"] + " " + os.environ["SOCK"])
    hear()
    return ask()


def get_as_stranger(url=None, path=None):
    """What this process, which is none of the command's, is answered: (status, JSON)."""
    if path:
        connection = http.client.HTTPConnection("x")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        target = "/it"
    else:
        connection = http.client.HTTPConnection(url.hostname, url.port)
        target = url.path + "/it"
    connection.request("GET", target)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def test_a_stranger_is_refused_by_tcp(door, nginx):
    run = door(show_and_wait, where="tcp alone")
    url, _ = run.expect("at ").split()
    status, body = get_as_stranger(url=urllib.parse.urlsplit(url))
    assert status == 403 and body["rule"] == "isolate" and "does not belong" in body["reason"], body
    (line,) = run.audit(1)
    assert (line["refusal"], line["status"], line["lease"]) == ("caller", 403, "api")
    assert (line["pid"], line["executable"]) == (os.getpid(), os.path.realpath("/proc/self/exe"))
    run.say("go on")
    assert run.result()[0] == 200
    assert len(nginx.requests) == 1


@pytest.mark.parametrize("isolate", ISOLATIONS)
def test_a_stranger_is_refused_at_the_socket(door, nginx, isolate):
    run = door(show_and_wait, isolate=isolate, where="unix")
    _, path = run.expect("at ").split()
    status, body = get_as_stranger(path=path)
    assert status == 403 and "does not belong" in body["reason"], body
    (line,) = run.audit(1)
    assert (line["refusal"], line["pid"]) == ("caller", os.getpid())
    assert line["executable"] == os.path.realpath("/proc/self/exe")
    run.say("go on")
    assert run.result()[0] == 200
    assert len(nginx.requests) == 1


def ask_as_orphan():
    """In a process of a session of its own, whose parents have all ended."""
    reader, writer = os.pipe()
    top = os.fork()
    if top == 0:
        os.setsid()
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent:
                time.sleep(0.001)
            os.write(writer, json.dumps([os.getpid(), ask()]).encode())
        os._exit(0)
    os.waitpid(top, 0)
    os.close(writer)
    return json.loads(os.read(reader, 65536))


@pytest.mark.parametrize("where", WHERE)
def test_an_orphan_of_the_command_still_belongs_to_it(door, where):
    run = door(ask_as_orphan, where=where)
    pid, answer = run.result()
    assert answer[0] == 200, answer
    (line,) = run.audit(1)
    assert line["executable"] == os.path.realpath("/proc/self/exe")
    assert line["pid"] > 0 and (where != "tcp alone" or line["pid"] == pid)


def leave_orphans(n):
    """What they leave when they have ended too."""
    for _ in range(n):
        top = os.fork()
        if top == 0:
            if os.fork() > 0:
                os._exit(0)
            os._exit(0)
        os.waitpid(top, 0)
    say("left")
    hear()


def test_orphans_that_have_ended_are_reaped(door):
    run = door(leave_orphans, 20, where="tcp alone")
    run.expect("left")
    wait_until(lambda: not [pid for pid in procs.children(run.pid) if procs.state(pid) == "Z"], "no zombie")
    run.say("end")
    assert run.wait() == 0


@pytest.mark.parametrize("where", WHERE)
def test_the_audit_names_who_asked(door, where):
    run = door(ask, where=where)
    assert run.result()[0] == 200
    (line,) = run.audit(1)
    assert line["executable"] == os.path.realpath("/proc/self/exe") and line["pid"] > 0


@pytest.mark.parametrize("where", WHERE)
def test_only_listed_programs_may_use_it(door, nginx, where):
    """The function inside runs in Python, which is not among them."""
    run = door(ask, where=where, changes={"executables": [os.path.realpath("/usr/bin/curl")]})
    assert run.result()[:2] == [403, "executables"]
    url = '--unix-socket "$SOCK" http://x' if where == "unix" else '"$API"'
    run = door(["sh", "-ec", f"curl -sSf {url}/by/curl >&2"], where=where,
               changes={"executables": [os.path.realpath("/usr/bin/curl")]})
    assert run.wait() == 0, run.story()
    assert [seen.path for seen in nginx.requests] == ["/by/curl"]


# Those who speak something else, or ask in vain.

OTHERS = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "HTTP/2", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03": "TLS",
          "\x05\x01\0": "SOCKS"}


def speak(words):
    """[status, reason, hint]"""
    stream, _ = knock()
    with stream:
        stream.send(words.encode("latin-1"))
        answer = stream.read_response()
    return [answer.status, answer.json()["reason"], answer.json()["hint"]]


@pytest.mark.parametrize("where", WHERE)
def test_other_protocols_are_called_by_their_names(door, nginx, where):
    for words, name in OTHERS.items():
        status, reason, hint = door(speak, words, where=where).result()
        assert status == 400 and f"this is {name}" in reason and "HTTP/1.1" in hint + reason or "http://" in hint
    assert nginx.requests == []


def hint_of(method, target):
    stream, prefix = knock()
    with stream:
        answer = stream.request(method, prefix + target)
    return [answer.status, answer.json()["hint"]]


@pytest.mark.parametrize("method, target, hint", [
    ("DELETE", "/v1/x", 'add "DELETE /v1/x" to the credential\'s allow list, or see credfd log --denied --suggest'),
    ("DELETE", "/v1/x?secret=1", 'add "DELETE /v1/x" to '), ("DELETE", "/v1/**", "GET /path/**"),
    ("DELETE", "/v1/%2a", "GET /path/**"), ("DELETE", "/" + "a" * 300, "GET /path/**"), ("*", "/v1/x", "GET /path/**"),
    ("delete", "/v1/x", "GET /path/**")])
def test_who_lacks_a_rule_is_told_it(door, method, target, hint):
    status, told = door(hint_of, method, target, changes={"allow": ["GET /it"]}).result()
    assert status == 403 and hint in told, told


# Ends.

def ask_each_time():
    while target := hear():
        say("status " + " ".join(map(str, ask(target)[:2])))


def ask_in_step(run, target="/it"):
    run.say(target)
    return run.expect("status")


@pytest.mark.parametrize("where", WHERE)
def test_when_the_keeper_dies_it_is_503_and_then_goes_on(door, where):
    run = door(ask_each_time, where=where)
    assert ask_in_step(run) == "200 None"
    procs.kill(run.role("keeper"), signal.SIGKILL)
    answers = []
    wait_until(lambda: answers.append(ask_in_step(run)) or answers[-1] == "200 None", lambda: f"200: {answers}")
    assert set(answers) <= {"503 None", "200 None"}, answers


def hold():
    stream, prefix = knock()
    stream.send_head("GET", prefix + "/held")
    stream.read_head()
    stream.read_chunk()
    say("holding")
    try:
        stream.read_chunk()
        end = "more came"
    except lease.Truncated:
        end = "cut"
    return [end, *ask()]


def begin_and_hold(peer):
    while seen := peer.read_request():
        if seen.path == "/held":
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n")
            peer.wait_gone()
        else:
            peer.answer()


@pytest.mark.parametrize("where", WHERE)
def test_a_lease_that_is_revoked_is_cut(door, credfd, serve, where):
    server, runtime = serve(begin_and_hold), credfd.session.new_folder() / "runtime"
    runtime.mkdir(mode=0o700)
    run = door(hold, where=where, env={"XDG_RUNTIME_DIR": str(runtime)},
               changes={"upstream": server.url, "ca_file": str(server.ca_file)})
    run.expect("holding")
    listed = credfd.command("lease", "list", "--json", env={"XDG_RUNTIME_DIR": str(runtime)})
    (row,) = [row for row in json.loads(listed.stdout) if row["pid"] == run.pid]
    assert row["active"] == 1
    done = credfd.command("lease", "revoke", row["id"], env={"XDG_RUNTIME_DIR": str(runtime)})
    assert done.returncode == 0, done.stderr
    assert run.result()[:3] == ["cut", 403, "revoked"]


@pytest.mark.parametrize("where", WHERE)
def test_a_lease_whose_time_is_over_is_cut(door, serve, where):
    server = serve(begin_and_hold)
    run = door(hold, where=where,
               changes={"upstream": server.url, "ca_file": str(server.ca_file), "limits": {"ttl": "2s"}})
    assert run.result()[:3] == ["cut", 403, "limits.ttl"]


def leave_somebody_behind():
    """He waits until the command has ended, and tries then."""
    parent = os.getpid()
    if os.fork() == 0:
        os.setsid()
        say("at " + os.environ["API"] + " " + os.environ["SOCK"])
        while os.path.exists(f"/proc/{parent}") and os.getppid() == parent:
            time.sleep(0.001)
        os._exit(0)
    hear()


@pytest.mark.parametrize("where", ["tcp alone"])
def test_with_the_command_everything_is_closed(door, where):
    run = door(leave_somebody_behind, where=where)
    url, path = run.expect("at ").split()
    url = urllib.parse.urlsplit(url)
    run.say("end")
    assert run.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname, url.port))
    assert not os.path.exists(path) and not os.path.exists(os.path.dirname(path))
