"""What one sees of it: pages for people, the status page, metrics, and what is added to documents."""
import base64
import hashlib
import re
import urllib.request

import pytest

from procs import wait_until
from upstream import free_port

ADDED = '<link rel="manifest" href="/app.webmanifest">'
APP = """cookies: [ "t3_session*" ]
session: { path: /api/auth/session, cookie_field: auth.sessionCookieName, field: authenticated }
exchange:
  - path: /api/auth/browser-session
    json: '{"credential":"{credential}"}'
app:
  head: '<link rel="manifest" href="/app.webmanifest">'
  manifest: '{"name":"T3"}'
  manifest_path: /app.webmanifest
"""


def header_of(answer, name):
    values = answer.all(name)
    return values[0] if values else ""


def assert_page(answer):
    """A page that needs nothing from elsewhere, sent with a policy that permits its one style sheet."""
    assert answer.field("Content-Type") == "text/html; charset=utf-8"
    assert "no-store" in header_of(answer, "Cache-Control")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.field("Content-Security-Policy")
    assert "default-src 'none'" in policy and f"style-src 'sha256-{digest}'" in policy
    assert "<script" not in answer.text and "://" not in answer.text


def test_a_person_gets_a_page_and_a_program_the_words(alice):
    served, _ = alice
    words = "no t3 instance provisioned for this user"
    page = served.ask("/", name="mallory", navigate=True)
    assert page.status == 403 and words in page.text
    assert_page(page)
    text = served.ask("/", name="mallory")
    assert text.status == 403 and text.text == words + "\n"
    told = served.ask("/", name="mallory", fields=[("Accept", "application/json")])
    assert told.status == 403 and told.json()["reason"] == words and told.json()["error"] == "nobody"


def test_an_instance_that_is_down_has_a_page_that_says_so(alice):
    served, t3 = alice
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    t3.stop()
    page = served.ask("/", cookie=cookie, navigate=True)
    assert page.status == 502
    assert_page(page)
    assert "does not answer" in page.text


@pytest.fixture
def watched(dispatch, instances):
    """With an administrator, and metrics: (dispatch, t3, the metrics' text)."""
    port = free_port()
    served = dispatch()
    served.write_config(admins=["boss"], top={"metrics": f"127.0.0.1:{port}"})
    t3, other = instances(served), instances(served, "bob")
    other.mood = "401"
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}, "bob": {"os_user": "bob", "port": other.port},
                        "boss": {"os_user": "alice", "port": t3.port}})
    served.start()

    def scrape():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
    return served, t3, scrape


def test_administrators_see_who_is_there(watched):
    served, t3, _ = watched
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    assert served.ask("/x", cookie=cookie).status == 200
    assert served.ask("/", name="bob", navigate=True).status == 502

    def page():
        answer = served.ask("/-/credfd", name="boss", navigate=True)
        assert answer.status == 200
        assert_page(answer)
        seen = ">alice<" in answer.text and "bootstrap rejected" in answer.text
        return answer.text if seen else None
    text = wait_until(page, lambda: served.ask("/-/credfd", name="boss", navigate=True).text + served.stderr, timeout=10)
    assert text.index(">bob<") < text.index(">alice<"), "trouble stands first"
    assert 'http-equiv="refresh"' in text and 'name="viewport"' in text


def requests_of(served, name):
    """What the page says of that person: (how many requests, how many tunnels); None where it says nothing."""
    text = served.ask("/-/credfd", name="boss", navigate=True).text
    row = re.search(rf'<tr[^>]*><th scope="row">{name}\b.*?</tr>', text, re.S)
    number = row and re.search(r'"Tunnels"><div>(\d+)</div>.*"Requests"><div>([\d,]+) ', row.group())
    return number and (int(number.group(2).replace(",", "")), int(number.group(1)))


def test_who_comes_back_into_the_table_keeps_their_numbers(watched):
    served, t3, _ = watched
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    with served.connect() as client:
        for _ in range(7):
            assert client.ask("GET", "/x", served.fields(cookie=cookie)).status == 200
        assert client.upgrade("/ws", served.fields(cookie=cookie)).status == 101
        wait_until(lambda: requests_of(served, "alice") == (8, 1), lambda: requests_of(served, "alice"))
        served.write_table({"boss": {"os_user": "boss", "port": t3.port}})
        client.read_frame()  # the end of it
    wait_until(lambda: requests_of(served, "alice") == (8, 0), lambda: requests_of(served, "alice"))
    served.write_table({name: {"os_user": name, "port": t3.port} for name in ("alice", "boss")})
    wait_until(lambda: served.ask("/x", cookie=cookie).status == 200, "alice is let in again")
    wait_until(lambda: requests_of(served, "alice") == (9, 0), lambda: requests_of(served, "alice"))


def test_the_page_that_asked_who_is_up_comes_again_soon(dispatch, instances):
    served = dispatch()  # without metrics: nobody asks but the page
    t3 = instances(served)
    served.write_config(admins=["boss"])
    served.write_table({"boss": {"os_user": "boss", "port": t3.port}})
    served.start()
    first = served.ask("/-/credfd", name="boss", navigate=True).text
    assert 'content="2"' in first and "being asked" in first

    def later():
        text = served.ask("/-/credfd", name="boss", navigate=True).text
        return 'content="10"' in text and text
    text = wait_until(later, "all that is in use is known")
    assert f'<div>127.0.0.1:{t3.port} <small>t3</small></div>' in text


def test_for_everybody_else_it_is_a_page_of_their_instance(watched):
    served, t3, _ = watched
    answer = served.ask("/-/credfd", name="alice", cookie=f"{t3.cookie_name}={t3.new_session()}")
    assert answer.json()["path"] == "/-/credfd"
    assert served.ask("/-/credfd", name="mallory").status == 403


def test_what_is_counted_is_told(watched):
    served, t3, scrape = watched
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    served.ask("/", navigate=True)
    for _ in range(3):
        assert served.ask("/x", cookie=cookie).status == 200
    served.ask("/", name="mallory")
    wait_until(lambda: scrape().get('credfd_dispatch_requests_total{status="2xx"}') == "3" and
               scrape().get('credfd_dispatch_refused_total{reason="nobody"}') == "1", "three requests and one refused", timeout=30)
    told = scrape()
    assert told['credfd_dispatch_pairings_total{result="ok"}'] == "1"
    assert told["credfd_dispatch_table_names"] == "3"
    assert told['credfd_role_restarts_total{role="dispatcher"}'] == "0"
    assert not any(name in key for key in told for name in ("alice", "bob", "mallory"))


def test_connections_are_those_of_peoples_requests(watched):
    """A pairing of its own asks the instance, too: that is nobody's request."""
    served, t3, scrape = watched
    for number in range(3):
        assert served.ask("/", navigate=True, fields=[("User-Agent", f"browser {number}")]).status == 302
    cookie = f"{t3.cookie_name}={t3.new_session()}"
    for _ in range(2):
        assert served.ask("/x", cookie=cookie).status == 200
    kinds = [f'credfd_dispatch_upstream_connections_total{{connection="{kind}"}}' for kind in ("reused", "new")]
    wait_until(lambda: scrape().get('credfd_dispatch_requests_total{status="2xx"}') == "2", "both are told", timeout=30)
    told = scrape()
    assert sum(int(told[kind]) for kind in kinds) == 2, told


@pytest.fixture
def app(dispatch, instances, tmp_path):
    """With a kind of instance that is an app."""
    folder = tmp_path / "credfd" / "instances"
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(APP)
    served = dispatch(env={"XDG_CONFIG_HOME": str(tmp_path)})
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    served.write_config(profile="app")
    served.start()
    return served, f"{t3.cookie_name}={t3.new_session()}"


def test_a_document_becomes_an_app_with_an_exact_length(app):
    served, cookie = app
    with served.connect() as client:
        for _ in range(2):
            page = client.ask("GET", "/html", served.fields(cookie=cookie, navigate=True))
            assert page.text.startswith(f"<!doctype html><html><head>{ADDED}<title>")
            assert page.field("Content-Length") == str(len(page.body))
        head = client.ask("HEAD", "/html", served.fields(cookie=cookie, navigate=True))
        assert head.status == 200 and header_of(head, "Content-Length") in ("", str(len(page.body)))
        assert client.ask("GET", "/html", served.fields(cookie=cookie, navigate=True)).body == page.body


def test_nothing_else_is_changed(app):
    served, cookie = app
    big = served.ask("/big", cookie=cookie)
    assert big.body == b"x" * (10 << 20)
    assert "added" not in served.ask("/x", cookie=cookie).text


def test_the_manifest_is_served(app):
    served, cookie = app
    manifest = served.ask("/app.webmanifest", cookie=cookie)
    assert manifest.status == 200 and manifest.json() == {"name": "T3"}
