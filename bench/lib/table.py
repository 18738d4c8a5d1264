"""A table of 100,000 names beside one of 1,000, and reloading under load."""
import contextlib
import http.client
import json
import os
import time

import ingress
import subjects
from client import Client
from report import Row, median

SMALL, LARGE = 1000, 100_000
SHAPE = ingress.Shape("/128", "128 B", 16)
PATIENCE = 20


class Tables:
    """Two dispatchers that differ in their tables."""

    def __init__(self, bench):
        world = bench.shared(ingress.Field).world
        self.by_names = {}
        for names in (SMALL, LARGE):
            self.by_names[names] = subjects.Dispatcher(world, names)
            bench.closing.callback(self.by_names[names].close)


def replace_table(subject, table):
    """Whole or not at all, as people are told to."""
    new = subject.folder / "table.new"
    new.write_text(json.dumps(table))
    os.replace(new, subject.table_file)


class Size:
    """CPU a request, memory, time from the start to the first connection, and until a new table is in force."""

    def round(self, bench, ms):
        tables = bench.shared(Tables)
        for names, subject in bench.in_turn(*tables.by_names.items()):
            words = ingress.load_words(subject.world, subject, SHAPE, 0, ms, min(names, 65535))
            with Client(words, subject.world.client_cpu(SHAPE.connections)) as client:
                seen = ingress.measured(bench, subject, client)
            seen |= {"pss_kib": subject.pss_kib(), "start_ms": subject.start_ms,
                     "change_ms": self._change(subject, names)}
            seen["changed_kib"] = subject.pss_kib()
            ingress.record(bench, f"table {names}", subject, seen)

    def _change(self, subject, names):
        """Milliseconds until somebody new is let in; then the table is as it was."""
        table = subject.world.table(names)
        new = f"new-{time.monotonic_ns()}"
        client = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=PATIENCE)
        replace_table(subject, {**table, new: table["person-0"]})
        began = time.perf_counter()
        while self._status(client, new) != 200:
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError("a new table does not come into force")
            time.sleep(0.001)
        took = (time.perf_counter() - began) * 1000
        client.close()
        replace_table(subject, table)
        return took

    def _status(self, client, name):
        client.request("GET", "/128", headers={subjects.HEADER: name, "Cookie": "t3_session=5f1c9a7be2d04836"})
        answer = client.getresponse()
        answer.read()
        return answer.status

    def rows(self, bench):
        group = f"Dispatcher, a table of {LARGE:,} names"
        small, large = (bench.of(f"table {names}", subjects.OURS) for names in (SMALL, LARGE))
        yield Row(group, f"CPU a request, against {SMALL:,} names", "",
                  [a["cpu_us"] / b["cpu_us"] for a, b in zip(large, small)], None,
                  f"{median(s['cpu_us'] for s in large):.1f} us, {SHAPE.name}")
        yield Row(group, "until it listens", "ms", [seen["start_ms"] for seen in large[:1]], None,
                  f"{median(s['start_ms'] for s in small):,.0f} with {SMALL:,}")
        yield Row(group, "a new table in force after", "ms", [seen["change_ms"] for seen in large], None,
                  f"{median(s['change_ms'] for s in small):,.0f} with {SMALL:,}")
        if large and large[0]["pss_kib"] is not None:
            moments = (("from the start", "pss_kib", 1), ("after new tables", "changed_kib", len(large)))
            for name, moment, rounds in moments:
                yield Row(group, f"memory of each further name, {name}", "bytes",
                          [(a[moment] - b[moment]) * 1024 / (LARGE - SMALL) for a, b in zip(large[:rounds], small)])


class Reload:
    """Latency under load, before, during and after reloads that follow each other: of all that can."""

    EVERY, LONG_ENOUGH_MS = 0.1, 800  # a peer takes a while to read a large table
    PEERS = (subjects.Nginx, subjects.HaproxyReloading)

    def round(self, bench, ms):
        tables, world = bench.shared(Tables), bench.shared(ingress.Field).world
        for names in (SMALL, LARGE):
            peers = (kind for kind in self.PEERS if kind.name not in bench.missing)
            for kind in bench.in_turn(subjects.Dispatcher, *peers):
                if kind is subjects.Dispatcher:
                    self._look(bench, names, tables.by_names[names], ms)
                    continue
                with contextlib.closing(kind(world, names)) as subject:
                    self._look(bench, names, subject, ms)

    def _look(self, bench, names, subject, ms):
        ms = max(ms, self.LONG_ENOUGH_MS)
        words = ingress.load_words(subject.world, subject, SHAPE, 0, ms, min(names, 65535), "reopen")
        with Client(words, subject.world.client_cpu(SHAPE.connections)) as client:
            seen = {"before": client.ask(), "during": self._during(subject, client, ms), "after": client.ask()}
        ingress.record(bench, f"reload {names}", subject, seen)

    def _during(self, subject, client, ms):
        client.tell()
        for _ in range(max(1, int(ms / 1000 / self.EVERY))):
            subject.reload()
            time.sleep(self.EVERY)
        return client.hear()

    def rows(self, bench):
        for names in (SMALL, LARGE):
            group = f"Dispatcher, reload under load, {names:,} names"
            for kind in (subjects.Dispatcher, *self.PEERS):
                rounds = bench.of(f"reload {names}", kind.name)
                for when in ("before", "during", "after"):
                    yield Row(group, f"p99 {when}, {kind.name}", "us", [seen[when]["p99_us"] for seen in rounds], None,
                              self._note([seen[when] for seen in rounds]) or bench.missing.get(kind.name, ""))
            for kind in subjects.ALL:
                if kind.why_no_reload and not kind.is_pool_alone:
                    yield Row(group, f"p99 during, {kind.name}", "us", [], None, kind.why_no_reload)

    def _note(self, rounds):
        if not rounds:
            return ""
        reopened = sum(seen["reopened"] for seen in rounds)
        return (f"{median(seen['requests'] / seen['seconds'] for seen in rounds):,.0f}/s" +
                (f"; {reopened} connections were closed and opened again" if reopened else ""))
