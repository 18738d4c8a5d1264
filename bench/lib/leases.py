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
REST = 0.5  # seconds before a look at memory, in which what is held for a next request may be given back
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


def rested_kib(client):
    time.sleep(REST)
    return lent_kib(client)


def cpu_ns(client):
    """What all processes of the lender have spent so far."""
    return machine.all_cpu_ns(machine.tree(client.process.pid)[1:])


class First:
    """From asking for a lease to the end of a program that made one request with it. The keeper lives already."""

    def round(self, bench, _ms):
        for name in bench.in_turn(*bench.shared(Lenders).words):
            with borrower(bench, name) as client:
                client.ask("first 3")
                bench.record("first", name, client.ask(f"first {bench.form['starts']}"))

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
        yield Row("Start", "`true`, and an answer over a new TLS connection by a process that lives, against `true`", "",
                  [(median(seen["alone_ms"]) + median(seen["direct_ms"])) / median(seen["alone_ms"]) for seen in ours],
                  None, "what is left without a broker, one after the other; such an answer takes "
                  f"{median(median(seen['direct_ms']) for seen in ours):.1f} ms" if ours else "")


class Further:
    """Memory, CPU and latency with a growing number of leases. Two lenders: the leases of one are lent and never used,
    those of the other are used once each. Base of both is a lease that was used, which brings what all share. Each look
    at memory comes after a rest."""

    def round(self, bench, _ms):
        most = bench.form["idle_leases"] if bench.round == 0 else 0  # they take long, and hardly wobble
        for name in bench.in_turn(*bench.shared(Lenders).words):
            with borrower(bench, name) as client:
                base = self._base(client)
                if base is None:
                    return
                for n in [n for n in bench.form["leases"] if n > 1] + ([most] if most else []):
                    self._lend(bench, name, client, n, base)
            with borrower(bench, name) as client:
                base = self._base(client)
                for n in bench.form["leases"]:
                    self._use(bench, name, client, n, base)

    def _base(self, client):
        client.ask("hold 1")
        client.ask("ask 1")
        return rested_kib(client)

    def _lend(self, bench, name, client, n, base):
        """As many as can be had: descriptors and locked memory have their limits on every machine."""
        before = cpu_ns(client)
        held = client.ask(f"hold {n}")
        bench.record(f"lent {n}", name, {"asked": n, "held": held["held"], "hold_ms": held["ms"], "why": held["why"],
                                         "lent_ms": (cpu_ns(client) - before) / 1e6, "base_kib": base,
                                         "kib": rested_kib(client), **client.ask("try")})

    def _use(self, bench, name, client, n, base):
        client.ask(f"hold {n}")
        client.ask(f"ask {n}")
        used, requests, before = rested_kib(client), max(n, bench.form["asked"]), cpu_ns(client)
        seen = client.ask(f"ask {requests}")
        spent = cpu_ns(client) - before
        together = client.ask(f"together {n}")
        together["cpu_us"] = (cpu_ns(client) - before - spent) / n / 1000
        bench.record(f"used {n}", name, {"held": n, "base_kib": base, "kib": used, "cpu_us": spent / requests / 1000,
                                         **seen, "together": together})

    def rows(self, bench):
        for name in (OURS, GO):
            yield from self._rows_of(bench, name)
        yield from self._growth(bench)

    def _rows_of(self, bench, name):
        group = f"Leases, of {name}"
        one = bench.of("used 1", name)
        if not one:
            yield Row(group, "each further one", "KiB", [], None, bench.missing.get(name, "only root may look"))
            return
        yield Row(group, "the first, used once, with all that it needs", "KiB", [s["base_kib"] for s in one])
        for n in all_counts(bench):
            yield from self._lent_rows(bench, group, name, bench.of(f"lent {n}", name))
            yield from self._used_rows(group, name, one, bench.of(f"used {n}", name))

    def _lent_rows(self, bench, group, name, rounds):
        for held in sorted({s["held"] for s in rounds}):
            seen = [s for s in rounds if s["held"] == held]
            note = f"lent in {median(s['hold_ms'] for s in seen) / held:.2f} ms each"
            if seen[0]["why"] or held < seen[0]["asked"]:
                note += f"; {seen[0]['asked']:,} were asked for: {seen[0]['why'].strip()}"
            if not all(s["works"] for s in seen):
                note += "; the last one does not work"
            yield Row(group, f"each further one of {held:,}, never used", "KiB", [further_kib(s) for s in seen],
                      ("<=", 100) if name == OURS and held >= MANY else None, note)

    def _used_rows(self, group, name, one, rounds):
        if not rounds or rounds[0]["held"] == 1:
            return
        n = rounds[0]["held"]
        yield Row(group, f"each further one of {n:,}, used once", "KiB", [further_kib(s) for s in rounds], None,
                  "its warm TLS connection included")
        yield Row(group, f"p99 of a request on a new stream, {n:,} leases against one", "",
                  [s["p99_us"] / first["p99_us"] for s, first in zip(rounds, one)],
                  ("<=", 2) if name == OURS else None,
                  f"{median(s['p99_us'] for s in rounds):,.0f} us; p50 {median(s['p50_us'] for s in rounds):,.0f} us")
        together = [s["together"] for s in rounds]
        yield Row(group, f"all {n:,} ask at once: CPU a request, against in turn", "",
                  [s["together"]["cpu_us"] / s["cpu_us"] for s in rounds], None,
                  f"p99 {median(s['p99_us'] for s in together) / 1000:,.1f} ms, which is a queue for one CPU; all "
                  f"answered in {median(s['seconds'] for s in together) * 1000:,.1f} ms")

    def _growth(self, bench):
        """Memory of those beyond the first, which brings what all share."""
        lent = by_round(bench, "lent", OURS)
        if lent:
            most = max(s["held"] for seen in lent for s in seen)
            points = {
                "memory, never used": [[(s["held"] - 1, s["kib"] - s["base_kib"]) for s in seen] for seen in lent],
                "CPU, lending each": [[(s["held"] - 1, sum(t["lent_ms"] for t in seen[:i]))
                                       for i, s in enumerate(seen, 1)] for seen in lent],
            }
            yield from growth.rows(f"Growth, from 1 to {most:,} leases", points,
                                   {"memory, never used": "KiB", "CPU, lending each": "ms"})
        used = by_round(bench, "used", OURS)
        if used:
            most = max(s["held"] for seen in used for s in seen)
            points = {
                "memory, used once": [[(s["held"] - 1, s["kib"] - s["base_kib"]) for s in seen[1:]] for seen in used],
                "CPU, a request on each": [[(s["held"], s["held"] * s["cpu_us"]) for s in seen] for seen in used],
            }
            yield from growth.rows(f"Growth, from 1 to {most:,} leases that are used", points,
                                   {"memory, used once": "KiB", "CPU, a request on each": "us"})

    def plots(self, bench):
        cpu, memory = {}, {}
        for name in (OURS, GO):
            rounds = [bench.of(f"used {n}", name) for n in bench.form["leases"]]
            cpu[name] = [(seen[0]["held"], median(s["cpu_us"] for s in seen)) for seen in rounds if seen]
            rounds = [bench.of(f"lent {n}", name) for n in all_counts(bench)]
            memory[name] = [(1, median(s["base_kib"] for s in seen) / 1024) for seen in rounds[1:2] if seen] + [
                (seen[0]["held"], median(s["kib"] for s in seen) / 1024) for seen in rounds if seen]
        yield plots.Lines("lease-cpu", "Leases: CPU of a request on a new stream, leases in turn", "leases",
                          "µs, of all roles", cpu, True, False)
        yield plots.Lines("leases", "Leases, never used: memory of all", "leases", "MiB", memory, True, True)


def all_counts(bench):
    """How many leases there are looks at."""
    return sorted({*bench.form["leases"], *([bench.form["idle_leases"]] if bench.form["idle_leases"] else [])})


def by_round(bench, row, name):
    """For each round its looks, by their number of leases. A round may have fewer than another."""
    rounds = {}
    for n in all_counts(bench):
        for seen in bench.of(f"{row} {n}", name):
            rounds.setdefault(seen["round"], []).append(seen)
    return list(rounds.values())


def further_kib(seen):
    return (seen["kib"] - seen["base_kib"]) / max(seen["held"] - 1, 1)
