"""Rows: a name, what each round gave, and the mark. To stdout as a table, to a file as JSON."""
import dataclasses
import json
import statistics
import time


OF_MACHINE = ("* a mark of the machine that it was written on, where the floor took 4.6 us and nginx 11.9 a request,\n"
              "  Go 72 on a lease, and `true` 1.1 ms to start and end. The same mark as a ratio stands below it.")


@dataclasses.dataclass
class Row:
    """`mark` is ("<=" or ">=", number); `is_of_machine` if it is a figure of the machine that it was written on, which
    another can only show as a ratio. `samples` is empty for what could not be measured, and `note` says why."""
    group: str
    name: str
    unit: str = ""
    samples: list = dataclasses.field(default_factory=list)
    mark: tuple = None
    note: str = ""
    is_of_machine: bool = False

    @property
    def median(self):
        return statistics.median(self.samples) if self.samples else None

    @property
    def is_met(self):
        if not self.mark or not self.samples:
            return None
        return self.median <= self.mark[1] if self.mark[0] == "<=" else self.median >= self.mark[1]

    def as_json(self):
        return {**dataclasses.asdict(self), "median": self.median, "is_met": self.is_met}


def median(values):
    return statistics.median(list(values))


def figure(value):
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def count(n, one, many=None):
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def grouped(rows):
    """Each group in one place, where its first row stands: several suites may have rows for it."""
    order = {name: i for i, name in enumerate(dict.fromkeys(row.group for row in rows))}
    return sorted(rows, key=lambda row: order[row.group])


def cells(row):
    if row.samples:
        value, spread = figure(row.median), f"{figure(min(row.samples))} .. {figure(max(row.samples))}"
    else:
        value = spread = "-"
    mark = f"{row.mark[0]} {row.mark[1]:g}{' *' if row.is_of_machine else ''}" if row.mark else ""
    verdict = {True: "met", False: "MISSED", None: ""}[row.is_met]
    return [row.name, value, row.unit, spread, str(len(row.samples) or ""), mark, verdict, row.note]


def print_table(rows, file=None):
    head = ["", "median", "", "range", "of", "mark", "", ""]
    table = [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in [head, *table]) for i in range(len(head))]
    right = (1, 3, 4)

    def show(line):
        parts = [text.rjust(widths[i]) if i in right else text.ljust(widths[i]) for i, text in enumerate(line)]
        print("  " + "  ".join(parts).rstrip(), file=file)

    show(head)
    group = None
    for row, line in zip(rows, table):
        if row.group != group:
            group = row.group
            print(f"\n{group}", file=file)
        show(line)
    if any(row.mark and row.is_of_machine for row in rows):
        print(f"\n{OF_MACHINE}", file=file)


def verdict(rows):
    """One line: how many marks were met, and which were not."""
    marked = [row for row in rows if row.mark]
    missed = [row for row in marked if row.is_met is False]
    unmeasured = [row for row in marked if row.is_met is None]
    line = f"Of {count(len(marked), 'mark')} {sum(bool(row.is_met) for row in marked)} met, {len(missed)} missed"
    line += f", {len(unmeasured)} not measured" if unmeasured else ""
    return line + (": " if missed else "") + "; ".join(
        f"{row.group}: {row.name}{' *' if row.is_of_machine else ''}" for row in missed)


def stem(name):
    """What the files of one run are called."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def write_json(path, rows, raw, facts):
    """A line for each row and each measurement: a reader finds them, and a difference of two runs is short."""
    def lines(items):
        return ",\n".join("  " + json.dumps(item) for item in items)

    path.write_text(f'{{"facts": {json.dumps(facts, indent=1)},\n'
                    f' "rows": [\n{lines(row.as_json() for row in rows)}\n ],\n "raw": [\n{lines(raw)}\n ]}}\n')
