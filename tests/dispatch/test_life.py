"""Starting, reloading, draining, being replaced, and roles that die: what is open stays open until its time."""
import os
import resource
import signal
import socket
import threading
import time

import pytest

import procs
import websocket
from procs import wait_until


def session_of(t3):
    return f"{t3.cookie_name}={t3.new_session()}"


def open_tunnel(served, t3):
    client = served.connect()
    assert client.upgrade("/ws", served.fields(cookie=session_of(t3))).status == 101
    return client


class Askers:
    """Threads that ask without a pause, each time on a new connection; `refused` is what went wrong."""

    def __init__(self, served, t3, count=4):
        self.served, self.cookie, self.refused, self.asked = served, session_of(t3), [], 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        while not self.over.is_set():
            try:
                status = self.served.ask("/x", cookie=self.cookie).status
                if status != 200:
                    self.refused.append(status)
            except (OSError, websocket.Gone) as error:
                self.refused.append(repr(error))
            self.asked += 1

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.refused


def test_a_reload_drops_nothing(alice):
    served, t3 = alice
    tunnel, kept = open_tunnel(served, t3), served.connect()
    cookie = session_of(t3)
    askers = Askers(served, t3)
    for _ in range(5):
        before = askers.asked
        served.reload()
        wait_until(lambda: askers.asked > before + 20, "they go on")
        assert tunnel.echo(b"still here")
        assert kept.ask("GET", "/x", served.fields(cookie=cookie)).status == 200
    assert askers.end() == []


def test_a_configuration_that_is_mended_is_told(alice):
    served, _ = alice
    served.config.write_text("dispatch: [")
    procs.kill(served.pid, signal.SIGHUP)
    wait_until(lambda: "the configuration was not read again" in served.stderr, lambda: served.stderr)
    served.write_config()
    procs.kill(served.pid, signal.SIGHUP)
    wait_until(lambda: "the configuration was read again and is in force" in served.stderr, lambda: served.stderr)


def test_a_reload_takes_over_what_has_changed(alice):
    served, t3 = alice
    cookie = session_of(t3)
    served.write_config(identity={"header": "Remote-User"})
    served.reload()
    wait_until(lambda: served.ask("/x", None, cookie=cookie, fields=[("Remote-User", "alice")]).status == 200,
               "the new header counts")
    assert served.ask("/x", "alice", cookie=cookie).status == 403
    before = len(served.stderr)
    served.config.write_text("dispatch: [")
    served.reload()
    wait_until(lambda: len(served.stderr) > before, "a word about it")
    assert served.ask("/x", None, cookie=cookie, fields=[("Remote-User", "alice")]).status == 200


def test_a_log_that_was_moved_away_is_opened_anew(alice):
    served, t3 = alice
    cookie = session_of(t3)
    served.ask("/before", cookie=cookie)
    served.access(1)
    served.access_log.rename(served.folder / "access.old")
    served.reload()
    wait_until(served.access_log.exists, "the new log is there")
    wait_until(lambda: served.ask("/after", cookie=cookie) and served.access_log.read_text(), "lines go there")
    assert '"/before"' in (served.folder / "access.old").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_ends_in_order(alice, number):
    served, t3 = alice
    served.write_config(drain="700ms")
    served.reload()
    tunnel, kept = open_tunnel(served, t3), served.connect()
    assert kept.ask("GET", "/x", served.fields(cookie=session_of(t3))).status == 200
    assert tunnel.echo(b"hello")
    running = served.connect()
    running.send_request("GET", "/events", served.fields(cookie=session_of(t3)))
    assert running.read_head().status == 200
    procs.kill(served.pid, number)
    assert kept.is_ended()
    for _ in range(3):
        t3.next_event.set()
        wait_until(lambda: not t3.next_event.is_set(), "it goes on")
    assert b"data: 2" in running.file.read()
    opcode, payload = tunnel.read_frame()
    assert (opcode, websocket.close_code(payload)) == (websocket.CLOSE, 1001)
    assert tunnel.is_ended()
    assert served.wait() == 0
    assert t3.closed_with == [1001]
    assert "STOPPING=1" in served.notified
    assert "ending" in served.access(1, "tunnel_end")[-1]["reason"]
    with pytest.raises(OSError):
        served.connect()


def test_a_drain_with_nothing_open_ends_at_once(alice):
    served, t3 = alice
    served.write_config(drain="10m")
    served.reload()
    served.ask("/x", cookie=session_of(t3))
    served.terminate()
    assert served.wait() == 0


def test_a_drain_waits_for_no_dispatcher_that_is_dead(alice):
    served, t3 = alice
    served.write_config(drain="10m")
    served.reload()
    wait_until(lambda: served.notified.count("READY=1") > 1, "it has taken that over")
    for _ in range(6):  # each time it comes back later
        procs.kill(served.role("dispatcher"))
    served.terminate()
    assert served.wait() == 0


def test_a_second_signal_ends_it_now(alice):
    served, t3 = alice
    served.write_config(drain="10m")
    served.reload()
    wait_until(lambda: "READY=1" in served.notified, "it is ready again")
    tunnel = open_tunnel(served, t3)
    served.terminate()
    wait_until(lambda: "STOPPING=1" in served.notified, "it drains")
    assert tunnel.echo(b"still here")
    served.terminate()
    served.wait()
    assert tunnel.is_ended()


# Replaced.

def test_a_successor_takes_over_without_a_refused_connection(alice, session):
    served, t3 = alice
    tunnel = open_tunnel(served, t3)
    askers = Askers(served, t3)
    for generation in range(2):
        procs.kill((served.pid, *served.successors)[-1], signal.SIGUSR2)
        wait_until(lambda: len(served.successors) > generation, "a successor says that it serves")
        wait_until(lambda: served.notified.count("READY=1") == generation + 2, "the service manager hears it")
        asked = askers.asked
        wait_until(lambda: askers.asked > asked + 50, "they go on")
        if generation == 0:
            assert tunnel.echo(b"the old one still serves what is open")
    assert askers.end() == []
    opcode, payload = tunnel.read_frame()
    assert (opcode, websocket.close_code(payload)) == (websocket.CLOSE, 1001)
    served.wait()
    assert served.ask("/x", cookie=session_of(t3)).status == 200
    procs.kill(served.successors[-1], signal.SIGTERM)
    wait_until(lambda: procs.state(served.successors[-1]) in ("", "Z"), "the last one ends")
    assert served.notified[-2] == "STOPPING=1" and served.unheard == []


def test_the_main_process_alone_speaks_to_the_service_manager(alice):
    """While two are there too: whatever else either is told meanwhile."""
    served, t3 = alice
    tunnel = open_tunnel(served, t3)
    procs.kill(served.pid, signal.SIGUSR2)
    wait_until(lambda: served.successors, "a successor says that it serves")
    for pid in (served.pid, served.successors[0]):
        procs.kill(pid, signal.SIGHUP)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}, "bob": {"os_user": "bob", "port": t3.port}})
    wait_until(lambda: served.notified.count("READY=1") >= 3 and
               any("2 names" in line for line in served.notified), "the successor says so")
    assert tunnel.echo(b"the old one is there") and served.unheard == []


def test_a_successor_that_cannot_serve_changes_nothing(alice):
    served, t3 = alice
    served.config.write_text("dispatch: [")
    before = len(served.stderr)
    procs.kill(served.pid, signal.SIGUSR2)
    wait_until(lambda: "success" in served.stderr[before:].lower(), "a word about it")
    assert served.ask("/x", cookie=session_of(t3)).status == 200


# Sockets from the service manager.

ACTIVATE = ('import os, sys; os.dup2(int(sys.argv[1]), 3, inheritable=True); '
            'os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])')


def test_socket_activation(dispatch, instances):
    served = dispatch(listen=["systemd"])
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    listening = socket.create_server(("127.0.0.1", served.port), backlog=100)
    early = served.connect()  # before anybody accepts
    early.send_request("GET", "/x", served.fields(cookie=session_of(t3)))
    served.start(["/usr/bin/python3", "-c", ACTIVATE, str(listening.fileno())], [listening.fileno()])
    assert early.read_answer().status == 200
    served.terminate()
    assert served.wait() == 0
    later = served.connect()  # nobody was refused: the next one will accept it
    later.close()
    listening.close()


def test_a_configuration_without_a_place_takes_what_is_handed_over(dispatch, instances):
    """`dispatch: {}` beside the shipped socket unit: that is the very port of the default."""
    served = dispatch(listen=None)
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    listening = socket.create_server(("127.0.0.1", served.port), backlog=100)
    served.start(["/usr/bin/python3", "-c", ACTIVATE, str(listening.fileno())], [listening.fileno()])
    assert served.ask("/x", cookie=session_of(t3)).status == 200
    assert f"listens at 127.0.0.1:{served.port} (from systemd); " in served.stderr
    procs.kill(served.pid, signal.SIGUSR2)  # and hands it on
    wait_until(lambda: served.successors, "a successor says that it serves")
    assert served.ask("/x", cookie=session_of(t3)).status == 200
    listening.close()


# Roles that die.

@pytest.mark.parametrize("role", ["dispatcher", "pairer", "steward"])
def test_a_role_that_dies_is_started_again(alice, role):
    served, t3 = alice
    cookie = session_of(t3)
    dead = served.role(role)
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: served.roles(role) and dead not in served.roles(role), "another is there")
    wait_until(lambda: served.ask("/", navigate=True).status == 302, "people are paired")
    assert served.ask("/x", cookie=cookie).status == 200


def is_copied(served, role):
    """And has not been heard: the process of which it is a copy is not reaped."""
    return any(procs.comm(pid).startswith(f"credfd-{role}"[:15]) and procs.state(pid) == "Z"
               for pid in procs.children(served.pid))


def rests(pid):
    """It has done what there was to do: for a tenth of a second it does nothing."""
    for _ in range(20):
        if procs.state(pid) != "S":
            return False
        time.sleep(0.005)
    return True


def start_again_unheard(served, role):
    """The role dies; the next of it has said hello to a supervisor that stands still."""
    for _ in range(50):
        dead = served.role(role)
        os.kill(dead, signal.SIGKILL)
        wait_until(lambda dead=dead: served.roles(role) not in ([], [dead]), "another is there", pause=0)
        os.kill(served.pid, signal.SIGSTOP)
        wait_until(lambda: rests(served.role(role)), f"the {role} to wait for its supervisor")
        if is_copied(served, role):
            return
        os.kill(served.pid, signal.SIGCONT)  # it was quicker
    pytest.fail("the supervisor is always quicker")


@pytest.mark.parametrize("other", ["pairer", "steward"])
def test_who_dies_while_another_starts_takes_nobody_with_it(dispatch, instances, other):
    """The new one is introduced to a process that has ended, and of which nobody has said so yet."""
    served = dispatch(workers=1)
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    served.start()
    victim = served.role(other)
    start_again_unheard(served, "dispatcher")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: procs.state(victim) == "Z", f"the end of the {other}")
    os.kill(served.pid, signal.SIGCONT)
    wait_until(lambda: served.roles(other) not in ([], [victim]), f"another {other}")
    assert served.ask("/x", cookie=session_of(t3)).status == 200


@pytest.mark.parametrize("spare", range(4))
def test_a_role_that_cannot_be_told_what_it_needs_is_followed_by_one_that_can(dispatch, instances, as_root, spare):
    """Its supervisor has descriptors for its start, and for no more, or not even for that."""
    served = dispatch(workers=1)
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    served.start()
    held = procs.descriptors(served.pid)
    free = [number for number in range(4096) if number not in held]
    before = resource.prlimit(served.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(served.pid, resource.RLIMIT_NOFILE, (free[spare], before[1]))
    dead = served.role("dispatcher")
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: "cannot be" in served.stderr or served.roles("dispatcher") not in ([], [dead]),
               "another, or a word about it")
    time.sleep(0.2)
    resource.prlimit(served.pid, resource.RLIMIT_NOFILE, before)
    wait_until(lambda: served.roles("dispatcher") not in ([], [dead]), "another")
    assert served.ask("/x", cookie=session_of(t3)).status == 200


def test_a_dispatcher_that_dies_takes_only_its_own_connections_with_it(alice):
    served, t3 = alice
    tunnels = [open_tunnel(served, t3) for _ in range(40)]
    dead = served.role("dispatcher")
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: len(served.roles("dispatcher")) == 2 and dead not in served.roles("dispatcher"), "another")
    lost = 0
    for tunnel in tunnels:
        try:
            assert tunnel.echo(b"still here")
        except (OSError, websocket.Gone):
            lost += 1
    assert 0 < lost < len(tunnels)
    askers = Askers(served, t3)
    wait_until(lambda: askers.asked > 100, "they are served")
    assert askers.end() == []


def test_the_supervisors_end_is_everybodys(alice):
    served, _ = alice
    roles = [pid for name in ("dispatcher", "pairer") for pid in served.roles(name)]
    assert len(roles) >= 3
    served.process.kill()
    served.wait()
    wait_until(lambda: not [pid for pid in roles if procs.state(pid) not in ("", "Z")], "every role has ended")


def test_it_says_that_it_lives_to_a_watchdog(dispatch, instances):
    served = dispatch(env={"WATCHDOG_USEC": "200000"})
    t3 = instances(served)
    served.write_table({"alice": {"os_user": "alice", "port": t3.port}})
    served.start()
    wait_until(lambda: "WATCHDOG=1" in served.notified, "it says so")
    before = served.notified.count("WATCHDOG=1")
    wait_until(lambda: served.notified.count("WATCHDOG=1") > before + 2, "and goes on")
