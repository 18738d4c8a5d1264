"""Pairing, from the browser and from the commands and instances that take part in it: a storm of requests mints no more
than it may, one credential at a time; what hangs, prints for ever or lies is ended and said; nobody is sent round in a
circle; and neither a credential nor a cookie is left anywhere (what the fixtures look for after every test)."""
import itertools
import json
import os
import threading

import pytest

import dispatch as harness
import procs
from dispatch import NAVIGATION
from procs import wait_until

RATE = 3
DOCUMENT, CROSS = ("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Site", "cross-site")
STORM = 1000
RATED = {"rate": f"{RATE}/h"}


@pytest.fixture
def pair(dispatch, instances):
    """pair(...) is a running dispatcher and alice's instance: `script` is the mint command, `mint` its settings."""
    def make(script=None, mint=None, instance=None, **settings):
        served = dispatch(**({"script": "#!/bin/sh\n" + script} if script else {}), workers=1, **settings)
        served.write_config(mint=served.mint(**(mint or {})))
        t3 = instances(served, **(instance or {}))
        served.write_table({name: {"os_user": name, "port": t3.port} for name in ("alice", "bob")})
        served.credentials("bob")
        return served.start(), t3
    return make


def storm(served, fields, count=STORM, method="GET", target="/", lanes=8):
    """Many requests without a cookie, from several connections at once: {status: how many}, and the Retry-After. Each
    looks as if another browser had sent it: one that goes round is stopped before any rate."""
    counts, waits, lock, agents = {}, set(), threading.Lock(), itertools.count()

    def knock(share):
        with served.connect() as client:
            for _ in range(share):
                agent = ("User-Agent", f"browser {next(agents)}")
                answer = client.ask(method, target, served.fields("alice", [*fields, agent]),
                                    b"" if method == "POST" else None)
                with lock:
                    counts[answer.status] = counts.get(answer.status, 0) + 1
                    if answer.status == 503:
                        waits.add(int(answer.field("Retry-After")))
                    assert not (answer.status != 302 and answer.all("Set-Cookie"))

    threads = [threading.Thread(target=knock, args=(count // lanes,)) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts, waits


# Storms.

@pytest.mark.defence("rate")
def test_a_thousand_visits_without_a_cookie_mint_as_often_as_the_rate_allows(pair):
    served, _ = pair(mint=RATED)
    counts, waits = storm(served, NAVIGATION)
    assert len(served.minted) == RATE
    assert set(counts) <= {302, 503} and sum(counts.values()) == STORM
    assert counts[503] > STORM / 2 and all(1 <= wait <= 3600 for wait in waits)


def test_cookies_that_are_none_and_names_of_others_change_nothing_of_that(pair):
    """A cookie of every kind, another host, another path: it is the person who has a rate."""
    served, t3 = pair(mint=RATED)
    for number in range(60):
        fields = [*NAVIGATION, ("Cookie", f"{t3.cookie_name}=made-up-{number}"), ("Host", f"h{number}.example.org")]
        assert served.ask(f"/{number}?x={number}", f"alice@{number}", fields=fields).status in (302, 403, 503)
    assert len(served.minted) <= RATE
    assert served.ask("/", "bob", navigate=True).status in (302, 502), "bob has a rate of his own"


SLOW_MINT = harness.MINT.replace("set -eu\n", "set -eu\nmkdir {folder}/lock || echo overlap >> {folder}/overlaps\n"
                                              "sleep 0.1\n").replace("printf '{{", "rmdir {folder}/lock\nprintf '{{")


@pytest.mark.defence("one_mint")
def test_one_mint_runs_at_a_time_for_each_person(pair):
    """All who come meanwhile wait for that one, or are sent away to come again: nobody starts a second."""
    served, _ = pair()
    served.write_mint(SLOW_MINT.format(folder=served.folder, secrets=served.secrets, canary=served.session.canary))
    counts, _ = storm(served, NAVIGATION, 200, lanes=100)
    assert not (served.folder / "overlaps").exists(), "two at once"
    assert set(counts) <= {302, 403, 503} and counts[302] >= 1


NO_NAVIGATION = [
    ("POST", NAVIGATION), ("HEAD", NAVIGATION), ("GET", []), ("GET", [("Accept", "*/*")]), ("OPTIONS", NAVIGATION),
    ("GET", [("Accept", "application/json")]), ("GET", [("Sec-Fetch-Dest", "image"), ("Accept", "text/html")]),
    ("GET", [("Sec-Fetch-Dest", "iframe"), ("Accept", "text/html")]), ("GET", [("Sec-Fetch-Dest", "empty")]),
    ("GET", [("Sec-Fetch-Dest", "script"), ("Accept", "text/html")]), ("GET", [("Sec-Fetch-Dest", "Document")]),
    ("GET", [("Sec-Fetch-Dest", "object"), ("Accept", "text/html")]), ("GET", [("Accept", "text/htmlx")]),
    ("GET", [*NAVIGATION, ("Sec-Purpose", "prefetch")]), ("GET", [*NAVIGATION, ("Sec-Purpose", "prefetch;prerender")]),
    ("GET", [*NAVIGATION, ("Purpose", "prefetch")]), ("GET", [*NAVIGATION, ("X-Moz", "prefetch")]),
    ("GET", [DOCUMENT, CROSS, ("Sec-Fetch-Mode", "no-cors")]), ("GET", [DOCUMENT, CROSS]),
    ("GET", [CROSS, ("Accept", "text/html")]), ("GET", [DOCUMENT, ("Sec-Fetch-Mode", "cors")]),
    ("GET", [DOCUMENT, ("Sec-Fetch-Dest", "image")]), ("GET", [("Sec-Fetch-Dest", "image"), DOCUMENT]),
    ("get", NAVIGATION),
]


@pytest.mark.defence("navigation")
def test_nothing_but_a_document_that_a_person_opens_mints(pair):
    """What another site's page can have a browser load, post, frame or fetch ahead, and what programs ask."""
    served, t3 = pair()
    for method, fields in NO_NAVIGATION:
        answer = served.ask("/", method=method, fields=fields, body=b"" if method == "POST" else None)
        assert answer.status == 401 and not answer.all("Set-Cookie") and not answer.all("Location"), (method, fields)
        assert "no-store" in answer.field("Cache-Control")
    with served.connect() as client:
        assert client.upgrade("/ws", served.fields(fields=NAVIGATION)).status == 401
    assert served.minted == [] and not t3.exchanges
    counts, _ = storm(served, [("Sec-Fetch-Dest", "image")], 400)
    assert counts == {401: 400} and served.minted == []


def test_the_storm_of_one_person_delays_no_other(pair):
    served, _ = pair(script="sleep 30", mint={"timeout": "700ms"})
    waiting = [served.connect() for _ in range(200)]
    for client in waiting:
        client.send_request("GET", "/", served.fields("alice", navigate=True))
    for _ in range(20):
        assert served.ask("/x", "bob").status == 401
    answers = [client.read_answer() for client in waiting]
    assert {answer.status for answer in answers} <= {500, 503}
    for answer in answers:
        assert answer.status == 500 or int(answer.field("Retry-After")) >= 1
    for client in waiting:
        client.close()


# Mint commands that go wrong.

def left_of(mark):
    """Also of those whose parent has gone: they are ours then."""
    return [pid for pid in procs.descendants(os.getpid()) if mark in procs.cmdline(pid)]


MARK = b"61.5"
HANGS = ["sleep 61.5", "sleep 61.5 & wait", "trap '' TERM INT HUP; sleep 61.5", "kill -STOP $$; sleep 61.5",
         "sleep 61.5 & sleep 61.5 & exec sleep 61.5", "(trap '' TERM; sleep 61.5) & exec sleep 61.5"]


@pytest.mark.defence("errand")
def test_a_mint_that_hangs_is_ended_with_all_it_started(pair):
    served, t3 = pair(script="exit 1", mint={"timeout": "200ms"})
    for script in HANGS:
        served.write_mint("#!/bin/sh\n" + script)
        answer = served.ask("/", navigate=True)
        assert answer.status == 500 and "pairing mint failed" in answer.text, script
        wait_until(lambda: not left_of(MARK), f"nothing of {script!r} is left", 3)
    assert t3.exchanges == []


def test_children_that_a_mint_leaves_behind_end_with_it(pair):
    """They hold its output open, so that its end is not in sight: what it printed itself is used, or nothing is."""
    served, _ = pair(script="exit 1", mint={"timeout": "2s"})
    for script in ("sleep 61.5 &\necho '{{\"credential\": \"x\"}}'", "(sleep 61.5; echo x) &\necho '{{'",
                   "sleep 61.5 & sleep 61.5 & exit 1"):
        served.write_mint("#!/bin/sh\n" + script.format())
        assert served.ask("/", navigate=True).status in (500, 502), script
        wait_until(lambda: not left_of(MARK), f"nothing of {script!r} is left", 3)


@pytest.mark.defence("output")
def test_a_mint_that_prints_a_gigabyte_is_ended_and_none_of_it_kept(pair, no_sanitizer):
    served, _ = pair(script="exit 1")
    served.write_mint(f"#!/bin/sh\nhead -c 1000000000 /dev/zero && : > {served.folder}/done\n")
    pairer = served.role("pairer")
    answer = served.ask("/", navigate=True)
    assert answer.status == 500 and "unparseable pairing output" in answer.text
    wait_until(lambda: not left_of(b"1000000000"), "nothing of it is left")
    assert not (served.folder / "done").exists()
    assert procs.peak_kib(pairer) < 16 * 1024 and procs.peak_kib(served.pid) < 16 * 1024


GARBAGE = ["exit 1", "kill -9 $$", ":", "echo nonsense", "echo '{{}}'", "echo '[]'", "echo '\"x\"'",
           "echo '{{\"credential\":1}}'",
           "echo '{{\"credential\":null}}'", "echo '{{\"credential\":\"\"}}'", "echo '{{\"credential\":{{\"a\":1}}}}'",
           "echo '{{\"credential\":\"a\",\"credential\":\"b\"}}'", "echo '{{\"credential\":\"a\"}} more'",
           "printf '{{\"credential\":\"a\\000b\"}}'", "printf '\\377\\376'", "head -c 60000 /dev/zero | tr '\\0' '['",
           "head -c 5000 /dev/urandom", "echo '{{\"credential\":\"x\"}}'; exit 3", "echo x >&2; exit 1",
           "echo '{{\"credential\":\"'$(head -c 30000 /dev/zero | tr '\\0' a)'\"}}'"]


def test_a_mint_that_says_nonsense_or_fails_is_a_500(pair):
    served, t3 = pair(script="exit 1")
    for script in GARBAGE:
        served.write_mint("#!/bin/sh\n" + script.format())
        answer = served.ask("/", navigate=True)
        assert answer.status == 500 and not answer.all("Set-Cookie") and not answer.all("Location"), script
        assert "pairing mint failed" in answer.text or "unparseable pairing output" in answer.text, script
    assert t3.exchanges == []


def test_a_credential_is_data_wherever_it_goes(pair, session):
    """It is put into JSON, a form and a head: whatever is in it, one request comes of it, and no log names it."""
    served, t3 = pair(script="exit 1")
    for odd in ("\\r\\nX: y", "\\\"},{\\\"a\\\":\\\"", "\\u0000", "%0d%0a", "a&b=c", "\\u2028", "</script>", "\\\\"):
        credential = session.canary + odd
        served.write_mint(f"#!/bin/sh\ncat <<'EOF'\n{{\"credential\": \"{credential}\"}}\nEOF\n")
        before = len(t3.exchanges)
        answer = served.ask("/", navigate=True)
        assert answer.status in (500, 502) and not session.search.is_in(repr(answer).encode()), odd
        for seen in t3.exchanges[before:]:
            assert seen.method == "POST" and not seen.all("X") and b"\r\n" not in seen.body, odd
            assert set(json.loads(seen.body)) == {"credential"}, odd


def test_what_a_mint_writes_to_its_standard_error_is_its_own_affair(pair):
    served, _ = pair(script="head -c 3000000 /dev/zero >/dev/stderr; exit 1")
    assert served.ask("/", navigate=True).status == 500
    assert served.ask("/x", "bob").status == 401


# Instances that go wrong, and circles.

LIVE_MOODS = ["garbage", "reset", "half a head", "session is garbage", "session is 500"]


def ways_round(served, cookie=None, hops=8, target="/a?b"):
    """What a browser that follows every redirect, and keeps no cookie but that one, sees."""
    seen = []
    for _ in range(hops):
        answer = served.ask(target, cookie=cookie, navigate=True)
        seen.append(answer.status)
        if answer.status not in (301, 302, 303, 307, 308):
            break
        target = answer.field("Location")
    return seen


@pytest.mark.defence("loop")
def test_a_browser_that_keeps_no_cookie_is_not_sent_round(pair):
    served, _ = pair()
    seen = ways_round(served)
    assert seen[-1] == 403 and len(seen) <= 3, seen


@pytest.mark.defence("loop")
def test_nor_is_one_whose_cookies_the_instance_never_honours(pair):
    """It gives a cookie each time, and each time it says that it knows none: also under a name of its own."""
    served, t3 = pair()
    t3.is_session = lambda cookies: False
    seen, cookie = [], None
    for _ in range(8):
        answer = served.ask("/", cookie=cookie, navigate=True)
        seen.append(answer.status)
        if answer.status != 302:
            break
        cookie = answer.cookies
    assert seen[-1] == 403 and len(seen) <= 4, seen


@pytest.mark.parametrize("mood", LIVE_MOODS)
def test_an_instance_that_goes_wrong_is_no_circle(pair, mood):
    served, t3 = pair()
    cookie = served.sign_in()
    for each in (cookie, cookie + "x", None):
        t3.mood = mood
        seen = ways_round(served, each)
        t3.mood = None
        assert len(seen) <= 3 and seen[-1] in (200, 302, 403, 502, 503), (each, seen)
    with served.connect() as client:
        assert client.ask("GET", "/api", served.fields(cookie=cookie)).status == 200


def test_dead_cookies_mint_nothing_but_on_a_document(pair):
    """XHR, WebSocket, form: the instance says so in its own words, and the page that is open decides."""
    served, t3 = pair()
    cookie = served.sign_in()
    t3.forget_sessions()
    minted = len(served.minted)
    for method, fields in NO_NAVIGATION[:-1]:
        answer = served.ask("/api", method=method, fields=fields, cookie=cookie, body=b"" if method == "POST" else None)
        assert answer.status == 200 and not answer.all("Set-Cookie"), (method, fields)
    for _ in range(20):
        with served.connect() as client:
            assert client.upgrade("/ws", served.fields(cookie=cookie)).status == 101
    assert len(served.minted) == minted


def test_an_instance_that_is_down_or_hangs_mints_nothing(pair):
    """Nobody would take the credential: it would only be one more that is about."""
    served, t3 = pair(response_timeout="500ms")
    t3.mood = "slow"
    assert served.ask("/", navigate=True).status in (502, 504)
    wait_until(lambda: served.minted == ["alice"], "one was minted for it")
    t3.mood = None
    t3.stop()
    for _ in range(20):
        assert served.ask("/", navigate=True).status in (502, 504)
    assert served.minted == ["alice"]


def test_an_instance_that_stops_in_the_middle_holds_nobody_up(pair):
    """It takes a request and says nothing: a 504 in time, and whoever else comes is served."""
    served, t3 = pair(response_timeout="300ms")
    cookie = served.sign_in()
    assert served.ask("/hang", cookie=cookie).status == 504
    with served.connect() as client:
        client.send_request("GET", "/hang", served.fields(cookie=cookie))
        assert served.ask("/x", cookie=cookie).status == 200
        assert client.read_answer().status == 504


# The way back.

BACKS = {"//evil.example/": "/", "/\\evil.example": None, "/%0d%0aSet-Cookie:x=y": None, "/%0aX": None, "///evil": "/",
         "http://t3.example.org//evil.example/": "/", "/%2f%2fevil.example": "/%2f%2fevil.example",
         "/..//evil": "/..//evil",
         "/@evil.example": "/@evil.example", "/%5cevil": "/%5cevil", "/?next=//evil": "/?next=//evil",
         "/a#//evil": None,
         "/\tevil": None, "/javascript:alert(1)": "/javascript:alert(1)", "/" + "a" * 8100: "/" + "a" * 8100}


@pytest.mark.defence("back")
def test_the_way_back_leads_to_no_other_place(pair):
    served, t3 = pair()
    people = {f"p{number}": {"os_user": f"u{number}", "port": t3.port} for number in range(len(BACKS))}
    served.write_table(people)
    t3.redeem = lambda credential: True
    wait_until(lambda: served.ask("/x", "p0").status == 401, "the table counts")
    for name, (target, expected) in zip(people, BACKS.items()):  # each once: nobody seems to lose a cookie
        answer = served.ask(target, name, navigate=True)
        assert answer.status == (302 if expected else 400), target
        assert answer.all("Location") == ([expected] if expected else []), target
        assert not [value for value in answer.all("Set-Cookie") if value.startswith("x=")], target


def test_a_cookie_that_would_split_the_answer_is_not_relayed(pair):
    served, t3 = pair()
    for odd in ("x=y\r\n Set-Cookie: evil=1", "x=y\x01", "", "x=y\x7f", "x=" + "a" * 20000):
        t3.new_cookies = lambda odd=odd: [("Set-Cookie", odd)]
        answer = served.ask("/", navigate=True)
        assert answer.status in (302, 502), odd
        assert not [value for value in answer.all("Set-Cookie") if "evil" in value or "\x01" in value], odd
