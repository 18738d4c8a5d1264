"""Who has which instance: the table's file in both its forms, and what happens when it changes."""
import json
import os
import signal
import subprocess

import pytest

import websocket
from procs import wait_until


def session_of(t3):
    return f"{t3.cookie_name}={t3.new_session()}"


@pytest.fixture
def serve(dispatch, instances):
    """serve(text or function of two instances) is a running dispatcher and the two."""
    def serve(table, **settings):
        served = dispatch(**settings)
        one, two = instances(served, "one"), instances(served, "two")
        served.write_table(table(one, two))
        return served.start(), one, two
    return serve


def who(served, name, *sessions, target="/who", host=None):
    fields = [("Host", host)] if host else []
    answer = served.ask(target, name, cookie="; ".join(map(session_of, sessions)), fields=fields)
    if not answer.is_whole:
        return "broken off"  # its instance went out of the table meanwhile
    return answer.json()["instance"] if answer.status == 200 else answer.status


def test_yaml_says_more(serve, session):
    served, one, two = serve(lambda one, two: f"""
alice: {{ os_user: one, host: 127.0.0.1, port: {one.port}, names: [ al, alicia ] }}
bob:
  - {{ os_user: one, port: {one.port} }}
  - {{ os_user: two, port: {two.port}, at: /lab }}
carol:
  - {{ os_user: one, port: {one.port}, at: one.example.org }}
  - {{ os_user: two, port: {two.port}, at: two.example.org }}
dora: {{ os_user: two, host: localhost, port: {two.port} }}
""")
    assert [who(served, name, one) for name in ("alice", "al", "alicia")] == ["one"] * 3
    assert who(served, "bob", one, two) == "one"
    assert who(served, "bob", one, two, target="/lab/tree") == "two" == who(served, "bob", one, two, target="/lab")
    assert who(served, "bob", one, two, target="/laboratory") == "one"
    assert who(served, "carol", one, two, host="one.example.org") == "one"
    assert who(served, "carol", one, two, host="Two.Example.org:443") == "two"
    assert who(served, "carol", one, two, host="three.example.org") == 403
    assert who(served, "dora", two) == "two"


def test_an_instance_on_a_unix_socket(dispatch, instances, session):
    served = dispatch()
    place = session.new_folder() / "t3.sock"
    t3 = instances(served, "one", unix=str(place))
    served.write_table(f"alice: {{ os_user: one, unix: {place} }}\n")
    served.start()
    assert who(served, "alice", t3) == "one"
    assert served.ask("/", navigate=True).status == 302


def test_a_changed_table_counts_at_once_and_a_bad_one_changes_nothing(serve):
    served, one, two = serve(lambda one, two: {"alice": {"os_user": "one", "port": one.port}})
    assert who(served, "bob", two) == 403
    served.write_table({"alice": {"os_user": "one", "port": one.port}, "bob": {"os_user": "two", "port": two.port}})
    wait_until(lambda: who(served, "bob", two) == "two", "bob is known")
    for text in ('{"alice": ', "", "[]", '{"alice": {"os_user": "one", "port": 0}}'):
        before = len(served.stderr)
        served.write_table(text or " ")
        wait_until(lambda: str(served.table_file) in served.stderr[before:], f"a word about {text!r}")
        assert who(served, "bob", two) == "two"
    served.write_table({"bob": {"os_user": "two", "port": two.port}})
    wait_until(lambda: who(served, "alice", one) == 403, "alice is gone")


def test_a_file_that_goes_and_comes_back(serve):
    served, one, two = serve(lambda one, two: {"alice": {"os_user": "one", "port": one.port}})
    served.table_file.unlink()
    wait_until(lambda: str(served.table_file) in served.stderr, "a word about it")
    assert who(served, "alice", one) == "one"
    served.write_table({"alice": {"os_user": "two", "port": two.port}})
    wait_until(lambda: who(served, "alice", one, two) == "two", "the new one counts")


def test_a_link_that_is_switched(serve, session):
    folder = session.new_folder()
    served, one, two = serve(lambda one, two: {"alice": {"os_user": "one", "port": one.port}})
    (folder / "a.json").write_text(json.dumps({"alice": {"os_user": "two", "port": two.port}}))
    os.symlink(folder / "a.json", folder / "link")
    os.replace(folder / "link", served.table_file)
    wait_until(lambda: who(served, "alice", one, two) == "two", "the link's target counts")


def test_removal_ends_that_persons_tunnels_and_nobody_elses(serve):
    served, one, two = serve(lambda one, two: {"alice": {"os_user": "one", "port": one.port},
                                               "bob": {"os_user": "two", "port": two.port},
                                               "eve": {"os_user": "two", "port": two.port}})
    tunnels = {}
    for name, t3 in (("alice", one), ("bob", two), ("eve", two)):
        tunnels[name] = served.connect()
        assert tunnels[name].upgrade("/ws", served.fields(name, cookie=session_of(t3))).status == 101
        assert tunnels[name].echo(b"hello")
    served.write_table({"alice": {"os_user": "two", "port": two.port}, "bob": {"os_user": "two", "port": two.port}})
    for name in ("eve", "alice"):  # gone, and led somewhere else
        try:
            while tunnels[name].read_frame()[0] != websocket.CLOSE:
                pass
        except (websocket.Gone, ConnectionError):
            pass
        assert tunnels[name].is_ended()
    assert tunnels["bob"].echo(b"still here")
    assert {line["name"] for line in served.access(2, "tunnel_end")} == {"alice", "eve"}


@pytest.mark.parametrize("text, line, word", [
    ('{"alice": {"os_user": "one", "port": 0}}', 1, "port"),
    ('{"alice": {"os_user": "one", "port": 70000}}', 1, "port"),
    ('{"alice": {"os_user": "one", "port": "80"}}', 1, "port"),
    ('{"alice": {"os_user": "one", "port": 80.5}}', 1, "port"),
    ('{"alice": {"os_user": "one"}}', 1, "port"),
    ('{"alice": {"port": 80}}', 1, "os_user"),
    ('{"alice": {"os_user": "../x", "port": 80}}', 1, "os_user"),
    ('{"alice": {"os_user": "-u root", "port": 80}}', 1, "os_user"),
    ('{"alice": {"os_user": "one", "port": 80},\n "alice": {"os_user": "two", "port": 81}}', 2, "alice"),
    ('{"alice@x": {"os_user": "one", "port": 80}}', 1, "alice"),
    ('{"": {"os_user": "one", "port": 80}}', 1, ""),
    ('{"alice": 7}', 1, "alice"), ("[]", 1, ""), ('{"alice": {', 1, ""),
    ("alice: { os_user: one, port: 80 }\nalice: { os_user: two, port: 81 }", 2, "alice"),
    ("alice: { os_user: one, port: 80, unix: /x }", 1, "unix"),
    ("alice: { os_user: one, port: 80, nonsense: 1 }", 1, "nonsense"),
    ("alice: { os_user: one, port: 80, profile: nonsense }", 1, "nonsense"),
    ("alice: { os_user: one, port: 80, names: [ bob ] }\nbob: { os_user: two, port: 81 }", 2, "bob"),
])
def test_faults_are_told_with_their_line(dispatch, text, line, word):
    served = dispatch(table=text)
    done = subprocess.run([served.session.path, "dispatch", "-c", served.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 125
    assert f"{served.table_file}:{line}" in done.stderr and word in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_hundred_thousand_names(serve):
    table = {f"person-{i}": {"os_user": f"user{i}", "port": 1 + i % 65535} for i in range(100_000)}
    served, one, two = serve(lambda one, two: {**table, "alice": {"os_user": "one", "port": one.port}})
    assert who(served, "alice", one) == "one"
    served.write_table({**table, "alice": {"os_user": "one", "port": one.port},
                        "bob": {"os_user": "two", "port": two.port}})
    wait_until(lambda: who(served, "bob", two) == "two", "the new one counts")
    assert who(served, "person-99999") in (401, 502)


def test_a_table_that_is_mended_is_told(serve):
    served, one, _ = serve(lambda one, two: {"alice": {"os_user": "one", "port": one.port}})
    served.write_table("{ not json")
    wait_until(lambda: "the table that there was stays in force" in served.stderr, lambda: served.stderr)
    served.write_table({"bob": {"os_user": "one", "port": one.port}})
    wait_until(lambda: f"{served.table_file} is in order again and in force: 1 name\n" in served.stderr, lambda: served.stderr)
    wait_until(lambda: who(served, "bob", one) == "one", "the new table at every dispatcher")


def test_requests_go_on_while_the_supervisor_is_busy(serve):
    """While it reads a large table it hears nothing of what dispatchers count: they wait for nobody."""
    people = [f"person-{i}" for i in range(1500)]
    served, one, _ = serve(lambda one, two: {name: {"os_user": "one", "port": one.port} for name in people})
    cookie = session_of(one)
    os.kill(served.pid, signal.SIGSTOP)
    try:
        answers = [served.ask("/who", name, cookie=cookie).status for name in people]
    finally:
        os.kill(served.pid, signal.SIGCONT)
    assert answers == [200] * len(people)
    assert who(served, people[0], one) == "one"
