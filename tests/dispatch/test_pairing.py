"""A person's first visit, and every later one: who gets a session, how, and what happens when it cannot be had."""
import threading
import time

import pytest

import dispatch as harness
import procs
from procs import wait_until
from t3 import COOKIE_FORMS

OLD = {"endpoints": ("/api/auth/bootstrap",), "is_old": True}
NEW = {"endpoints": ("/api/auth/browser-session",)}


@pytest.fixture
def serve(dispatch, instances):
    """serve(...) is a running dispatcher and alice's instance. `script` is the mint command, `mint` its settings."""
    def serve(script=None, instance=None, mint=None):
        served = dispatch(**({"script": script} if script else {}))
        served.write_config(mint=served.mint(**(mint or {})))
        t3 = instances(served, **(instance or {}))
        served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
        return served.start(), t3
    return serve


@pytest.mark.parametrize("cookie", COOKIE_FORMS)
@pytest.mark.parametrize("version", [NEW, OLD], ids=["new", "old"])
def test_a_first_visit_ends_in_the_workspace(serve, version, cookie):
    served, t3 = serve(instance={"cookie": cookie, **version})
    answer = served.ask("/projects/7?tab=log&x=%2F", navigate=True)
    assert answer.status == 302 and answer.field("Location") == "/projects/7?tab=log&x=%2F"
    assert "no-store" in answer.field("Cache-Control")
    # every cookie as it was sent, attributes and all
    session, theme = answer.all("Set-Cookie")
    assert session.startswith(t3.cookie_name + "=") and "; Path=/; HttpOnly; SameSite=Lax; Expires=" in session
    assert theme == "theme=dark; Path=/"
    assert served.minted == ["alice"]
    assert [seen.path for seen in t3.exchanges if seen.method == "POST"][-1] == version["endpoints"][0]
    page = served.ask("/projects/7", cookie=answer.cookies, navigate=True)
    assert page.status == 200 and page.json()["path"] == "/projects/7"
    assert served.minted == ["alice"]


def test_later_requests_ask_nobody(serve):
    served, t3 = serve()
    cookie = served.sign_in()
    with served.connect() as client:
        client.ask("GET", "/api", served.fields(cookie=cookie))  # a dispatcher learns the cookie's name once
        before = len(t3.requests("/api/auth/session"))
        for number in range(20):
            assert client.ask("GET", f"/api/{number}", served.fields(cookie=cookie)).status == 200
        assert len(t3.requests("/api/auth/session")) == before
    assert served.minted == ["alice"]


@pytest.mark.parametrize("method, fields", [
    ("POST", [("Accept", "text/html")]),
    ("GET", [("Accept", "application/json")]),
    ("GET", [("Accept", "text/html"), ("Sec-Fetch-Dest", "image")]),
    ("GET", [("Sec-Fetch-Dest", "empty"), ("Sec-Fetch-Mode", "cors")]),
    ("GET", [("Sec-Fetch-Dest", "iframe"), ("Accept", "text/html")]),
    ("GET", [*harness.NAVIGATION, ("Sec-Purpose", "prefetch")]),
    ("HEAD", [("Accept", "text/html")]),
    ("GET", []),
], ids=["POST", "JSON", "image", "fetch", "frame", "prefetch", "HEAD", "no Accept"])
def test_only_a_navigation_is_paired(serve, method, fields):
    served, t3 = serve()
    answer = served.ask("/", method=method, fields=fields, body=b"" if method == "POST" else None)
    assert answer.status == 401 and not answer.all("Set-Cookie") and not answer.all("Location")
    assert "no-store" in answer.field("Cache-Control")
    assert served.minted == []


def test_a_browser_without_fetch_metadata_is_paired_by_what_it_accepts(serve):
    served, _ = serve()
    assert served.ask("/", fields=[("Accept", "text/html,application/xhtml+xml")]).status == 302


@pytest.mark.parametrize("target, location", [
    ("/", "/"), ("/a?b=c", "/a?b=c"), ("//evil.example/", "/"), ("/%0d%0aX", None), ("/\\evil.example", None),
    ("http://t3.example.org/deep?x", "/deep?x"),
])
def test_the_way_back_stays_on_this_origin(serve, target, location):
    served, _ = serve()
    answer = served.ask(target, navigate=True)
    if location is None:
        assert answer.status == 400
    else:
        assert answer.status == 302 and answer.field("Location") == location


def test_a_dead_cookie_on_a_navigation_is_paired_again(serve):
    served, t3 = serve()
    cookie = served.sign_in()
    t3.forget_sessions()
    answer = served.ask("/x", cookie=cookie, navigate=True)
    # the look may have been remembered for a moment
    answer = wait_until(lambda: (a := served.ask("/x", cookie=cookie, navigate=True)).status == 302 and a,
                        "it pairs again") if answer.status != 302 else answer
    assert answer.field("Location") == "/x" and answer.cookies != cookie


def test_a_dead_cookie_on_anything_else_is_the_instances_business(serve):
    served, t3 = serve()
    cookie = served.sign_in()
    t3.forget_sessions()
    assert served.ask("/api", cookie=cookie).status == 200
    with served.connect() as client:
        assert client.upgrade("/ws", served.fields(cookie=cookie)).status == 101
    assert served.minted == ["alice"]


@pytest.mark.parametrize("mood", ["session is garbage", "session is 500"])
def test_an_instance_that_cannot_say_is_believed_to_know_the_cookie(serve, mood):
    served, t3 = serve()
    cookie = served.sign_in()
    t3.forget_sessions()
    t3.mood = mood
    answer = served.ask("/x", cookie=cookie + "; new=1", navigate=True)
    assert answer.status == 200 and served.minted == ["alice"]


def test_a_cookie_of_another_name_is_no_session(serve):
    served, t3 = serve()
    answer = served.ask("/", cookie="t3_other=1; theme=dark", navigate=True)
    assert answer.status == 302


# What goes wrong.

def script(text):
    return "#!/bin/sh\n" + text


@pytest.mark.parametrize("mint, status, words", [
    (script("exit 1"), 500, "pairing mint failed"),
    (script("echo '{\"credential\": \"x\"}'; exit 3"), 500, "pairing mint failed"),
    (script("kill -9 $$"), 500, "pairing mint failed"),
    (script(":"), 500, "unparseable pairing output"),
    (script("echo nonsense"), 500, "unparseable pairing output"),
    (script("echo '{\"credential\": 5}'"), 500, "unparseable pairing output"),
    (script("echo '{\"credential\": \"\"}'"), 500, "unparseable pairing output"),
    (script("echo '{\"other\": \"x\"}'"), 500, "unparseable pairing output"),
    (script("echo '{\"credential\": \"x\"'"), 500, "unparseable pairing output"),
    (script("echo '{\"credential\": \"never minted\"}'"), 502, "bootstrap rejected"),
], ids=["exit 1", "exit 3 with output", "killed", "silent", "no JSON", "a number", "empty", "no credential", "cut",
        "unknown"])
def test_a_mint_that_goes_wrong(serve, mint, status, words):
    served, _ = serve(script=mint)
    answer = served.ask("/", navigate=True)
    assert (answer.status, words in answer.text) == (status, True), answer.text
    assert "no-store" in answer.field("Cache-Control") and not answer.all("Set-Cookie")


@pytest.mark.parametrize("mint", ["sleep 60 & wait", "sleep 60 & exec sleep 60", "trap '' TERM; sleep 60"],
                         ids=["waits", "with a child", "ignores TERM"])
def test_a_mint_that_hangs_is_ended_with_its_group(serve, mint):
    served, _ = serve(script=script(mint.replace("60", "61.5")), mint={"timeout": "300ms"})
    assert served.ask("/", navigate=True).status == 500
    wait_until(lambda: not [line for line in children_of(served) if "61.5" in line], "nothing of it is left")


def children_of(served):
    return [procs.cmdline(pid).replace(b"\0", b" ").decode() for pid in procs.children(served.pid)]


def test_a_mint_that_prints_for_ever_is_ended(serve):
    served, _ = serve(script=script("exec yes '{\"credential\": 1}'"))
    assert served.ask("/", navigate=True).status == 500
    wait_until(lambda: not [line for line in children_of(served) if line.startswith("yes")], "nothing of it is left")


@pytest.mark.parametrize("mood, words", [
    ("401", "bootstrap rejected"), ("400", "bootstrap rejected"), ("500", "bootstrap rejected"),
    ("204", "bootstrap rejected"), ("no cookie", "bootstrap rejected"),
    ("garbage", "bootstrap request failed"), ("reset", "bootstrap request failed"),
    ("half a head", "bootstrap request failed"),
])
def test_an_exchange_that_goes_wrong(serve, mood, words):
    served, t3 = serve()
    t3.mood = mood
    answer = served.ask("/", navigate=True)
    assert (answer.status, words in answer.text) == (502, True), (answer.status, answer.text)
    assert not answer.all("Set-Cookie")
    t3.mood = None
    assert served.ask("/", navigate=True).status == 302


def test_an_instance_that_moves_to_the_other_endpoint_in_mid_flight(serve):
    served, t3 = serve()
    t3.mood = "moves"
    assert served.ask("/", navigate=True).status == 302
    assert [seen.path for seen in t3.exchanges] == ["/api/auth/browser-session", "/api/auth/bootstrap"]


def test_an_instance_that_is_down(serve):
    served, t3 = serve()
    t3.stop()
    answer = served.ask("/", navigate=True)
    assert answer.status == 502 and "bootstrap request failed" in answer.text


def test_an_instance_that_hangs_is_given_one_credential(serve):
    """And has ten seconds to answer, whatever others have: the default of response_timeout is a minute."""
    served, t3 = serve()
    assert served.ask("/", navigate=True).status == 302  # its cookie's name is known from here on
    t3.mood = "slow"
    with served.connect() as client:
        client.socket.settimeout(60)
        began = time.monotonic()
        assert client.ask("GET", "/", served.fields(navigate=True)).status == 502
        assert time.monotonic() - began < 20
    assert served.ask("/", navigate=True).status == 502
    assert served.minted == ["alice", "alice"]
    t3.slow.set()


# Many at once.

def test_a_storm_of_first_visits_mints_one_at_a_time(serve):
    slow = harness.MINT.replace("set -eu\n", "set -eu\nmkdir {folder}/lock || echo overlap >> {folder}/overlaps\n"
                                             "sleep 0.05\n").replace("printf '{{", "rmdir {folder}/lock\nprintf '{{")
    served, t3 = serve()
    served.write_mint(slow.format(folder=served.folder, secrets=served.secrets, canary=served.session.canary))
    answers = []

    def visit(number):  # each a browser of its own, so that none is sent round
        answers.append(served.ask("/", navigate=True, fields=[("User-Agent", f"browser {number}")]).status)

    threads = [threading.Thread(target=visit, args=[number]) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {302, 503}, answers
    assert answers.count(302) >= 1
    assert not (served.folder / "overlaps").exists()


def test_too_many_mints_wait_as_long_as_they_are_told(serve):
    served, t3 = serve(mint={"rate": "1/h"})
    assert served.ask("/", navigate=True).status == 302
    answer = served.ask("/", navigate=True)
    assert answer.status == 503 and 0 < int(answer.field("Retry-After")) <= 3600
    assert not answer.all("Set-Cookie") and "no-store" in answer.field("Cache-Control")
    assert served.minted == ["alice"]


def test_a_browser_that_keeps_no_cookie_is_told_so(serve):
    served, _ = serve()
    answers = [served.ask("/", navigate=True) for _ in range(4)]
    assert [a.status for a in answers[:2]] == [302, 302]
    assert 302 not in [a.status for a in answers[2:]], [a.status for a in answers]
    assert "cookie" in answers[-1].text.lower()


def test_three_who_come_together_are_no_browser_that_keeps_no_cookie(serve):
    """Several people of one instance, and one person at several devices."""
    served, t3 = serve()
    entry = {"os_user": "alice", "port": t3.port}
    served.write_table({name: entry for name in ("alice", "al", "ally")})
    wait_until(lambda: served.ask("/", "ally", navigate=True).status == 302, "ally is known")
    for name in ("al", "alice"):
        assert served.ask("/", name, navigate=True).status == 302
    for device in ("one", "two", "three"):
        assert served.ask("/", navigate=True, fields=[("User-Agent", device)]).status == 302
    for address in ("203.0.113.1", "203.0.113.2", "203.0.113.3"):
        assert served.ask("/", navigate=True, fields=[("X-Forwarded-For", address)]).status == 302


# What the mint command says: it may run as the person, and the log is not theirs.

def speak(served, words, ending=""):
    """The mint command that works, but for what it says before and how it ends."""
    text = harness.MINT.format(folder=served.folder, secrets=served.secrets, canary=served.session.canary)
    served.write_mint(text.replace("set -eu\n", f"set -eu\n{words}\n") + ending)


def test_a_mint_that_floods_the_log_is_cut_short_and_escaped(serve):
    served, _ = serve()
    before = len(served.stderr)
    speak(served, r"""printf 'credfd: \033[2J\033]0;owned\007forged\r\n\n' >&2
head -c 1000000 /dev/zero | tr '\0' '\033' >&2
yes 'credfd: somebody else has signed in' | head -n 100000 >&2""", "exit 1\n")
    assert served.ask("/", navigate=True).status == 500
    logged = wait_until(lambda: "said more, which is not kept\n" in served.stderr[before:] and served.stderr[before:],
                        lambda: served.stderr[before:])
    said = [line for line in logged.splitlines() if "says: " in line]
    assert said[0].endswith(r"mint for alice says: credfd: \x1b[2J\x1b]0;owned\x07forged\x0d"), said[0]
    assert "warning: " in said[0] and len(said) <= 8 and len(logged) < 20000, len(logged)
    assert not any(line.startswith("credfd: somebody") or line.startswith("credfd: \\x1b") for line in
                   logged.splitlines())
    assert not set(logged) - set(map(chr, range(32, 127))) - {"\n"}


def test_a_mint_that_says_much_and_works_is_one_that_works(serve):
    served, _ = serve()
    speak(served, "head -c 1000000 /dev/zero >&2")
    before = len(served.stderr)
    assert served.ask("/", navigate=True).status == 302
    assert "says" not in served.stderr[before:], "only `log: info` tells of it"


def test_a_mint_cannot_cut_the_log_off(serve):
    served, _ = serve()
    before = served.stderr
    assert before
    speak(served, "truncate -s 0 /proc/self/fd/2 || :\npython3 -c 'import os; os.ftruncate(2, 0)' || :\n"
                  "python3 -c 'import os; os.pwrite(2, b\"x\" * 4096, 0)' || :", "exit 1\n")
    assert served.ask("/", navigate=True).status == 500
    wait_until(lambda: "Illegal seek" in served.stderr, lambda: served.stderr)
    assert served.stderr.startswith(before)


def test_a_browser_that_keeps_its_cookies_may_lose_them_often(serve):
    """Three pairings in a row of a browser that came back with a session each time are no loop."""
    served, t3 = serve()
    for _ in range(4):
        answer = served.ask("/", navigate=True)
        assert answer.status == 302
        assert served.ask("/", cookie=answer.cookies, navigate=True).status == 200


def test_an_instance_that_forgets_its_sessions_is_told_from_a_browser_that_does(serve):
    served, t3 = serve()
    t3.is_session = lambda cookies: False
    cookies = None
    for _ in range(2):
        answer = served.ask("/", cookie=cookies, navigate=True)
        assert answer.status == 302
        cookies = answer.cookies
    for _ in range(3):
        page = served.ask("/", cookie=cookies, navigate=True)
        assert page.status == 403 and "the instance denies the session that it has just made" in page.text
    assert len(served.minted) == 2, "no credential is spent on who goes round"
    assert served.access(3)[-1]["reason"] == "the instance denies the session that it has just made"
    wait_until(lambda: "the instance denies it" in served.stderr, "a line of it")
    assert served.stderr.count("the instance denies it") == 1, served.stderr
    lost = served.ask("/", cookie="theme=dark", navigate=True)
    assert lost.status == 403 and "is not kept by the browser" in lost.text
    wait_until(lambda: "the browser does not keep the cookie" in served.stderr, "a line of that")
    assert served.stderr.count("the browser does not keep the cookie") == 1, served.stderr


def test_several_workspaces_of_one_person_are_no_loop(serve):
    served, t3 = serve()
    for host in ("one.example.org", "two.example.org", "three.example.org"):
        assert served.ask("/", navigate=True, fields=[("Host", host)]).status == 302


def test_the_log_tells_who_had_no_workspace(serve):
    served, _ = serve()
    assert served.ask("/", "carol").status == 403
    assert served.access(1)[-1]["name"] == "carol"
