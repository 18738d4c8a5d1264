"""One front's connection carries many people, so a second request hidden behind the first would be anybody's. Each
trick by which two parsers may see different requests is tried as alice, with one of bob's hidden behind hers: it
reaches nobody, and whoever comes next has his own answer. What an instance says is treated in the same way."""
import pytest

from attack import statuses
from dispatch import HEADER
from test_requests import BROKEN_CHUNKS, CHUNKED, HIDDEN, ODD_FRAMINGS, SPLITS, TWO_FRAMINGS, post

AS_ALICE = f"{HEADER}: alice\r\n"
UPGRADE = (f"GET /ws HTTP/1.1\r\nHost: x\r\n{AS_ALICE}Connection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
AS_BOB = f"GET /hidden HTTP/1.1\r\nHost: x\r\n{HEADER}: bob\r\n\r\n"


def as_alice(raw):
    """The same trick on a listener: in alice's name, and with bob's in what it hides."""
    head, mark, rest = raw.replace(HIDDEN, "\0hidden\0").partition("Host: ")
    raw = head + (AS_ALICE + mark if mark else "") + rest
    return raw.replace("\0hidden\0", AS_BOB).encode("latin-1")


def try_all(served, cases, allowed):
    """Each is answered once at most, with a refusal, and the connection ends."""
    answers = {raw: statuses(served.talk(as_alice(raw))) for raw in cases}
    through = {raw: got for raw, got in answers.items() if len(got) != 1 or got[0] not in allowed}
    assert not through, f"not refused: {through}"


def require_own_answers(served, traps, name="whole"):
    """After all that, both are served as if nothing had been; and nobody had heard anything else."""
    for who in traps:
        assert served.ask(f"/{name}", who).text == who + "\n"
    served.stop()
    assert {who: [seen.target for seen in trap.heard_whole()] for who, trap in traps.items()} == \
        {who: [f"/{name}"] for who in traps}


@pytest.mark.defence("split")
def test_no_line_end_hides_another_persons_request(house):
    served, traps = house()
    try_all(served, [raw + HIDDEN for raw in SPLITS], (400,))
    for value in (f"alice\r{HEADER}: bob", f"alice\n{HEADER}: bob", "alice\r\n bob", "alice\0bob"):
        raw = f"GET /it HTTP/1.1\r\nHost: x\r\n{HEADER}: {value}\r\n\r\n{HIDDEN}"
        assert statuses(served.talk(raw.replace(HIDDEN, AS_BOB).encode())) == [400], value
    require_own_answers(served, traps)


@pytest.mark.defence("framing")
def test_no_framing_hides_another_persons_request(house):
    served, traps = house()
    try_all(served, TWO_FRAMINGS + ODD_FRAMINGS, (400, 501))
    require_own_answers(served, traps)


@pytest.mark.defence("chunks")
def test_no_broken_chunk_hides_another_persons_request(house):
    """The fault may come after the head went on: then alice's instance never sees that request's end."""
    served, traps = house()
    try_all(served, [post(CHUNKED, body=body + HIDDEN) for body in BROKEN_CHUNKS], (400,))
    require_own_answers(served, traps)
    assert not [seen for trap in traps.values() for seen in trap.heard() if seen.target == "/hidden"]


TARGETS = ["http://x/it", "HTTP://x/it", "//x/it", "/it?a=/..", "/%2e%2e/it", "/it/%2f..%2f"]
ODD_TARGETS = ["http://y/it", "http://x@y/it", "http://y", "x:80", "*", "it", "http:/it", "/it\\..", "/it#x",
               "http://x:99999/it",
               "http://[::1/it", "https://y/it", "ftp://x/it", "http://x y/it", "/it%00", "/it%0d%0aX:y", "/it\x7f",
               "/\xe9"]


def test_no_target_leads_elsewhere_and_no_method_opens_another_protocol(house):
    served, traps = house()
    raws = [f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n{HIDDEN}" for target in ODD_TARGETS]
    raws += [f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n{HIDDEN}"
             for target in ("y:80", "x:80", "/it", "http://x/it")]
    raws += [f"{line}\r\nHost: x\r\n\r\n{HIDDEN}" for line in (
        "GET /it HTTP/2.0", "GET /it HTTP/0.9", "GET /it", "GET /it http/1.1", "GET  /it HTTP/1.1", "GET /it HTTP/1.1 ",
        "GET\t/it HTTP/1.1", "PRI * HTTP/2.0", "TRACE /it HTTP/1.1", "TRACK" * 9 + " /it HTTP/1.1", "G(T /it HTTP/1.1",
        "GET /" + "a" * 9000 + " HTTP/1.1", "GET /it HTTP/11.1", "GET /it HTTP/1.1.1")]
    try_all(served, raws, (400, 405, 414, 501, 505))
    for host in ("x, y", "x@y", "", "x/y", "x\\y", "x:1:2", "x:70000", "[::1", "[fe80::1%25x]", "x y", "x\r\nHost: y"):
        assert statuses(served.talk(as_alice(f"GET /it HTTP/1.1\r\nHost: {host}\r\n\r\n{HIDDEN}"))) == [400], host
    require_own_answers(served, traps)


def test_odd_targets_that_are_passed_on_are_passed_on_as_they_are(house):
    served, traps = house()
    for target in TARGETS:
        raw = f"GET {target} HTTP/1.1\r\nHost: x\r\n{AS_ALICE}Connection: close\r\n\r\n"
        assert statuses(served.talk(raw.encode())) == [200], target
    served.stop()
    assert [seen.target for seen in traps["alice"].heard()] == ["/it", "/it", "//x/it", *TARGETS[3:]]
    assert traps["bob"].heard() == []


def test_a_body_is_never_read_as_a_request(house):
    """Whatever is refused before its body was read, or is answered early: what follows belongs to the body."""
    served, traps = house()
    size = len(AS_BOB)
    for who in ("carol", "alice"):
        raw = f"POST /body HTTP/1.1\r\nHost: x\r\n{HEADER}: {who}\r\nContent-Length: {size}\r\n\r\n{AS_BOB}"
        assert statuses(served.talk(raw.encode())) == [403 if who == "carol" else 200]
        raw = (f"POST /body HTTP/1.1\r\nHost: x\r\n{HEADER}: {who}\r\nExpect: 100-continue\r\n"
               f"Content-Length: {size}\r\n\r\n")
        got = statuses(served.talk((raw + AS_BOB).encode()))
        assert [status for status in got if status >= 200] == [403 if who == "carol" else 200]
    raw = f"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n{AS_BOB}"
    assert statuses(served.talk(raw.encode())) == [405]
    upgrade = UPGRADE[:-2] + f"Content-Length: {size}\r\n\r\n"
    assert statuses(served.talk((upgrade + AS_BOB).encode())) == [400]
    served.stop()
    assert traps["bob"].heard() == []
    assert {seen.target for seen in traps["alice"].heard()} == {"/body"}


def test_what_follows_an_upgrade_that_was_refused_is_a_request_again_in_its_own_name(house):
    """Without a 101 what was sent early is HTTP, and bob's is bob's: the front is believed, not the order."""
    served, traps = house()
    assert statuses(served.talk((UPGRADE + AS_BOB).encode())) == [200, 200]
    served.stop()
    assert [seen.target for seen in traps["alice"].heard()] == ["/ws"]
    assert [seen.target for seen in traps["bob"].heard()] == ["/hidden"]


# What an instance says.

SPLIT_ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake"
BAD_ANSWERS = [
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\nfake",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /a\nSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /a\0b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n", "nonsense\r\n\r\n", "HTTP/1.1 99 Low\r\n\r\n", "HTTP/1.1 1000 High\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n" + "X: y\r\n" * 200 + "\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n" * 20 + SPLIT_ANSWER, "HTTP/1.1 200 OK\r\nX: " + "a" * 70000 + "\r\n\r\n",
]


@pytest.mark.defence("split")
@pytest.mark.defence("framing")
def test_no_answer_splits_into_two(house):
    """An instance is its owner's, who may have it say anything: to alice, and to nobody else on that connection."""
    state = {"text": ""}

    def answer(peer, seen):
        if seen.target == "/bad":
            peer.send(state["text"].encode("latin-1") + SPLIT_ANSWER.encode())
        else:
            peer.answer(seen.target.encode())

    served, _ = house(answer)
    for text in BAD_ANSWERS:
        state["text"] = text
        with served.connect() as client:
            assert client.ask("GET", "/bad", served.fields("alice")).status == 502, text
            assert client.ask("GET", "/of-bob", served.fields("bob")).text == "/of-bob", text
        assert served.ask("/next", "alice").text == "/next", text


def test_an_answer_too_many_is_nobodys(house):
    """Bytes behind an answer would be the next one's: a connection on which there are any is used no more."""
    def answer(peer, seen):
        text = seen.target
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}" + SPLIT_ANSWER * (text == "/two"))

    served, _ = house(answer)
    with served.connect() as client:
        for number in range(10):
            assert client.ask("GET", "/two", served.fields("alice")).text == "/two"
            assert client.ask("GET", f"/{number}", served.fields("alice")).text == f"/{number}"
            assert client.ask("GET", f"/{number}", served.fields("bob")).text == f"/{number}"


def test_a_head_has_no_body_whatever_it_declares(house):
    def answer(peer, seen):
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + ("fake" if seen.method != "HEAD" else SPLIT_ANSWER))

    served, _ = house(answer)
    for _ in range(3):
        with served.connect() as client:
            assert client.ask("HEAD", "/it", served.fields("alice")).status == 200
            assert client.ask("GET", "/it", served.fields("bob")).text == "fake"
        assert served.ask("/it", "alice").text == "fake"
