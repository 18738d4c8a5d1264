"""A request that breaks HTTP's rules: what its sender is told, a person by a page, and what the access log has."""
import pytest

from dispatch import NAVIGATION
from test_look import assert_page


def raw(served, line, *fields, body=b""):
    """A request of these very lines, from alice."""
    head = [line, "Host: t3.example.org", "X-authentik-username: alice", *fields]
    with served.connect() as client:
        client.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        return client.read_answer()


BROWSER = [f"{name}: {value}" for name, value in NAVIGATION]


def test_a_person_is_told_by_a_page_and_the_field_is_named(alice):
    served, _ = alice
    page = raw(served, "GET /deep/er?q=secret HTTP/1.1", *BROWSER, "X_Odd: 1")
    assert page.status == 400
    assert_page(page)
    assert "a field&#39;s name can be taken for another&#39;s: X_Odd" in page.text
    line = served.access(1)[-1]
    assert (line["status"], line["method"], line["host"], line["path"]) == (400, "GET", "t3.example.org", "/deep/er")
    assert line["field"] == "X_Odd" and line["reason"] == "a field's name can be taken for another's"
    assert line["bytes_out"] == len(page.body)


def test_a_program_is_told_in_json(alice):
    served, _ = alice
    told = raw(served, "GET / HTTP/1.1", 'X_"<b>: 1')
    assert told.status == 400 and told.field("Content-Type") == "application/json"
    assert told.json()["error"] == "bad_request" and told.json()["field"] == 'X_"<b>'
    assert served.access(1)[-1]["field"] == 'X_"<b>'


@pytest.mark.parametrize("cookies", [["Cookie: session_0=" + "x" * 30000],
                                     [f"Cookie: session_{i}={'x' * 4000}" for i in range(20)]],
                         ids=["one", "many"])
def test_who_has_too_many_cookies_is_told_to_delete_them(alice, cookies):
    served, _ = alice
    page = raw(served, "GET /x HTTP/1.1", *BROWSER, *cookies)
    assert page.status == 431
    assert_page(page)
    assert "Delete the cookies" in page.text and "16 KiB" in page.text and "the head is too large: Cookie" in page.text
    assert "xxx" not in page.text
    line = served.access(1)[-1]
    assert (line["status"], line["path"], line["field"]) == (431, "/x", "Cookie")


@pytest.mark.parametrize("line, status, error", [("TRACE / HTTP/1.1", 405, "method_not_allowed"),
                                                 (f"GET /{'x' * 9000} HTTP/1.1", 414, "target_too_long")],
                         ids=["TRACE", "a long target"])
def test_each_status_has_a_hint_of_its_own(alice, line, status, error):
    served, _ = alice
    told = raw(served, line)
    assert told.status == status and told.json()["error"] == error
    assert "read in one way" not in told.json()["hint"]
    page = raw(served, line, *BROWSER)
    assert page.status == status
    if status == 405:
        assert_page(page)
        assert "TRACE" not in page.field("Allow")


def test_what_was_never_read_is_left_out(alice):
    served, _ = alice
    assert "400" in served.talk("\x16\x03\x01 / HTTP/1.1\r\n\r\n").splitlines()[0]
    line = served.access(1)[-1]
    assert line["status"] == 400 and not {"method", "host", "field", "name"} & set(line)


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
def test_a_body_that_breaks_is_told_once(alice, is_late):
    served, t3 = alice
    head = ("POST /x HTTP/1.1\r\nHost: t3.example.org\r\nX-authentik-username: alice\r\nTransfer-Encoding: chunked\r\n"
            f"Cookie: {t3.cookie_name}={t3.new_session()}\r\n")
    with served.connect() as client:
        if is_late:  # the head has gone on: the instance has answered it
            client.send(head + "Expect: 100-continue\r\n\r\n")
            assert client.read_head().status == 100
            client.send("5\r\nhello\r\nzz\r\n")
        else:
            client.send(head + "\r\n5\r\nhello\r\nzz\r\n")
        told = client.read_answer()
    assert told.status == 400 and told.json()["reason"] == "the chunked coding is broken"
    line, = served.access(1)
    assert (line["method"], line["path"], line["status"]) == ("POST", "/x", 400)
    assert line["bytes_out"] == len(told.body)
    assert line.get("name") == ("alice" if is_late else None)
