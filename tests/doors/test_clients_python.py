"""Python as it is, behind the proxy and behind a URL: urllib, requests, pip. By Debian's own interpreter."""
import pytest

import index

PYTHON = "/usr/bin/python3"


@pytest.fixture
def python(needs):
    needs(PYTHON)


def has(module):
    return f"{PYTHON} -c 'import {module}' 2>/dev/null"


def test_urllib_through_the_proxy(python, through_proxy, api, key_is_upstream_alone):
    run = through_proxy(f"""
        {PYTHON} -c '
import os, urllib.request
url = "https://api.test:" + os.environ["PORT"]
for data in None, b"x" * 70000:
    with urllib.request.urlopen(url + "/some/path", data) as answer:
        print(answer.status, answer.read().decode())
'
        env
    """)
    assert run.wait() == 0, run.stdout
    assert [(seen.method, seen.body_length) for seen in api.requests] == [("GET", 0), ("POST", 70000)]
    assert run.stdout.decode().startswith('200 {"method": "GET"')
    key_is_upstream_alone(run, api.requests)


def test_urllib_checks_strictly(python, through_proxy, api, key_is_upstream_alone):
    """As Python 3.13 does by itself: RFC 5280, to the letter."""
    run = through_proxy(f"""
        {PYTHON} -c '
import os, ssl, urllib.request
context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
print(urllib.request.urlopen("https://api.test:" + os.environ["PORT"] + "/", context=context).status)
'
        env
    """)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b"200\n")
    key_is_upstream_alone(run, api.requests)


def test_urllib_through_a_url(python, through_url, api, key_is_upstream_alone):
    run = through_url(f"""
        {PYTHON} -c 'import os, urllib.request as r; print(r.urlopen(os.environ["API"] + "/some/path").read().decode())'
        env
    """)
    assert run.wait() == 0, run.stdout
    assert run.stdout.startswith(b'{"method": "GET", "path": "/some/path"')
    key_is_upstream_alone(run, api.requests)


def test_requests_through_the_proxy(python, through_proxy, api, key_is_upstream_alone):
    run = through_proxy(f"""
        {has("requests")} || {{ echo none; exit; }}
        {PYTHON} -c '
import os, requests
url = "https://api.test:" + os.environ["PORT"]
with requests.Session() as session:
    print(session.get(url + "/some/path").json()["path"])
    print(session.post(url + "/other", data="x" * 70000).json()["length"])
'
        env
    """)
    assert run.wait() == 0, run.stdout
    if run.stdout == b"none\n":
        pytest.skip("no python3-requests here; packaging/apt has it")
    assert run.stdout.startswith(b"/some/path\n70000\n"), run.stdout
    assert api.connections == 1
    key_is_upstream_alone(run, api.requests)


def test_requests_is_told_of_a_host_that_is_not_let_through(python, through_proxy, api):
    run = through_proxy(f"""
        {has("requests")} || {{ echo none; exit; }}
        {PYTHON} -c '
import requests
try:
    requests.get("https://elsewhere.example.org/")
except requests.exceptions.ProxyError as error:
    print(error)
'
    """)
    assert run.wait() == 0, run.stdout
    if run.stdout == b"none\n":
        pytest.skip("no python3-requests here; packaging/apt has it")
    assert b"403" in run.stdout, run.stdout
    refused = run.audit(1)
    assert [line["authority"] for line in refused] == ["elsewhere.example.org:443"]


PIP = f"{PYTHON} -m pip --disable-pip-version-check --no-cache-dir download -q --no-deps"
SHOW_WHEEL = f"PYTHONPATH=$PWD/{index.WHEEL} {PYTHON} -c 'import greeting; print(greeting.say())'"


def skip_without_pip(run):
    if b"No module named pip" in run.stdout:
        pytest.skip("no python3-pip here; packaging/apt has it")


def test_pip_downloads_from_an_index_that_wants_a_key(python, credfd, through_proxy, serve, api, key_is_upstream_alone):
    """A private index: the key goes there, and pip is told of none."""
    shelf = index.Index("robot", credfd.canary)
    server = serve(shelf.serve)
    run = through_proxy(f"""
        {PIP} --index-url https://api.test:$INDEX/simple/ greeting
        {SHOW_WHEEL}
        env
    """, upstream=f"https://api.test:{server.port}", inject={"basic": {"user": "robot"}}, allow=["GET /**"],
        environment={"INDEX": str(server.port)})
    status = run.wait()
    skip_without_pip(run)
    assert status == 0 and run.stdout.startswith(b"hello from the index\n"), run.stdout
    assert shelf.refused == [] and len(server.requests) == 2
    assert not credfd.session.search.is_in(run.stdout)


def test_pip_downloads_from_an_index_that_is_let_through(python, credfd, through_proxy, serve, api):
    """No key is for it: a line in `egress` lets it through, and an address says by itself that it is meant."""
    shelf = index.Index()
    server = serve(shelf.serve, tls=False)
    run = through_proxy(f"""
        {PIP} --index-url http://127.0.0.1:$INDEX/simple/ greeting
        {SHOW_WHEEL}
        env
    """, egress=[f"127.0.0.1:{server.port}"], environment={"INDEX": str(server.port)})
    status = run.wait()
    skip_without_pip(run)
    assert status == 0 and run.stdout.startswith(b"hello from the index\n"), run.stdout
    assert [seen.path for seen in server.requests] == ["/simple/greeting/", f"/files/{index.WHEEL}"]
    assert all(not seen.all("Authorization") for seen in server.requests) and api.requests == []


def test_pip_gets_nothing_from_an_index_that_is_not(python, through_proxy, serve):
    server = serve(index.Index().serve, tls=False)
    run = through_proxy(f"{PIP} --retries 0 --index-url http://127.0.0.1:$INDEX/simple/ greeting || echo status $?",
                        environment={"INDEX": str(server.port)})
    assert run.wait() == 0
    skip_without_pip(run)
    assert b"status 1" in run.stdout and server.connections == 0
