"""The end of a lease before its command's, and the configuration that is read again while commands run."""
import json
import os
import re
import signal
import threading

import pytest

import procs
import settings
from procs import wait_until


def talk():
    """Asks for each line's target, always on the same open stream, and says the status and the rule of a refusal."""
    with lease.connect() as stream:
        say("talking")
        while target := hear():
            answer = stream.get(target)
            rule = answer.json()["rule"] if answer.status in (403, 429) else ""
            say(f"status {answer.status} {rule}")
    return "hung up"


def ask(run, target):
    """What the workload was answered: "200", or "403 RULE"."""
    run.say(target)
    return run.expect("status")


def becomes(run, target, answer):
    """The same question until it is answered so. (A signal says that it was sent, and not that it was heeded.)"""
    wait_until(lambda: ask(run, target) == answer, f"{answer} for {target}")


def ends(run, count=0):
    """The ends that the audit tells of, but those with the command: which lease, and why."""
    def found():
        events = [(event["lease"], event["reason"]) for event in run.events()
                  if event["event"] == "lease_ended" and event["reason"] != "its command has ended"]
        return (events or True) if len(events) >= count else None
    events = wait_until(found, f"{count} ends of leases in the audit")
    return events if isinstance(events, list) else []


class Reload:
    """Runs whose configuration changes under them."""

    def __init__(self, credfd):
        self.credfd, self.folder = credfd, credfd.session.new_folder()

    def write(self, *credentials, **extra):
        """Whole or not at all, as an editor would; every credential with its key where it was."""
        for credential in credentials:
            secret = self.folder / "test-secrets" / f"{credential['name']}.key"
            if not secret.exists():
                self.credfd.write_secret(self.folder, credential["name"], self.credfd.canary)
            credential["secret"] = {"file": str(secret)}
        self.write_text(settings.dump({"credentials": credentials, **extra}))

    def write_text(self, text):
        (self.folder / "new").write_text(text)
        os.replace(self.folder / "new", self.folder / "credfd.yaml")

    def start(self, function, *arguments, **how):
        return self.credfd.start_inside(function, *arguments, config=self.folder / "credfd.yaml", **how)

    def credential(self, name="api", **changes):
        return self.credfd.credential(name, env=None, **changes)


@pytest.fixture
def reload(credfd):
    return Reload(credfd)


def hang_up(run):
    run.kill(signal.SIGHUP)


def reload_and_wait(run):
    """Until the reload is heeded, without a request: one that is under way may be cut by what has changed."""
    (run.folder / "audit.jsonl").rename(run.folder / "audit.old")
    hang_up(run)
    wait_until((run.folder / "audit.jsonl").exists, "the audit is opened anew, so the reload was heeded")


# Revoked.

@pytest.fixture
def revoke(credfd):
    """Starts runs that can be asked to revoke; (run, name) revokes that lease, and gives its id."""
    runtime = credfd.session.new_folder() / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {"XDG_RUNTIME_DIR": str(runtime)}

    def revoke(run, name):
        listed = credfd.command("lease", "list", "--json", env=environment)
        (row,) = [row for row in json.loads(listed.stdout) if row["pid"] == run.pid and row["lease"] == name]
        done = credfd.command("lease", "revoke", row["id"], env=environment)
        assert done.returncode == 0, done.stderr
        return row["id"]

    revoke.environment = environment
    return revoke


def begin_and_hold(peer):
    """/begun gets a head and a piece, /held nothing, /endless more than anybody takes; the rest is answered."""
    while seen := peer.read_request():
        if seen.path in ("/begun", "/endless"):
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n")
            while seen.path == "/endless":
                peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        if seen.path in ("/begun", "/held"):
            peer.wait_gone()
        else:
            peer.answer()


def hold_and_tell():
    """One request that waits, one whose answer has begun, one whose answer is not read; then how each of them ended."""
    streams = {path: lease.connect("revoked") for path in ("/held", "/begun", "/endless")}
    for path, stream in streams.items():
        stream.send_head("GET", path)
        if path != "/held":
            stream.read_head()
            stream.read_chunk()
    say("held")
    hear()
    answer = streams["/held"].read_response()
    ends = []
    for path in ("/begun", "/endless"):
        try:
            while streams[path].read_chunk():
                pass
            ends.append("whole")
        except lease.Truncated:
            ends.append("cut")
    with lease.connect("revoked") as stream:
        later = [stream.get("/later").status for _ in range(2)]
    with lease.connect("other") as stream:
        other = stream.get("/other").status
    return answer.status, answer.json(), ends, later, streams["/held"].get("/later").status, other


def test_revoked_is_revoked(credfd, serve, revoke):
    """What waits is told, what is being answered is cut, also where nobody reads; later ones are refused, whatever stream
    they come on. The other lease and the command live on."""
    upstream = serve(begin_and_hold)
    run = credfd.start_inside(hold_and_tell, env=revoke.environment, credentials=[
        credfd.credential(name, upstream=upstream.url, env=None) for name in ("revoked", "other")])
    run.expect("held")
    upstream.wait_requests(3)
    lease_id = revoke(run, "revoked")
    run.say("go on")
    status, body, cut, later, old_stream, other = run.result()
    assert status == 403 and set(body) == {"error", "lease", "rule", "reason", "hint"}
    assert (body["lease"], body["rule"]) == ("revoked", "revoked")
    assert cut == ["cut", "cut"]
    assert later == [403, 403] and old_stream == 403 and other == 200
    assert len(upstream.requests) == 4
    [(name, reason)] = ends(run)
    assert name == "revoked" and re.search(rf"process \d+ of user {os.geteuid()}\b", reason)
    [event] = [event for event in run.events() if event["event"] == "lease_ended" and event["reason"] == reason]
    assert event["id"] == lease_id and event["identity"]


def test_each_revoked_request_has_one_line_that_says_so(credfd, serve, revoke):
    run = credfd.start_inside(hold_and_tell, env=revoke.environment, credentials=[
        credfd.credential(name, upstream=serve(begin_and_hold).url, env=None) for name in ("revoked", "other")])
    run.expect("held")
    revoke(run, "revoked")
    run.say("go on")
    run.result()
    lines = [(line["path"], line.get("refusal")) for line in run.audit(7)]
    assert sorted(lines) == sorted([(path, "revoked") for path in ("/held", "/begun", "/endless", *["/later"] * 3)] +
                                   [("/other", None)])


def test_a_revoked_lease_leaves_the_same_lease_of_another_run_alone(credfd, revoke):
    runs = [credfd.start_inside(talk, env=revoke.environment) for _ in range(2)]
    for run in runs:
        run.expect("talking")
        assert ask(run, "/before") == "200"
    revoke(runs[0], "api")
    assert ask(runs[0], "/after") == "403 revoked"
    assert ask(runs[1], "/after") == "200"
    assert [run.result() for run in runs] == ["hung up"] * 2
    assert (len(ends(runs[0])), len(ends(runs[1]))) == (1, 0)


def test_the_list_tells_the_end(credfd, revoke):
    run = credfd.start_inside(talk, env=revoke.environment)
    run.expect("talking")
    revoke(run, "api")
    listed = json.loads(credfd.command("lease", "list", "--json", env=revoke.environment).stdout)
    assert [row["ended"] for row in listed if row["pid"] == run.pid] == ["revoked"]
    assert run.result() == "hung up"


# A configuration without it.

def test_a_credential_that_is_taken_out_ends_its_lease(serve, reload):
    upstream = serve(begin_and_hold)
    both = [reload.credential(name, upstream=upstream.url) for name in ("revoked", "other")]
    reload.write(*both)
    run = reload.start(hold_and_tell)
    run.expect("held")
    upstream.wait_requests(3)
    reload.write(both[1])
    hang_up(run)
    ends(run, 1)
    run.say("go on")
    status, body, cut, later, old_stream, other = run.result()
    assert (status, body["rule"]) == (403, "removed")
    assert cut == ["cut", "cut"]
    assert later == [403, 403] and old_stream == 403 and other == 200
    [(name, reason)] = ends(run)
    assert name == "revoked" and "configuration" in reason
    assert {line["refusal"] for line in run.audit(7) if line["lease"] == "revoked"} == {"removed"}


def test_a_credential_that_comes_back_does_not_revive_its_lease(reload):
    reload.write(reload.credential())
    run = reload.start(talk)
    run.expect("talking")
    assert ask(run, "/it") == "200"
    reload.write(reload.credential("another"))
    hang_up(run)
    ends(run, 1)  # a request that is under way when it ends is cut, so none is made before
    assert ask(run, "/it") == "403 removed"
    reload.write(reload.credential(), reload.credential("another"))
    reload_and_wait(run)
    assert ask(run, "/it") == "403 removed"
    assert run.result() == "hung up"


# Other rules and limits: on the streams that are open.

@pytest.mark.parametrize("before, after, answer", [
    ({"allow": "all"}, {"allow": ["GET /other"]}, "403 allow"),
    ({"allow": "all"}, {"allow": "all", "deny": ["GET /it"]}, "403 GET /it"),
    ({"allow": "all"}, {"allow": None}, "403 allow"),
    ({"allow": ["GET /other"]}, {"allow": ["GET /it"]}, "200"),
    ({"deny": ["GET /it"]}, {}, "200"),
    ({}, {"limits": {"requests": 1}}, "403 limits.requests"),
    ({}, {"limits": {"rate": "1/h"}}, "429 limits.rate"),
    ({"limits": {"requests": 1000}}, {"limits": {"bytes": "1B"}}, "403 limits.bytes"),
    ({"limits": {"rate": "1/h"}}, {"limits": {"rate": "1000/s"}}, "200"),
], ids=["a shorter list", "a denial", "no list", "another list", "no denial", "requests", "a rate", "bytes",
        "a higher rate"])
def test_other_rules_and_limits_are_taken_over_by_an_open_stream(reload, before, after, answer):
    reload.write(reload.credential(**before))
    run = reload.start(talk)
    run.expect("talking")
    first = [ask(run, "/it") for _ in range(3)][-1]
    assert first != answer
    reload.write(reload.credential(**after))
    reload_and_wait(run)
    becomes(run, "/it", answer)
    assert [ask(run, "/it") for _ in range(3)] == [answer] * 3
    assert run.result() == "hung up"


def test_a_shorter_life_is_taken_over_by_an_open_stream(reload):
    reload.write(reload.credential(limits={"ttl": "1h"}))
    run = reload.start(talk)
    run.expect("talking")
    assert ask(run, "/it") == "200"
    reload.write(reload.credential(limits={"ttl": "1ms"}))
    hang_up(run)
    ends(run, 1)  # a request that is under way when it ends is cut, so none is made before
    assert [ask(run, "/it") for _ in range(3)] == ["403 limits.ttl"] * 3
    assert run.result() == "hung up"


def test_other_executables_are_taken_over_by_the_next_dial(reload):
    def dial_and_talk():
        say("talking")
        while target := hear():
            with lease.connect() as stream:
                answer = stream.get(target)
                say(f"status {answer.status} {answer.json()['rule'] if answer.status == 403 else ''}")

    reload.write(reload.credential(executables=["/**"]))
    run = reload.start(dial_and_talk)
    run.expect("talking")
    assert ask(run, "/it") == "200"
    reload.write(reload.credential(executables=["/no/such/program"]))
    hang_up(run)
    becomes(run, "/it", "403 executables")
    run.result()


def upload_and_listen(pieces):
    """An upload and an event stream that last; a piece of each for every line from the test."""
    upload, events = lease.connect(), lease.connect()
    upload.send_head("POST", "/upload", "Transfer-Encoding: chunked")
    events.send_head("GET", "/events")
    events.read_head()
    say("under way")
    heard = b""
    for number in range(pieces):
        hear()
        upload.send(b"1\r\n%d\r\n" % number)
        while not heard.endswith(b": %d\n\n" % number):
            heard += events.read_chunk()
        say("next")
    upload.send(b"0\r\n\r\n")
    return upload.read_response().text


def count_with_the_test(next_event, pieces):
    def handle(peer):
        seen = peer.read_request()
        if seen.path == "/events":
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(pieces):
                assert next_event.acquire(timeout=procs.PATIENCE)
                peer.send(f"9\r\ndata: {number}\n\n\r\n")
            peer.wait_gone()
        else:
            peer.answer(seen.body)
    return handle


def test_what_is_under_way_goes_on_under_the_rules_that_it_began_with(reload, serve):
    next_event = threading.Semaphore(0)
    upstream = serve(count_with_the_test(next_event, 6))
    reload.write(reload.credential(upstream=upstream.url))
    run = reload.start(upload_and_listen, 6)
    run.expect("under way")
    for number in range(6):
        # each time others: the first denies what runs
        reload.write(reload.credential(upstream=upstream.url, deny=["* /**"] if number % 2 == 0 else None,
                                       limits={"concurrent": 1 + number}))
        audit = run.folder / "audit.jsonl"
        audit.rename(run.folder / f"audit.{number}")
        hang_up(run)
        wait_until(audit.exists, "the configuration is read again")
        next_event.release()
        run.say("go on")
        run.expect("next")
    assert run.result() == "012345"


def test_a_storm_of_signals_harms_no_request(reload, sees_into_processes):
    def ask_on():
        statuses = []
        with lease.connect() as stream:
            say("asking")
            while not statuses or not select.select([0], [], [], 0)[0]:
                statuses.append(stream.get("/it").status)
        return sorted(set(statuses))

    reload.write(reload.credential())
    run = reload.start(ask_on)
    run.expect("asking")
    before = len(procs.descriptors(run.pid))
    for number in range(50):
        reload.write(reload.credential(limits={"concurrent": 50 + number}))
        hang_up(run)
    wait_until(lambda: len(procs.descriptors(run.pid)) == before, "the supervisor holds what it held")
    run.say("end")
    assert run.result() == [200]


def test_another_upstream_is_not_taken_over_and_that_is_said(reload, serve):
    """The key goes to the authority that the lease was granted for, until its command ends."""
    elsewhere = serve()
    reload.write(reload.credential())
    run = reload.start(talk)
    run.expect("talking")
    assert ask(run, "/it") == "200"
    reload.write(reload.credential(upstream=elsewhere.url))
    hang_up(run)
    wait_until(lambda: "upstream" in run.stderr, "a word about it")
    assert ask(run, "/it") == "200"
    assert run.result() == "hung up"
    assert elsewhere.connections == 0


# A configuration that is broken.

@pytest.mark.parametrize("text", [
    "credentials: [", "credentials:\n  - name: api\n    allow: [ \"nonsense\" ]\n", "nonsense: true\n", "", None,
], ids=["no YAML", "a malformed rule", "an unknown key", "empty", "gone"])
def test_a_broken_configuration_changes_nothing_and_says_so(reload, text):
    reload.write(reload.credential(allow=["GET /it"]))
    run = reload.start(talk)
    run.expect("talking")
    if text is None:
        (reload.folder / "credfd.yaml").unlink()
    else:
        reload.write_text(text)
    hang_up(run)
    wait_until(lambda: "as it was" in run.stderr, "a word about it")
    first, last = run.stderr.splitlines()
    assert str(reload.folder / "credfd.yaml") in first
    assert not text or re.search(r"credfd\.yaml:\d+: ", first), first
    assert ask(run, "/it") == "200" and ask(run, "/other") == "403 allow"
    # and once it is mended, it is heeded
    reload.write(reload.credential(allow=["GET /other"]))
    hang_up(run)
    becomes(run, "/other", "200")
    assert ask(run, "/it") == "403 allow"
    assert run.result() == "hung up"
    assert ends(run) == []


def test_a_secret_that_cannot_be_read_any_more_takes_no_lease_away(reload):
    reload.write(reload.credential())
    run = reload.start(talk)
    run.expect("talking")
    assert ask(run, "/it") == "200"
    (reload.folder / "test-secrets" / "api.key").unlink()
    hang_up(run)
    wait_until(lambda: "credentials.api.secret" in run.stderr, "a word about it")
    assert ask(run, "/it") == "200"
    assert run.result() == "hung up"


def test_a_lease_ends_with_its_command(credfd):
    run = credfd.start(["true"])
    assert run.wait() == 0
    granted, ended = run.events()
    assert (granted["event"], ended["event"]) == ("lease_granted", "lease_ended")
    assert ended["id"] == granted["id"] and ended["reason"] == "its command has ended"
