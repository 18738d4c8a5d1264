"""What passes between a browser and an instance: bodies, streams, errors, and the log of it."""
import hashlib
import os
import socket

import pytest

from procs import wait_until


@pytest.fixture
def cookie(alice):
    return f"{alice[1].cookie_name}={alice[1].new_session()}"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_and_bodies_arrive_as_they_are(alice, cookie, method):
    served, t3 = alice
    body = None if method == "GET" else os.urandom(100_000)
    answer = served.ask("/x?y=z", method=method, cookie=cookie, body=body)
    assert answer.status == 200
    assert answer.json()["method"] == method and answer.json()["path"] == "/x?y=z"
    assert answer.json()["sha256"] == hashlib.sha256(body or b"").hexdigest()


def test_head_has_a_length_and_no_body(alice, cookie):
    served, _ = alice
    with served.connect() as client:
        answer = client.ask("HEAD", "/big", served.fields(cookie=cookie))
        assert answer.status == 200 and answer.field("Content-Length") == str(10 << 20)
        assert client.ask("GET", "/x", served.fields(cookie=cookie)).status == 200


def test_a_chunked_upload(alice, cookie):
    served, _ = alice
    pieces = [os.urandom(n) for n in (1, 1000, 70_000)]
    with served.connect() as client:
        client.send_request("POST", "/x", served.fields(cookie=cookie, fields=[("Transfer-Encoding", "chunked")]))
        for piece in pieces:
            client.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.read_answer().json()["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_ten_mebibytes(alice, cookie):
    served, _ = alice
    assert served.ask("/big", cookie=cookie).body == b"x" * (10 << 20)


def test_events_flow_one_by_one(alice, cookie):
    served, t3 = alice
    with served.connect() as client:
        client.send_request("GET", "/events", served.fields(cookie=cookie))
        answer = client.read_head()
        assert answer.field("Content-Type") == "text/event-stream"
        for number in range(3):
            text = b""
            while not text.endswith(b"\n\n"):
                line = client.file.readline()
                text += line if line.startswith((b"data", b"\n")) else b""
            assert text == f"data: {number}\n\n".encode()
            t3.next_event.set()


def test_a_connection_to_the_instance_is_used_again(alice, cookie):
    served, t3 = alice
    with served.connect() as client:
        for _ in range(50):
            assert client.ask("GET", "/x", served.fields(cookie=cookie)).status == 200
    lines = served.access(50)
    assert len(lines) == 50 and {line["status"] for line in lines} == {200}


def test_pipelined_requests_are_answered_in_order(alice, cookie):
    served, _ = alice
    with served.connect() as client:
        for number in range(20):
            client.send_request("GET", f"/{number}", served.fields(cookie=cookie))
        assert [client.read_answer().json()["path"] for _ in range(20)] == [f"/{number}" for number in range(20)]


def test_absolute_form_is_taken_and_its_authority_counts(alice, cookie):
    served, t3 = alice
    with served.connect() as client:
        client.send_request("GET", "http://t3.example.org/abs?q", served.fields(cookie=cookie))
        assert client.read_answer().json()["path"] == "/abs?q"
        client.send_request("GET", "http://other.example.org/abs", served.fields(cookie=cookie))
        assert client.read_answer().status == 400 and client.is_ended()
    assert t3.requests("/abs")[-1].field("Host") == "t3.example.org"


@pytest.mark.parametrize("text", [
    "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\n\r\n",
    "GET /x HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /x HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
])
def test_what_could_be_read_in_two_ways_is_refused(alice, cookie, text):
    served, t3 = alice
    with served.connect() as client:
        client.send(text.replace("Host: a", f"X-authentik-username: alice\r\nCookie: {cookie}\r\nHost: a", 1))
        assert client.read_answer().status == 400 and client.is_ended()
    assert not t3.requests("/x")


# Instances that go wrong.

def test_one_that_is_down_is_named_in_words(alice, cookie):
    served, t3 = alice
    t3.stop()
    answer = served.ask("/x", cookie=cookie)
    assert answer.status == 502
    page = served.ask("/x", cookie=cookie, navigate=True)
    assert page.status == 502 and "<html" in page.text.lower() and "text/html" in page.field("Content-Type")


@pytest.mark.parametrize("mood", ["garbage", "reset", "half a head"])
def test_one_that_answers_no_http(alice, cookie, mood):
    served, t3 = alice
    t3.mood = mood
    assert served.ask("/x", cookie=cookie).status == 502
    t3.mood = None
    assert served.ask("/x", cookie=cookie).status == 200


def test_one_that_does_not_answer_in_time(dispatch, instances):
    served = dispatch(response_timeout="300ms")
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    served.start()
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    assert served.ask("/hang", cookie=cookie).status == 504
    assert served.ask("/x", cookie=cookie).status == 200


def test_a_browser_that_is_gone_is_not_waited_for(alice, cookie):
    """Its front closes the connection; the instance says nothing, and would not for a minute."""
    served, _ = alice
    with served.connect() as client:
        client.send_request("GET", "/hang", served.fields(cookie=cookie))
    (line,) = served.access(1)
    assert line["path"] == "/hang" and "gone" in line["reason"]


def test_a_browser_that_only_says_that_it_has_asked_all_is_answered(alice, cookie):
    served, _ = alice
    with served.connect() as client:
        client.send_request("GET", "/big", served.fields(cookie=cookie))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read_answer().body == b"x" * (10 << 20)


def test_an_answer_that_breaks_off_is_visibly_cut(alice, cookie):
    served, _ = alice
    answer = served.ask("/half", cookie=cookie)
    assert answer.status == 200 and not answer.is_whole and answer.body == b"x" * 10


def test_an_answer_that_breaks_off_is_cut_for_an_old_front_too(alice, cookie):
    """HTTP/1.0: the end of the connection is the end of the body, so it must not end in order."""
    served, t3 = alice
    with served.connect() as client:
        client.send_request("GET", "/half-chunked", served.fields(cookie=cookie), version="HTTP/1.0")
        assert client.read_head().status == 200
        with pytest.raises(ConnectionResetError):
            client.file.read()


def test_an_upload_that_breaks_off_is_never_completed(alice, cookie):
    served, t3 = alice
    with served.connect() as client:
        client.send_request("POST", "/x", served.fields(cookie=cookie, fields=[("Content-Length", "1000")]))
        client.send(b"half")
    wait_until(lambda: served.access(1), "the log has it")
    assert not t3.requests("/x")


# The log.

def test_the_access_log_tells_what_was_done_and_nothing_secret(alice, cookie):
    served, _ = alice
    served.ask("/a/b?secret=query", cookie=cookie, method="POST", body=b"12345",
               fields=[("X-Forwarded-For", "203.0.113.7")])
    served.ask("/nobody", "carol")
    first, second = sorted(served.access(2), key=lambda line: line["path"])  # of two dispatchers, each in its own time
    assert first["name"] == "alice" and first["method"] == "POST" and first["path"] == "/a/b"
    assert first["status"] == 200 and first["bytes_in"] == 5 and first["bytes_out"] > 0
    assert first["host"] == "t3.example.org" and first["peer"] == "127.0.0.1" and first["client"] == "203.0.113.7"
    assert "alice" in first["instance"] and second["status"] == 403
    text = served.access_log.read_text()
    assert "secret=query" not in text and cookie.partition("=")[2] not in text


def test_forged_lines_stay_one_line(alice, cookie):
    served, _ = alice
    with served.connect() as client:
        client.ask("GET", "/%22%7d", served.fields(cookie=cookie))
        client.send_request("GET", '/"},{"name":"root', served.fields(cookie=cookie))
        client.read_answer()
    lines = served.access(2)
    assert [line["name"] for line in lines] == ["alice", "alice"]
