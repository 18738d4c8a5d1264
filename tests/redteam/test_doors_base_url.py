"""Others than the command at its base_url doors: processes of the same user that do not belong to it, and the command
itself where it would aim a key elsewhere. (What the doors do for those who may: tests/doors/test_base_url.py.)"""
import http.client
import json
import os
import socket
import urllib.parse

import pytest



def knock():
    """A fresh stream to the door, and what every target begins with."""
    import urllib.parse
    url = urllib.parse.urlsplit(os.environ["API"])
    return lease.Stream(socket.create_connection((url.hostname, url.port))), url.path


def show_and_wait():
    say("at " + os.environ["API"] + " " + os.environ["SOCK"])
    hear()


@pytest.fixture
def door(credfd):
    """Starts a function of a command with both doors; `isolate` as the option says."""
    def start(function, isolate="none", **changes):
        return credfd.start_inside(function, using=[knock], options=["--isolate", isolate], credentials=[
            credfd.credential(env={"API": "{base_url}", "SOCK": "{socket}"}, **changes)])
    return start


def get(connection, target):
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()


def unix_connection(path):
    connection = http.client.HTTPConnection("x", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    return connection


@pytest.mark.defence("caller")
def test_a_stranger_with_the_whole_url_gets_nothing(door, trap):
    """He has read it in the command's environment, say."""
    upstream = trap()
    run = door(show_and_wait, upstream=upstream.url, ca_file=None)
    url = urllib.parse.urlsplit(run.expect("at ").split()[0])
    status, body = get(http.client.HTTPConnection(url.hostname, url.port, timeout=20), url.path + "/stolen")
    assert status == 403 and json.loads(body)["rule"] == "isolate", body
    assert [line["refusal"] for line in run.audit(1)] == ["caller"]
    run.say("end")
    assert run.wait() == 0
    assert upstream.heard() == []


def hold_one_and_wait():
    """A connection of the command's own, whose port another one can have at another address."""
    url = os.environ["API"]
    stream, prefix = knock()
    with stream:
        assert stream.get(prefix + "/own").status == 200
        say(f"at {url} {stream.socket.getsockname()[1]}")
        hear()


def ask_from(address, port, door, target):
    """What he is answered: nothing, when he is cut."""
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((address, port))
        stranger.settimeout(20)
        try:
            stranger.connect(door)
            stranger.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return stranger.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.mark.defence("caller")
def test_a_stranger_at_another_address_is_not_taken_for_the_command(door, trap):
    """He has the port of a connection that the command holds, and the whole of 127.0.0.0/8 leads to the door."""
    upstream = trap()
    run = door(hold_one_and_wait, upstream=upstream.url, ca_file=str(upstream.server.ca_file))
    url, port = run.expect("at ").split()
    url = urllib.parse.urlsplit(url)
    assert ask_from("127.0.0.2", int(port), (url.hostname, url.port), url.path + "/stolen") == b""
    assert b" 403 " in ask_from("127.0.0.1", 0, (url.hostname, url.port), url.path + "/stolen")
    run.say("end")
    assert run.wait() == 0
    assert [seen.path for seen in upstream.heard()] == ["/own"]


def borrow_a_name():
    """Of curl, which may use the lease and has a connection; this process may not."""
    import subprocess
    import urllib.parse
    url = urllib.parse.urlsplit(os.environ["API"])
    curl = subprocess.Popen(["/usr/bin/curl", "-sS", os.environ["API"] + "/held"], stdout=subprocess.DEVNULL)
    ends = []
    while not ends:
        for row in open("/proc/net/tcp").read().split("\n")[1:-1]:
            ours, theirs, state = row.split()[1:4]
            if state == "01" and theirs == f"0100007F:{url.port:04X}":
                ends.append(int(ours.partition(":")[2], 16))
    answers = [ask_from(address, port, (url.hostname, url.port), url.path + "/stolen").decode()
               for address, port in (("127.0.0.2", ends[0]), ("127.0.0.1", 0))]
    curl.kill()
    curl.wait()
    return answers


@pytest.mark.defence("caller")
def test_nor_is_one_program_of_the_command_taken_for_another(credfd, trap):
    upstream = trap(lambda peer, seen: peer.wait_gone())
    run = credfd.start_inside(borrow_a_name, using=[ask_from], credentials=[credfd.credential(
        env={"API": "{base_url}"}, executables=[os.path.realpath("/usr/bin/curl")], upstream=upstream.url,
        ca_file=str(upstream.server.ca_file))])
    borrowed, own = run.result()
    assert borrowed == "" and " 403 " in own and "executables" in own
    assert [seen.path for seen in upstream.heard()] in ([], ["/held"])


@pytest.mark.defence("caller")
@pytest.mark.parametrize("isolate", ["none", "network"])
def test_a_stranger_at_the_socket_gets_nothing(door, trap, isolate):
    upstream = trap()
    run = door(show_and_wait, isolate=isolate, upstream=upstream.url, ca_file=None)
    path = run.expect("at ").split()[1]
    status, body = get(unix_connection(path), "/stolen")
    assert status == 403, body
    (line,) = run.audit(1)
    assert (line["refusal"], line["pid"]) == ("caller", os.getpid())
    run.say("end")
    assert run.wait() == 0
    assert upstream.heard() == []


def test_the_socket_lies_where_its_user_alone_may_look(door):
    """Root's command may become another user, and finds it by its name; nobody lists the names. (Who he is, the door
    asks the kernel.)"""
    run = door(show_and_wait)
    path = run.expect("at ").split()[1]
    assert os.stat(os.path.dirname(path)).st_mode & 0o066 == 0
    if os.geteuid() != 0:
        assert os.stat(os.path.dirname(path)).st_mode & 0o011 == 0 and os.stat(path).st_mode & 0o077 == 0
    run.say("end")
    assert run.wait() == 0


def test_from_outside_of_its_network_nobody_finds_the_door(door):
    run = door(show_and_wait, isolate="network")
    url = urllib.parse.urlsplit(run.expect("at ").split()[0])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname, url.port)).close()
    run.say("end")
    assert run.wait() == 0


def ask_when_told():
    say("at " + os.environ["API"] + " " + os.environ["SOCK"])
    while hear():
        stream, prefix = knock()
        with stream:
            say(f"status {stream.get(prefix + '/it').status}")


def test_strangers_do_not_keep_the_command_out(door, nginx):
    """They connect and say nothing; each is sent away, and none has a place that the command could miss."""
    run = door(ask_when_told)
    url, path = run.expect("at ").split()
    url = urllib.parse.urlsplit(url)
    silent = []
    for _ in range(150):
        silent.append(socket.create_connection((url.hostname, url.port)))
        silent.append(socket.socket(socket.AF_UNIX))
        silent[-1].connect(path)
    run.say("ask")
    assert run.expect("status") == "200"
    for one in silent:
        one.close()
    run.say("ask")
    assert run.expect("status") == "200"
    run.say("")
    assert run.wait() == 0


def guess():
    stream, prefix = knock()
    stream.close()
    wrong = "0" if prefix[-1] != "0" else "1"
    answers = []
    for target in ("/stolen", prefix[:-1] + wrong + "/stolen", prefix[:-1] + "/stolen", "/%" + prefix[1:] + "/stolen"):
        stream, _ = knock()
        with stream:
            answers.append(stream.get(target).status)
    return answers


@pytest.mark.defence("prefix")
def test_without_the_path_there_is_nothing(door, trap):
    upstream = trap()
    answers = door(guess, upstream=upstream.url, ca_file=None).result()
    assert answers[:3] == [404] * 3 and answers[3] in (400, 404)
    assert upstream.heard() == []


def aim_elsewhere():
    stream, prefix = knock()
    answers = []
    stream.close()
    for target, host in ((f"http://evil.test{prefix}/a", "evil.test"), ("evil.test:443", "evil.test"),
                         (prefix + "/a", "evil.test")):
        stream, _ = knock()
        stream.host = host
        with stream:
            method = "CONNECT" if target == "evil.test:443" else "GET"
            stream.send_head(method, target)
            answers.append(stream.read_head().status)
    return answers


def test_a_request_cannot_name_another_host(door, nginx):
    """Host says nothing here, and a target has no host."""
    assert door(aim_elsewhere).result() == [400, 400, 200]
    assert [seen.field("Host") for seen in nginx.requests] == [urllib.parse.urlsplit(nginx.url).netloc]


def ask_for_another_host():
    """Through the proxy, where TLS to the API is ended; then a request for somebody else."""
    import ssl
    import urllib.parse
    proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
    api = os.environ["API_AUTHORITY"]
    raw = socket.create_connection((proxy.hostname, proxy.port))
    raw.sendall(f"CONNECT {api} HTTP/1.1\r\nHost: {api}\r\n\r\n".encode())
    assert b" 200 " in raw.recv(65536)
    stream = lease.Stream(ssl.create_default_context().wrap_socket(raw, server_hostname=api.split(":")[0]))
    statuses = []
    for host in (api, "evil.test", "evil.test:443"):
        stream.host = host
        try:
            statuses.append(stream.get("/a").status)
        except lease.Truncated:
            statuses.append("closed")
    return statuses


@pytest.mark.defence("authority")
def test_a_tunnel_to_one_host_is_not_for_another(credfd, nginx):
    authority = urllib.parse.urlsplit(nginx.url).netloc.replace("localhost", "127.0.0.1")
    run = credfd.start_inside(ask_for_another_host, using=[], extra={"egress": {"allow": []}},
                              env={"API_AUTHORITY": authority}, credentials=[
                                  credfd.credential(upstream=f"https://{authority}", env=None)])
    statuses = run.result()
    assert statuses[:2] == [200, 421]
    assert len(nginx.requests) == 1
