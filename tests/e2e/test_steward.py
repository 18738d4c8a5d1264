"""Instances on demand: started when somebody comes, by systemd over D-Bus or by a command; stopped when nobody uses
them; and their health, shown. With a real dispatcher, a bus of the test's own and a stand-in for systemd on it."""
import collections
import os
import signal
import socket
import sys
import threading

import pytest

import dispatch
import fake_systemd
import procs
import upstream as servers
import websocket
from procs import wait_until

needs_bus = pytest.mark.skipif(fake_systemd.why_not() is not None, reason=str(fake_systemd.why_not()))

PATIENCE = 30
IDLE = "1s"
NOBODY_KNOWN = 16  # s: ACTIVITY_LOST, before which a dispatcher that has just come counts as busy


class Place:
    """Where one instance is to be: its port, its folder, its unit."""

    def __init__(self, folder, name):
        self.name, self.port = name, servers.free_port()
        self.folder = folder / f"instance-{name}"
        self.folder.mkdir(mode=0o755)
        self.unit = f"t3@{name}.service"
        self.command = fake_systemd.instance(self.port, self.folder)

    def entry(self, **more):
        return {"os_user": self.name, "port": self.port, **more}

    def behaviour(self, **more):
        return {self.unit: {"start": self.command, **more}}

    def write(self, name, text):
        """Whole or not at all: the instance may be reading it."""
        (self.folder / f"{name}.new").write_text(text)
        os.replace(self.folder / f"{name}.new", self.folder / name)

    @property
    def asked(self):
        file = self.folder / "asked"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def alice(session):
    return Place(session.new_folder(), "alice")


@pytest.fixture
def systemd(session, alice):
    made = fake_systemd.Systemd(session.new_folder(), alice.behaviour())
    session.services.update(made.pids)
    yield made
    made.stop()
    session.services.difference_update(made.pids)


@pytest.fixture
def start(session):
    """Starts a dispatcher that starts instances."""
    made = []

    def begin(table, start=None, systemd=None, **changes):
        env = {"DBUS_SYSTEM_BUS_ADDRESS": systemd.address} if systemd else None
        made.append(dispatch.Dispatch(session, table, profile="none", env=env, start=start, **changes).start())
        return made[-1]

    yield begin
    for one in made:
        one.stop()


def comes_up(dispatcher, name="alice", **how):
    """Asks as a page that refreshes would, until the instance itself answers."""
    seen = collections.Counter()

    def answered():
        answer = dispatcher.ask("/", name, navigate=True, **how)
        seen[answer.status] += 1
        return answer.body == b"the instance"

    wait_until(answered, lambda: f"an answer of the instance; so far {seen}; {dispatcher.stderr[-2000:]}",
               timeout=PATIENCE)


def is_up(place):
    try:
        dispatch.Client(("127.0.0.1", place.port)).close()
    except OSError:
        return False
    return True


# By systemd.

@needs_bus
def test_a_person_who_comes_has_the_unit_started_and_lands_there(start, systemd, alice):
    dispatcher = start({"alice": alice.entry()}, {"unit": "t3@{os_user}.service"}, systemd)
    first = dispatcher.ask("/", navigate=True)
    assert first.status == 503 and "refresh" in str(first.fields).lower() + first.text.lower()
    comes_up(dispatcher)
    assert systemd.calls == [("StartUnit", alice.unit, "replace")]


@needs_bus
def test_an_entry_has_a_unit_of_its_own(start, systemd, alice):
    systemd.set(**{"own.service": {"start": alice.command}})
    dispatcher = start({"alice": alice.entry(start="own.service")}, {"unit": "t3@{os_user}.service"}, systemd)
    comes_up(dispatcher)
    assert systemd.calls == [("StartUnit", "own.service", "replace")]


@needs_bus
def test_many_who_ask_at_once_are_one_start(start, systemd, alice):
    systemd.set(**alice.behaviour(hold=True))
    dispatcher = start({"alice": alice.entry()}, {"unit": "t3@{os_user}.service"}, systemd)
    statuses = []
    askers = [threading.Thread(target=lambda: statuses.append(dispatcher.ask("/", navigate=True).status))
              for _ in range(30)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert statuses == [503] * 30
    systemd.set(**alice.behaviour())
    comes_up(dispatcher)
    assert systemd.count("StartUnit") == 1


FAILING = {
    "fails": ({"result": "failed"}, "t3@fails.service failed; see its status and the journal"),
    "late": ({"result": "timeout"}, "t3@late.service took too long; see its status and the journal"),
    "needy": ({"result": "dependency"}, "t3@needy.service: what it needs failed; see its status and the journal"),
    "absent": ({"error": "org.freedesktop.systemd1.NoSuchUnit"}, "t3@absent.service: there is no such unit"),
    "denied": ({"error": "org.freedesktop.DBus.Error.AccessDenied"}, "t3@denied.service: the dispatcher's user may neither start nor stop it; let polkit allow it, by a rule such as "
               "/etc/polkit-1/rules.d/50-credfd.rules"),
    "masked": ({"error": "org.freedesktop.systemd1.Masked"}, "t3@masked.service: systemd refused"),
}


@needs_bus
def test_a_start_that_fails_is_said_and_not_tried_again_at_once(start, systemd, session):
    """One test for all, and side by side: for each it takes WAKE_RETRY until it is tried again."""
    places = {name: Place(session.new_folder(), name) for name in FAILING}
    systemd.set(**{places[name].unit: behaviour for name, (behaviour, _) in FAILING.items()})
    table = {name: place.entry() for name, place in places.items()}
    dispatcher = start(table, {"unit": "t3@{os_user}.service"}, systemd)
    for name, (_, reason) in FAILING.items():
        dispatcher.ask("/", name, navigate=True)
        wait_until(lambda reason=reason: reason in dispatcher.stderr, lambda: f"{name}: {dispatcher.stderr}")
        for _ in range(10):
            assert dispatcher.ask("/", name, navigate=True).status in (502, 503)
        assert systemd.count("StartUnit", places[name].unit) == 1
    systemd.set(**{unit: how for place in places.values() for unit, how in place.behaviour().items()})
    for name, place in places.items():
        comes_up(dispatcher, name)
        assert systemd.count("StartUnit", place.unit) == 2


@needs_bus
def test_a_unit_that_never_listens_is_given_up(start, systemd, alice):
    systemd.set(**{alice.unit: {}})
    dispatcher = start({"alice": alice.entry()}, {"unit": "t3@{os_user}.service", "wait": "1s"}, systemd)
    dispatcher.ask("/", navigate=True)
    wait_until(lambda: "does not listen" in dispatcher.stderr, lambda: dispatcher.stderr)


@needs_bus
def test_without_a_bus_it_is_said_and_with_one_again_it_works(start, systemd, alice):
    systemd.stop()
    dispatcher = start({"alice": alice.entry()}, {"unit": "t3@{os_user}.service"}, systemd)
    dispatcher.ask("/", navigate=True)
    wait_until(lambda: f"{alice.unit}: systemd cannot be reached at unix:path=" in dispatcher.stderr, lambda: dispatcher.stderr)
    systemd.start()
    dispatcher.session.services.update(systemd.pids)
    comes_up(dispatcher)


@needs_bus
def test_a_bus_that_is_lost_in_the_middle_is_survived(start, systemd, alice):
    systemd.set(**alice.behaviour(hold=True))
    dispatcher = start({"alice": alice.entry()}, {"unit": "t3@{os_user}.service"}, systemd)
    steward = dispatcher.role("steward")
    dispatcher.ask("/", navigate=True)
    wait_until(lambda: systemd.count("StartUnit") == 1, "the call")
    systemd.stop()
    wait_until(lambda: f"{alice.unit}: the connection to systemd, by unix:path=" in dispatcher.stderr, lambda: dispatcher.stderr)
    systemd.set(**alice.behaviour())
    systemd.start()
    dispatcher.session.services.update(systemd.pids)
    comes_up(dispatcher)
    assert dispatcher.role("steward") == steward


@needs_bus
def test_an_instance_that_runs_is_not_started(start, systemd, alice, serve):
    instance = serve(tls=False)
    dispatcher = start({"alice": alice.entry(port=instance.port)}, {"unit": "t3@{os_user}.service"}, systemd)
    assert dispatcher.ask("/", navigate=True).status == 200
    assert systemd.calls == []


def test_without_a_way_to_start_it_is_down_and_nothing_more(start, alice):
    dispatcher = start({"alice": alice.entry()})
    answer = dispatcher.ask("/", navigate=True)
    assert answer.status == 502 and "http-equiv" not in answer.text


# By a command, which the supervisor runs.

def script(folder, name, text):
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def commands(alice, idle=None, start_text=None):
    pid = alice.folder / "pid"
    # in a session of its own by the time that Popen returns: what a command leaves in its group ends with it
    begin = f"""#!{sys.executable}
import os, subprocess, sys
print(*sys.argv[1:], file=open("{alice.folder}/started", "a"))
server = subprocess.Popen({alice.command}, start_new_session=True, stdout=subprocess.DEVNULL)
with open("{pid}.new", "w") as file:
    print(server.pid, file=file)
os.replace("{pid}.new", "{pid}")
"""
    end = f"#!/bin/sh\necho \"$@\" >>{alice.folder}/stopped\nkill $(cat {pid})\n"
    return {"command": [script(alice.folder, "start", start_text or begin), "{os_user}", "{name}"],
            "stop": [script(alice.folder, "stop", end), "{os_user}"], **({"idle": idle} if idle else {})}


@pytest.fixture
def ended(alice):
    """Whatever a start command left is ended."""
    yield
    file = alice.folder / "pid"
    wait_until(file.exists, "the pid of what was started")
    procs.kill(int(file.read_text()))


def test_a_command_starts_it(start, alice, ended):
    dispatcher = start({"anna": alice.entry()}, commands(alice))
    comes_up(dispatcher, "anna")
    assert (alice.folder / "started").read_text() == "alice anna\n"


def test_a_command_that_fails_is_said(start, alice):
    dispatcher = start({"alice": alice.entry()}, commands(alice, start_text="#!/bin/sh\nexit 3\n"))
    dispatcher.ask("/", navigate=True)
    wait_until(lambda: "was not started: its command ended with 3" in dispatcher.stderr, lambda: dispatcher.stderr)
    assert f"{alice.folder}/start for alice ended with 3" in dispatcher.stderr


def test_a_command_stops_it_when_nobody_uses_it(start, alice, ended):
    dispatcher = start({"alice": alice.entry()}, commands(alice, IDLE))
    comes_up(dispatcher)
    wait_until(lambda: not is_up(alice), "its stop", timeout=2 * NOBODY_KNOWN)
    assert (alice.folder / "stopped").read_text() == "alice\n"
    comes_up(dispatcher)  # and it is started again


# Idle.

@needs_bus
def test_it_is_stopped_when_idle_and_not_while_a_tunnel_is_open(start, systemd, session):
    """One test for both, and side by side: each takes as long as a dispatcher that has just come counts as busy."""
    quiet, busy = Place(session.new_folder(), "quiet"), Place(session.new_folder(), "busy")
    echo = websocket_instance(busy.port)
    systemd.set(**quiet.behaviour(), **busy.behaviour())
    dispatcher = start({"quiet": quiet.entry(), "busy": busy.entry()},
                       {"unit": "t3@{os_user}.service", "idle": IDLE}, systemd)
    with dispatcher.connect() as tunnel:
        assert tunnel.upgrade("/", dispatcher.fields("busy")).status == 101
        comes_up(dispatcher, "quiet")
        wait_until(lambda: not is_up(quiet), "its stop", timeout=3 * NOBODY_KNOWN)
        assert tunnel.echo(b"still here")
        assert systemd.count("StopUnit", busy.unit) == 0
    wait_until(lambda: systemd.count("StopUnit", busy.unit) == 1, "the stop of the other one", timeout=PATIENCE)
    assert systemd.count("StopUnit", quiet.unit) == 1  # once: it is not stopped again
    echo.stop()


@needs_bus
def test_one_that_says_it_is_busy_or_says_nothing_clear_is_not_stopped(start, systemd, session):
    said = {"yes": '{"work": {"idle": true}}', "no": '{"work": {"idle": false}}', "other": '{"idle": true}',
            "broken": '{"work": {"idle": true}'}
    places = {name: Place(session.new_folder(), name) for name in said}
    for name, place in places.items():
        place.write("activity", said[name])
    systemd.set(**{unit: how for place in places.values() for unit, how in place.behaviour().items()})
    dispatcher = start({name: place.entry() for name, place in places.items()},
                       {"unit": "t3@{os_user}.service", "idle": IDLE,
                        "activity": {"path": "/activity", "field": "work.idle"}}, systemd)
    for name in said:
        comes_up(dispatcher, name)
    wait_until(lambda: systemd.count("StopUnit", places["yes"].unit) == 1, "the stop of the idle one",
               timeout=3 * NOBODY_KNOWN)
    for name in ("no", "other", "broken"):
        wait_until(lambda place=places[name]: "/activity" in place.asked, f"{name} to be asked", timeout=PATIENCE)
        assert systemd.count("StopUnit", places[name].unit) == 0 and is_up(places[name])


@needs_bus
def test_only_what_was_used_and_is_still_in_the_table_is_stopped(start, systemd, session, serve):
    unseen = serve(tls=False)
    used, removed = Place(session.new_folder(), "used"), Place(session.new_folder(), "removed")
    systemd.set(**used.behaviour(), **removed.behaviour(), **{"t3@unseen.service": {}})
    table = {"used": used.entry(), "unseen": {"os_user": "unseen", "port": unseen.port}}
    dispatcher = start({**table, "removed": removed.entry()}, {"unit": "t3@{os_user}.service", "idle": IDLE}, systemd)
    comes_up(dispatcher, "used")
    comes_up(dispatcher, "removed")
    dispatcher.write_table(table)
    wait_until(lambda: dispatcher.ask("/", "removed").status == 403, "the table without them")
    wait_until(lambda: systemd.count("StopUnit", used.unit) == 1, "the stop of the one", timeout=3 * NOBODY_KNOWN)
    assert systemd.count("StopUnit") == 1 and is_up(removed)


# Its own death.

@needs_bus
def test_a_steward_that_dies_is_replaced_and_starts_instances(start, systemd, alice):
    dispatcher = start({"alice": alice.entry()}, {"unit": "t3@{os_user}.service"}, systemd)
    old = dispatcher.role("steward")
    procs.kill(old, signal.SIGKILL)
    wait_until(lambda: dispatcher.roles("steward") not in ([], [old]), "another")
    comes_up(dispatcher)


# Health.

RECIPE = """
health: /health
"""


def test_health_is_asked_when_somebody_looks_and_hides_nothing(start, session, serve, monkeypatch):
    """By the recipe's path: any answer but a server's failure is up, and so is whoever has no path and accepts."""
    config = session.new_folder()
    recipe = config / "credfd" / "instances" / "checked.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(RECIPE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))

    def says(status):
        def answer(peer):
            while seen := peer.read_request():
                peer.answer(b"x", f"{status} X" if seen.path == "/health" else "200 OK")
        return serve(answer, tls=False)

    places = {"well": says(204), "login": says(401), "gone": says(404), "ill": says(500), "plain": serve(tls=False)}
    table = {name: {"os_user": name, "port": server.port} for name, server in places.items()}
    for name in ("well", "login", "gone", "ill"):
        table[name]["profile"] = "checked"
    table["down"] = {"os_user": "down", "port": servers.free_port()}
    metrics = servers.free_port()
    dispatcher = start(table, admins=["well"], top={"metrics": f"127.0.0.1:{metrics}"})

    def known():
        dispatcher.ask("/-/credfd", "well", navigate=True)
        with dispatch.Client(("127.0.0.1", metrics)) as client:
            text = client.ask("GET", "/metrics").text
        return {line.split('"')[1]: int(line.split()[-1]) for line in text.splitlines()
                if line.startswith("credfd_dispatch_instances{")}

    wait_until(lambda: known() == {"up": 4, "down": 2, "unknown": 0}, lambda: str(known()), timeout=PATIENCE)
    assert dispatcher.ask("/", "ill").status == 200
    assert dispatcher.ask("/", "down").status == 502  # it is tried all the same


# What stands in for an instance with a WebSocket.

def websocket_instance(port):
    listener = socket.create_server(("127.0.0.1", port))

    class Echo(threading.Thread):
        def run(self):
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

        def stop(self):
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    thread = Echo(daemon=True)
    thread.start()
    return thread


def serve_one(connection):
    file = connection.makefile("rb")
    fields = {}
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        fields[name.lower()] = value.strip()
    if "sec-websocket-key" not in fields:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nthe instance")
        connection.close()
        return
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + websocket.accept_for(fields["sec-websocket-key"]).encode() +
                       b"\r\n\r\n")
    try:
        while True:
            opcode, payload, *_ = websocket.read_frame(file)
            connection.sendall(websocket.frame(opcode, payload, False, True))
            if opcode == websocket.CLOSE:
                break
    except (OSError, websocket.Gone):
        pass
    connection.close()

