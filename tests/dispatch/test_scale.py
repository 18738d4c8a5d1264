"""Two thousand tunnels at once: a reload and a drain lose none before its time, and the books are right afterwards."""
import asyncio
import collections
import json
import re
import time
import urllib.request

import pytest

import many
import procs
import upstream
from procs import wait_until

COUNT = 2000
DRAIN = 5.0  # s: longer than an echo of all takes on a busy machine
REQUESTS = 50  # that are no tunnels, for the books


@pytest.fixture
def serve(dispatch, session):
    """A dispatcher with metrics, alice's instance behind it, and where the metrics are."""
    if why := many.why_not(COUNT):
        pytest.skip(why)
    instance = many.Instance(session)
    served, place = dispatch(drain=f"{DRAIN:g}s"), f"127.0.0.1:{upstream.free_port()}"
    served.write_config(top={"metrics": place})
    served.write_table({"alice": {"os_user": "alice", "port": instance.port}})
    yield served.start(), instance, place
    instance.stop()


def scrape(place):
    """{name: the sum of its series} of the dispatcher, and {name{labels}: value} beside it."""
    with urllib.request.urlopen(f"http://{place}/metrics") as answer:
        text = answer.read().decode()
    found = collections.Counter()
    for name, labels, value in re.findall(r"^(credfd_\w+)(\{.*\})? ([-+0-9.e]+)$", text, re.M):
        found[name] += float(value)
        if labels:
            found[name + labels] = float(value)
    return found


def memory_kib(served):
    """What the dispatchers have for themselves: pages that were written."""
    return sum(procs.memory_kib(pid, "RssAnon") for pid in served.roles("dispatcher"))


async def live_through(served, instance, place, say):
    cookie = f"{many.COOKIE}=x"
    async with many.Tunnels(served.port, served.fields(cookie=cookie)) as tunnels:
        idle = memory_kib(served)
        began = time.monotonic()
        assert await tunnels.open(COUNT) == []
        say(f"{COUNT} tunnels in {time.monotonic() - began:.1f} s, "
            f"{(memory_kib(served) - idle) / COUNT:.1f} KiB each while idle")
        assert await tunnels.echo() == 0

        for number in range(3):  # with a table that has changed beside them
            served.write_table({"alice": {"os_user": "alice", "port": instance.port}, f"bob{number}": {
                "os_user": "bob", "port": instance.port}})
            served.reload()
            assert await tunnels.echo() == 0
        assert tunnels.living == COUNT
        say(f"{memory_kib(served) / COUNT:.1f} KiB each after reloads and echoes")

        for _ in range(REQUESTS):
            assert served.ask("/x", cookie=cookie).status == 200
        await asyncio.to_thread(wait_until, lambda: scrape(place)["credfd_dispatch_open_tunnels"] == COUNT,
                                lambda: f"the metrics know {COUNT} tunnels: {scrape(place)}")
        metrics = await asyncio.to_thread(wait_until, lambda: (m := scrape(place))[
            "credfd_dispatch_requests_total"] >= COUNT + REQUESTS and m, lambda: f"all were counted: {scrape(place)}")

        drained = time.monotonic()
        served.terminate()
        await asyncio.to_thread(wait_until, lambda: "STOPPING=1" in served.notified, "it drains")
        assert await tunnels.echo() == 0, "some ended before their time"
        assert tunnels.living == COUNT
        await tunnels.until(lambda tunnel: tunnel.closed_after)
        assert collections.Counter(tunnel.close_code for tunnel in tunnels.all) == {1001: COUNT}
        assert min(tunnel.closed_after for tunnel in tunnels.all) - drained >= DRAIN - 0.1
        say(f"closed {DRAIN:g} s later, the last "
            f"{max(tunnel.closed_after for tunnel in tunnels.all) - drained - DRAIN:.1f} s after the deadline")
        return tunnels, metrics


def test_two_thousand_tunnels_live_through_reload_and_drain(serve, capsys):
    served, instance, place = serve

    def say(words):
        with capsys.disabled():
            print(f"\n    {words}", end="", flush=True)

    tunnels, metrics = asyncio.run(live_through(served, instance, place, say))
    assert served.wait() == 0

    lines = collections.defaultdict(list)
    for line in map(json.loads, served.access_log.read_text().splitlines()):
        lines[line["event"]].append(line)
    assert {event: len(found) for event, found in lines.items()} == {
        "tunnel_open": COUNT, "tunnel_end": COUNT, "request": REQUESTS}
    assert {line["reason"] for line in lines["tunnel_end"]} == {"the dispatcher is ending"}
    # Without the close frame at the end and its answer, which may come when the book is closed.
    sent, received = (sum(getattr(tunnel, side) for tunnel in tunnels.all) for side in ("bytes_in", "bytes_out"))
    assert sent - 8 * COUNT <= sum(line["bytes_in"] for line in lines["tunnel_end"]) <= sent
    assert received - 4 * COUNT <= sum(line["bytes_out"] for line in lines["tunnel_end"]) <= received

    assert metrics["credfd_dispatch_tunnels_total"] == COUNT
    assert metrics["credfd_dispatch_requests_total"] == COUNT + REQUESTS
    assert metrics["credfd_dispatch_tunnels_ended_total"] == 0
