"""Rows: a name, what each round gave, and the mark. To stdout as a table, to a file as JSON."""
import dataclasses
import json
import statistics
import time


@dataclasses.dataclass
class Row:
    """`mark` is ("<=" or ">=", number). `samples` is empty for what could not be measured, and `note` says why."""
    group: str
    name: str
    unit: str = ""
    samples: list = dataclasses.field(default_factory=list)
    mark: tuple = None
    note: str = ""

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


def cells(row):
    if row.samples:
        value, spread = figure(row.median), f"{figure(min(row.samples))} .. {figure(max(row.samples))}"
    else:
        value = spread = "-"
    mark = f"{row.mark[0]} {row.mark[1]:g}" if row.mark else ""
    verdict = {True: "met", False: "MISSED", None: ""}[row.is_met]
    return [row.name, value, row.unit, spread, mark, verdict, row.note]


def print_table(rows):
    head = ["", "median", "", "range", "mark", "", ""]
    table = [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in [head, *table]) for i in range(len(head))]
    right = (1, 3)

    def show(line):
        parts = [text.rjust(widths[i]) if i in right else text.ljust(widths[i]) for i, text in enumerate(line)]
        print("  " + "  ".join(parts).rstrip())

    show(head)
    group = None
    for row, line in zip(rows, table):
        if row.group != group:
            group = row.group
            print(f"\n{group}")
        show(line)


def stem(name):
    """What the files of one run are called."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def write_json(path, rows, raw, facts):
    with open(path, "w") as file:
        json.dump({"facts": facts, "rows": [row.as_json() for row in rows], "raw": raw}, file, indent=1)
        file.write("\n")
