"""Contract 1, the control channel: who asks gets one stream, anything else gets 0xFF, and the channel stays usable.

Functions given to credfd.inside() run in the workload, with the names of tests/lib/inside.py.
"""
import threading

import pytest

import procs
from procs import wait_until


def get_status(path):
    with lease.connect() as stream:
        return stream.get(path).status


def test_a_dial_gives_one_stream_that_speaks_http(credfd):
    assert credfd.inside(get_status, "/fast") == 200


def test_the_environment_names_the_descriptors(credfd):
    def look():
        return {name: os.environ.get(name) for name in ("CREDFD", "ONE_FD", "ONE_URL", "TWO_FD", "TWO_UPSTREAM")}

    upstream = credfd.upstream.url
    authority = upstream.removeprefix("https://")
    one = credfd.credential("one", env={"ONE_FD": "{fd}", "ONE_URL": "http://{name}.broker.local"})
    two = credfd.credential("two", env={"TWO_FD": "{fd}", "TWO_UPSTREAM": "{upstream} at {host}"})
    seen = credfd.inside(look, credentials=[one, two])
    assert seen["CREDFD"] == "one=3,two=4"
    assert (seen["ONE_FD"], seen["ONE_URL"], seen["TWO_FD"]) == ("3", "http://one.broker.local", "4")
    assert seen["TWO_UPSTREAM"] in (f"{upstream} at {authority}", f"{upstream} at {authority.split(':')[0]}")


def test_leases_are_numbered_in_the_order_of_the_options(credfd):
    def ask_second():
        with lease.connect("one") as stream:
            return os.environ["CREDFD"], stream.get("/through-one").status

    credentials = [credfd.credential(name, secret={"file": "SECRET"}, env=None) for name in ("one", "two", "three")]
    seen = credfd.inside(ask_second, credentials=credentials, options=["--lease", "three", "--lease", "one"])
    assert seen == ["three=3,one=4", 200]


def test_a_lease_that_is_not_configured_is_refused_before_anything_starts(credfd):
    run = credfd.start(["touch", "started"], options=["--lease", "absent"])
    assert run.wait() == 125
    assert "absent" in run.stderr
    assert not (run.folder / "started").exists()


MALFORMED = [b"", b"\x01\x01", b"\x00", b"\x02", b"\xff", b"\x01" * 1000, b"GET / HTTP/1.1\r\n\r\n"]


@pytest.mark.defence("door")
@pytest.mark.parametrize("request_bytes", MALFORMED, ids=lambda data: f"{len(data)} bytes {data[:2].hex()}")
def test_any_other_request_is_refused_and_the_channel_stays_usable(credfd, request_bytes):
    def ask(hexed):
        channel = lease.Channel()
        answer = channel.ask(bytes.fromhex(hexed))
        stream = lease.Stream(channel.dial())
        return answer.data.hex(), len(answer.fds), stream.get("/fast").status

    assert credfd.inside(ask, request_bytes.hex()) == ["ff", 0, 200]


@pytest.mark.defence("door")
@pytest.mark.parametrize("count", [1, 2, 16])
def test_a_request_with_descriptors_is_refused_and_they_are_closed(credfd, count):
    def ask(count):
        channel = lease.Channel()
        reader, writer = os.pipe()
        answer = channel.ask(lease.DIAL, [writer] * count)
        os.close(writer)
        ready = select.select([reader], [], [], 20)[0]
        closed = bool(ready) and os.read(reader, 1) == b""  # the end: nobody holds the writer any more
        return answer.data.hex(), len(answer.fds), closed, lease.Stream(channel.dial()).get("/fast").status

    assert credfd.inside(ask, count) == ["ff", 0, True, 200]


def test_requests_sent_ahead_are_answered_one_each_in_order(credfd):
    def ask():
        channel = lease.Channel()
        for request in (b"\x01", b"\x02", b"\x01", b"", b"\x01"):
            channel.send(request)
        answers = [channel.receive() for _ in range(5)]
        statuses = [lease.Stream(socket.socket(fileno=answer.fds[0])).get("/fast").status
                    for answer in answers if answer.fds]
        return [answer.data.hex() for answer in answers], [len(answer.fds) for answer in answers], statuses

    assert credfd.inside(ask) == [["01", "ff", "01", "ff", "01"], [1, 0, 1, 0, 1], [200] * 3]


def test_the_channel_is_inherited_by_every_descendant(credfd):
    def ask_from_a_grandchild():
        script = f"{os.path.dirname(lease.__file__)}/lease.py"
        shell = f"exec {sys.executable} -S {script} get api /from-a-grandchild"
        os.waitpid(os.spawnv(os.P_NOWAIT, "/bin/sh", ["sh", "-c", f"({shell}); true"]), 0)

    credfd.inside(ask_from_a_grandchild)
    assert [seen.path for seen in credfd.upstream.requests] == ["/from-a-grandchild"]


def eight_dials_each(rounds):
    """One of four processes on one channel: each stream must carry its own answers only."""
    def work(number):
        try:
            for turn in range(rounds):
                path = f"/process-{os.getpid()}/thread-{number}/turn-{turn}"
                stream = lease.Stream(dial())
                for nth in range(3):
                    if stream.get(f"{path}/{nth}").json()["path"] != f"{path}/{nth}":
                        wrong.append(path)
                stream.close()
        except Exception:
            wrong.append(traceback.format_exc())

    def dial():
        with turn_to_ask:  # a client serialises its own dials
            return channel.dial()

    channel, turn_to_ask, wrong = lease.Channel(), threading.Lock(), []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def test_four_processes_with_eight_dials_each_share_one_channel(credfd):
    def fork_four(rounds):
        children = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                wrong = eight_dials_each(rounds)
                sys.stderr.write("".join(wrong))
                os._exit(bool(wrong))
            children.append(pid)
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

    run = credfd.start_inside(fork_four, 3, using=[eight_dials_each])
    assert run.result() == [0, 0, 0, 0], run.stderr
    assert len({seen.path for seen in credfd.upstream.requests}) == 4 * 8 * 3 * 3


def sequential_requests(count):
    def many(count, per_stream):
        stream, done = lease.connect(), 0
        while done < count:
            if done and done % per_stream == 0:
                stream.close()
                stream = lease.connect()
            if stream.get("/fast").status != 200:
                raise AssertionError(f"request {done}")
            done += 1
        stream.close()

    many(500, 50)  # what is allocated once is allocated now
    say("warm")
    hear()
    many(count, 500)
    say("done")
    hear()


def test_ten_thousand_sequential_requests_leak_nothing(credfd, sees_into_processes, no_sanitizer):
    run = credfd.start_inside(sequential_requests, 10_000, options=["--audit", "/dev/null"], audit=False)
    run.expect("warm")
    roles = {name: run.role(name) for name in ("keeper", "relay")} | {"supervisor": run.pid}

    def held():
        return {name: len(procs.descriptors(pid)) for name, pid in roles.items()}

    # The streams that the workload closed a moment ago are still being closed on our side.
    before = settled(held)
    memory = {name: procs.memory_kib(pid) for name, pid in roles.items()}
    run.say("go")
    run.expect("done")
    wait_until(lambda: held() == before, f"descriptors as before, {before}")
    growth = {name: procs.memory_kib(pid) - memory[name] for name, pid in roles.items()}
    assert all(kib <= 512 for kib in growth.values()), growth
    run.say("end")
    run.result()


def settled(measure):
    """A measurement that came out equal twenty times in a row."""
    last, equal = measure(), 0

    def is_settled():
        nonlocal last, equal
        now = measure()
        equal = equal + 1 if now == last else 0
        last = now
        return equal >= 20

    wait_until(is_settled, "a settled measurement")
    return last


def test_a_client_killed_in_mid_request_takes_its_upstream_connection_with_it(credfd, serve):
    gone = []

    def hang(peer):
        if peer.read_head():
            gone.append(peer.wait_gone())

    def start_and_wait():
        child = os.fork()
        if child == 0:
            stream = lease.connect()
            stream.send_head("POST", "/hang", "Content-Length: 1000")
            stream.send(b"half a body")
            signal.pause()
        say(str(child))
        os.waitpid(child, 0)
        say("killed")
        hear()

    upstream = serve(hang)
    run = credfd.start_inside(start_and_wait, upstream=upstream.url)
    child = int(run.expect(""))
    upstream.wait_requests(1)
    procs.kill(child)
    run.expect("killed")
    wait_until(lambda: gone, "the upstream connection is dropped while the command still runs")
    run.say("end")
    run.result()


def test_the_end_of_the_command_cancels_what_is_in_flight(credfd, serve):
    gone = []

    def hang(peer):
        if peer.read_head():
            gone.append(peer.wait_gone())

    def leave_open():
        stream = lease.connect()
        stream.send_head("GET", "/hang")
        hear()
        os._exit(0)  # no orderly close of anything

    upstream = serve(hang)
    run = credfd.start_inside(leave_open, upstream=upstream.url)
    upstream.wait_requests(1)
    run.say("end")
    assert run.wait() == 0
    wait_until(lambda: gone, "the request in flight is cancelled")
    credfd.require_nothing_left()


def test_streams_live_side_by_side(credfd, serve):
    """A slow exchange on one stream keeps no other stream waiting."""
    def slow_or_fast(peer):
        while seen := peer.read_request():
            if seen.path == "/slow":
                release.wait(30)
            peer.answer(seen.path.encode())

    def slow_then_fast():
        slow, fast = lease.connect(), lease.connect()
        slow.send_head("GET", "/slow")
        answers = [fast.get(f"/fast-{number}").text for number in range(20)]
        say("fast ones are done")
        return answers, slow.read_response().text

    release = threading.Event()
    run = credfd.start_inside(slow_then_fast, upstream=serve(slow_or_fast).url)
    run.expect("fast ones are done")
    release.set()
    assert run.result() == [[f"/fast-{number}" for number in range(20)], "/slow"]


def test_idle_streams_do_not_stop_the_command_from_ending(credfd):
    def leave_twenty_open():
        streams = [lease.connect() for _ in range(20)]
        return [stream.get("/fast").status for stream in streams[::7]]

    assert credfd.inside(leave_twenty_open) == [200, 200, 200]
    credfd.require_nothing_left()
