"""The metrics: what is counted, that Prometheus can read it, and that whoever asks for it can do no harm."""
import http.client
import math
import os
import re
import signal
import socket
import stat
import threading
import time

import pytest

import procs
import upstream
from procs import wait_until

CLASSES = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]

# The text format, version 0.0.4, as strictly as its description can be read.

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:{{({LABEL}(?:,{LABEL})*)}})? (\d+(?:\.\d+)?)")
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\]|\\[\\n])+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")


class Exposition:
    """One scrape, taken apart: `samples` is {(name, labels): value}, labels as a sorted tuple of pairs."""

    def __init__(self, text):
        assert text.endswith("\n") and "\r" not in text
        self.samples, self.types, self.helps = {}, {}, set()
        self._family = None
        for line in text[:-1].split("\n"):
            self._take(line)
        assert self.helps == set(self.types)
        for name, kind in self.types.items():
            if kind == "histogram":
                self._check_histogram(name)

    def _take(self, line):
        if match := HELP.fullmatch(line):
            assert match[1] not in self.helps, f"{match[1]} twice"
            self.helps.add(match[1])
        elif match := TYPE.fullmatch(line):
            assert match[1] not in self.types, f"{match[1]} twice"
            self._family, self.types[match[1]] = match[1], match[2]
        else:
            self._take_sample(line)

    def _take_sample(self, line):
        match = SAMPLE.fullmatch(line)
        assert match, f"no sample: {line!r}"
        labels = tuple(sorted((key, value) for key, value in re.findall(LABEL, match[2] or "")))
        kind = self.types[self._family]
        own = {self._family + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {self._family}
        assert match[1] in own, f"{match[1]} among {self._family}"
        assert kind != "counter" or match[1].endswith("_total")
        assert (match[1], labels) not in self.samples, f"twice: {line}"
        self.samples[match[1], labels] = float(line.rsplit(" ", 1)[1])

    def _check_histogram(self, name):
        series = {}
        for (sample, labels), value in self.samples.items():
            if sample == name + "_bucket":
                rest = tuple(pair for pair in labels if pair[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        for labels, buckets in series.items():
            assert buckets == sorted(buckets) and buckets[-1][0] == math.inf
            assert [value for _, value in buckets] == sorted(value for _, value in buckets)
            assert buckets[-1][1] == self.samples[name + "_count", labels]
            assert (name + "_sum", labels) in self.samples

    def value(self, name, lease="api", **labels):
        pairs = {**labels, **({"lease": lease} if lease else {})}
        return self.samples["credfd_" + name, tuple(sorted(pairs.items()))]

    def requests(self, lease="api"):
        return {status: self.value("requests_total", lease, status=status) for status in CLASSES}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("metrics", timeout=procs.PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Endpoint:
    """Where one run's metrics are."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.address = "127.0.0.1" if host == "localhost" else host  # a bare system has no /etc/hosts
        self.where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def connect(self):
        return http.client.HTTPConnection(self.address, self.port, timeout=procs.PATIENCE)

    def raw(self):
        return socket.create_connection((self.address, self.port), timeout=procs.PATIENCE)

    def ask(self, method="GET", target="/metrics", body=None):
        connection = self.connect()
        try:
            connection.request(method, target, body)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def scrape(self):
        status, headers, body = self.ask()
        assert status == 200
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Exposition(body.decode("ascii"))

    def wait(self, condition, what):
        """The first scrape for which the condition holds: an exchange is counted when it is over, a little later."""
        return wait_until(lambda: condition(scraped := self.scrape()) and scraped, what)


@pytest.fixture
def endpoint():
    return Endpoint("127.0.0.1", upstream.free_port())


@pytest.fixture
def start(credfd, endpoint):
    def run(function, *arguments, where=None, **how):
        run = credfd.start_inside(function, *arguments, extra={"metrics": where or endpoint.where}, **how)
        run.expect("running")
        return run
    return run


def ask_as_told():
    """For each line from the test a request, METHOD TARGET, on one stream; its status is said."""
    say("running")
    with lease.connect() as stream:
        while line := hear():
            method, target = line.split(" ")
            say(f"status {stream.request(method, target).status}")
    return True


def ask(run, *requests):
    statuses = []
    for request in requests:
        run.say(request)
        statuses.append(int(run.expect("status")))
    return statuses


# What is counted.

def test_requests_bytes_and_times_are_counted(start, endpoint):
    run = start(ask_as_told)
    before = endpoint.scrape()
    assert set(before.requests().values()) == {0} and before.value("leases") == 1
    assert ask(run, "GET /a", "GET /b", "GET /c") == [200, 200, 200]
    after = endpoint.wait(lambda m: m.requests()["2xx"] == 3, "three requests")
    assert {**after.requests(), "2xx": 0} == before.requests()
    assert after.value("response_bytes_total") > 0 and after.value("request_bytes_total") == 0
    assert after.value("request_duration_seconds_count") == 3
    assert after.value("request_duration_seconds_bucket", le="+Inf") == 3
    run.result()


def test_connections_are_counted_as_new_and_then_as_reused(start, endpoint):
    run = start(ask_as_told)
    assert ask(run, "GET /a", "GET /b", "GET /c") == [200, 200, 200]
    after = endpoint.wait(lambda m: m.requests()["2xx"] == 3, "three requests")
    used = {how: after.value("upstream_connections_total", connection=how) for how in ("new", "resumed", "reused")}
    assert used == {"new": 1, "resumed": 0, "reused": 2}
    run.result()


def test_refusals_are_counted_by_their_reason(start, endpoint):
    run = start(ask_as_told, allow=["GET /yes"], deny=["GET /no"])
    assert ask(run, "GET /yes", "GET /other", "GET /no", "GET /no") == [200, 403, 403, 403]
    after = endpoint.wait(lambda m: sum(m.requests().values()) == 4, "four requests")
    assert after.requests()["4xx"] == 3
    assert after.value("refusals_total", reason="no_rule") == 1
    assert after.value("refusals_total", reason="denied") == 2
    assert after.value("request_duration_seconds_count") == 1, "what was refused never went upstream"
    run.result()


def test_an_upstream_that_is_not_there_is_counted(start, endpoint):
    run = start(ask_as_told, upstream=f"https://127.0.0.1:{upstream.free_port()}")
    assert ask(run, "GET /a") == [502]
    after = endpoint.wait(lambda m: m.requests()["5xx"] == 1, "a request that failed")
    assert after.value("refusals_total", reason="upstream") == 1
    run.result()


def test_what_is_malformed_is_counted(start, endpoint):
    def send_nonsense():
        say("running")
        with lease.connect() as stream:
            stream.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            status = stream.read_response().status
        hear()
        return status

    run = start(send_nonsense)
    after = endpoint.wait(lambda m: m.requests()["4xx"] == 1, "a request that was refused")
    assert after.value("refusals_total", reason="malformed") == 1
    assert run.result() == 400


def test_masked_places_are_counted(credfd, start, endpoint, serve):
    def reflect(peer):
        while seen := peer.read_request():
            peer.answer(f"{seen.keys()[0]} and again {seen.keys()[0]}".encode())

    run = start(ask_as_told, upstream=serve(reflect).url)
    assert ask(run, "GET /a") == [200]
    after = endpoint.wait(lambda m: m.requests()["2xx"] == 1, "a request")
    assert after.value("masked_total") == 2
    run.result()


def test_each_lease_is_counted_for_itself(credfd, start, endpoint):
    def ask_second():
        say("running")
        hear()
        with lease.Stream(lease.Channel(4).dial()) as stream:
            say(f"status {stream.get('/it').status}")
        hear()

    run = start(ask_second, credentials=[credfd.credential(name, env=None) for name in ("one", "two")])
    assert ask(run, "go") == [200]
    after = endpoint.wait(lambda m: m.requests("two")["2xx"] == 1, "a request of the second")
    assert sum(after.requests("one").values()) == 0
    run.result()


def test_a_secret_that_was_had_again_is_counted(credfd, start, endpoint):
    folder = credfd.session.new_folder()
    path = credfd.write_secret(folder, "api", credfd.canary)
    run = start(ask_as_told, secret={"file": str(path)})
    assert endpoint.scrape().value("source_refreshes_total", result="ok") == 0
    path.chmod(0o600)
    path.write_text(credfd.canary + "-2")
    endpoint.wait(lambda m: m.value("source_refreshes_total", result="ok") >= 1, "the new secret")
    path.write_text("")
    endpoint.wait(lambda m: m.value("source_refreshes_total", result="failed") >= 1, "a failure")
    run.result()


def test_a_revoked_lease_lives_no_more(credfd, start, endpoint):
    runtime = credfd.session.new_folder()
    runtime.chmod(0o700)
    run = start(ask_as_told, env={"XDG_RUNTIME_DIR": str(runtime)})
    done = credfd.command("lease", "revoke", f"{run.pid}-1", env={"XDG_RUNTIME_DIR": str(runtime)})
    assert done.returncode == 0, done.stderr
    endpoint.wait(lambda m: m.value("leases") == 0, "the end of the lease")
    run.result()


# What comes from outside is no label.

def test_nothing_of_a_request_is_in_it(start, endpoint):
    def send_odd_things():
        say("running")
        hear()
        for target in ('/evil"} 1', "/evil{}", "/evil?app_keys=evil"):
            with lease.connect() as stream:
                stream.send(b"EVIL " + target.encode() + b" HTTP/1.1\r\nHost: evil\r\nEvil: evil\r\n\r\n")
                stream.read_response()
        say("status 0")
        hear()

    run = start(send_odd_things, options=["--as", 'evil"\\\n'])
    ask(run, "go")
    endpoint.wait(lambda m: sum(m.requests().values()) == 3, "three requests")
    _, _, body = endpoint.ask()
    assert b"evil" not in body.lower()
    names = {value for _, labels in Exposition(body.decode()).samples for key, value in labels if key == "lease"}
    assert names == {"api"}
    run.result()


# Roles that die.

def restarts(scraped, role):
    return scraped.value("role_restarts_total", None, role=role)


def test_counters_only_go_up_over_the_death_of_the_keeper(start, endpoint, as_root):
    run = start(ask_as_told)
    assert ask(run, "GET /a") == [200]
    before = endpoint.wait(lambda m: m.requests()["2xx"] == 1, "a request")
    procs.kill(run.role("keeper"))
    after = endpoint.wait(lambda m: restarts(m, "keeper") == 1, "the new keeper")
    require_no_step_back(before, after)
    run.result()


def test_an_exporter_that_dies_is_there_again(start, endpoint, as_root):
    run = start(ask_as_told)
    assert ask(run, "GET /a") == [200]
    before = endpoint.wait(lambda m: m.requests()["2xx"] == 1, "a request")
    procs.kill(run.role("exporter"))
    after = endpoint.scrape()  # it waits in the socket that the supervisor keeps
    assert restarts(after, "exporter") == 1
    require_no_step_back(before, after)
    assert ask(run, "GET /b") == [200]
    run.result()


def require_no_step_back(before, after):
    for (name, labels), value in before.samples.items():
        if name.endswith(("_total", "_count", "_sum", "_bucket")):
            assert after.samples[name, labels] >= value, f"{name}{labels} went back"


# HTTP.

def test_a_head_has_no_body(start, endpoint):
    run = start(ask_as_told)
    status, headers, body = endpoint.ask("HEAD")
    assert (status, body) == (200, b"") and int(headers["Content-Length"]) > 1000
    run.result()


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/", 404), ("GET", "/metrics/", 404), ("GET", "/metrics/../metrics", 404), ("GET", "/METRICS", 404),
    ("POST", "/metrics", 405), ("DELETE", "/metrics", 405), ("PUT", "/other", 404), ("OPTIONS", "/metrics", 405),
    ("CONNECT", "/metrics", 400), ("GET", "http://elsewhere/metrics", 400), ("GET", "/metrics?x=y", 200),
    ("get", "/metrics", 405),
])
def test_other_requests_are_told_what_there_is(start, endpoint, method, target, status):
    run = start(ask_as_told)
    got, headers, _ = endpoint.ask(method, target)
    assert got == status
    assert got != 405 or headers["Allow"] == "GET, HEAD"
    run.result()


def test_a_body_is_read_and_ignored(start, endpoint):
    run = start(ask_as_told)
    assert endpoint.ask("GET", body=b"x" * 300000)[0] == 200
    assert endpoint.ask("POST", body=b"x" * 300000)[0] == 405
    run.result()


def test_a_connection_serves_one_scrape_after_another(start, endpoint):
    run = start(ask_as_told)
    connection = endpoint.connect()
    for number in range(1, 6):
        assert ask(run, "GET /it") == [200]
        endpoint.wait(lambda m: m.requests()["2xx"] == number, "that request")
        connection.request("GET", "/metrics")
        assert Exposition(connection.getresponse().read().decode()).requests()["2xx"] == number
    connection.close()
    run.result()


def test_scrapes_that_were_sent_together_are_answered_in_order(start, endpoint):
    run = start(ask_as_told)
    with endpoint.raw() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET /x HTTP/1.1\r\nHost: x\r\n"
                       b"Connection: close\r\n\r\n")
        text = read_all(client)
    assert re.findall(rb"HTTP/1.1 (\d+)", text) == [b"200"] * 3 + [b"404"]
    run.result()


def read_all(client):
    text = b""
    try:
        while piece := client.recv(1 << 16):
            text += piece
    except ConnectionResetError:
        pass
    return text


def test_many_leases_make_a_long_text(credfd, start, endpoint):
    """Longer than one message between processes may be."""
    names = [f"{number}-{'x' * 60}" for number in range(10, 50)]
    run = start(ask_as_told, credentials=[credfd.credential(name, env=None) for name in names])
    _, _, body = endpoint.ask()
    assert len(body) > 140000
    scraped = Exposition(body.decode())
    assert all(scraped.value("leases", name) == 1 for name in names)
    run.result()


# Those who ask otherwise.

NONSENSE = [b"\x00" * 100, b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 300,
            b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"GET " + b"/" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]


def test_nonsense_is_refused_and_harms_nobody(start, endpoint):
    run = start(ask_as_told)
    exporter = run.role("exporter")
    for nonsense in NONSENSE:
        with endpoint.raw() as client:
            try:
                client.sendall(nonsense)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has heard enough
            assert re.match(rb"HTTP/1.1 [45]\d\d |$", read_all(client))
    endpoint.scrape()
    assert run.role("exporter") == exporter, "it lives on"
    assert ask(run, "GET /it") == [200]
    run.result()
    assert run.stderr == ""


@pytest.mark.parametrize("says", [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "])
def test_the_quiet_and_the_slow_keep_nobody_out(start, endpoint, says):
    run = start(ask_as_told)
    clients = [endpoint.raw() for _ in range(60)]
    for client in clients:
        client.sendall(says)
    endpoint.scrape()
    for client in clients:
        client.close()
    endpoint.scrape()
    run.result()


def test_one_who_does_not_read_blocks_nobody(credfd, start, endpoint):
    names = [f"{number}-{'x' * 60}" for number in range(10, 50)]
    run = start(ask_as_told, credentials=[credfd.credential(name, env=None) for name in names])
    with endpoint.raw() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        endpoint.scrape()
        assert ask(run, "GET /it") == [200]
    endpoint.scrape()
    run.result()


def test_scrapes_under_load_add_up(start, endpoint):
    def load(count):
        say("running")
        hear()

        def ask_many():
            with lease.connect() as stream:
                for number in range(count):
                    stream.get(f"/{number}")

        threads = [threading.Thread(target=ask_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say("status 0")
        hear()

    run = start(load, 100)
    scraped, faults, is_over = [], [], threading.Event()

    def scrape_all():
        try:
            while not is_over.is_set():
                scraped.append(endpoint.scrape())
        except Exception as error:  # told by the test
            faults.append(error)

    scrapers = [threading.Thread(target=scrape_all) for _ in range(3)]
    for thread in scrapers:
        thread.start()
    ask(run, "go")
    is_over.set()
    for thread in scrapers:
        thread.join()
    assert not faults and len(scraped) > 3
    last = endpoint.wait(lambda m: m.requests()["2xx"] == 400, "every request")
    for each in scraped:
        require_no_step_back(each, last)
    run.result()


# Where it is.

@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_an_address_is_listened_at(start, host):
    if host == "::1" and not upstream.has_ipv6():
        pytest.skip("no IPv6 here")
    endpoint = Endpoint(host, upstream.free_port())
    run = start(ask_as_told, where=endpoint.where)
    endpoint.scrape()
    run.result()
    with pytest.raises(ConnectionRefusedError):
        endpoint.raw()


def test_a_unix_socket_is_for_its_owner(credfd, start, user):
    folder = credfd.session.new_folder(user)
    path = folder / "metrics.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))  # by one who was killed
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)
    run = start(ask_as_told, where=f"unix:{path}", user=user)
    assert stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & 0o777 == 0o600
    connection = UnixConnection(path)
    connection.request("GET", "/metrics")
    assert Exposition(connection.getresponse().read().decode()).value("leases") == 1
    connection.close()
    run.result()
    assert not path.exists()


def test_an_address_in_use_is_told_and_the_command_runs(start, endpoint):
    with socket.create_server(("127.0.0.1", endpoint.port)):
        run = start(ask_as_told)
        assert ask(run, "GET /it") == [200]
        assert run.roles("exporter") == []
        run.result()
    said = rf"credfd: warning: \S+credfd\.yaml:\d+: metrics: {endpoint.where}: .+ in use; .+\n"
    assert re.fullmatch(said, run.stderr)


def test_a_file_that_is_no_socket_is_left_alone(credfd, start):
    path = credfd.session.new_folder() / "precious"
    path.write_text("precious")
    run = start(ask_as_told, where=f"unix:{path}")
    run.result()
    assert path.read_text() == "precious" and str(path) in run.stderr


def test_without_metrics_there_is_no_exporter(credfd):
    run = credfd.start_inside(ask_as_told)
    run.expect("running")
    assert run.roles("exporter") == []
    run.result()


def test_the_exporter_is_confined(start, as_root):
    run = start(ask_as_told)
    status = procs.status(run.role("exporter"))
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    run.result()


def test_it_ends_with_the_command_although_somebody_is_connected(start, endpoint):
    run = start(ask_as_told)
    with endpoint.raw() as client:
        began = time.monotonic()
        run.result()
        assert time.monotonic() - began < procs.PATIENCE
        assert read_all(client) == b""


def test_a_supervisor_that_is_killed_takes_it_along(start, endpoint):
    run = start(ask_as_told)
    exporter = run.role("exporter")
    run.kill(signal.SIGKILL)
    wait_until(lambda: not procs.is_alive(exporter), "the exporter's end")
    run.process.wait(procs.PATIENCE)
