"""The control channel under attack: refused or bounded, nothing leaks, and whoever else uses a lease is served."""
import os
import resource

import pytest

import procs
from procs import wait_until


def settle(run, role, before):
    """As many descriptors as before, once everything that was closed is closed."""
    if procs.has_capability(procs.CAP_SYS_PTRACE):
        pid = run.role(role)
        wait_until(lambda: len(procs.descriptors(pid)) <= before, f"the {role} holds {before} descriptors again: "
                   f"{procs.descriptors(pid)}")


def held(run, role):
    return len(procs.descriptors(run.role(role))) if procs.has_capability(procs.CAP_SYS_PTRACE) else 0


def send_oddities(rounds):
    """Everything that a request must not be, many times over. Returns the answers and whether a dial works after."""
    channel = lease.Channel()
    lease.Stream(channel.dial()).close()
    say("before")
    hear()
    null, pair = os.open("/dev/null", os.O_RDONLY), socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    oddities = [(b"", ()), (b"\x01\x01", ()), (b"\x02", ()), (b"x" * 1000, ()), (b"x" * 100_000, ()),
                (b"\x01", (null,)), (b"\x01", (null,) * 253), (b"", (null,)), (b"xx", (null,) * 253),
                (b"\x01", (3,)), (b"\x01", (pair[0].fileno(), pair[1].fileno())),
                (b"\x01", (channel.socket.fileno(), 3))]
    answers = set()
    for data, fds in oddities * rounds:
        answer = channel.ask(data, fds)
        answers.add((answer.data.hex(), len(answer.fds)))
        assert answer.data == lease.REFUSED, (data[:10], len(fds))
    say("after")
    hear()
    return sorted(answers), lease.Stream(channel.dial()).get("/it").status


@pytest.mark.defence("door")
def test_every_odd_request_is_refused_again_and_again(credfd, user):
    run = credfd.start_inside(send_oddities, 100, user=user)
    run.expect("before")
    wait_until(lambda: run.roles("relay"), "a relay")
    before = held(run, "relay")
    run.say("go")
    run.expect("after")
    settle(run, "relay", before)
    run.say("end")
    assert run.result() == [[["ff", 0]], 200]


def flood(most):
    """Dials as fast as the queue takes them and reads no answer; asks through the other lease all the while."""
    channel, sent, others = lease.Channel(lease.numbers()["flooded"]), 0, []
    with lease.connect("other") as other:
        others.append(other.get("/before").status)
        stuck = 0
        while sent < most and stuck < 20:
            if channel.try_send():
                sent += 1
                stuck = 0
            else:
                stuck += 1
                others.append(other.get("/during").status)
        others.append(other.get("/after").status)
    with lease.connect("other") as fresh:
        others.append(fresh.get("/fresh").status)
    say("flooded")
    hear()
    granted = refused = 0
    while granted + refused < sent:
        answer = channel.receive(10)
        granted += bool(answer.fds)
        refused += answer.data == lease.REFUSED
        answer.close()
    say("drained")
    hear()
    return granted, refused, sent, sorted(set(others)), lease.Stream(channel.dial()).get("/it").status


@pytest.mark.defence("dials")
def test_a_flood_of_unread_dials_is_bounded_and_harms_no_other_lease(credfd):
    credentials = [credfd.credential("flooded", env=None), credfd.credential("other", env=None)]
    run = credfd.start_inside(flood, 100_000, credentials=credentials)
    run.expect("flooded")
    assert held(run, "relay") < 1024 and held(run, "keeper") < 1024
    assert procs.memory_kib(run.role("relay")) < 64 * 1024 or credfd.session.is_sanitized
    run.say("drain")
    run.expect("drained")
    settle(run, "relay", 32)
    run.say("end")
    granted, refused, sent, others, after = run.result()
    assert granted + refused == sent, "every request has its answer"
    assert (others, after) == ([200], 200)


def hold_everything():
    """Dials until refused, and keeps all of it, saying nothing on any stream."""
    channel, streams = lease.Channel(lease.numbers()["held"]), []
    while len(streams) < 5000:
        try:
            streams.append(channel.dial())
        except lease.Refused:
            break
    with lease.connect("other") as other:
        return len(streams), other.get("/it").status


@pytest.mark.defence("streams")
def test_streams_that_are_never_closed_are_bounded_and_harm_no_other_lease(credfd):
    def with_room():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))

    credentials = [credfd.credential("held", env=None), credfd.credential("other", env=None)]
    count, status = credfd.inside(hold_everything, credentials=credentials, preexec=with_room)
    assert 16 <= count <= 256, "a bound on open streams"
    assert status == 200
    credfd.require_nothing_left()


def dial_without_room(rounds):
    """At its own limit of descriptors: the answer's is cut off on the way. And dials that are given up at once."""
    channel, cut = lease.Channel(), 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (channel.socket.fileno() + 1, hard))
    for _ in range(rounds):
        answer = channel.ask()
        cut += answer.truncated and not answer.fds
        answer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for _ in range(rounds):
        channel.dial().close()
    with lease.connect() as stream:
        return cut, stream.get("/it").status


@pytest.mark.defence("leak")
def test_streams_that_nobody_holds_count_for_nothing(credfd):
    """More of them than a lease may have open: each was over when its descriptor was lost."""
    assert credfd.inside(dial_without_room, 300) == [300, 200]


def starve(role, rounds):
    """A role of ours at a limit that the workload has set, as its user may: what dials and requests come to."""
    pid = attack.our_roles()[role]
    with lease.connect() as stream:
        assert stream.get("/before").status == 200
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        outcomes = set()
        for _ in range(rounds):
            try:
                with lease.connect() as another:
                    outcomes.add(another.get("/during").status)
            except lease.Refused:
                outcomes.add("refused")
        outcomes.add(stream.get("/on-an-old-one").status)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    with lease.connect() as stream:
        return sorted(map(str, outcomes)), stream.get("/after").status


@pytest.mark.defence("lost_fd")
@pytest.mark.parametrize("role", ["credfd-relay", "credfd-keeper"])
def test_a_role_without_descriptors_refuses_and_goes_on(credfd, role, no_sanitizer):
    outcomes, after = credfd.inside(starve, role, 20)
    assert outcomes == ["200", "refused"] and after == 200
    credfd.require_nothing_left()


def test_leaving_in_the_middle_of_everything_leaves_nothing(credfd):
    """Requests unread, answers unread, streams half-used: and the command is gone."""
    def leave():
        channel = lease.Channel()
        streams = [lease.Stream(channel.dial()) for _ in range(20)]
        for number, stream in enumerate(streams):
            stream.send(b"POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"[:number * 4])
        for _ in range(50):
            channel.try_send()
        os.kill(os.getpid(), signal.SIGKILL)

    run = credfd.start_inside(leave)
    assert run.wait() == 128 + 9
    credfd.require_nothing_left()


def ask_in_the_name_of(pid):
    """A dial whose credentials name another process; then an honest request on whatever stream came."""
    channel = lease.Channel()
    claim = struct.pack("iII", pid, os.getuid(), os.getgid())
    try:
        channel.socket.sendmsg([b"\x01"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, claim)])
        forged, stream = "sent", lease.Stream(channel.accept(channel.receive()))
    except PermissionError:
        forged, stream = "EPERM", lease.Stream(channel.dial())
    return forged, stream.get("/it").status, os.getpid()


@pytest.mark.defence("asker")
def test_nobody_is_audited_in_anothers_name(credfd, user):
    run = credfd.start_inside(ask_in_the_name_of, os.getpid(), user=user)
    _, status, pid = run.result()
    assert status == 200
    assert run.audit(1)[0]["pid"] == pid


@pytest.mark.defence("caps")
def test_root_cannot_ask_in_anothers_name(credfd, as_root):
    """With CAP_SYS_ADMIN the kernel would let it name any pid: so the command has lost it."""
    run = credfd.start_inside(ask_in_the_name_of, os.getpid())
    forged, status, pid = run.result()
    assert (forged, status) == ("EPERM", 200)
    assert run.audit(1)[0]["pid"] == pid
