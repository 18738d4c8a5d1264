"""Roles that die, or stand still, while they are used: what is under way completes once or fails cleanly, the rest goes
on, and nothing of it is left."""
import collections
import hashlib
import json
import os
import resource
import signal
import socket
import time

import pytest

import names
import procs
import upstream as servers
from procs import wait_until

KILLS = 7  # with each the keeper stays away longer: 1.3 s the last time


def kill(run, role):
    """Whatever stage it is in; waits until it is gone."""
    for pid in wait_until(lambda: run.roles(role), f"a {role} to kill"):
        procs.kill(pid)
        wait_until(lambda: not procs.is_alive(pid), f"the end of {role} {pid}")


def shape(run):
    """What the supervisor has below it, zombies too, and what it holds if we may know: without what has another number
    each time."""
    children = sorted(f"{procs.comm(pid)} {procs.state(pid).replace('R', 'S')}" for pid in procs.children(run.pid))
    held = procs.descriptors(run.pid).values() if procs.has_capability(procs.CAP_SYS_PTRACE) else []
    return children, sorted(what.partition(":[")[0].rpartition("/")[2] for what in held)


def settled_shape(run):
    """The same once it asks inotify of its secrets' files, a moment after its start."""
    def find():
        now = shape(run)
        return now if not now[1] or "anon_inode:inotify" in now[1] else None
    return wait_until(find, "its shape")


def is_no_more_than(before, now):
    """The same processes, and no descriptor more. (Before there may have been one that was about to be closed.)"""
    return now[0] == before[0] and not collections.Counter(now[1]) - collections.Counter(before[1])


# Under load.

DOWNLOAD = b"".join(b"%d," % number for number in range(40_000))


def answer_by_kind(peer):
    while seen := peer.read_request():
        if seen.path.startswith("/download/"):
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(DOWNLOAD), 20_000):
                piece = DOWNLOAD[start:start + 20_000]
                peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            peer.send("0\r\n\r\n")
        else:
            peer.answer(f"{seen.body_length} {seen.body_sha256}".encode())


def one(kind, number, streams):
    """One request, and what became of it: "whole", "unavailable", "refused" or "cut"; anything else is a fault."""
    try:
        if not streams:
            streams.append(lease.connect())
        stream = streams[0]
        if kind == "upload":
            body = b"%d " % number * 30_000
            stream.send_head("POST", f"/upload/{number}", "Transfer-Encoding: chunked")
            for start in range(0, len(body), 50_000):
                stream.send(b"%x\r\n%s\r\n" % (len(body[start:start + 50_000]), body[start:start + 50_000]))
            stream.send(b"0\r\n\r\n")
            expected = f"{len(body)} {hashlib.sha256(body).hexdigest()}"
        else:
            stream.send_head("GET", f"/{kind}/{number}")
            expected = None
        answer = stream.read_response()
    except lease.Refused:
        return "refused"
    except (lease.Truncated, BrokenPipeError, ConnectionResetError):
        streams.clear()
        return "cut"
    if answer.status == 503:
        if not (int(answer.field("Retry-After")) >= 1 and {"error", "lease", "reason", "hint"} <= set(answer.json())):
            return f"an odd 503: {answer.fields} {answer.text}"
        if answer.field("Connection") == "close":
            streams.clear()
        return "unavailable"
    if answer.status != 200:
        return f"an odd answer: {answer.status} {answer.text}"
    if expected and answer.text != expected:
        return f"another body than was sent: {answer.text}"
    if kind == "download" and hashlib.sha256(answer.body).hexdigest() != hear.download:
        return "a body that is not whole and was not cut"
    return "whole"


def load(kind, clients, download):
    """Several clients, each with requests of its own numbers, until the test says that it is enough."""
    hear.download = download
    outcomes, enough = {}, threading.Event()

    def ask_on(client):
        streams, number = [], client
        while not enough.is_set():
            outcomes[number] = one(kind, number, streams)
            number += clients
            if outcomes[number - clients] in ("refused", "unavailable"):
                enough.wait(0.01)

    def run(client):
        try:
            ask_on(client)
        except BaseException:
            outcomes[-1 - client] = traceback.format_exc()

    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    say("under load")
    hear()
    enough.set()
    for thread in threads:
        thread.join()
    say("over")
    hear()
    deadline, last, number = time.monotonic() + lease.PATIENCE, None, 10**6
    while last != "whole" and time.monotonic() < deadline:
        last, number = one(kind, number, []), number + 1
    return outcomes, [one(kind, 2 * 10**6 + more, []) for more in range(10)]


@pytest.mark.parametrize("kind", ["get", "upload", "download"])
def test_a_keeper_that_is_killed_again_and_again(credfd, serve, kind):
    upstream = serve(answer_by_kind)
    digest = hashlib.sha256(DOWNLOAD).hexdigest()
    run = credfd.start_inside(load, kind, 4, digest, using=[one], upstream=upstream.url)
    run.expect("under load")
    wait_until(lambda: len(upstream.requests) > 20, "some load")
    for _ in range(KILLS):
        before = len(upstream.requests)
        kill(run, "keeper")
        wait_until(lambda: len(upstream.requests) > before + 10, "it goes on")
    run.say("enough")
    run.expect("over")
    require_the_shape_of_a_fresh_one(credfd, run, upstream)
    run.say("again")
    outcomes, after = run.result()

    assert after == ["whole"] * 10, "everything works afterwards"
    found = collections.Counter(outcomes.values())
    assert set(found) <= {"whole", "unavailable", "refused", "cut"}, found
    assert found["whole"] > 20 and found["unavailable"] + found["cut"] + found["refused"] >= KILLS, found
    numbers = collections.Counter(int(seen.path.rpartition("/")[2]) for seen in upstream.requests)
    assert set(numbers.values()) == {1}, "a request arrived twice"
    assert not {int(number) for number, outcome in outcomes.items() if outcome == "whole"} - set(numbers)
    require_a_line_for_each(run, outcomes, numbers)


def require_a_line_for_each(run, outcomes, arrived):
    """
    Of every request that reached a keeper: exactly one line, and where it was answered it says so. (A keeper that dies
    between its line and its answer has told the one and not the other.)
    """
    lines = collections.defaultdict(list)
    for line in run.audit():
        assert line["path"], json.dumps(line)
        lines[int(line["path"].rpartition("/")[2])].append(line)
    for number in arrived:
        assert len(lines[number]) == 1, f"{number}: {outcomes.get(str(number))}: {lines[number]}"
    for number, outcome in outcomes.items():
        found = lines[int(number)]
        if outcome == "whole":
            assert [line["status"] for line in found] == [200] and "refusal" not in found[0], found
        elif outcome == "unavailable":
            [line] = found
            assert (line["status"], line.get("refusal")) in ((503, "keeper"), (200, None)), line


def require_the_shape_of_a_fresh_one(credfd, run, upstream):
    """Whatever happened to it, it comes to have and hold what another has that nothing happened to."""
    def idle():
        say("idle")
        hear()

    fresh = credfd.start_inside(idle, upstream=upstream.url)
    fresh.expect("idle")
    wait_until(lambda: shape(run) == shape(fresh), lambda: f"{shape(run)} like {shape(fresh)}")
    fresh.result()


def test_a_keeper_that_is_killed_leaves_no_descriptor_behind(credfd, sees_into_processes):
    """Streams that were open at its end included."""
    def hold_and_ask():
        while hear():
            streams = [lease.connect() for _ in range(5)]
            statuses = {stream.get("/it").status for stream in streams}
            say("held")
            hear()
            for stream in streams:
                stream.close()
            say(f"statuses {sorted(statuses)}")

    def a_round(is_killed):
        run.say("go")
        run.expect("held")
        if is_killed:
            kill(run, "keeper")
        run.say("go")
        run.expect("statuses")
        return wait_until(lambda: len(run.roles("keeper")) == 1, "one keeper")

    run = credfd.start_inside(hold_and_ask)
    a_round(False)
    before = settled_shape(run)
    for _ in range(4):
        a_round(True)
    wait_until(lambda: is_no_more_than(before, shape(run)), lambda: f"{shape(run)} as before, {before}")
    run.result()


def test_a_keeper_that_is_killed_while_it_starts(credfd):
    """At whatever moment that is: the next one comes, and none of those before stays, not even as a zombie."""
    run = credfd.start_inside(ask_as_told, using=[ask, ask_when_served])
    run.expect("running")
    run.say("api")
    assert run.expect("status") == "[200, None]"
    before = settled_shape(run)
    for _ in range(KILLS):
        for pid in wait_until(lambda: run.roles("keeper"), "a keeper, however young"):
            procs.kill(pid)
    run.say("api")
    assert run.expect("status") == "[200, None]"
    wait_until(lambda: is_no_more_than(before, shape(run)), lambda: f"{shape(run)} as before, {before}")
    run.result()


# What a new keeper knows.

def ask(name, target="/it"):
    """One request on a stream of its own: the status and the rule of a refusal."""
    with lease.connect(name) as stream:
        answer = stream.get(target)
        return [answer.status, answer.json().get("rule") if answer.status in (403, 429) else None]


def ask_when_served(name):
    """The status, once it is not that there is no keeper."""
    deadline, answer = time.monotonic() + lease.PATIENCE, [503]
    while answer[0] == 503 and time.monotonic() < deadline:
        try:
            answer = ask(name)
        except (lease.Refused, lease.Truncated, BrokenPipeError):
            pass
    return answer


def ask_as_told():
    say("running")
    while name := hear():
        say(f"status {ask_when_served(name)}")


@pytest.mark.parametrize("kind", ["file", "env", "fd", "command"])
def test_a_new_keeper_has_the_secret(credfd, kind):
    """Also one that can be had only once."""
    folder = credfd.session.new_folder()
    path = credfd.write_secret(folder, "mine", credfd.canary)
    with open(path, "rb") as file:
        secret = {"file": {"file": str(path)}, "env": {"env": "KEY"}, "fd": {"fd": file.fileno()},
                  "command": {"command": ["/bin/cat", str(path)]}}[kind]
        run = credfd.start_inside(ask_as_told, using=[ask, ask_when_served], secret=secret, pass_fds=[file.fileno()],
                                  env={"KEY": credfd.canary} if kind == "env" else None)
    run.expect("running")
    for _ in range(3):
        run.say("api")
        assert run.expect("status") == "[200, None]"
        kill(run, "keeper")
    run.say("api")
    assert run.expect("status") == "[200, None]"
    run.result()
    assert [seen.keys() for seen in credfd.upstream.requests] == [[credfd.canary]] * 4


def test_what_was_spent_stays_spent(credfd, serve):
    """`free` tells when there is a keeper, so that no request is lost on the way."""
    def spend_between(rounds, each):
        answers = []
        for _ in range(rounds):
            ask_when_served("free")
            answers += [ask("limited") for _ in range(each)]
            say("killed?")
            hear()
        return answers

    run = credfd.start_inside(spend_between, 4, 3, using=[ask, ask_when_served], credentials=[
        credfd.credential("limited", limits={"requests": 8}, env=None), credfd.credential("free", env=None)])
    for _ in range(4):
        run.expect("killed?")
        kill(run, "keeper")
        run.say("yes")
    assert run.result() == [[200, None]] * 8 + [[403, "limits.requests"]] * 4


def test_bytes_stay_spent_too(credfd, serve):
    def answer_bytes(peer):
        while peer.read_request():
            peer.answer(b"x" * 400_000)

    def spend():
        outcomes = []
        for _ in range(4):
            ask_when_served("free")
            try:
                outcomes.append(ask("limited"))
            except lease.Truncated:
                outcomes.append("cut")
            say("killed?")
            hear()
        return outcomes

    upstream = serve(answer_bytes).url
    run = credfd.start_inside(spend, using=[ask, ask_when_served], credentials=[
        credfd.credential("limited", limits={"bytes": "1MB"}, upstream=upstream, env=None),
        credfd.credential("free", upstream=upstream, env=None)])
    for _ in range(4):
        run.expect("killed?")
        kill(run, "keeper")
        run.say("yes")
    assert run.result() == [[200, None], [200, None], "cut", [403, "limits.bytes"]]


def test_what_is_answered_without_a_keeper_spends_nothing(credfd):
    """A request that could not go anywhere is none of the budget's."""
    def spend():
        answers, channel = [], lease.Channel()
        while answers.count(403) < 3:
            say("kill")
            hear()
            for _ in range(3):
                try:
                    with lease.Stream(channel.dial()) as stream:
                        answers.append(stream.get("/it").status)
                except (lease.Refused, lease.Truncated, BrokenPipeError):
                    answers.append("cut")
        say("enough")
        return answers

    run = credfd.start_inside(spend, limits={"requests": 8})
    for number in range(100):
        if run.expect("")[0] == "e":
            break
        if number < 5:
            kill(run, "keeper")
        run.say("killed")
    answers = run.result()
    assert set(answers) <= {200, 403, 503, "cut"}
    assert answers.count(200) == len(credfd.upstream.requests) == 8


@pytest.mark.parametrize("limits", [{"requests": 1}, {"ttl": "1s"}], ids=["spent", "old"])
def test_a_lease_that_has_ended_is_not_revived(credfd, limits):
    run = credfd.start_inside(ask_as_told, using=[ask, ask_when_served], limits=limits)
    run.expect("running")

    def answer():
        run.say("api")
        return run.expect("status")

    refused = f"[403, 'limits.{list(limits)[0]}']"
    wait_until(lambda: answer() == refused, "its end")
    for _ in range(3):
        kill(run, "keeper")
        assert answer() == refused
    run.result()
    assert len([event for event in run.events() if event["event"] == "lease_ended"]) == 1, "it ended once"


def test_a_time_to_live_goes_on_while_there_is_no_keeper(credfd):
    def ask_until_over():
        say("running")
        began = time.monotonic()
        while (answer := ask_when_served("api"))[0] == 200:
            time.sleep(0.05)
        return answer, time.monotonic() - began

    run = credfd.start_inside(ask_until_over, using=[ask, ask_when_served], limits={"ttl": "2s"})
    run.expect("running")
    for _ in range(5):
        kill(run, "keeper")
    answer, took = run.result()
    assert answer == [403, "limits.ttl"] and took < 10


def test_several_leases_are_each_known_again(credfd):
    def ask_all():
        return [ask_when_served(f"lease-{number}") for number in range(5)]

    keys = [f"{credfd.canary}-{number}" for number in range(5)]
    folder = credfd.session.new_folder()
    credentials = [credfd.credential(f"lease-{number}", env=None, allow=[f"GET /{'it' if number != 3 else 'other'}"],
                                     secret={"file": str(credfd.write_secret(folder, str(number), key))})
                   for number, key in enumerate(keys)]

    def ask_twice():
        first = ask_all()
        say("killed?")
        hear()
        return first, ask_all()

    run = credfd.start_inside(ask_twice, using=[ask, ask_when_served, ask_all], credentials=credentials)
    run.expect("killed?")
    kill(run, "keeper")
    run.say("yes")
    expected = [[200, None]] * 3 + [[403, "allow"], [200, None]]
    assert run.result() == [expected, expected]
    allowed = [[key] for number, key in enumerate(keys) if number != 3]
    assert [seen.keys() for seen in credfd.upstream.requests] == allowed * 2


# The resolver.

@pytest.fixture
def by_name(credfd, as_root):
    """Starts runs whose upstream has a name; the name's server is the test's."""
    folder = credfd.session.new_folder()
    reason = names.why_not(folder)
    if reason:
        pytest.skip(reason)

    def start(function, *arguments, **how):
        return credfd.start_inside(function, *arguments, wrapper=names.wrapper(folder), allow_private=True,
                                   upstream=f"https://api.test:{credfd.upstream.ports['good']}", **how)
    return start


def ask_until_served():
    statuses = []
    while not statuses or statuses[-1] != 200:
        with lease.connect() as stream:
            statuses.append(stream.get("/once").status)
    return statuses


def ask_each_time():
    """That the test says so."""
    say("running")
    while hear():
        statuses = ask_until_served()
        say(f"statuses {sorted(set(statuses))}")


def test_a_resolver_that_is_killed_is_there_again(by_name):
    server = names.NameServer({"api.test": ["127.0.0.1"]})
    try:
        run = by_name(ask_each_time, using=[ask_until_served])
        run.expect("running")
        for _ in range(4):
            run.say("go")
            assert set(json.loads(run.expect("statuses"))) <= {200, 502, 503}
            kill(run, "resolver")
        run.say("go")
        assert 200 in json.loads(run.expect("statuses"))
        run.result()
    finally:
        server.stop()


@pytest.mark.parametrize("spare", range(5))
@pytest.mark.parametrize("role", ["keeper", "resolver"])
def test_who_cannot_be_told_what_it_needs_is_followed_by_one_that_can(by_name, role, spare):
    """Its supervisor has descriptors for its start, and for no more, or not even for that."""
    server = names.NameServer({"api.test": ["127.0.0.1"]})
    try:
        run = by_name(ask_each_time, using=[ask_until_served])
        run.expect("running")
        held, before = procs.descriptors(run.pid), resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
        free = [number for number in range(4096) if number not in held]
        resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (free[spare], before[1]))
        kill(run, role)
        wait_until(lambda: "cannot be" in run.stderr or run.roles(role), f"another {role}, or a word about it")
        time.sleep(0.2)
        resource.prlimit(run.pid, resource.RLIMIT_NOFILE, before)
        run.say("go")
        assert 200 in json.loads(run.expect("statuses"))
        run.result()
    finally:
        server.stop()


def test_what_waits_for_a_resolver_that_is_killed_is_told_at_once(by_name):
    """Its name server never answers, and it has a minute for that."""
    def ask_once():
        with lease.connect() as stream:
            return stream.get("/it").status

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((names.ADDRESS, 53))
        silent.settimeout(procs.PATIENCE)
        run = by_name(ask_once, extra={"timeouts": {"connect": "60s"}})
        silent.recv(512)
        kill(run, "resolver")
        assert run.result() in (502, 503)


def test_a_new_keeper_finds_the_resolver(by_name):
    server = names.NameServer({"api.test": ["127.0.0.1"]})
    try:
        run = by_name(ask_as_told, using=[ask, ask_when_served])
        run.expect("running")
        for role in ("keeper", "resolver", "keeper"):
            run.say("api")
            assert run.expect("status") == "[200, None]"
            kill(run, role)
        run.say("api")
        assert run.expect("status") == "[200, None]"
        run.result()
    finally:
        server.stop()


# The relay.

def begin_and_hold(peer):
    while seen := peer.read_request():
        if seen.path == "/begun":
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n")
        if seen.path in ("/begun", "/held"):
            peer.wait_gone()
        else:
            peer.answer()


def hold_and_see(status):
    """What becomes of a request that waits, one that is being answered, a dial under way, and the channel."""
    channel, held, begun = lease.Channel(), lease.connect(), lease.connect()
    held.send_head("GET", "/held")
    begun.send_head("GET", "/begun")
    begun.read_head()
    begun.read_chunk()
    say("held")
    outcomes = []
    for wait in (held.read_head, begun.read_chunk, channel.dial, channel.receive):
        try:
            wait()
            outcomes.append("answered")
        except (lease.Truncated, lease.ChannelClosed) as error:
            outcomes.append(type(error).__name__)
    say("seen " + " ".join(outcomes))
    hear()
    os._exit(status)


def test_a_relay_that_is_killed_costs_its_own_leases_alone(credfd, serve):
    upstream = serve(begin_and_hold)
    runs = [credfd.start_inside(hold_and_see, 7, upstream=upstream.url),
            credfd.start_inside(ask_as_told, using=[ask, ask_when_served], upstream=upstream.url)]
    runs[0].expect("held")
    runs[1].expect("running")
    upstream.wait_requests(2)
    kill(runs[0], "relay")
    assert runs[0].expect("seen") == "Truncated Truncated ChannelClosed ChannelClosed"
    runs[1].say("api")
    assert runs[1].expect("status") == "[200, None]"
    runs[1].result()
    wait_until(lambda: servers.count_established(upstream.port) == 0, "what ran is cancelled upstream")
    assert procs.is_alive(runs[0].pid) and runs[0].roles("relay") == []
    runs[0].say("end")
    assert runs[0].wait() == 7
    [event] = [event for event in runs[0].events() if event["event"] == "lease_ended"]
    assert "relay" in event["reason"]
    assert sorted(line["path"] for line in runs[0].audit(2)) == ["/begun", "/held"]


def test_keeper_and_relay_killed_at_once_leave_the_command_alone(credfd):
    def outlive():
        say("running")
        hear()
        return "alive"

    run = credfd.start_inside(outlive)
    run.expect("running")
    for role in ("relay", "keeper"):
        procs.kill(run.role(role))
    wait_until(lambda: run.roles("relay") == [], "the relay's end")
    run.say("go on")
    assert run.result() == "alive"


# One that stands still.

def test_a_keeper_that_stands_still_holds_up_nobody_for_ever(credfd, no_sanitizer):
    """Whoever asks meanwhile has a time-out of its own; when the keeper goes on, so do they. The end does not wait."""
    def ask_with_patience(seconds):
        stream = lease.connect()
        stream.get("/before")
        say("running")
        hear()
        stream.send_head("GET", "/meanwhile")
        stream.socket.settimeout(seconds)
        try:
            stream.read_head()
            first = "answered"
        except TimeoutError:
            first = "timed out"
        say(first)
        hear()
        stream.socket.settimeout(lease.PATIENCE)
        second = stream.read_response().status
        say("once more")
        hear()
        return first, second

    run = credfd.start_inside(ask_with_patience, 0.5)
    run.expect("running")
    keeper = run.role("keeper")
    procs.kill(keeper, signal.SIGSTOP)
    run.say("go on")
    assert run.expect("") == "timed out"
    procs.kill(keeper, signal.SIGCONT)
    run.say("go on")
    run.expect("once more")
    procs.kill(keeper, signal.SIGSTOP)
    began = time.monotonic()
    assert run.result() == ["timed out", 200]
    assert time.monotonic() - began < 30
    credfd.require_nothing_left()


@pytest.mark.parametrize("role", ["keeper", "relay"])
def test_the_end_of_a_run_waits_for_no_role_that_stands_still(credfd, serve, role, no_sanitizer):
    """In the middle of requests, and the command's status is what it was."""
    def leave_in_the_middle():
        streams = [lease.connect() for _ in range(3)]
        for stream in streams:
            stream.send_head("GET", "/held")
        say("held")
        hear()
        os._exit(7)

    upstream = serve(begin_and_hold)
    run = credfd.start_inside(leave_in_the_middle, upstream=upstream.url)
    run.expect("held")
    upstream.wait_requests(3)
    procs.kill(run.role(role), signal.SIGSTOP)
    run.say("go on")
    assert run.wait(30) == 7
    credfd.require_nothing_left()
