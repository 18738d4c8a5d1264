"""A workload that would outlive its lease, or spend more than it has: also by killing what counts, which its user may.

Refused with the reason, and what runs is cut. (What a lease may spend in every detail: tests/e2e/test_budget.py.)
"""
import json
import os
import signal

import pytest

import procs
from procs import wait_until

MIB = 1 << 20


def ask(target="/it"):
    """[status, rule, reason]; an answer of the upstream's has neither."""
    with lease.connect() as stream:
        answer = stream.get(target)
        refusal = answer.json() if answer.status >= 400 else {}
        return [answer.status, refusal.get("rule"), refusal.get("reason")]


def hold_and_go_on(peer):
    """/begun gets a head and a piece and no end, /held nothing, /N N bytes."""
    while seen := peer.read_request():
        if seen.path == "/begun":
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n")
        if seen.path in ("/begun", "/held"):
            peer.wait_gone()
        else:
            peer.answer(b"x" * int(seen.path[1:]))


def hold():
    """Two requests that do not end by themselves: one waits for its answer, one is being answered."""
    held, begun = lease.connect(), lease.connect()
    held.send_head("GET", "/held")
    begun.send_head("GET", "/begun")
    begun.read_head()
    begun.read_chunk()
    for stream in (held, begun):
        stream.socket.settimeout(6)
    return held, begun


def see_them_end(held, begun):
    """What the one was told, and whether the other was cut."""
    answer = held.read_response()
    try:
        begun.read_chunk()
        end = "more came"
    except lease.Truncated:
        end = "cut"
    return [answer.status, answer.json()["rule"], answer.json()["reason"]], end


def hold_until_the_end():
    streams = hold()
    say("held")
    hear()
    return see_them_end(*streams), [ask("/5") for _ in range(3)]


def require_over(outcome, rule):
    (told, end), later = outcome
    assert told[:2] == [403, rule] and told[2], told
    assert end == "cut" and [answer[:2] for answer in later] == [[403, rule]] * 3


@pytest.mark.defence("ttl")
@pytest.mark.defence("cut")
def test_what_runs_when_its_time_is_over_is_cut(credfd, serve):
    upstream = serve(hold_and_go_on)
    run = credfd.start_inside(hold_until_the_end, using=[ask, hold, see_them_end], upstream=upstream.url,
                              limits={"ttl": "3s"})
    run.expect("held")
    run.say("wait for it")
    require_over(run.result(), "limits.ttl")
    assert {seen.path for seen in upstream.requests} == {"/held", "/begun"}


@pytest.fixture
def revoke(credfd):
    """Ends the lease of a run that was started with `revoke.environment`."""
    runtime = credfd.session.new_folder() / "runtime"
    runtime.mkdir(mode=0o700)

    def revoke(run):
        listed = json.loads(credfd.command("lease", "list", "--json", env=revoke.environment).stdout)
        [identifier] = [row["id"] for row in listed if row["pid"] == run.pid]
        assert credfd.command("lease", "revoke", identifier, env=revoke.environment).returncode == 0

    revoke.environment = {"XDG_RUNTIME_DIR": str(runtime)}
    return revoke


@pytest.mark.defence("cut")
def test_what_runs_when_it_is_revoked_is_cut(credfd, serve, revoke):
    upstream = serve(hold_and_go_on)
    run = credfd.start_inside(hold_until_the_end, using=[ask, hold, see_them_end], upstream=upstream.url,
                              env=revoke.environment)
    run.expect("held")
    upstream.wait_requests(2)
    revoke(run)
    run.say("it is")
    require_over(run.result(), "revoked")
    assert {seen.path for seen in upstream.requests} == {"/held", "/begun"}


@pytest.mark.defence("budget")
@pytest.mark.parametrize("limits", [{"requests": 5}, {"rate": "5/h"}, {"bytes": "50B"}], ids=["requests", "rate", "bytes"])
def test_no_more_than_the_budget_is_had(credfd, serve, limits):
    """Not by eight at once either: five answers of ten bytes each."""
    def ask_on(outcomes):
        for _ in range(5):
            with lease.connect() as stream:
                try:
                    outcomes.append(stream.get("/10").status)
                except lease.Truncated:
                    outcomes.append("cut")

    def spend():
        outcomes = []
        threads = [threading.Thread(target=ask_on, args=(outcomes,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    outcomes = credfd.inside(spend, using=[ask_on], upstream=serve(hold_and_go_on).url, limits=limits)
    under_way = 8 if "bytes" in limits else 0  # when the last byte was spent: what has been read of those is delivered
    assert len(outcomes) == 40 and outcomes.count(200) <= 5 + under_way, outcomes
    assert set(outcomes) <= {200, "cut", 429 if "rate" in limits else 403}


@pytest.mark.defence("budget")
@pytest.mark.defence("cut")
def test_what_runs_when_the_last_byte_is_spent_is_cut(credfd, serve):
    def spend(much):
        streams = hold()
        with lease.connect() as stream:
            stream.socket.settimeout(6)
            stream.send_head("GET", f"/{much}")
            try:
                for _ in stream.body_pieces(stream.read_head()):
                    pass
            except lease.Truncated:
                pass
        return see_them_end(*streams), [ask("/5") for _ in range(3)]

    outcome = credfd.inside(spend, 4 * MIB, using=[ask, hold, see_them_end], upstream=serve(hold_and_go_on).url,
                            limits={"bytes": "1MiB"})
    require_over(outcome, "limits.bytes")


# Killing the keeper. The workload's user may send it signals: it is their own process.

def kill_after_each(most):
    """A request, and the keeper killed before it can go on: it is the last that may run, on the only processor."""
    statuses, deadline = [], time.monotonic() + lease.PATIENCE
    while statuses.count(200) < most and 403 not in statuses and time.monotonic() < deadline:
        keeper = attack.our_roles().get("credfd-keeper")
        if keeper:
            attack.attempt(os.sched_setscheduler, keeper, os.SCHED_IDLE, os.sched_param(0))
        try:
            with lease.connect() as stream:
                statuses.append(stream.get("/5").status)
        except lease.Refused:
            continue
        if keeper and statuses[-1] == 200:
            attack.attempt(os.kill, keeper, signal.SIGKILL)
    return statuses


def on_one_processor():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.defence("spent")
def test_killing_the_keeper_buys_no_request(credfd, serve, user):
    upstream = serve(hold_and_go_on)
    run = credfd.start_inside(kill_after_each, 8, upstream=upstream.url, user=user, preexec=on_one_processor,
                              limits={"requests": 5})
    statuses = run.result()
    assert statuses[-1] == 403 and statuses.count(200) <= 5 and len(upstream.requests) <= 5, statuses


def ask_as_told():
    say("ready")
    while hear() == "ask":
        status, rule, _ = ask("/5")
        say(f"answer {status} {rule}")


def answer_of(run):
    """Of whichever keeper is there: as soon as there is one."""
    def ask_again():
        run.say("ask")
        answer = run.expect("answer")
        return answer if not answer.startswith("503") else None
    return wait_until(ask_again, "an answer of a keeper")


@pytest.mark.defence("ended")
def test_killing_the_keeper_brings_no_lease_back_to_life(credfd, serve, revoke):
    """What has ended stays ended, whoever has to be told of it anew."""
    upstream = serve(hold_and_go_on)
    run = credfd.start_inside(ask_as_told, using=[ask], upstream=upstream.url, env=revoke.environment)
    run.expect("ready")
    revoke(run)
    for _ in range(3):
        keeper = run.role("keeper")
        procs.kill(keeper)
        wait_until(lambda: not procs.is_alive(keeper), "it is dead")
        assert answer_of(run) == "403 revoked"
    run.say("enough")
    run.result()
    assert upstream.requests == []


def take_and_kill(much, rounds):
    """Half of an answer, and the keeper killed in the middle of it: how much was had in all, and the last status."""
    had, statuses, deadline = 0, [], time.monotonic() + lease.PATIENCE
    while rounds and 403 not in statuses and time.monotonic() < deadline:
        try:
            with lease.connect() as stream:
                stream.send_head("GET", f"/half/{much}")
                statuses.append(stream.read_head().status)
                if statuses[-1] == 200:
                    had += len(stream.read_exactly(much))
                    os.kill(attack.our_roles()["credfd-keeper"], signal.SIGKILL)
                    rounds -= 1
        except (lease.Refused, lease.Truncated, KeyError, ProcessLookupError):
            continue
    return had, statuses


def say_half(peer):
    while seen := peer.read_request():
        much = int(seen.path.rpartition("/")[2])
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {2 * much}\r\n\r\n", b"a line\n\n" * (much // 8))
        peer.wait_gone()


@pytest.mark.defence("spent")
def test_killing_the_keeper_buys_no_bytes(credfd, serve):
    had, statuses = credfd.inside(take_and_kill, MIB // 2, 6, upstream=serve(say_half).url, limits={"bytes": "1MiB"})
    assert statuses[-1] == 403 and had <= 2 * MIB, (had, statuses)
