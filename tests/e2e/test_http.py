"""HTTP/1.1 through a lease, against nginx with TLS and against servers that answer in every odd but lawful way."""
import hashlib
import json
import socket
import threading

import pytest

import procs
from procs import wait_until

MIB = 1 << 20
BIG = 100 * MIB


def exchange(method, path, fields=(), body=None):
    """One request on a fresh stream, then another to show whether the stream is in order."""
    with lease.connect() as stream:
        body = None if body is None else body.encode()
        first = stream.request(method, path, *fields, body=body)
        second = stream.get("/after")
    return first.status, first.text, second.status


# Against nginx.

def test_many_requests_travel_on_one_upstream_connection(credfd):
    def ask(count):
        with lease.connect() as stream:
            answers = [stream.get("/fast") for _ in range(count)]
        return [(answer.status, answer.field("X-Connection"), answer.field("X-Nth")) for answer in answers]

    seen = credfd.inside(ask, 50)
    assert {status for status, _, _ in seen} == {200}
    assert len({connection for _, connection, _ in seen}) == 1
    numbers = [int(number) for _, _, number in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 50))


def test_a_connection_is_pooled_across_streams(credfd):
    def ask(count):
        found = []
        for _ in range(count):
            with lease.connect() as stream:
                found.append(stream.get("/fast").field("X-Connection"))
        return found

    assert len(set(credfd.inside(ask, 20))) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_arrives_as_it_was_sent(credfd, method):
    def ask(method, body):
        with lease.connect() as stream:
            return stream.request(method, "/any/path?a=1&b=%20x", "X-Mine: as sent", body=body and body.encode()).json()

    body = "" if method in ("GET", "OPTIONS") else "the body"
    answer = credfd.inside(ask, method, body or None)
    assert (answer["method"], answer["path"], answer["length"]) == (method, "/any/path", len(body))
    seen = credfd.upstream.requests[-1]
    assert seen.field("X-Mine") == "as sent"
    assert [pair for pair in seen.query if pair[0] != "app_key"] == [("a", "1"), ("b", " x")]


def test_host_is_the_upstreams_own(credfd):
    credfd.inside(exchange, "GET", "/host")
    assert {seen.field("Host") for seen in credfd.upstream.requests} == {credfd.upstream.url.removeprefix("https://")}


def test_a_base_path_is_prefixed(credfd):
    credfd.inside(exchange, "GET", "/incident?id=1", upstream=credfd.upstream.url + "/base/v2")
    assert [seen.path for seen in credfd.upstream.requests] == ["/base/v2/incident", "/base/v2/after"]


def test_a_chunked_answer_arrives_whole(credfd):
    status, text, after = credfd.inside(exchange, "GET", "/chunked/500")
    assert (status, after) == (200, 200)
    assert text == "".join(f"piece {number}\n" for number in range(500))


def test_a_chunked_upload_arrives_whole(credfd):
    def upload(pieces):
        with lease.connect() as stream:
            stream.send_head("POST", "/upload", "Transfer-Encoding: chunked")
            for number in range(pieces):
                data = b"%d " % number * 100
                stream.send(b"%x;extension=dropped\r\n%s\r\n" % (len(data), data))
            stream.send(b"0\r\n\r\n")
            return stream.read_response().json(), stream.get("/after").status

    answer, after = credfd.inside(upload, 300)
    sent = b"".join(b"%d " % number * 100 for number in range(300))
    assert (answer["length"], answer["sha256"], after) == (len(sent), hashlib.sha256(sent).hexdigest(), 200)


def transfer(direction, big):
    """Runs in the workload: a warm-up, then a large body, each time stopping so that memory can be read."""
    def up():
        digest, block = hashlib.sha256(), os.urandom(1 << 20)
        stream.send_head("POST", "/upload", f"Content-Length: {big}")
        for number in range(big >> 20):
            piece = number.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            stream.send(piece)
        answer = stream.read_response().json()
        return answer["length"], answer["sha256"] == digest.hexdigest()

    def down():
        stream.send_head("GET", "/file/big")
        head, digest, length = stream.read_head(), hashlib.sha256(), 0
        for piece in stream.body_pieces(head):
            digest.update(piece)
            length += len(piece)
        return length, digest.hexdigest()

    stream = lease.connect()
    stream.post("/upload", b"x" * (1 << 20))
    say("warm")
    hear()
    found = {"up": up, "down": down}[direction]()
    say("done")
    hear()
    return found, stream.get("/after").status


def peaks(run):
    return {name: procs.peak_kib(run.role(name)) for name in ("keeper", "relay")}


@pytest.mark.parametrize("direction", ["down", "up"])
def test_100_mib_pass_in_constant_memory(credfd, session, direction):
    run = credfd.start_inside(transfer, direction, BIG)
    run.expect("warm")
    before = peaks(run)
    run.say("go")
    run.expect("done")
    after = peaks(run)
    run.say("end")
    (length, digest), status = run.result()
    assert (length, status) == (BIG, 200)
    assert digest == (credfd.upstream.big_sha256 if direction == "down" else True)
    if not session.is_sanitized:
        growth = {name: after[name] - before[name] for name in after}
        assert all(kib < 4096 for kib in growth.values()), f"peak memory grew by {growth} KiB"


def test_a_client_that_does_not_read_holds_up_only_itself(credfd, no_sanitizer):
    """The answer is 100 MiB: nobody in between may take it in."""
    def start_and_stop_reading():
        stream, other = lease.connect(), lease.connect()
        stream.send_head("GET", "/file/big")
        status = stream.read_head().status
        answers = [other.get("/fast").status for _ in range(50)]
        say("stuck")
        hear()
        return status, set(answers) == {200}

    run = credfd.start_inside(start_and_stop_reading)
    run.expect("stuck")
    assert all(kib < 32 * 1024 for kib in peaks(run).values()), peaks(run)
    run.say("end")
    assert run.result() == [200, True]


# Answers as they may lawfully come.

def test_server_sent_events_arrive_one_by_one(credfd, serve):
    """Each event is sent only after the workload has the one before."""
    next_event = threading.Semaphore(0)

    def events(peer):
        peer.read_request()
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(10):
            assert next_event.acquire(timeout=60)
            event = f"data: {number}\n\n"
            peer.send(f"{len(event):x}\r\n{event}\r\n")
        peer.send("0\r\n\r\n")

    def listen():
        with lease.connect() as stream:
            stream.send_head("GET", "/events", "Accept: text/event-stream")
            head = stream.read_head()
            say("head")
            for piece in stream.body_pieces(head):
                say("event " + piece.decode().strip())
            return head.field("Content-Type")

    run = credfd.start_inside(listen, upstream=serve(events).url)
    run.expect("head")
    for number in range(10):
        next_event.release()
        assert run.expect("event") == f"data: {number}"
    assert run.result() == "text/event-stream"


def test_an_event_stream_delimited_by_its_end_arrives_as_it_comes(credfd, serve):
    next_event = threading.Semaphore(0)

    def events(peer):
        peer.read_request()
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for number in range(3):
            assert next_event.acquire(timeout=60)
            peer.send(f"data: {number}\n\n")
        peer.close_orderly()

    def listen():
        with lease.connect() as stream:
            stream.send_head("GET", "/events")
            for piece in stream.body_pieces(stream.read_head()):
                say("event " + piece.decode().strip())

    run = credfd.start_inside(listen, upstream=serve(events).url)
    for number in range(3):
        next_event.release()
        assert run.expect("event") == f"data: {number}"
    run.result()


def answers(text, body_after=b""):
    """A handler that gives this answer to /it and a plain one to anything else."""
    def handle(peer):
        while seen := peer.read_request():
            if seen.path == "/it":
                peer.send(text, body_after)
            else:
                peer.answer(b"after")
    return handle


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_that_has_no_body_ends_with_its_head(credfd, serve, status):
    upstream = serve(answers(f"HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n"))
    assert credfd.inside(exchange, "GET", "/it", upstream=upstream.url) == [int(status[:3]), "", 200]


def test_head_is_answered_without_a_body_whatever_it_declares(credfd, serve):
    upstream = serve(answers("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"))
    assert credfd.inside(exchange, "HEAD", "/it", upstream=upstream.url) == [200, "", 200]
    assert upstream.connections == 1, "the connection was clean and should have been used again"


def read_heads(method, path):
    with lease.connect() as stream:
        stream.send_head(method, path)
        heads = [stream.read_head()]
        while heads[-1].status < 200:
            heads.append(stream.read_head())
        body = b"".join(stream.body_pieces(heads[-1], method))
        return [(head.status, head.field("Link")) for head in heads], body.decode(), stream.get("/after").status


def test_interim_answers_are_passed_on(credfd, serve):
    hints = "HTTP/1.1 103 Early Hints\r\nLink: </style>\r\n\r\n"
    upstream = serve(answers(hints * 2 + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    seen = credfd.inside(read_heads, "GET", "/it", upstream=upstream.url)
    assert seen == [[[103, "</style>"], [103, "</style>"], [200, None]], "ok", 200]


def test_an_upload_that_expects_100_continue_gets_one_and_goes_on(credfd, serve):
    def wait_for_it(peer):
        while seen := peer.read_head():
            if seen.all("Expect"):
                peer.send("HTTP/1.1 100 Continue\r\n\r\n")
            peer.read_body(seen)
            peer.answer(f"{seen.body_length}".encode())

    def upload():
        with lease.connect() as stream:
            stream.send_head("POST", "/up", "Content-Length: 5", "Expect: 100-continue")
            interim = stream.read_head().status
            stream.send(b"hello")
            heads = []
            while not heads or heads[-1].status < 200:
                heads.append(stream.read_head())
            body = b"".join(stream.body_pieces(heads[-1]))
            return interim, [head.status for head in heads], body.decode(), stream.get("/after").status

    interim, statuses, body, after = credfd.inside(upload, upstream=serve(wait_for_it).url)
    assert (interim, statuses, body, after) == (100, [200], "5", 200), "exactly one 100"


def test_an_early_answer_is_passed_on_and_stops_the_upload(credfd, serve):
    def refuse_at_once(peer):
        while seen := peer.read_head():
            if seen.path == "/up":
                peer.answer(b"too large", "413 Content Too Large")
                peer.wait_gone()
                return
            peer.answer(b"after")

    def upload():
        stream = lease.connect()
        stream.send_head("POST", "/up", f"Content-Length: {1 << 40}")
        stream.send(b"x" * 1000)
        answer = stream.read_response()
        stream.close()
        with lease.connect() as fresh:
            return answer.status, answer.text, fresh.get("/after").status

    upstream = serve(refuse_at_once)
    assert credfd.inside(upload, upstream=upstream.url) == [413, "too large", 200]
    assert upstream.requests[-1].connection != upstream.requests[0].connection, "a half-fed connection was used again"


def test_pipelined_requests_are_answered_in_order(credfd):
    def pipeline(count):
        with lease.connect() as stream:
            stream.send(b"".join(b"GET /number-%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(count)))
            return [stream.read_response().json()["path"] for _ in range(count)]

    assert credfd.inside(pipeline, 30) == [f"/number-{number}" for number in range(30)]
    assert [seen.path for seen in credfd.upstream.requests] == [f"/number-{number}" for number in range(30)]


def test_the_answers_fields_are_passed_on(credfd, serve):
    upstream = serve(answers("HTTP/1.1 418 Short And Stout\r\nX-One: 1\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
                             "Connection: X-Hop\r\nX-Hop: dropped\r\nKeep-Alive: timeout=5\r\n"
                             "Content-Length: 0\r\n\r\n"))

    def look():
        with lease.connect() as stream:
            answer = stream.get("/it")
            return answer.status, answer.field("X-One"), answer.all("Set-Cookie"), answer.all("X-Hop")

    assert credfd.inside(look, upstream=upstream.url) == [418, "1", [], []], "all but a session of the key's and what was for one hop"


# Answers as they must not be.

def truncated(path):
    """What the workload can tell: the status, what came, and that it was cut."""
    stream = lease.connect()
    try:
        answer = stream.get(path)
        return answer.status, answer.text, "whole"
    except lease.Truncated as error:
        return None, error.partial.decode(), "cut"


@pytest.mark.parametrize("answer", [
    "Content-Length: 100\r\n\r\nhalf\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhalf\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n9\r\nhalf\n",
    "Connection: close\r\n\r\nhalf\n",  # over TLS, an end without a close_notify is a cut
], ids=["before its length", "before its last chunk", "in a chunk", "without close_notify"])
@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_cut_answer_stays_visibly_cut(credfd, serve, answer, how):
    taken = threading.Event()

    def cut(peer):
        if peer.read_request():
            peer.send("HTTP/1.1 200 OK\r\n" + answer)
            if how == "reset":
                taken.wait(30)  # a reset overtakes what was sent; the workload must have it first
                peer.reset()

    def read_slowly():
        stream = lease.connect()
        stream.send_head("GET", "/it")
        head = stream.read_head()
        pieces = stream.body_pieces(head)
        got = b""
        try:
            while got != b"half\n":  # behind the end of a line nothing is held back
                got += next(pieces)
            say("half")
            got += b"".join(pieces)
            return head.status, got.decode(), "whole"
        except lease.Truncated:
            return head.status, got.decode(), "cut"

    run = credfd.start_inside(read_slowly, upstream=serve(cut).url)
    if how == "reset":
        run.expect("half")
        taken.set()
    assert run.result() == [200, "half\n", "cut"]


def test_an_answer_delimited_by_an_orderly_end_is_whole(credfd, serve):
    def close_after(peer):
        if peer.read_request():
            peer.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            peer.close_orderly()

    assert credfd.inside(truncated, "/it", upstream=serve(close_after).url) == [200, "all of it", "whole"]


def test_a_reset_before_any_answer_is_a_502_that_says_so(credfd, serve):
    def reset(peer):
        if peer.read_request():
            peer.reset()

    status, text, _ = credfd.inside(exchange, "POST", "/it", (), "not to be repeated", upstream=serve(reset).url)
    answer = json.loads(text)
    assert status == 502 and answer["lease"] == "api" and answer["error"] and answer["reason"]


def test_a_post_is_never_sent_twice(credfd, serve):
    def reset(peer):
        if peer.read_request():
            peer.reset()

    upstream = serve(reset)

    def post():
        with lease.connect() as stream:
            return stream.post("/once", b"body").status

    assert credfd.inside(post, upstream=upstream.url) == 502
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("garbage", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
], ids=["two lengths", "length and chunked", "folding", "not http", "unasked 101", "http/2"])
def test_a_malformed_answer_is_a_502_and_the_next_request_works(credfd, serve, garbage):
    upstream = serve(answers(garbage))
    status, text, after = credfd.inside(exchange, "GET", "/it", upstream=upstream.url)
    assert (status, after) == (502, 200)
    assert json.loads(text)["lease"] == "api"
    bad, good = [seen.connection for seen in upstream.requests if seen.path in ("/it", "/after")][-2:]
    assert bad != good, "a connection with a malformed answer was used again"


def test_bytes_after_an_answer_never_become_the_next_one(credfd, serve):
    upstream = serve(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                             b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"))

    def ask_twice():
        with lease.connect() as stream:
            return [stream.get(path).text for path in ("/it", "/after")]

    assert credfd.inside(ask_twice, upstream=upstream.url) == ["ok", "after"]
    assert upstream.requests[0].connection != upstream.requests[-1].connection


def test_a_connection_that_went_stale_is_replaced_unseen(credfd, serve):
    """The upstream closes a kept connection when the next request comes, or before it: a GET goes out again."""
    def one_answer_each(peer):
        if peer.read_request():
            peer.answer(b"answer")
        peer.read_head()  # and gone, without a word

    upstream = serve(one_answer_each)

    def ask_three_times():
        with lease.connect() as stream:
            return [stream.get(f"/{number}").status for number in range(3)]

    assert credfd.inside(ask_three_times, upstream=upstream.url) == [200, 200, 200]


def test_a_connection_closed_while_idle_is_replaced_even_for_a_post(credfd, serve):
    closed = threading.Event()

    def close_after_one(peer):
        if peer.read_request():
            peer.answer(b"answer")
            peer.socket.shutdown(socket.SHUT_RDWR)
            closed.set()

    def post_twice():
        with lease.connect() as stream:
            first = stream.post("/first", b"body").status
            say("first")
            hear()
            return first, stream.post("/second", b"body").status

    upstream = serve(close_after_one)
    run = credfd.start_inside(post_twice, upstream=upstream.url)
    run.expect("first")
    assert closed.wait(30)
    run.say("go on")
    assert run.result() == [200, 200]
    assert [seen.path for seen in upstream.requests] == ["/first", "/second"]


def test_a_connection_that_the_upstream_closed_is_not_kept(credfd, serve):
    """It is dropped when it closes, not when it is next needed."""
    both_closed = threading.Event()

    def close_after_one(peer):
        if peer.read_request():
            peer.answer(b"answer")
            peer.close_orderly()  # waits for the other side's close_notify
            both_closed.set()

    def ask_and_wait():
        with lease.connect() as stream:
            status = stream.get("/it").status
            hear()
            return status

    run = credfd.start_inside(ask_and_wait, upstream=serve(close_after_one).url)
    assert both_closed.wait(30)
    run.say("end")
    assert run.result() == 200


# Time.

def test_a_hanging_upstream_is_a_504_within_the_response_timeout(credfd, serve):
    gone = threading.Event()

    def hang(peer):
        while seen := peer.read_request():
            if seen.path == "/it":
                peer.wait_gone()
                gone.set()
                return
            peer.answer(b"after")

    def ask():
        with lease.connect() as stream:
            began = time.monotonic()
            answer = stream.get("/it")
            return answer.status, answer.json(), time.monotonic() - began, stream.get("/after").status

    run = credfd.start_inside(ask, upstream=serve(hang).url, response_timeout="1s")
    status, answer, seconds, after = run.result()
    assert (status, answer["lease"], after) == (504, "api", 200)
    assert 0.9 <= seconds < 15
    assert gone.wait(30), "the upstream request is dropped"
    assert run.audit(2)[0]["status"] == 504


def test_a_slow_body_is_not_a_slow_head(credfd, serve):
    """The response timeout ends with the head: a body may take longer."""
    def slow(peer):
        peer.read_request()
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12")
        release.wait(30)
        peer.send("34")

    def read():
        stream = lease.connect()
        stream.send_head("GET", "/it")
        head = stream.read_head()
        say("head")
        return b"".join(stream.body_pieces(head)).decode()

    release = threading.Event()
    run = credfd.start_inside(read, upstream=serve(slow).url, response_timeout="1s")
    run.expect("head")
    # Longer than the timeout, so that a timer left running would have struck.
    release.wait(1.5)
    release.set()
    assert run.result() == "1234"


def test_a_stream_that_stays_idle_is_closed(credfd):
    def stay_idle():
        stream = lease.connect()
        return stream.get("/it").status, stream.at_end()

    assert credfd.inside(stay_idle, extra={"timeouts": {"idle": "1s"}}) == [200, True]


@pytest.mark.parametrize("start", ["GET /never HTT", "GET /never HTTP/1.1\r\nHost: x\r\nX: "], ids=["line", "field"])
def test_a_head_that_stops_is_given_up(credfd, start):
    def stop_halfway(start):
        stream = lease.connect()
        stream.send(start.encode())
        try:
            status = stream.read_response().status
        except lease.Truncated as error:
            status = None if error.partial == b"" else "half an answer"
        return status, stream.at_end()

    status, at_end = credfd.inside(stop_halfway, start, extra={"timeouts": {"head": "1s"}})
    assert status in (None, 400, 408) and at_end
    assert credfd.upstream.requests == []


def test_an_answer_that_stops_is_cut(credfd, serve):
    gone = threading.Event()

    def stop_halfway(peer):
        if peer.read_request():
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            peer.wait_gone()
            gone.set()

    outcome = credfd.inside(truncated, "/it", upstream=serve(stop_halfway).url, extra={"timeouts": {"stream": "1s"}})
    assert outcome == [None, "half", "cut"]
    assert gone.wait(30), "the upstream connection is dropped"


def test_a_client_that_takes_nothing_is_given_up(credfd, serve):
    gone = threading.Event()

    def send_for_ever(peer):
        peer.read_request()
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                peer.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except OSError:
            gone.set()

    def take_nothing():
        stream = lease.connect()
        stream.send_head("GET", "/it")
        hear()

    run = credfd.start_inside(take_nothing, upstream=serve(send_for_ever).url,
                              extra={"timeouts": {"write": "1s"}})
    assert gone.wait(60), "the upstream connection is dropped while the command still runs"
    run.say("end")
    run.result()


def test_an_upload_that_stops_is_given_up_and_never_completed(credfd, serve):
    broken = []

    def take(peer):
        seen = peer.read_head()
        if seen:
            try:
                peer.read_body(seen)
                broken.append("completed")
            except Exception:
                broken.append("broken off")

    def stop_halfway():
        stream = lease.connect()
        stream.send_head("POST", "/it", "Content-Length: 100")
        stream.send(b"half")
        return stream.read_response().status

    status = credfd.inside(stop_halfway, upstream=serve(take).url, extra={"timeouts": {"body": "1s"}})
    assert status in (400, 408)
    assert wait_until(lambda: broken, "the upstream sees the end") == ["broken off"]


# Refusals.

def refusals_of_every_kind():
    """{kind: the answer's JSON and its type}."""
    targets = {"malformed": "/it?app_key=1&app_key=2", "rule": "/not-allowed", "timeout": "/hang", "reset": "/reset"}
    found = {}
    for kind, target in targets.items():
        with lease.connect() as stream:
            answer = stream.get(target)
            found[kind] = answer.status, answer.field("Content-Type"), answer.json()
    return found


def test_every_refusal_says_in_json_what_is_wrong_and_how_to_mend_it(credfd, serve):
    def hang_or_reset(peer):
        while seen := peer.read_request():
            if seen.path == "/hang":
                peer.wait_gone()
                return
            peer.reset()

    upstream = serve(hang_or_reset)
    found = credfd.inside(refusals_of_every_kind, upstream=upstream.url, response_timeout="1s",
                          allow=["GET /it", "GET /hang", "GET /reset"])
    assert {kind: status for kind, (status, _, _) in found.items()} == {
        "malformed": 400, "rule": 403, "timeout": 504, "reset": 502}
    for kind, (_, content_type, answer) in found.items():
        assert content_type == "application/json", kind
        assert set(answer) - {"rule"} == {"error", "lease", "reason", "hint"} and all(answer.values()), (kind, answer)
        assert answer["lease"] == "api"
        assert upstream.url not in json.dumps(answer), "never the full URL"
