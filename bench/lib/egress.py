"""The rows of the egress: a workload's requests through a lease, the same client without one, and the floor."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

import machine
import peers
from report import Row, median

ROLES = {"relay": "credfd-relay", "keeper": "credfd-keeper", "resolver": "credfd-resolver", "client": "load"}
BROKER = ("relay", "keeper")
FOREVER_MS = 2**32 - 1
MIB = 1 << 20
PUMPS = {"floor": 1, "two pumps": 2}  # on the way to the plain upstream
KINDS = {"direct": "tls", "direct, plain": "tcp"} | {way: "unix" for way in PUMPS}  # as load names them; else a lease

# The second is never used: its name is why there is a resolver, as there is in most people's runs.
CREDENTIALS = """
credentials:
  - name: api
    secret: {{ file: {folder}/api.key }}
    upstream: {upstream}
    {trust}
    inject: {{ header: Authorization, format: "Bearer {{}}" }}
    allow: [ "GET /**" ]
  - name: other
    secret: {{ file: {folder}/api.key }}
    upstream: https://api.example
    inject: {{ header: Authorization, format: "Bearer {{}}" }}
    allow: [ "GET /**" ]
"""


@dataclass
class Shape:
    """What is asked for, and on how many streams. The marks: CPU of relay and keeper, requests/s against direct."""
    path: str
    size: str
    streams: int
    cpu_mark: float = None
    ratio_mark: float = None
    go_mark: float = None  # the first against Go's, on the machine that the marks were written on

    @property
    def name(self):
        return f"{self.size}, {self.streams} stream{'s' if self.streams > 1 else ''}"


SMALL = [Shape("/128", "128 B", 1, 30, 0.45, round(30 / 72, 2)),
         Shape("/128", "128 B", 16, 22, 0.5, round(22 / 135, 2))]
LARGE = [Shape("/16k", "16 KiB", 1), Shape("/16k", "16 KiB", 16)]


class Load:
    """The client, started in one of the ways, with its streams open: a context."""

    def __init__(self, bench, way, streams=1, warm_up=None, requests=0, ms=FOREVER_MS, path="/128"):
        self.bench, self.way = bench, way
        kind = KINDS.get(way, "lease")
        self.pumps = bench.pumps[:PUMPS.get(way, 0)]
        place = {"lease": 3, "tls": bench.upstream.tls_port, "tcp": bench.upstream.plain_port,
                 "unix": self.pumps[-1].path if self.pumps else None}[kind]
        warm_up = 8 * streams if warm_up is None else warm_up
        command = [bench.program("bench/load"), kind, place, bench.upstream.ca_file, streams, warm_up, requests, ms,
                   path]
        if kind == "lease":
            command = self._around(command)
        words = [str(word) for word in command]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._line()  # "ready"
        self.pids = self._processes(kind)

    def _around(self, command):
        """The broker before it, ours or the Go reference."""
        if self.way == "Go":
            return self.bench.go_command(command)
        return self.bench.run_command("plain" if self.way == "lease-plain" else "tls", command)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.terminate()
        self.process.stdin.close()
        self.process.stdout.close()
        status = self.process.wait()
        if status != 0 and not kind:
            raise RuntimeError(f"the load by way of {self.way} ended with status {status}")

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load by way of {self.way} ended early")
        return line

    def _processes(self, kind):
        pids = {"upstream": self.bench.upstream.pid}
        if kind == "lease":
            children = machine.children(self.process.pid)
            pids |= {role: children[name] for role, name in ROLES.items() if name in children}
            pids["broker" if self.way == "Go" else "supervisor"] = self.process.pid
        else:
            pids["client"] = self.process.pid
        return pids | {f"pump {i}": pump.process.pid for i, pump in enumerate(self.pumps)}

    def run(self):
        """Lets the requests go. What the client saw, and what each process spent on one request meanwhile."""
        cpu = self.bench.cpu
        busy, spent = machine.busy_ns(cpu), {role: machine.cpu_ns(pid) for role, pid in self.pids.items()}
        counters = {"switches": machine.switches, "faults": machine.faults}
        counted = {name: {role: read(pid) for role, pid in self.pids.items()} for name, read in counters.items()}
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        seen = json.loads(self._line())
        spent = {role: machine.cpu_ns(pid) - spent[role] for role, pid in self.pids.items()}
        busy = machine.busy_ns(cpu) - busy
        n = seen["requests"]
        seen["rate"] = n / seen["seconds"]
        seen["cpu_us"] = {role: ns / n / 1000 for role, ns in spent.items()}
        for name, read in counters.items():
            seen[name] = {role: (read(pid) - counted[name][role]) / n for role, pid in self.pids.items()}
        seen["foreign"] = max(0.0, 1 - sum(spent.values()) / busy) if busy else 0.0
        return seen


def listens(path):
    """Its socket is there a moment sooner."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


class Pump:
    """The floor, on its way to another place."""

    def __init__(self, program, path, to):
        self.path = str(path)
        self.process = subprocess.Popen([program, self.path, str(to)])
        while not listens(self.path) and self.process.poll() is None:
            time.sleep(0.005)

    def close(self):
        self.process.kill()
        self.process.wait()


class Bench:
    """What all rows share: where things are, and what was measured, round for round."""

    def __init__(self, build, folder, upstream, cpu, form):
        self.build, self.folder, self.upstream, self.cpu, self.form = build, folder, upstream, cpu, form
        self.raw, self.round = [], 0
        self.missing, self.closing, self.made = {}, contextlib.ExitStack(), {}
        try:
            self.go_broker = peers.go_program("broker", build)
        except peers.Missing as why:
            self.go_broker, self.missing["Go"] = None, str(why)
        (folder / "api.key").write_text("bench-key-0f5b0d9c2e11\n")
        (folder / "api.key").chmod(0o400)
        self._configure("tls", f"https://127.0.0.1:{upstream.tls_port}", f"ca_file: {upstream.ca_file}")
        self._configure("plain", f"http://127.0.0.1:{upstream.plain_port}", "")
        self.pumps, to = [], upstream.plain_port
        for i in range(max(PUMPS.values())):
            self.pumps.append(Pump(self.program("bench/floor-pump"), folder / f"pump-{i}", to))
            to = self.pumps[-1].path

    def record(self, row, way, seen):
        """One measurement, as it goes into the run's JSON."""
        self.raw.append({"row": row, "way": way, "round": self.round + 1, **seen})

    def shared(self, kind):
        """The one of that kind that several rows share: made when the first asks for it."""
        if kind not in self.made:
            self.made[kind] = kind(self)
        return self.made[kind]

    def close(self):
        self.closing.close()
        for pump in self.pumps:
            pump.close()

    def _configure(self, name, url, trust):
        path = self.folder / f"{name}.yaml"
        path.write_text(CREDENTIALS.format(folder=self.folder, upstream=url, trust=trust))

    def program(self, name):
        return str(self.build / name)

    def run_command(self, configuration, command):
        """With an audit file, as people run it."""
        return [self.program("credfd"), "run", "-c", self.folder / f"{configuration}.yaml",
                "--audit", self.folder / "audit.jsonl", "--", *command]

    def go_command(self, command):
        place = f"https://127.0.0.1:{self.upstream.tls_port}"
        return [self.go_broker, "run", place, self.upstream.ca_file, self.folder / "api.key", "--", *command]

    def in_turn(self, *ways):
        """The order changes from round to round, so that coming second is nobody's lot."""
        return ways[::-1] if self.round % 2 == 1 else ways

    def measure(self, row, way, **how):
        with Load(self, way, **how) as load:
            seen = load.run()
            peaks = {role: machine.peak_kib(pid) for role, pid in load.pids.items()}
            seen["peak_kib"] = peaks
        (self.folder / "audit.jsonl").unlink(missing_ok=True)
        self.record(row, way, seen)

    def of(self, row, way):
        return [seen for seen in self.raw if seen["row"] == row and seen["way"] == way]


def per_request(seen, roles=BROKER):
    return sum(seen["cpu_us"][role] for role in roles)


def whole(seen):
    """CPU of the whole path, from the client to the upstream, for each request."""
    return sum(seen["cpu_us"].values())


def by_cpu(ours, others):
    """Ratios of requests for each second of CPU time that the whole path takes, from the client to the upstream. Where
    all share one CPU that is the ratio of their rates, and stays so when strangers take turns on it: then the clock's
    ratio flatters whoever has more processes, for the scheduler shares out by process."""
    return [whole(b) / whole(a) for a, b in zip(ours, others)]


class Requests:
    """Requests one after the other: over TLS against the direct client, and on a plain upstream against the floor."""

    def round(self, bench, ms):
        for shape in SMALL + SMALL + LARGE:  # what has marks twice
            for way in bench.in_turn("lease", "direct", *(["Go"] if bench.go_broker else [])):
                bench.measure("tls " + shape.name, way, streams=shape.streams, ms=ms, path=shape.path)
        for shape in SMALL + SMALL:
            for way in bench.in_turn("lease-plain", "direct, plain", *PUMPS):
                bench.measure("plain " + shape.name, way, streams=shape.streams, ms=ms, path=shape.path)

    def rows(self, bench):
        for shape in SMALL + LARGE:
            yield from self._tls_rows(bench, shape)
        for shape in SMALL:
            yield from self._plain_rows(bench, shape)

    def _tls_rows(self, bench, shape):
        group = f"Over TLS, {shape.name}"
        ours, direct = (bench.of("tls " + shape.name, way) for way in ("lease", "direct"))
        shares = ", ".join(f"{role} {median(seen['cpu_us'][role] for seen in ours):.1f}"
                           for role in ("relay", "keeper", "supervisor", "client"))
        yield Row(group, "CPU a request, relay + keeper", "us", [per_request(seen) for seen in ours],
                  shape.cpu_mark and ("<=", shape.cpu_mark),
                  f"{shares}; direct client {median(seen['cpu_us']['client'] for seen in direct):.1f}",
                  is_of_machine=True)
        theirs = bench.of("tls " + shape.name, "Go")
        yield Row(group, "CPU a request, relay + keeper against Go", "",
                  [per_request(a) / per_request(b, ("broker",)) for a, b in zip(ours, theirs)],
                  shape.go_mark and ("<=", shape.go_mark), bench.missing.get("Go", ""))
        yield Row(group, "requests a CPU second, against direct", "", by_cpu(ours, direct),
                  shape.ratio_mark and (">=", shape.ratio_mark), "of requests/s, on an idle machine")
        yield Row(group, "requests/s by the clock, against direct", "",
                  [a["rate"] / b["rate"] for a, b in zip(ours, direct)], None,
                  f"{median(s['rate'] for s in ours):,.0f}/s against {median(s['rate'] for s in direct):,.0f}/s")
        yield Row(group, "CPU a request, Go", "us", [per_request(seen, ("broker",)) for seen in theirs], None,
                  bench.missing.get("Go", "one process; no rules, no audit, no masking"))
        yield Row(group, "requests a CPU second, Go against direct", "", by_cpu(theirs, direct), None,
                  bench.missing.get("Go", ""))
        yield Row(group, "latency p50", "us", [seen["p50_us"] for seen in ours], None,
                  f"direct {median(s['p50_us'] for s in direct):.0f}; "
                  f"p99 {median(s['p99_us'] for s in ours):.0f}, direct {median(s['p99_us'] for s in direct):.0f}")

    def _plain_rows(self, bench, shape):
        group = f"Plain upstream, {shape.name}"
        ours, direct, floor, two = (bench.of("plain " + shape.name, way)
                                    for way in ("lease-plain", "direct, plain", *PUMPS))
        over_tls = bench.of("tls " + shape.name, "direct")
        yield Row(group, "CPU a request, relay + keeper", "us", [per_request(seen) for seen in ours], None,
                  f"the floor {median(per_request(seen, ('pump 0',)) for seen in floor):.1f}, two of it in a row "
                  f"{median(per_request(seen, ('pump 0', 'pump 1')) for seen in two):.1f}")
        yield Row(group, "requests a CPU second, the floor against direct over TLS", "", by_cpu(floor, over_tls), None,
                  "what one process more leaves at the most")
        yield Row(group, "requests a CPU second, two in a row and TLS against direct", "",
                  [whole(t) / (whole(p) + whole(t) - whole(d)) for p, t, d in zip(two, over_tls, direct)], None,
                  "what two processes leave at the most; TLS is what direct over TLS costs more than direct")


class Body:
    """One large body. The upstream's file says how large."""

    def __init__(self, mib):
        self.mib = mib
        self.growth = {role: [] for role in BROKER}

    def round(self, bench, _ms):
        for way in bench.in_turn("lease", "direct", "lease-plain", "floor", *(["Go"] if bench.go_broker else [])):
            bench.measure("body", way, warm_up=1 if way == "direct" else 0, requests=1, path="/big")

    def rows(self, bench):
        group = f"A body of {self.mib} MiB"
        ways = {way: bench.of("body", way) for way in ("lease", "direct", "lease-plain", "floor", "Go")}
        speed = {way: [seen["bytes"] / MIB / seen["seconds"] for seen in rounds] for way, rounds in ways.items()}
        pairs = [("lease", "direct", "over TLS", None), ("lease-plain", "floor", "plain", (">=", 0.5))]
        for way, against, name, mark in pairs:
            yield Row(group, f"{name}: by the clock", "MiB/s", speed[way], None,
                      f"{against} {median(speed[against]):,.0f}")
            yield Row(group, f"{name}: bytes a CPU second, against {against}", "", by_cpu(ways[way], ways[against]),
                      mark)
        yield Row(group, "over TLS: bytes a CPU second, Go against direct", "", by_cpu(ways["Go"], ways["direct"]),
                  None, bench.missing.get("Go", ""))
        for role in BROKER:
            yield Row(group, f"peak RSS, {role}", "MiB", [seen["peak_kib"][role] / 1024 for seen in ways["lease"]])


class Start:
    """`credfd run` from nothing, around a command that does nothing, and around one that makes a request."""

    def __init__(self, times):
        self.times = times

    def _took_ms(self, command):
        """By the clock, and of CPU by all who were waited for."""
        words = [str(word) for word in command]
        began = time.perf_counter()
        pid = os.posix_spawnp(words[0], words, os.environ)
        _, status, used = os.wait4(pid, 0)
        if status != 0:
            raise RuntimeError(f"{' '.join(words)} ended with status {os.waitstatus_to_exitcode(status)}")
        return (time.perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000

    def round(self, bench, _ms):
        once = [bench.program("bench/get-once"), "3", "/128"]
        for _ in range(self.times):
            self._pair(bench, "start")
            with machine.everywhere():
                self._pair(bench, "start, everywhere")
            for way in bench.in_turn("credfd", *(["Go"] if bench.go_broker else [])):
                command = bench.run_command("tls", once) if way == "credfd" else bench.go_command(once)
                took, cpu = self._took_ms(command)
                bench.record("start, to the first answer", way, {"took_ms": took, "cpu_ms": cpu})

    def _pair(self, bench, row):
        alone, alone_cpu = self._took_ms(["true"])
        around, around_cpu = self._took_ms(bench.run_command("tls", ["true"]))
        bench.record(row, "credfd", {"alone_ms": alone, "around_ms": around, "alone_cpu_ms": alone_cpu,
                                     "around_cpu_ms": around_cpu})

    def rows(self, bench):
        for row, where in (("start, everywhere", "on all CPUs"), ("start", "on one CPU")):
            seen = bench.of(row, "credfd")
            cpu = [s["around_cpu_ms"] - s["alone_cpu_ms"] for s in seen]
            yield Row("Start", f"cold credfd run, more than `true` alone, {where}", "ms",
                      [s["around_ms"] - s["alone_ms"] for s in seen], ("<=", 10),
                      f"of {len(seen)}; {median(cpu):.1f} of CPU" if seen else "")
        for way in ("credfd", "Go"):
            took = [s["took_ms"] for s in bench.of("start, to the first answer", way)]
            yield Row("Start", f"cold, to the end of a program that made one request, {way}", "ms", took, None,
                      bench.missing.get(way, ""))


class Memory:
    """Proportional set sizes: with one stream that was never used; for each further one that was; and for each further
    run beside it, whose programs are mapped already."""

    MORE = 63
    RUNS = 8
    ORDER = ("relay", "keeper", "resolver", "supervisor")

    def _sizes(self, bench, streams, warm_up):
        with Load(bench, "lease", streams=streams, warm_up=warm_up) as load:
            return self._of(load)

    def _of(self, load):
        return {role: machine.pss_kib(pid) for role, pid in load.pids.items() if role in self.ORDER}

    def _side_by_side(self, bench):
        """All roles of several runs, added up."""
        with contextlib.ExitStack() as stack:
            loads = [stack.enter_context(Load(bench, "lease", warm_up=0)) for _ in range(self.RUNS)]
            sizes = [self._of(load) for load in loads]
            return {role: sum(size[role] for size in sizes) for role in sizes[0]}

    def round(self, bench, _ms):
        idle, one, many = (self._sizes(bench, *how) for how in ((1, 0), (1, 8), (1 + self.MORE, 8 * (1 + self.MORE))))
        if None in idle.values():
            return
        sizes = {"idle": idle, "one_used": one, "many_used": many, "side_by_side": self._side_by_side(bench)}
        bench.record("memory", "lease", {**sizes, "many": 1 + self.MORE, "runs": self.RUNS})

    def rows(self, bench):
        rounds = bench.of("memory", "lease")
        why = "" if rounds else "only root may look"
        for role in self.ORDER:
            idle = [seen["idle"][role] for seen in rounds if role in seen["idle"]]
            beside = [(seen["side_by_side"][role] - n) / (self.RUNS - 1) for seen, n in zip(rounds, idle)]
            yield Row("Memory, PSS", f"{role}, idle", "KiB", idle, None,
                      f"of each further run beside it {median(beside):,.0f}" if beside else why)
        for role in BROKER:
            yield Row("Memory, PSS", f"each further idle stream, {role}", "KiB",
                      [(seen["many_used"][role] - seen["one_used"][role]) / self.MORE for seen in rounds], None,
                      why or ("its warm TLS connection included" if role == "keeper" else ""))


def start_tracer(*words):
    """strace. It is told when there is none, or one that cannot be started."""
    try:
        return subprocess.Popen(["strace", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        raise RuntimeError(f"strace cannot be started ({error.strerror}): tools/setup bench") from None


def check_tracer(tracer):
    """While it is not attached yet: that it has not given up."""
    if tracer.poll() is not None:
        said = tracer.stderr.read().decode(errors="replace").strip()
        raise RuntimeError("strace could not attach" + (f": {said[-200:]}" if os.geteuid() == 0 else
                                                        ": only root may trace"))


class Calls:
    """System calls for each request, counted by strace on the living roles: root may trace them, nobody else may."""

    REQUESTS = 2000

    def __init__(self):
        self.why = ""

    def round(self, bench, _ms):
        if self.why:
            return
        for shape in SMALL:
            try:
                self._count(bench, shape)
            except (OSError, RuntimeError) as error:
                self.why = str(error)

    def _count(self, bench, shape):
        with Load(bench, "lease", streams=shape.streams, requests=self.REQUESTS, path=shape.path) as load:
            tracers = {role: self._attach(bench, role, load.pids[role]) for role in BROKER}
            load.run()
            calls = {}
            for role, tracer in tracers.items():
                tracer.send_signal(signal.SIGINT)
                tracer.wait()
                text = (bench.folder / f"strace-{role}").read_text()
                total = int(re.search(r"^100\.00 +[\d.]+ +\d* +(\d+) .*total$", text, re.M).group(1))
                calls[role] = total / self.REQUESTS
            bench.record(f"lease calls {shape.name}", "lease", {"calls": calls})

    def _attach(self, bench, role, pid):
        tracer = start_tracer("-c", "-o", bench.folder / f"strace-{role}", "-p", pid)
        while machine.status(pid, "TracerPid") == 0:
            check_tracer(tracer)
            time.sleep(0.01)
        return tracer

    def rows(self, bench):
        for shape in SMALL:
            calls = [seen["calls"] for seen in bench.of(f"lease calls {shape.name}", "lease")]
            note = ", ".join(f"{role} {median(n[role] for n in calls):.1f}" for role in BROKER) if calls else self.why
            yield Row("System calls a request", f"relay + keeper, {shape.name}", "",
                      [sum(n.values()) for n in calls], None, note)
