"""What a lease may spend: requests, bytes, a rate, so many at a time, so large a body, so long a life. Every refusal
says which; other leases of the same command know nothing of it."""
import json
import time

import pytest

import upstream as servers
from procs import wait_until

MIB = 1 << 20
PIECE = 96 * 1024  # what flows at once: the one that crosses the limit may have gone


def ask(name, target="/it", body=None):
    """One request on a stream of its own: what a refusal is judged by."""
    with lease.connect(name) as stream:
        answer = stream.request("GET" if body is None else "POST", target, body=body)
        return [answer.status, answer.text, answer.field("Retry-After")]


@pytest.fixture
def two(credfd):
    """Credentials for two leases of one command: `limited` by these limits, and `free` beside it."""
    def make(limits, **changes):
        return [credfd.credential("limited", limits=limits, env=None, **changes),
                credfd.credential("free", env=None, **changes)]
    return make


def require_refusal(answer, status, rule, lease="limited"):
    got, text, _ = answer
    assert got == status, text
    body = json.loads(text)
    assert set(body) == {"error", "lease", "rule", "reason", "hint"} and all(body.values())
    assert (body["lease"], body["rule"]) == (lease, rule)


def refusals(run, count, lease="limited"):
    """The word for it in each of the lease's lines, "" for those that went through."""
    return [line.get("refusal", "") for line in run.audit(count) if line["lease"] == lease]


def ends(run):
    """Which leases ended before their command, and why."""
    return [(event["lease"], event["reason"]) for event in run.events()
            if event["event"] == "lease_ended" and event["reason"] != "its command has ended"]


# So many requests.

def test_so_many_requests_and_no_more(credfd, two):
    def spend(count):
        return [ask("limited", f"/{number}") for number in range(count)], ask("free")

    run = credfd.start_inside(spend, 6, using=[ask], credentials=two({"requests": 4}))
    answers, free = run.result()
    assert [answer[0] for answer in answers] == [200, 200, 200, 200, 403, 403] and free[0] == 200
    for answer in answers[4:]:
        require_refusal(answer, 403, "limits.requests")
    assert [seen.path for seen in credfd.upstream.requests] == ["/0", "/1", "/2", "/3", "/it"]
    assert refusals(run, 7) == [""] * 4 + ["requests"] * 2
    [(name, reason)] = ends(run)
    assert name == "limited" and "requests" in reason


def test_what_is_refused_spends_nothing(credfd):
    def spend():
        refused = [ask("api", "/other")[0] for _ in range(5)]
        with lease.connect() as stream:
            stream.send(b"no HTTP at all\r\n\r\n")
            refused.append(stream.read_response().status)
        return refused, [ask("api", "/it")[0] for _ in range(3)]

    refused, asked = credfd.inside(spend, using=[ask], limits={"requests": 2}, allow=["GET /it"])
    assert refused == [403] * 5 + [400]
    assert asked == [200, 200, 403]


def test_a_race_for_the_last_requests_lets_no_more_through(credfd):
    def race(threads, each):
        statuses = []

        def run():
            with lease.connect() as stream:
                statuses.extend([stream.get("/it").status for _ in range(each)])

        runners = [threading.Thread(target=run) for _ in range(threads)]
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join()
        return statuses

    statuses = credfd.inside(race, 10, 5, limits={"requests": 30})
    assert (statuses.count(200), statuses.count(403)) == (30, 20)
    assert len(credfd.upstream.requests) == 30


def test_a_request_too_many_does_not_cut_those_that_were_let_through(credfd, serve):
    def ask_beside(held):
        streams = [lease.connect() for _ in range(held)]
        for number, stream in enumerate(streams):
            stream.send_head("GET", f"/held/{number}")
        say("asked")
        hear()
        refused = ask("api", "/too-many")
        say("refused")
        return [stream.read_response().status for stream in streams], refused

    gate = servers.Gate()
    upstream = serve(gate)
    run = credfd.start_inside(ask_beside, 2, using=[ask], upstream=upstream.url, limits={"requests": 2})
    run.expect("asked")
    upstream.wait_requests(2)
    run.say("go on")
    run.expect("refused")
    gate.open()
    statuses, refused = run.result()
    require_refusal(refused, 403, "limits.requests", "api")
    assert statuses == [200, 200]


# So many bytes, of content, both ways together.

def answer_bytes(peer):
    """/N answers N bytes."""
    while seen := peer.read_request():
        peer.answer(b"x" * int(seen.path[1:]))


def take(name, target):
    """How much of an answer came, and whether it was whole."""
    length = 0
    with lease.connect(name) as stream:
        stream.send_head("GET", target)
        head = stream.read_head()
        try:
            for piece in stream.body_pieces(head):
                length += len(piece)
        except lease.Truncated:
            return head.status, length, "cut"
    return head.status, length, "whole"


def test_a_response_that_exceeds_the_bytes_is_cut(credfd, two, nginx):
    def spend():
        return take("limited", "/file/big"), ask("limited"), take("free", "/file/big")

    run = credfd.start_inside(spend, using=[ask, take], credentials=two({"bytes": "4MiB"}))
    big, after, free = run.result()
    assert big[2] == "cut" and big[1] <= 4 * MIB + PIECE
    require_refusal(after, 403, "limits.bytes")
    assert free == [200, servers.BIG, "whole"]
    assert refusals(run, 3) == ["bytes", "bytes"]
    [(name, reason)] = ends(run)
    assert name == "limited" and "bytes" in reason


@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "chunked"])
def test_an_upload_that_exceeds_the_bytes_is_refused(credfd, serve, two, chunked):
    def upload(length, chunked):
        with lease.connect("limited") as stream:
            stream.send_head("POST", "/up", "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}")
            piece = b"x" * 65536
            try:
                for _ in range(length // len(piece)):
                    stream.send(b"10000\r\n%s\r\n" % piece if chunked else piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused in the middle: the answer is there to be read
            answer = stream.read_response()
        return [answer.status, answer.text, None], ask("limited"), ask("free")[0]

    upstream = serve()
    run = credfd.start_inside(upload, 8 * MIB, chunked, using=[ask],
                              credentials=two({"bytes": "1MiB"}, upstream=upstream.url))
    refused, after, free = run.result()
    require_refusal(refused, 403, "limits.bytes")
    require_refusal(after, 403, "limits.bytes")
    assert free == 200
    assert sorted(seen.path for seen in upstream.requests) == ["/it", "/up"]  # a cut upload is on record when it ends
    assert upstream.requests[0].body_length <= MIB + PIECE


def test_both_directions_count_together(credfd, serve, two):
    def spend(quarter):
        up = ask("limited", f"/{quarter}", b"x" * quarter)[0]
        down = take("limited", f"/{quarter}")
        return up, down, take("limited", f"/{2 * quarter}"), ask("limited")

    run = credfd.start_inside(spend, MIB // 4, using=[ask, take],
                              credentials=two({"bytes": "1MiB"}, upstream=serve(answer_bytes).url))
    up, down, crossing, after = run.result()
    assert up == 200 and down == [200, MIB // 4, "whole"]
    assert crossing[2] == "cut"
    require_refusal(after, 403, "limits.bytes")


def test_the_last_byte_is_still_the_leases(credfd, serve, two):
    def spend(half):
        return take("limited", f"/{half}"), take("limited", f"/{half}"), ask("limited")

    answers = credfd.inside(spend, MIB // 2, using=[ask, take],
                            credentials=two({"bytes": "1MiB"}, upstream=serve(answer_bytes).url))
    assert answers[:2] == [[200, MIB // 2, "whole"]] * 2
    require_refusal(answers[2], 403, "limits.bytes")


def begin_and_hold(peer):
    """/begun gets a head and a piece, /held nothing; /N answers N bytes."""
    while seen := peer.read_request():
        if seen.path == "/begun":
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n")
            peer.wait_gone()
        elif seen.path == "/held":
            peer.wait_gone()
        else:
            peer.answer(b"x" * int(seen.path[1:]))


def hold_two(name):
    """One that waits for its answer, and one that is being answered."""
    held, begun = lease.connect(name), lease.connect(name)
    held.send_head("GET", "/held")
    begun.send_head("GET", "/begun")
    begun.read_head()
    begun.read_chunk()
    return held, begun


def see_them_cut(held, begun):
    """The answer to the one that waited, and how the other ended."""
    answer = held.read_response()
    try:
        begun.read_chunk()
        ending = "more came"
    except lease.Truncated:
        ending = "cut"
    return [answer.status, answer.text, answer.field("Retry-After")], ending


def test_what_runs_is_cut_when_another_request_spends_the_last_bytes(credfd, serve, two):
    def spend(much):
        cut, free = hold_two("limited"), hold_two("free")
        say("held")
        hear()
        take("limited", f"/{much}")
        outcome = see_them_cut(*cut)
        is_free_alive = not select.select([stream.socket for stream in free], [], [], 0)[0]
        return outcome, take("free", "/5"), is_free_alive

    upstream = serve(begin_and_hold)
    run = credfd.start_inside(spend, 4 * MIB, using=[take, hold_two, see_them_cut],
                              credentials=two({"bytes": "1MiB"}, upstream=upstream.url))
    run.expect("held")
    upstream.wait_requests(4)
    run.say("go on")
    (held, begun), free, is_free_alive = run.result()
    require_refusal(held, 403, "limits.bytes")
    assert begun == "cut"
    assert free == [200, 5, "whole"] and is_free_alive
    assert set(refusals(run, 6)) == {"bytes"}


# So many in a time.

@pytest.mark.parametrize("rate", ["1/s", "2/s"])
def test_too_many_in_a_second_wait_as_long_as_they_are_told(credfd, two, rate):
    """Whoever is slow is served; so it asks until it was too fast, which it cannot fail to be for ever."""
    def hurry(count):
        for number in range(count):
            answer = ask("limited")
            if answer[0] != 200:
                free = [ask("free")[0] for _ in range(3)]
                time.sleep(int(answer[2]))
                return number, answer, free, ask("limited")[0]

    run = credfd.start_inside(hurry, 1000, using=[ask], credentials=two({"rate": rate}))
    allowed, refused, free, after = run.result()
    assert allowed >= int(rate[0])
    require_refusal(refused, 429, "limits.rate")
    assert refused[2].isdigit() and 1 <= int(refused[2]) <= 2
    assert free == [200] * 3 and after == 200
    assert refusals(run, allowed + 5) == [""] * allowed + ["rate", ""]
    assert ends(run) == [], "a rate ends nothing"


def test_a_minutes_worth_may_come_at_once_and_then_one_waits(credfd, two):
    def hurry():
        return [ask("limited") for _ in range(8)]

    answers = credfd.inside(hurry, using=[ask], credentials=two({"rate": "6/min"}))
    assert [answer[0] for answer in answers] == [200] * 6 + [429] * 2
    assert all(1 <= int(answer[2]) <= 10 for answer in answers[6:])


# So many at a time.

def test_too_many_at_a_time_are_refused_until_one_is_over(credfd, serve, two):
    def crowd():
        streams = [lease.connect("limited") for _ in range(2)]
        for stream in streams:
            stream.send_head("GET", "/held")
        say("held")
        hear()
        refused = ask("limited")
        say("refused")
        return refused, [stream.read_response().status for stream in streams], ask("limited")[0]

    gate = servers.Gate()
    upstream = serve(gate)
    run = credfd.start_inside(crowd, using=[ask], credentials=two({"concurrent": 2}, upstream=upstream.url))
    run.expect("held")
    upstream.wait_requests(2)
    run.say("go on")
    run.expect("refused")
    gate.open()
    refused, held, after = run.result()
    require_refusal(refused, 429, "limits.concurrent")
    assert refused[2].isdigit() and int(refused[2]) >= 1
    assert held == [200, 200] and after == 200
    assert sorted(refusals(run, 4)) == ["", "", "", "concurrent"]


def test_whoever_goes_away_makes_room(credfd, serve):
    """A client that gives up holds no place: not in the middle of an answer, and not before it."""
    def come_and_go(rounds):
        statuses = []
        for _ in range(rounds):
            for stream in hold_two("api"):
                stream.close()
        deadline = time.monotonic() + lease.PATIENCE
        while not statuses or (statuses[-1] != 200 and time.monotonic() < deadline):
            statuses.append(take("api", "/5")[0])
        return statuses

    run = credfd.start_inside(come_and_go, 1, using=[take, hold_two], upstream=serve(begin_and_hold).url,
                              limits={"concurrent": 2})
    statuses = run.result()
    assert statuses[-1] == 200 and set(statuses[:-1]) <= {429}


# So large a body.

@pytest.mark.parametrize("length, status", [(0, 200), (1000, 200), (1024, 200), (1025, 403), (3 * MIB, 403)])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_has_its_measure(credfd, serve, two, length, status, chunked):
    def upload(name, length, chunked):
        with lease.connect(name) as stream:
            if chunked:
                stream.send_head("POST", "/up", "Transfer-Encoding: chunked")
                try:
                    for start in range(0, length, 700):
                        piece = b"x" * min(700, length - start)
                        stream.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                    stream.send(b"0\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    pass  # refused in the middle: the answer is there to be read
                answer = stream.read_response("POST")
            else:
                answer = stream.post("/up", b"x" * length)
            return [answer.status, answer.text, None]

    def upload_both(length, chunked):
        return upload("limited", length, chunked), upload("free", length, chunked)[0], ask("limited")[0]

    upstream = serve()
    run = credfd.start_inside(upload_both, length, chunked, using=[ask, upload],
                              credentials=two({"max_body": "1KiB"}, upstream=upstream.url))
    limited, free, after = run.result()
    assert (limited[0], free, after) == (status, 200, 200)
    assert refusals(run, 3) == ["" if status == 200 else "max_body", ""]
    if status == 403:
        require_refusal(limited, 403, "limits.max_body")
        whole = [seen for seen in upstream.requests if seen.method == "POST" and seen.body_length == length]
        assert len(whole) == 1, "the free lease's, and no other"
        assert chunked or len(upstream.requests) == 2, "what was declared too large never went out"


# So long a life.

def test_when_its_time_is_over_what_runs_is_cut_and_no_more_is_let_through(credfd, serve, two):
    def outlive():
        cut = hold_two("limited")
        say("held")
        outcome = see_them_cut(*cut)
        return outcome, ask("limited"), take("free", "/5")

    upstream = serve(begin_and_hold)
    run = credfd.start_inside(outlive, using=[ask, take, hold_two, see_them_cut],
                              credentials=two({"ttl": "3s"}, upstream=upstream.url))
    run.expect("held")
    (held, begun), after, free = run.result()
    require_refusal(held, 403, "limits.ttl")
    assert begun == "cut"
    require_refusal(after, 403, "limits.ttl")
    assert free == [200, 5, "whole"]
    assert refusals(run, 4) == ["ttl"] * 3
    [(name, reason)] = ends(run)
    assert name == "limited" and "time" in reason


def test_a_lease_whose_time_is_over_still_answers_dials(credfd, two):
    """0xFF would be "try again"; the answer to a request says that there is no use in it."""
    def dial_late():
        answer = [200]
        while answer[0] == 200:
            try:
                answer = ask("limited")
            except (lease.Truncated, OSError):
                pass  # one that is under way when its time is over is cut
        channel = lease.Channel(lease.numbers()["limited"])
        streams = [lease.Stream(channel.dial()) for _ in range(3)]
        return answer, [[stream.get("/it").status for stream in streams] for _ in range(2)]

    answer, (first, second) = credfd.inside(dial_late, using=[ask], credentials=two({"ttl": "200ms"}))
    require_refusal(answer, 403, "limits.ttl")
    assert first == second == [403] * 3


# Several limits at once, and runs beside each other.

def test_each_run_has_a_budget_of_its_own(credfd):
    def spend():
        return [ask("api")[0] for _ in range(3)]

    config = credfd.write_settings(credfd.session.new_folder(), [credfd.credential(limits={"requests": 2})])
    runs = [credfd.start_inside(spend, using=[ask], config=config) for _ in range(2)]
    assert [run.result() for run in runs] == [[200, 200, 403]] * 2


def test_the_limit_that_is_reached_first_is_the_one_that_is_named(credfd, two):
    def spend():
        return ask("limited", "/up", b"x" * 2000), [ask("limited") for _ in range(3)]

    limits = {"requests": 2, "bytes": "1MiB", "rate": "1000/s", "concurrent": 5, "max_body": "1KiB", "ttl": "1h"}
    body, answers = credfd.inside(spend, using=[ask], credentials=two(limits))
    require_refusal(body, 403, "limits.max_body")
    assert [answer[0] for answer in answers] == [200, 200, 403]
    require_refusal(answers[2], 403, "limits.requests")
