"""The rows of the dispatcher in its steady state: requests, system calls, connections that carry one request each."""
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import egress
import machine
import peers
import plots
import subjects
from client import Client
from report import Row, median

NAMES = 1000
AT_ONCE = 16  # connections that carry one request each
FOREVER_MS = 2**32 - 1
CPU_MARK = 7.0
FLOOR_MARK = round(CPU_MARK / 4.6, 2)  # what it was to the floor on the machine that the mark was written on


@dataclass
class Shape:
    """The mark: CPU a request, in microseconds, and that it is below nginx's."""
    path: str
    size: str
    connections: int
    mark: float = None

    @property
    def name(self):
        return f"{self.size}, {self.connections} connection{'s' if self.connections > 1 else ''}"


STEADY = [Shape("/128", "128 B", 64, CPU_MARK), Shape("/128", "128 B", 1), Shape("/16k", "16 KiB", 64),
          Shape("/16k", "16 KiB", 1), Shape("/10m", "10 MiB", 64), Shape("/10m", "10 MiB", 1)]
CALLS = [(Shape("/128", "128 B", 64), 4.2), (Shape("/128", "128 B", 1), None)]


class Field:
    """The subjects, living side by side; shared by all rows that need no fresh one."""

    def __init__(self, bench):
        self.world = subjects.World(bench)
        bench.closing.callback(self.world.close)
        self.kinds = subjects.available(self.world, bench.missing)
        self.all = []
        for kind in self.kinds:
            self.all.append(kind(self.world))
            bench.closing.callback(self.all[-1].close)


def load_words(world, subject, shape, requests, ms, names=NAMES, *more):
    warm_up = shape.connections * (1 if shape.size.endswith("MiB") else 8)
    return [world.bench.program("bench/load"), "tcp", subject.port, "-", shape.connections, warm_up, requests, ms,
            shape.path, names, *more]


def measured(bench, subject, client, line="go", unit="requests"):
    """What the client saw, and what all processes of the subject spent meanwhile on each of the units."""
    pids = subject.pids()
    others = [pid for pid in (client.process.pid, subject.world.process.pid) if bench.cpu in os.sched_getaffinity(pid)]
    busy, ours, theirs = machine.busy_ns(bench.cpu), machine.all_cpu_ns(pids), machine.all_cpu_ns(others)
    seen = client.ask(line)
    spent, known = machine.all_cpu_ns(pids) - ours, machine.all_cpu_ns(others) - theirs
    busy = machine.busy_ns(bench.cpu) - busy
    n = seen[unit]
    return {**seen, "rate": n / seen["seconds"], "cpu_us": spent / n / 1000, "cpu_seconds": spent / 1e9,
            "foreign": max(0.0, 1 - (spent + known) / busy) if busy else 0.0}


def record(bench, row, subject, seen):
    bench.record(row, subject.name, seen)


class Steady:
    """One request at a time on each connection, of 1,000 people in turn."""

    def round(self, bench, ms):
        field = bench.shared(Field)
        for shape in self._shapes(bench):
            if shape.size == "10 MiB" and bench.round >= bench.form["few"]:
                continue
            cpu = field.world.client_cpu(shape.connections)
            for subject in bench.in_turn(*field.all):
                with Client(load_words(field.world, subject, shape, 0, ms), cpu) as client:
                    record(bench, "ingress " + shape.name, subject, measured(bench, subject, client))

    def _shapes(self, bench):
        """Those with rows, and between them what the plot of latency by load needs."""
        counts = {shape.connections for shape in STEADY}
        more = [Shape("/128", "128 B", n) for n in bench.form["connections"] if n not in counts]
        return [shape for shape in STEADY if bench.form["large"] or shape.size != "10 MiB" or shape.connections == 1
                ] + more

    def rows(self, bench):
        for shape in STEADY:
            if bench.of("ingress " + shape.name, subjects.OURS):
                yield from self._shape_rows(bench, shape)

    def _shape_rows(self, bench, shape):
        group = f"Dispatcher, {shape.name}"
        ours = bench.of("ingress " + shape.name, subjects.OURS)
        for kind in subjects.ALL:
            rounds = bench.of("ingress " + shape.name, kind.name)
            if not rounds:
                yield Row(group, f"CPU a request, {kind.name}", "us", [], None, bench.missing.get(kind.name, ""))
                continue
            is_ours = kind.name == subjects.OURS
            yield Row(group, f"CPU a request, {kind.name}", "us", [seen["cpu_us"] for seen in rounds],
                      ("<=", shape.mark) if is_ours and shape.mark else None,
                      f"{median(s['rate'] for s in rounds):,.0f}/s, p50 {median(s['p50_us'] for s in rounds):,.0f} us, "
                      f"p99 {median(s['p99_us'] for s in rounds):,.0f} us", is_of_machine=True)
        for name, mark in (("nginx", 1), ("floor", FLOOR_MARK)):
            theirs = bench.of("ingress " + shape.name, name)
            yield Row(group, f"CPU a request, credfd against {name}", "",
                      [a["cpu_us"] / b["cpu_us"] for a, b in zip(ours, theirs)],
                      ("<=", mark) if shape.mark else None, bench.missing.get(name, ""))

    def plots(self, bench):
        shape = STEADY[0]
        lines = {}
        for kind in subjects.ALL:
            for n in bench.form["connections"]:
                rounds = bench.of("ingress " + Shape(shape.path, shape.size, n).name, kind.name)
                if rounds:
                    lines.setdefault(kind.name, []).append((n, median(s["p99_us"] for s in rounds) / 1000))
        yield plots.Lines("latency", "Dispatcher, 128 B: latency by load", "connections, a request under way on each",
                          "p99, ms", lines, True, True)
        bars = {kind.name: [seen["cpu_us"] for seen in bench.of("ingress " + shape.name, kind.name)]
                for kind in subjects.ALL}
        floor = bars["floor"]
        marks = {"the mark, in µs of the machine that it was written on": CPU_MARK}
        if floor:
            marks["the mark, by the floor as it is here"] = FLOOR_MARK * median(floor)
        yield plots.Bars("cpu", f"Dispatcher, {shape.name}: CPU a request",
                         "µs of CPU a request, of all processes of each", bars, marks)


class Wrk:
    """The first row by a client that is not ours, to see that ours does not flatter. It is one person's requests."""

    def round(self, bench, ms):
        try:
            wrk = peers.program("wrk")
        except peers.Missing as why:
            bench.missing["wrk"] = str(why)
            return
        field, shape = bench.shared(Field), STEADY[0]
        cpu, seconds = field.world.client_cpu(shape.connections), max(1, ms // 1000)
        for subject in bench.in_turn(*field.all):
            pids = subject.pids()
            spent = machine.all_cpu_ns(pids)
            words = ["taskset", "-c", cpu, wrk, "-t", 1, "-c", shape.connections, "-d", seconds,
                     "-H", f"{subjects.HEADER}: person-7", "-H", "Cookie: t3_session=5f1c9a7be2d04836",
                     f"http://127.0.0.1:{subject.port}{shape.path}"]
            said = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout
            spent = machine.all_cpu_ns(pids) - spent
            if "Non-2xx" in said or "Socket errors" in said:
                raise RuntimeError(f"wrk, {subject.name}: {said}")
            n = int(re.search(r"(\d+) requests in", said).group(1))
            record(bench, "wrk", subject, {"requests": n, "cpu_us": spent / n / 1000})

    def rows(self, bench):
        for kind in subjects.ALL:
            yield Row(f"Dispatcher, {STEADY[0].name}, by wrk", f"CPU a request, {kind.name}", "us",
                      [seen["cpu_us"] for seen in bench.of("wrk", kind.name)], None,
                      bench.missing.get(kind.name, bench.missing.get("wrk", "")))


class Connects:
    """Each request on a connection of its own, which the server closes."""

    def round(self, bench, ms):
        field = bench.shared(Field)
        cpu = field.world.client_cpu(AT_ONCE)
        for subject in bench.in_turn(*field.all):
            words = [bench.program("bench/connects"), subject.port, AT_ONCE, ms, "/128", NAMES]
            with Client(words, cpu) as client:
                record(bench, "connects", subject, measured(bench, subject, client))

    def rows(self, bench):
        for kind in subjects.ALL:
            rounds = bench.of("connects", kind.name)
            note = f"{median(seen['cpu_us'] for seen in rounds):.1f} us of CPU each" if rounds else ""
            yield Row(f"Dispatcher, connect and close, {AT_ONCE} at once", kind.name, "a second",
                      [seen["rate"] for seen in rounds], None, note or bench.missing.get(kind.name, ""))


class Calls:
    """System calls a request, of all processes of a subject, in a short run of its own under strace."""

    ROUNDS = 1

    def __init__(self):
        self.why = ""

    def round(self, bench, _ms):
        field = bench.shared(Field)
        for shape, _ in CALLS:
            for subject in field.all:
                if not self.why:
                    self._count(bench, field.world, subject, shape)

    def _count(self, bench, world, subject, shape):
        n, out = bench.form["traced"], bench.folder / "strace"
        with Client(load_words(world, subject, shape, n, FOREVER_MS),
                    world.client_cpu(shape.connections)) as client:
            try:
                tracer = attach(subject.pids(), out)
            except (OSError, RuntimeError) as error:
                self.why = str(error)
                return
            client.ask()
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        total = re.search(r"^100\.00 +[\d.]+ +\d* +(\d+) .*total$", out.read_text(), re.M)
        record(bench, "calls " + shape.name, subject, {"calls": int(total.group(1)) / n})

    def rows(self, bench):
        for shape, mark in CALLS:
            for kind in subjects.ALL:
                is_ours = kind.name == subjects.OURS
                yield Row(f"Dispatcher, {shape.name}", f"system calls a request, {kind.name}", "",
                          [seen["calls"] for seen in bench.of("calls " + shape.name, kind.name)],
                          ("<=", mark) if is_ours and mark else None, self.why or bench.missing.get(kind.name, ""))


def attach(pids, out):
    """strace on all threads of these processes; waits until it has them."""
    tracer = egress.start_tracer("-f", "-c", "-o", out, *(word for pid in pids for word in ("-p", pid)))
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    while not all("\nTracerPid:\t0\n" not in (task / "status").read_text() for task in tasks):
        egress.check_tracer(tracer)
        time.sleep(0.01)
    return tracer
