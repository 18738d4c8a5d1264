"""Leases of a supervisor that lives on, as a runner's: how soon the first answer is there, what each further one
weighs, and whether many are slower than one. The lender is ours, and the Go reference."""
import contextlib
import shutil
import time

import growth
import machine
import peers
import plots
from client import Client
from report import Row, median

OURS, GO = "credfd", "Go"
REST = 0.5  # seconds, in which what is held for a next request may be given back
MANY = 100  # fewer do not share out what the first of them bring
MARK_MS, TRUE_MS = 1.8, 1.1  # the mark, and what `true` took where it was written


class Lenders:
    """How each is started. Ours looks for its roles beside itself, so it has copies of them there."""

    def __init__(self, bench):
        folder = bench.folder / "programs"
        folder.mkdir()
        for program in bench.build.glob("credfd-*"):
            if program.is_file():
                shutil.copy(program, folder)
        shutil.copy(bench.program("bench/lender"), folder / "credfd-lender")
        self.words = {OURS: [folder / "credfd-lender", bench.folder / "lent.jsonl"]}
        try:
            self.words[GO] = [peers.go_program("broker", bench.build), "lend"]
        except peers.Missing as why:
            bench.missing[GO] = str(why)


@contextlib.contextmanager
def borrower(bench, name):
    """The client that has started this lender, which may have more to say on standard error than anybody reads."""
    upstream, said = bench.upstream, bench.folder / "lender-said"
    words = [bench.program("bench/borrow"), f"https://127.0.0.1:{upstream.tls_port}", upstream.ca_file,
             "bench-key-0f5b0d9c2e11", "/128", bench.program("bench/get-once"), *bench.shared(Lenders).words[name]]
    with open(said, "w") as stderr:
        try:
            with Client(words, None, stderr) as client:
                yield client
        except RuntimeError as error:
            raise RuntimeError(f"{error}; it said: {said.read_text()[-300:]}") from None


def lent_kib(client):
    """All processes of the lender, which the borrower has started."""
    return machine.all_pss_kib(machine.tree(client.process.pid)[1:])


class First:
    """From asking for a lease to the end of a program that made one request with it. The keeper lives already."""

    def round(self, bench, _ms):
        for name in bench.in_turn(*bench.shared(Lenders).words):
            with borrower(bench, name) as client:
                client.ask("first 3")
                bench.raw.append({"row": "first", "way": name, **client.ask(f"first {bench.form['starts']}")})

    def rows(self, bench):
        for name in (OURS, GO):
            rounds = bench.of("first", name)
            alone = f"`true` alone {median(median(seen['alone_ms']) for seen in rounds):.1f}" if rounds else ""
            yield Row("Start", f"lease, program, first answer, with a living keeper, {name}", "ms",
                      [median(seen["leased_ms"]) for seen in rounds], ("<=", MARK_MS) if name == OURS else None,
                      alone or bench.missing.get(name, ""), is_of_machine=True)
        ours, theirs = (bench.of("first", name) for name in (OURS, GO))
        yield Row("Start", "the same, credfd against `true`", "",
                  [median(seen["leased_ms"]) / median(seen["alone_ms"]) for seen in ours],
                  ("<=", round(MARK_MS / TRUE_MS, 2)))
        yield Row("Start", "the same, credfd against Go", "",
                  [median(a["leased_ms"]) / median(b["leased_ms"]) for a, b in zip(ours, theirs)], ("<=", 1),
                  bench.missing.get(GO, ""))


class Further:
    """Memory and latency with a growing number of leases: lent and never used, and after one request on each."""

    def round(self, bench, _ms):
        for name in bench.in_turn(*bench.shared(Lenders).words):
            with borrower(bench, name) as client:
                client.ask("hold 1")
                base = lent_kib(client)
                if base is None:
                    return
                for n in bench.form["leases"]:
                    self._look(bench, name, client, n, base)
                if bench.form["idle_leases"]:
                    self._idle(bench, name, client, bench.form["idle_leases"], base)

    def _look(self, bench, name, client, n, base):
        before = machine.all_cpu_ns(machine.tree(client.process.pid)[1:])
        took = client.ask(f"hold {n}")["ms"]
        lent = machine.all_cpu_ns(machine.tree(client.process.pid)[1:]) - before
        unused = lent_kib(client)
        client.ask(f"ask {n}")
        time.sleep(REST)
        used = lent_kib(client)
        pids = machine.tree(client.process.pid)[1:]
        spent = machine.all_cpu_ns(pids)
        seen = client.ask(f"ask {max(n, bench.form['asked'])}")
        spent = machine.all_cpu_ns(pids) - spent
        seen["cpu_us"] = spent / max(n, bench.form["asked"]) / 1000
        bench.raw.append({"row": f"leases {n}", "way": name, "held": n, "hold_ms": took, "lent_ms": lent / 1e6,
                          "base_kib": base, "unused_kib": unused, "used_kib": used, **seen})

    def _idle(self, bench, name, client, n, base):
        """As many as can be had: descriptors and locked memory have their limits on every machine."""
        held = client.ask(f"hold {n}")
        bench.raw.append({"row": "leases idle", "way": name, "asked": n, "held": held["held"], "hold_ms": held["ms"],
                          "why": held["why"], "base_kib": base, "unused_kib": lent_kib(client), **client.ask("try")})

    def rows(self, bench):
        for name in (OURS, GO):
            yield from self._rows_of(bench, name)

    def _rows_of(self, bench, name):
        group = f"Leases, of {name}"
        one = bench.of("leases 1", name)
        if not one:
            yield Row(group, "each further one", "KiB", [], None, bench.missing.get(name, "only root may look"))
            return
        for n in bench.form["leases"]:
            rounds = bench.of(f"leases {n}", name)
            if n == 1:
                yield Row(group, "the first, with all that it needs", "KiB", [s["base_kib"] for s in rounds])
                continue
            yield Row(group, f"each further one of {n:,}, never used", "KiB",
                      [(s["unused_kib"] - s["base_kib"]) / (n - 1) for s in rounds],
                      ("<=", 100) if name == OURS and n >= MANY else None,
                      f"lent in {median(s['hold_ms'] for s in rounds) / n:.2f} ms each")
            yield Row(group, f"each further one of {n:,}, used once", "KiB",
                      [(s["used_kib"] - first["used_kib"]) / (n - 1) for s, first in zip(rounds, one)], None,
                      "its warm TLS connection included")
            yield Row(group, f"p99 of a request on a new stream, {n:,} leases against one", "",
                      [s["p99_us"] / first["p99_us"] for s, first in zip(rounds, one)],
                      ("<=", 2) if name == OURS else None,
                      f"{median(s['p99_us'] for s in rounds):,.0f} us; "
                      f"p50 {median(s['p50_us'] for s in rounds):,.0f} us")
        for seen in bench.of("leases idle", name)[:1]:
            yield Row(group, f"each further one of {seen['held']:,}, never used", "KiB",
                      [(s["unused_kib"] - s["base_kib"]) / (s["held"] - 1) for s in bench.of("leases idle", name)],
                      ("<=", 100) if name == OURS else None,
                      f"{seen['asked']:,} were asked for" + (f": {seen['why'].strip()}" if seen["why"] else "") +
                      ("" if seen["works"] else "; the last one does not work"))
        if name == OURS:
            yield from self._growth(bench)

    def _growth(self, bench):
        """Memory of those beyond the first, which brings what all share."""
        units = {"memory, never used": "KiB", "memory, used once": "KiB", "CPU, lending each": "ms",
                 "CPU, a request on each": "us"}
        rounds = list(zip(*(bench.of(f"leases {n}", OURS) for n in bench.form["leases"])))
        points = {
            "memory, never used": [[(s["held"] - 1, s["unused_kib"] - s["base_kib"]) for s in seen[1:]]
                                   for seen in rounds],
            "memory, used once": [[(s["held"] - 1, s["used_kib"] - seen[0]["used_kib"]) for s in seen[1:]]
                                  for seen in rounds],
            "CPU, lending each": [[(s["held"] - seen[0]["held"], sum(t["lent_ms"] for t in seen[1:i]))
                                   for i, s in enumerate(seen[1:], 2)] for seen in rounds],
            "CPU, a request on each": [[(s["held"], s["held"] * s["cpu_us"]) for s in seen] for seen in rounds],
        }
        yield from growth.rows(f"Growth, from 1 to {bench.form['leases'][-1]:,} leases", points, units)

    def plots(self, bench):
        cpu = {name: [(n, median(s["cpu_us"] for s in bench.of(f"leases {n}", name))) for n in bench.form["leases"]
                      if bench.of(f"leases {n}", name)] for name in (OURS, GO)}
        yield plots.Lines("lease-cpu", "Leases: CPU of a request on a new stream, leases in turn", "leases",
                          "µs, of all roles", cpu, True, False)
        lines = {}
        for name in (OURS, GO):
            rounds = [bench.of(f"leases {n}", name)[:1] for n in bench.form["leases"]]
            seen = [first for some in (*rounds, bench.of("leases idle", name)[:1]) for first in some]
            lines[name] = [(s["held"], s["unused_kib"] / 1024) for s in seen]
        yield plots.Lines("leases", "Leases, never used: memory of all", "leases", "MiB", lines, True, True)
