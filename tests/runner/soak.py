"""What takes long: thousands of tasks with the link cut at random, and a thousand at once. `make soak` runs this file as it
is; test_soak.py runs a short piece of it each time.

CREDFD_SOAK_TASKS (5000) says how many, CREDFD_SOAK_SEED which chances.
"""
import os
import random
import threading
import time

import procs
from procs import wait_until

OUTSTANDING = 100  # tasks that are asked for and not answered, at most
SAMPLES = 10       # looks at what grows, evenly over the tasks
GROWN = 1024       # KiB that a process may have taken since the second look: allocators keep what they had


class Cutter(threading.Thread):
    """Breaks the link, in one way or another, every now and then."""

    def __init__(self, hub, chance):
        super().__init__(daemon=True)
        self.hub, self.chance, self.cuts, self._end = hub, chance, 0, threading.Event()

    def run(self):
        while not self._end.wait(self.chance.uniform(0.3, 3.0)):
            if not self.hub.is_connected:
                continue
            self.cuts += 1
            try:
                self.chance.choice([self.hub.drop, self.hub.drop, self.hub.end, self.reopen])()
            except Exception:
                pass  # it was broken already

    def reopen(self):
        self.hub.shut()
        self._end.wait(self.chance.uniform(0.0, 0.5))
        self.hub.open()

    def stop(self):
        self._end.set()
        self.join()


def measure(runner):
    """{role: (descriptors, KiB)} of what lives when nothing runs; a relay may wait for the next lease."""
    wait_until(lambda: not runner.roles("task") and not runner.roles("exec") and len(runner.roles("relay")) <= 1,
               lambda: f"tasks gone: {runner.stderr[-3000:]}")
    return {name: (len(procs.descriptors(pid)), procs.pss_kib(pid)) for name, pid in
            [("supervisor", runner.pid), *((name, runner.role(name)) for name in ("link", "keeper", "resolver"))]}


def ask(hub, runner, api, fleet, number):
    """One of the kinds of tasks that there are; what its result must hold."""
    if number % 50 == 0:
        return hub.bash(f"{runner.fduty} get /{number}", credential=fleet.key(api)), "200 "
    if number % 5 == 1:
        return hub.send("write", {"path": f"w/{number}", "content": "aGVsbG8="}), True
    if number % 5 == 2:
        return hub.send("list", {"path": "."}), None
    return hub.bash(f"echo {number}; [ -e once/{number} ] && echo twice; mkdir once/{number}"), f"{number}\n"


def check(task, expected):
    assert len(task.results) == 1, f"{task.task_id} came {len(task.results)} times"
    result = task.result
    assert result["success"] is True, result
    got = result["result"]
    if isinstance(expected, str):
        assert got["stdout"].startswith(expected) and "twice" not in got["stdout"], got
    elif expected:
        assert got["success"] is expected, got


def many_tasks(fleet, count, seed):
    """Every result arrives, none twice, nothing grows. Returns what was measured."""
    chance = random.Random(seed)
    api = fleet.api()
    runner = fleet.runner(fleet.hub(acks=True))
    runner.write_cli("new")
    runner.write_config(cli=str(runner.fduty), tasks={"concurrent": 16})
    runner.start()
    hub = runner.hub
    hub.wait_connected()
    (runner.workspace / "once").mkdir()
    asked, samples, cuts, number = [], [], 0, 0
    for sample in range(SAMPLES):
        cutter = Cutter(hub, chance)
        cutter.start()
        while number < count * (sample + 1) // SAMPLES:
            hub.wait(lambda: sum(not task.results for task, _ in asked[-2 * OUTSTANDING:]) < OUTSTANDING, "room", 120)
            asked.append(ask(hub, runner, api, fleet, number))
            number += 1
        cutter.stop()
        cuts += cutter.cuts
        hub.wait(lambda: all(task.results for task, _ in asked), lambda: f"the results of "
                 f"{[task.task_id for task, _ in asked if not task.results][:10]}", 120)
        wait_until(lambda: not runner.spooled(".result"), "an empty spool")
        samples.append(measure(runner))
    for task, expected in asked:
        check(task, expected)
    for name, (fds, pss) in samples[-1].items():
        was_fds, was_pss = samples[1][name]
        assert fds <= was_fds, f"{name} had {was_fds} descriptors and has {fds}"
        # a sanitizer keeps what was given back
        assert runner.session.is_sanitized or pss <= was_pss + GROWN, f"{name} had {was_pss} KiB and has {pss}"
    return count, cuts, samples


def test_many_tasks(fleet, capsys):
    count = int(os.environ.get("CREDFD_SOAK_TASKS", "5000"))
    seed = int(os.environ.get("CREDFD_SOAK_SEED", str(time.time_ns() % 10**6)))
    with capsys.disabled():
        print(f"\n    {count} tasks, seed {seed}")
        count, cuts, samples = many_tasks(fleet, count, seed)
        print(f"    every result came once; the link was cut {cuts} times")
        for name in samples[0]:
            print(f"    {name:11} {samples[1][name][0]:4} -> {samples[-1][name][0]:4} descriptors, "
                  f"{samples[1][name][1]:6} -> {samples[-1][name][1]:6} KiB")


def test_a_thousand_at_once(fleet, capsys):
    runner, hub = fleet.start(tasks={"concurrent": 1000, "timeout": "10m"})
    hub.result(hub.bash("true"))
    idle = measure(runner)
    gate = runner.folder / "gate"
    os.mkfifo(gate)
    tasks = [hub.bash(f"read -r line < {gate}", task_id=f"all-{i}") for i in range(1000)]
    wait_until(lambda: runner.status()["running"] == 1000, "all of them", 120)
    wait_until(lambda: len(runner.roles("task")) == 1000, "their processes", 120)
    pids = [runner.pid, *runner.processes]
    total = sum(procs.pss_kib(pid) for pid in pids)
    ours = sum(procs.pss_kib(pid) for pid in pids if procs.comm(pid).startswith("credfd"))
    deadline = time.monotonic() + 120
    with open(gate, "r+b", buffering=0) as file:  # to be read as well: then there is always a reader
        while any(not task.results for task in tasks):
            assert time.monotonic() < deadline
            file.write(b"\n" * 100)
            time.sleep(0.05)
    with capsys.disabled():
        print(f"\n    idle: {sum(pss for _, pss in idle.values())} KiB in all roles")
        print(f"    1000 tasks at once: {len(pids)} processes, {total / 1024:.0f} MiB, of which credfd's own "
              f"{ours / 1024:.0f} MiB: {ours / 1000:.0f} KiB a task")
