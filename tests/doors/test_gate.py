"""Hosts without a credential: which of them the proxy lets through, and what it says of the others.

None of these runs has a credential: a plain filter of what a command may reach.
"""
import json
import signal
import socket

import pytest

import elsewhere
import procs
import settings
from ports import free_port
from procs import wait_until

ANYWHERE = ("0.0.0.0", 0)


@pytest.fixture
def gated(credfd):
    """gated(function, allow, *arguments) runs it where the proxy is the only way out. `timeouts`, `audit` and `wrapper`
    are as for Credfd.start; `run.write(allow)` changes the rules."""
    def start(function, allow, *arguments, extra=None, **how):
        path = credfd.session.new_folder() / "credfd.yaml"

        def write(hosts):
            path.write_text(settings.dump({"egress": {"allow": list(hosts)}, **(extra or {})}))

        write(allow)
        run = credfd.start_inside(function, *arguments, using=(proxy, ask, tunnel), config=path, **how)
        run.write = write
        return run
    return start


@pytest.fixture
def own_address(as_root):
    """A public one of this machine's."""
    try:
        with elsewhere.own_address() as address:
            yield address
    except elsewhere.Impossible as why:
        pytest.skip(str(why))


@pytest.fixture
def machine(as_root):
    """One elsewhere, with a public address."""
    try:
        with elsewhere.machine() as there:
            yield there
    except elsewhere.Impossible as why:
        pytest.skip(str(why))


# What runs inside.


def proxy():
    import urllib.parse
    place = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
    return socket.create_connection((place.hostname, place.port))


def ask(head):
    """What the proxy answers to that, as [status, body, connection]."""
    import re
    connection = proxy()
    connection.sendall(head.encode("latin-1"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(65536)
        assert more, answer
        answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return [int(head.split()[1]), body.decode(), connection]


def tunnel(target):
    return ask(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")


def say_all(targets):
    """[status, body] of a tunnel to each."""
    return [tunnel(target)[:2] for target in targets]


def curl(ca_file, *arguments):
    """[exit status, the answer's status, what was complained of]"""
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", ca_file, *arguments],
                          capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr]


# What is let through.


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_that_is_written_out_is_let_through(gated, serve, host):
    server = serve()
    rule = f"{host}:{server.port}"
    run = gated(curl, [rule], str(server.ca_file), f"https://{rule}/path?query")
    assert run.result() == [0, "200", ""]
    assert server.only_request().target == "/path?query"
    line, = run.audit(1)
    assert (line["lease"], line["method"], line["authority"], line["status"], line["rule"]) == (
        "egress", "CONNECT", rule, 200, rule)
    assert line["bytes_in"] > 200 and line["bytes_out"] > 200 and line["path"] == "" and "refusal" not in line
    assert line["executable"].endswith("curl")


def test_a_plain_request_is_passed_on(gated, serve):
    server = serve(tls=False)
    rule = f"127.0.0.1:{server.port}"
    run = gated(curl, [rule], "/dev/null", f"http://{rule}/path?query")
    assert run.result() == [0, "200", ""]
    seen = server.only_request()
    assert seen.target == "/path?query" and seen.field("Host") == rule
    line, = run.audit(1)
    assert (line["lease"], line["method"], line["authority"], line["path"], line["status"], line["rule"]) == (
        "egress", "GET", rule, "/path", 200, rule)


def test_names_are_let_through_where_they_lead_to_the_public_network(gated, serve, name_service, machine):
    with machine.inside():
        server = serve(address=(machine.address, 0))
    wrapper = name_service({"api.test": [machine.address], "a.b.wild.test": [machine.address, "127.0.0.1"],
                            "wild.test": [machine.address]})
    targets = [f"{host}:{server.port}" for host in ("api.test", "API.test", "a.b.wild.test", "wild.test")]
    run = gated(say_all, [f"api.test:{server.port}", f"*.wild.test:{server.port}"], targets, wrapper=wrapper)
    assert [status for status, _ in run.result()] == [200, 200, 200, 403]
    assert [line["rule"] for line in run.audit(4)] == [f"api.test:{server.port}", f"api.test:{server.port}",
                                                       f"*.wild.test:{server.port}", "egress.allow"]
    assert "wild.test" not in name_service.questions(), "a name was asked for that no rule lets through"


def test_curl_reaches_a_public_name(gated, serve, name_service, machine):
    with machine.inside():
        server = serve(address=(machine.address, 0))
    run = gated(curl, [f"*.test:{server.port}".replace("*.test", "api.test")], str(server.ca_file),
                f"https://api.test:{server.port}/", wrapper=name_service({"api.test": [machine.address]}))
    assert run.result() == [0, "200", ""]


# What is not.


def test_another_host_is_refused_with_the_rule_to_add(gated, serve):
    server = serve()
    run = gated(say_all, [f"127.0.0.1:{server.port}"], [
        "evil.test:443", f"127.0.0.2:{server.port}", "127.0.0.1:1", f"localhost:{server.port}", f"[::1]:{server.port}"])
    refused = run.result()
    rules = ["evil.test:443", f"127.0.0.2:{server.port}", "127.0.0.1:1", f"localhost:{server.port}",
             f"[::1]:{server.port}"]
    for (status, body), rule in zip(refused, rules):
        problem = json.loads(body)
        assert status == 403 and problem["rule"] == "egress.allow"
        assert problem["hint"] == f'add to egress.allow: "{rule}"'
    assert server.connections == 0
    lines = run.audit(5)
    assert [(line["authority"], line["status"], line["refusal"]) for line in lines] == [
        (rule, 403, "host") for rule in rules]
    assert all(line["method"] == "CONNECT" and line["pid"] > 0 for line in lines)


def test_a_proxy_may_let_nobody_through(gated, serve):
    server = serve()
    run = gated(say_all, [], [f"127.0.0.1:{server.port}"])
    assert [status for status, _ in run.result()] == [403]
    assert server.connections == 0


PRIVATE = ["127.0.0.1", "169.254.169.254", "10.1.2.3", "192.168.0.1", "::1", "::ffff:127.0.0.1", "fd00::1", "0.0.0.0"]


def test_no_name_stands_for_a_private_address(gated, serve, name_service):
    server = serve(address=ANYWHERE)
    zone = {f"host{number}.wild.test": [address] for number, address in enumerate(PRIVATE)}
    targets = [f"{host}:{server.port}" for host in zone]
    run = gated(say_all, [f"*.wild.test:{server.port}"], targets, wrapper=name_service(zone))
    for status, body in run.result():
        assert status == 403 and "not public" in json.loads(body)["reason"]
    assert server.connections == 0
    assert {line["refusal"] for line in run.audit(len(PRIVATE))} == {"address"}


def test_no_name_stands_for_an_address_of_this_machine(gated, serve, name_service, own_address):
    """A public one: what listens everywhere on this machine listens there, too. Written out, it is meant."""
    server = serve(address=(own_address, 0))
    run = gated(say_all, [f"api.test:{server.port}", f"[{own_address}]:{server.port}"],
                [f"api.test:{server.port}", f"[{own_address}]:{server.port}"],
                wrapper=name_service({"api.test": [own_address]}))
    (status, body), (written, _) = run.result()
    assert status == 403 and "of this machine" in json.loads(body)["reason"]
    assert written == 200
    assert [line.get("refusal") for line in run.audit(2)] == ["address", None]


def say_until(target, count):
    return [tunnel(target)[0] for _ in range(count)]


def test_why_a_host_cannot_be_reached_is_told(gated, name_service):
    port = free_port()
    run = gated(say_all, [f"127.0.0.1:{port}", f"nowhere.test:{port}"], [f"127.0.0.1:{port}", f"nowhere.test:{port}"],
                wrapper=name_service({}))
    (closed, closed_body), (unknown, unknown_body) = run.result()
    assert closed == 502 and "nobody listens" in json.loads(closed_body)["reason"]
    unknown_body = json.loads(unknown_body)
    assert unknown == 502 and "could not be resolved" in unknown_body["reason"]
    assert "nowhere.test" in unknown_body["reason"] and "how the host is written" in unknown_body["hint"]
    assert [line["refusal"] for line in run.audit(2)] == ["upstream", "upstream"]


def test_nobody_waits_for_ever(gated):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        full = [socket.socket() for _ in range(4)]  # nobody accepts: the last wait for ever, as does who comes next
        for one in full:
            one.setblocking(False)
            one.connect_ex(place)
        run = gated(say_all, [f"127.0.0.1:{place[1]}"], [f"127.0.0.1:{place[1]}"],
                    extra={"timeouts": {"connect": "500ms"}})
        (status, body), = run.result()
        for one in full:
            one.close()
    assert status == 504 and "in time" in json.loads(body)["reason"]
    assert run.audit(1)[0]["refusal"] == "upstream_timeout"


def test_while_the_audit_cannot_be_written_nothing_passes(gated, serve):
    server = serve()
    run = gated(say_until, [f"127.0.0.1:{server.port}"], "other.test:1", 3, audit=False,
                extra={"audit": {"file": "/dev/full"}})
    assert run.result() == [403, 503, 503]
    assert server.connections == 0


# What changes.


def reach_until_allowed(target):
    status = tunnel(target)[0]
    say(str(status))
    hear()
    while status != 200:
        status = tunnel(target)[0]
    return status


def test_a_reload_adds_a_host_and_takes_one_away(gated, serve):
    server = serve()
    target = f"127.0.0.1:{server.port}"
    run = gated(reach_until_allowed, [], target)
    assert run.expect("") == "403"
    run.write([target])
    run.kill(signal.SIGHUP)
    run.say("go on")
    assert run.result() == 200


def keep_one_open(target, ca_file):
    import http.client
    import ssl
    context = ssl.create_default_context(cafile=ca_file)
    stream = context.wrap_socket(tunnel(target)[2], server_hostname="127.0.0.1")

    def request():
        stream.sendall(f"GET / HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        response = http.client.HTTPResponse(stream)
        response.begin()
        response.read()
        return response.status

    before = request()
    say("open")
    hear()
    after = request()
    while (status := tunnel(target)[0]) == 503:
        pass
    return [before, after, status]


def test_a_gate_that_dies_is_started_again_and_open_tunnels_live(gated, serve):
    server = serve()
    target = f"127.0.0.1:{server.port}"
    run = gated(keep_one_open, [target], target, str(server.ca_file))
    run.expect("open")
    gate = run.role("gate")
    procs.kill(gate)
    wait_until(lambda: gate not in procs.children(run.pid), "the end of the gate")
    run.say("go on")
    assert run.result() == [200, 200, 200]
    assert "credfd-gate ended unexpectedly" in run.stderr


# What it is made of.


def wait_for_word():
    say("ready")
    hear()


def test_the_gate_maps_no_library_of_tls(gated, sees_into_processes):
    run = gated(wait_for_word, [])
    run.expect("ready")
    maps = open(f"/proc/{run.role('gate')}/maps").read()
    assert "ssl" not in maps and "crypto" not in maps
    run.say("")
    run.result()


def test_a_proxy_of_its_own_environment_is_not_for_the_gate(gated, serve):
    server = serve()
    rule = f"127.0.0.1:{server.port}"
    elsewhere = f"http://127.0.0.1:{free_port()}"
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    run = gated(curl, [rule], str(server.ca_file), f"https://{rule}/", env=dict.fromkeys(names, elsewhere))
    assert run.result() == [0, "200", ""]


def test_a_command_has_its_rules_checked(credfd, tmp_path):
    path = tmp_path / "credfd.yaml"
    path.write_text(settings.dump({"egress": {"allow": ["packages.example.org:443", "*.example.net:443"]}}))
    done = credfd.command("check", "-c", path)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.decode().splitlines()] == [
        ["egress", "packages.example.org:443"], ["egress", "*.example.net:443"]]
    path.write_text(settings.dump({"egress": {"allow": ["packages.example.org"]}}))
    done = credfd.command("check", "-c", path)
    assert done.returncode == 125 and b"egress.allow[0]: has no port" in done.stderr


def test_it_runs_as_anybody(gated, serve, user):
    server = serve()
    run = gated(say_all, [f"127.0.0.1:{server.port}"], [f"127.0.0.1:{server.port}", "other.test:443"], user=user)
    assert [status for status, _ in run.result()] == [200, 403]
