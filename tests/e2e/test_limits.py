"""Out of descriptors or memory, in the workload or in our roles: that one request is refused, and the rest goes on."""
import resource

import pytest

import procs
from procs import wait_until


def test_a_workload_without_room_for_a_descriptor_loses_only_that_stream(credfd):
    """The kernel cuts the descriptor off (MSG_CTRUNC): the client sees it, and the broker sees a closed stream."""
    def ask_without_room():
        channel = lease.Channel()
        lease.Stream(channel.dial()).get("/before")
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = [os.dup(0) for _ in range(3)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, hard))
        outcomes = []
        for _ in range(20):
            answer = channel.ask()
            outcomes.append([answer.data.hex(), len(answer.fds), answer.truncated])
            answer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 50, hard))
        after = lease.Stream(channel.dial()).get("/after").status
        say("done")
        hear()
        return outcomes, after

    run = credfd.start_inside(ask_without_room)
    run.expect("done")
    if procs.has_capability(procs.CAP_SYS_PTRACE):
        relay = run.role("relay")
        wait_until(lambda: len(procs.descriptors(relay)) < 20, "the relay closes the streams that nobody got")
    run.say("end")
    outcomes, after = run.result()
    assert after == 200
    assert all(outcome in (["01", 0, True], ["ff", 0, False]) for outcome in outcomes), outcomes


def ask_under_pressure(count):
    """A barrage while the test holds the limit low, then another after it is raised again."""
    def barrage():
        outcomes, streams = [], []
        channel = lease.Channel()
        for number in range(count):
            try:
                streams.append(lease.Stream(channel.dial()))
                outcomes.append(streams[-1].get(f"/once?number={number}").status)
            except lease.Refused:
                outcomes.append("refused")
            except lease.Truncated:
                outcomes.append("cut")
        for stream in streams:
            stream.close()
        channel.close()
        return outcomes

    say("ready")
    hear()
    first = barrage()
    say("first")
    hear()
    second = barrage()
    say("second")
    hear()
    return first, second, barrage()


@pytest.mark.parametrize("role", ["relay", "keeper"])
def test_a_role_out_of_descriptors_refuses_and_recovers(credfd, role, sees_into_processes, no_sanitizer):
    run = credfd.start_inside(ask_under_pressure, 30)
    pid = first_barrage(run, role)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    lower(pid, before)
    run.say("go")
    run.expect("second")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    run.say("go")
    first, second, third = run.result()
    assert first == third == [200] * 30
    assert set(second) <= {200, 502, 503, "refused"}
    assert set(second) - {200}, "it ran out of descriptors"


@pytest.mark.parametrize("role", ["relay", "keeper"])
def test_a_role_out_of_memory_refuses_and_recovers(credfd, role, sees_into_processes, no_sanitizer):
    run = credfd.start_inside(ask_under_pressure, 30)
    pid = first_barrage(run, role)
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    set_limit(pid, resource.RLIMIT_AS, (procs.memory_kib(pid, "VmSize") << 10, before[1]))
    run.say("go")
    run.expect("second")
    resource.prlimit(pid, resource.RLIMIT_AS, before)
    run.say("go")
    first, second, third = run.result()
    assert first == third == [200] * 30
    assert set(second) <= {200, 502, 503, "refused", "cut"}, "without memory there may be none for words"


def first_barrage(run, role):
    """The role's pid, when it has let go of everything that the first barrage made it hold."""
    run.expect("ready")
    pid = run.role(role)
    idle = len(procs.descriptors(pid))
    run.say("go")
    run.expect("first")
    wait_until(lambda: len(procs.descriptors(pid)) <= idle + 1, f"{role} is idle, but for a warm connection")
    return pid


def lower(pid, before):
    """No new descriptor from now on: the limit is the lowest free number."""
    held = procs.descriptors(pid)
    free = next(number for number in range(1 << 20) if number not in held)
    set_limit(pid, resource.RLIMIT_NOFILE, (free, before[1]))


def set_limit(pid, which, limits):
    try:
        resource.prlimit(pid, which, limits)
    except PermissionError:
        pytest.skip("may not set the limits of our roles here")


def test_more_streams_than_the_bound_are_refused_and_the_rest_goes_on(credfd):
    """A lease has a bound on open streams; reaching it costs nothing but the refused ones."""
    def dial_many():
        channel, streams, refused = lease.Channel(), [], 0
        while refused < 5 and len(streams) < 5000:
            try:
                streams.append(channel.dial())
            except lease.Refused:
                refused += 1
        served = lease.Stream(streams[-1]).get("/last").status
        for stream in streams[:-1]:
            stream.close()
        return len(streams), refused, served, lease.Stream(channel.dial()).get("/after").status

    def raise_limit():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))

    opened, refused, served, after = credfd.inside(dial_many, preexec=raise_limit)
    assert refused == 5, f"{opened} streams and no bound"
    assert opened >= 16
    assert (served, after) == (200, 200)


@pytest.mark.parametrize("limit", [5, 8, 12, 16, 24, 40])
def test_a_low_limit_from_the_start_is_said_or_does_no_harm(credfd, limit, no_sanitizer):
    """Too few to start: 125 and why. Enough to start: the command runs, and its request is answered or refused."""
    def ask():
        try:
            with lease.connect() as stream:
                return stream.get("/it").status
        except lease.Refused:
            return "refused"

    def set_limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    run = credfd.start_inside(ask, preexec=set_limit)
    if run.wait() == 125:
        assert "credfd" in run.stderr
    elif "Too many open files" not in run.stderr:  # the workload itself may be what runs out
        assert run.result() in (200, 502, 503, "refused")
    credfd.require_nothing_left()
