"""What the dispatcher itself writes: pages, redirects and logs. Whatever a browser, a name, a host or a path says, it
says as text; and the page for administrators is for those alone who are listed."""
import html.parser
import json

import pytest

from attack import statuses
from dispatch import HEADER, NAVIGATION
from procs import wait_until

MARKUP = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'onload='x",
          "</title><svg/onload=alert(1)>", "&lt;b&gt;",
          "<!--", "{{7*7}}", "\u2028", "%3Cscript%3E"]
STATUS, PAGE = "/-/credfd", "<h2>Workspaces"


class Tags(html.parser.HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers, self.scripts = set(), [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.handlers += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def require_plain(answer, what):
    """A page of ours: nothing in it runs, loads or leads anywhere, and a browser is told so too."""
    page = Tags(answer.text)
    assert not page.tags & {"script", "img", "svg", "iframe", "object", "form", "base", "link"}, (what, page.tags)
    assert not page.handlers, (what, page.handlers)
    assert "alert(1)" not in answer.text or "<script" not in answer.text, what
    assert "default-src 'none'" in answer.field("Content-Security-Policy"), what


@pytest.fixture
def staff(dispatch, trap):
    """A dispatcher with an administrator; names in its table that are markup, as far as a table takes them."""
    lone = trap(tls=False)
    names = ["alice", "bob", "root", "<b>", "'-'", "&amp;", "a<script>alert(1)</script>"]
    served = dispatch(table={name: {"os_user": "alice", "port": lone.port} for name in names}, profile="none",
                      admins=["root"], workers=2)
    return served.start(), lone


# Pages.

@pytest.mark.defence("html")
def test_the_page_for_administrators_is_text(staff):
    served, _ = staff
    for name in ("alice", "<b>", "a<script>alert(1)</script>", "&amp;", "'-'"):
        served.ask("/x", name)
    wait_until(lambda: "<h2>People <span>5</span>" in served.ask(STATUS, "root").text, "they were seen")
    answer = served.ask(STATUS, "root")
    assert answer.status == 200 and "no-store" in answer.field("Cache-Control")
    require_plain(answer, "status")
    assert "&lt;b&gt;" in answer.text and "&amp;amp;" in answer.text


def test_error_pages_say_nothing_that_was_said_to_them(house):
    served, _ = house()
    for text in MARKUP:
        raw = text.encode().decode("latin-1")
        for fields in ([(HEADER, raw)], [(HEADER, "carol"), ("X-Forwarded-Host", raw)],
                       [(HEADER, "carol"), ("Referer", raw)],
                       [(HEADER, "carol"), ("User-Agent", raw)], [(HEADER, "carol"), ("Cookie", raw)]):
            answer = served.ask("/x", None, fields=[*fields, *NAVIGATION])
            assert answer.status == 403
            require_plain(answer, text)
            assert raw not in answer.text
        for target in (f"/{raw}", f"/x?{raw}"):
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\n{HEADER}: carol\r\nAccept: text/html\r\n\r\n"
            said = served.talk(head.encode("latin-1"))
            assert statuses(said) in ([400], [403]) and raw not in said, text


def test_an_instances_reason_is_not_repeated(house):
    """What is wrong with its answer is said in our words, not in its."""
    script = "<script>alert(1)</script>"
    served, _ = house(lambda peer, seen: peer.send(f"HTTP/1.1 {script}\r\nX: {script}\r\n\r\n"))
    answer = served.ask("/x", "alice", navigate=True)
    assert answer.status == 502 and "alert" not in answer.text
    require_plain(answer, "502")


# For administrators.

SPELLINGS = [STATUS, "/-/CREDFD", "/-/credfd/", "/-/credfd?x=1", "/-/credfd#", "//-/credfd", "/-//credfd",
             "/%2d/credfd", "/-/credf%64",
             "/./-/credfd", "/-/./credfd", "/x/../-/credfd", "/x/%2e%2e/-/credfd", "/-/credfd;x=y", "/-/credfd%00",
             "/-/credfd%20",
             "/-%2fcredfd", "/-/credfd/.", "http://t3.example.org/-/credfd", "/-\\credfd"]


@pytest.mark.defence("admin")
def test_the_page_for_administrators_is_for_them_alone(staff):
    """By no spelling of its path, and by none of a name. To others there is no such page: theirs is the instance."""
    served, lone = staff
    others = ["alice", "ROOT", "Root", "root ", "roott", "roo", "carol", "r\0oot",
              "root\u0301".encode().decode("latin-1"), None]
    for target in SPELLINGS:
        for name in ("alice", None):
            who = f"{HEADER}: {name}\r\n" if name else ""
            said = served.talk(f"GET {target} HTTP/1.1\r\nHost: t3.example.org\r\n{who}\r\n".encode())
            assert PAGE not in said and statuses(said) in ([200], [400], [403]), (target, name)
    for name in others:
        answer = served.ask(STATUS, name, fields=[("X-Forwarded-User", "root"), ("Cookie", "user=root")])
        if (name or "").strip() != "root":
            assert PAGE not in answer.text and answer.status in (200, 400, 403), name
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = served.ask(STATUS, "root", method=method)
        assert answer.status == 405 and PAGE not in answer.text
    assert PAGE in served.ask(STATUS, "root").text
    assert served.ask(STATUS, "root", method="HEAD").body == b""


def test_a_stranger_never_sees_it(house):
    served, _ = house(trust={"peers": ["127.0.0.9/32"]}, admins=["alice"])
    for target in SPELLINGS:
        said = served.talk(f"GET {target} HTTP/1.1\r\nHost: t3.example.org\r\n{HEADER}: alice\r\n\r\n".encode())
        assert PAGE not in said and statuses(said) in ([400], [403]), target


# Logs.

FORGERIES = ["/x\"},{\"name\":\"root", "/x%0a{}", "/x\\u000a", "/\u00e9\u2028", "/x\x1b[2J", "/x\x7f",
             "/" + "\"" * 4000, "/x?\"secret"]


@pytest.mark.defence("escape")
def test_a_line_of_the_access_log_is_one_line_and_says_what_was(house):
    """By a path, a host, a method, a name and a forwarded address."""
    served, _ = house()
    asked = 0
    for target in FORGERIES:
        raw = target.encode().decode("latin-1")
        for line in (f"GET {raw} HTTP/1.1\r\nHost: x", f"GET /x HTTP/1.1\r\nHost: \"{raw}", f"G\"E HTTP/1.1\r\nHost: x",
                     f"G|'T /x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {raw}",
                     f"GET /x HTTP/1.1\r\nHost: x\r\nUser-Agent: {raw}"):
            served.talk(f"{line}\r\n{HEADER}: alice\r\n\r\n".encode("latin-1"))
        name = raw.partition("?")[0]
        served.talk(f"GET /x HTTP/1.1\r\nHost: x\r\n{HEADER}: {name}\r\n\r\n".encode("latin-1"))
        asked += 6
    served.ask("/last", "bob")
    lines = served.access(1)
    text = served.access_log.read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()]
    assert not [c for c in text if c < " " and c != "\n" or c == "\x7f"]
    assert len(text.split("\n")) - 1 == len(text.splitlines()) <= asked + 1
    assert not [line for line in lines if line.get("name") == "root"]
    assert "secret" not in text


def test_standard_error_is_no_terminals_enemy(house):
    served, _ = house()
    for name in ("\x1b]0;evil\x07", "alice\x1b[2J", "\x9b2J"):
        served.talk(f"GET /\x1b[2J HTTP/1.1\r\nHost: x\r\n{HEADER}: {name}\r\n\r\n".encode("latin-1"))
        served.ask("/x", name)
    assert not [c for c in served.stderr if c < " " and c not in "\n\t"]
