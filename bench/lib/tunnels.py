"""WebSocket tunnels through the dispatcher and its peers: what idle ones weigh, and how quickly busy ones echo."""
import time

import growth
import ingress
import plots
import subjects
from client import Client
from report import Row, median

MESSAGE = 4096  # of the traffic between the looks at memory
BUSY, LARGE = 8, 64 * 1024
SPEED_MARK = 1150
MANY = 5000  # fewer have pages to themselves that many share
PAGE_KIB = 4  # less than one cannot be seen
RESERVED = 300  # descriptors for everything but tunnels


def tunnel_words(world, subject, n):
    return [world.bench.program("bench/tunnels"), subject.port, n, ingress.NAMES]


class Idle:
    """Memory, as proportional set size of all processes of a fresh subject, for each tunnel: opened and never used,
    while all echo, and when they are quiet again."""

    def __init__(self):
        self.most = None  # a tunnel takes two descriptors of one process

    def round(self, bench, ms):
        field = bench.shared(ingress.Field)
        self.most = (field.world.files - RESERVED) // 2
        for n in bench.form["tunnels"]:
            if min(n, self.most) > MANY and bench.round > 0:
                continue  # so many take long, and hardly wobble
            for kind in bench.in_turn(*(kind for kind in field.kinds if not kind.is_pool_alone)):
                subject = kind(field.world)
                try:
                    self._look(bench, subject, min(n, self.most), ms)
                finally:
                    subject.close()

    def _look(self, bench, subject, n, ms):
        if subject.pss_kib() is None:
            return
        # what the first tunnel makes and all share is not counted
        with Client(tunnel_words(subject.world, subject, 1), subject.world.client_cpu(n)) as client:
            client.ask(f"echo 1 {MESSAGE} 20")
        before = self._settled(subject)
        with Client(tunnel_words(subject.world, subject, n), subject.world.client_cpu(n)) as client:
            idle = self._settled(subject)
            client.tell(f"echo {n} {MESSAGE} {ms}")
            time.sleep(ms / 2000)
            during = subject.pss_kib()
            client.hear()
            after = self._settled(subject)
            seen = ingress.measured(bench, subject, client, f"echo {n} 128 {ms}", "messages")
        sizes = {"before": before, "idle": idle, "during": during, "after": after}
        seen |= {"tunnels": n, "pss_kib": sizes,
                 "each_kib": {name: max(size - before, 0) / n for name, size in sizes.items()}}
        ingress.record(bench, f"idle {n}", subject, seen)

    def _settled(self, subject):
        """Once two looks see the same; what is to be given back has a second for it."""
        size = subject.pss_kib()
        for _ in range(10):
            time.sleep(0.1)
            last, size = size, subject.pss_kib()
            if size == last:
                break
        return size

    def _counts(self, bench):
        return sorted({min(n, self.most) for n in bench.form["tunnels"]})

    def rows(self, bench):
        if not bench.of(f"idle {self._counts(bench)[-1]}", subjects.OURS):
            yield Row("Tunnels, memory of each", "", "KiB", [], None, "only root may look")
            return
        for n in self._counts(bench):
            for kind in (kind for kind in subjects.ALL if not kind.is_pool_alone):
                yield from self._rows_of(bench, n, kind.name)
        yield from self._growth(bench)

    def _growth(self, bench):
        units = {"memory, idle": "KiB", "memory, after traffic": "KiB", "CPU, an echo of 128 B on each": "us"}
        rounds = self._by_round(bench)
        points = {
            "memory, idle": [[(s["tunnels"], s["pss_kib"]["idle"] - s["pss_kib"]["before"]) for s in seen]
                             for seen in rounds],
            "memory, after traffic": [[(s["tunnels"], s["pss_kib"]["after"] - s["pss_kib"]["before"]) for s in seen]
                                      for seen in rounds],
            "CPU, an echo of 128 B on each": [[(s["tunnels"], s["tunnels"] * s["cpu_us"]) for s in seen]
                                              for seen in rounds],
        }
        yield from growth.rows(f"Growth, from 1 to {self._counts(bench)[-1]:,} tunnels", points, units)

    def _by_round(self, bench):
        """For each round its looks at ours, by their number of tunnels. A round may have fewer than another."""
        rounds = {}
        for n in self._counts(bench):
            for seen in bench.of(f"idle {n}", subjects.OURS):
                rounds.setdefault(seen["round"], []).append(seen)
        return list(rounds.values())

    def _rows_of(self, bench, n, name):
        group = f"Tunnels, memory of each of {n:,}"
        rounds = bench.of(f"idle {n}", name)
        if not rounds:
            yield Row(group, f"{name}, idle", "KiB", [], None, bench.missing.get(name, ""))
            return
        mark = ("<=", 0.6) if name == subjects.OURS and n >= MANY else None
        yield Row(group, f"{name}, idle", "KiB", [seen["each_kib"]["idle"] for seen in rounds], mark,
                  f"before the first {median(s['pss_kib']['before'] for s in rounds):,.0f} in all" +
                  ("; less than a page cannot be told" if n * rounds[0]["each_kib"]["idle"] < PAGE_KIB else ""))
        yield Row(group, f"{name}, after traffic", "KiB", [seen["each_kib"]["after"] for seen in rounds], mark,
                  f"during {median(s['each_kib']['during'] for s in rounds):,.1f}; an echo of 128 B takes "
                  f"{median(s['cpu_us'] for s in rounds):.1f} us of CPU")

    def plots(self, bench):
        memory, cpu, each = {}, {}, {}
        counts = self._counts(bench)
        for kind in subjects.ALL:
            for n in counts:
                rounds = bench.of(f"idle {n}", kind.name)
                if rounds:
                    used = median(s["pss_kib"]["after"] - s["pss_kib"]["before"] for s in rounds)
                    if used >= PAGE_KIB:
                        memory.setdefault(kind.name, []).append((n, used / 1024))
                    cpu.setdefault(kind.name, []).append((n, median(s["cpu_us"] for s in rounds)))
            each[kind.name] = [s["each_kib"]["after"] for s in bench.of(f"idle {counts[-1]}", kind.name)]
        yield plots.Bars("tunnel", f"Memory of a WebSocket tunnel: each of {counts[-1]:,}, after traffic",
                         "KiB of all processes of each, shared out", each)
        yield plots.Lines("memory", "Tunnels: memory of all, after traffic", "tunnels", "MiB", memory, True, True)
        yield plots.Lines("tunnel-cpu", "Tunnels, all echoing 128 B: CPU a message", "tunnels", "µs", cpu, True, False)


class Echo:
    """A message of 64 KiB under way on each of eight tunnels. Some connections are twice as quick as others all their
    life long, whoever's they are: so each round has several sets of them."""

    SETS = 4

    def round(self, bench, ms):
        field = bench.shared(ingress.Field)
        seen = {}
        for _ in range(self.SETS):
            for subject in bench.in_turn(*field.all):
                seen.setdefault(subject, []).append(self._set(bench, field, subject, ms // 2))
        for subject, sets in seen.items():
            ingress.record(bench, "echo", subject,
                           {name: sum(s[name] for s in sets) for name in ("bytes", "seconds", "cpu_seconds")} |
                           {"foreign": max(s["foreign"] for s in sets)})

    def _set(self, bench, field, subject, ms):
        with Client(tunnel_words(field.world, subject, BUSY), field.world.client_cpu(BUSY)) as client:
            client.ask(f"echo {BUSY} {LARGE} 50")
            return ingress.measured(bench, subject, client, f"echo {BUSY} {LARGE} {ms}", "messages")

    def rows(self, bench):
        for kind in subjects.ALL:
            rounds = bench.of("echo", kind.name)
            speeds = [seen["bytes"] / (1 << 20) / seen["seconds"] for seen in rounds]
            note = bench.missing.get(kind.name, "")
            if rounds:
                a_second = median(s["bytes"] / (1 << 20) / s["cpu_seconds"] for s in rounds)
                note = f"{a_second:,.0f} a CPU second of the subject's"
            yield Row("Tunnels, echo on 8 of 64 KiB", kind.name, "MiB/s", speeds,
                      (">=", SPEED_MARK) if kind.name == subjects.OURS else None, note, is_of_machine=True)
        ours, floor = (bench.of("echo", name) for name in (subjects.OURS, "floor"))
        yield Row("Tunnels, echo on 8 of 64 KiB", "credfd against floor", "",
                  [(a["bytes"] / a["seconds"]) / (b["bytes"] / b["seconds"]) for a, b in zip(ours, floor)],
                  (">=", round(SPEED_MARK / 1198, 2)))
        yield Row("Tunnels, echo on 8 of 64 KiB", "credfd against floor, bytes a CPU second", "",
                  [(a["bytes"] / a["cpu_seconds"]) / (b["bytes"] / b["cpu_seconds"]) for a, b in zip(ours, floor)],
                  None, "that others were busy does not show here")
