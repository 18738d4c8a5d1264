"""Plots as SVG: lines over axes, and bars with their ranges. They are legible on light paper and on dark, name their
lines beside them, and tell by colours that everybody can tell apart; ours is the strong one."""
import dataclasses
import math
import statistics
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 76, 130, 74, 58
NAMES_WIDTH, BAR, BAR_GAP = 130, 26, 16  # of bars: what stands before them, how thick they are and how far apart
LABEL_HEIGHT, LETTER = 17, 7  # a letter at its widest, on average

# After Okabe and Ito. A name has the same in every picture.
COLOURS = {"credfd": "ours", "nginx": "c1", "haproxy": "c2", "Go": "c3", "Go, pool mended": "c4", "floor": "c5"}
SPARE = ["c1", "c2", "c3", "c4"]

STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #e4e8ec; --ours: #d55e00; --c1: #0072b2;
        --c2: #009e73; --c3: #b3568d; --c4: #9a7d0a; --c5: #6e7781 }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --grid: #262c34; --ours: #ff8533; --c1: #56b4e9;
          --c2: #2bc79a; --c3: #e08fc0; --c4: #e0c341; --c5: #9198a1 } }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif;
         fill: var(--ink); font-variant-numeric: tabular-nums }
  .bare { paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round }
  .other { opacity: 0.62 } .paper { fill: var(--paper) } .soft { fill: var(--soft) }
  .title { font-size: 17px; font-weight: 600 }
  .strong { font-weight: 700 } .grid { stroke: var(--grid) } .axis { stroke: var(--soft) }
  .mark { stroke: var(--ink); stroke-dasharray: 5 4 } .range { stroke: var(--ink); stroke-width: 1.5 }
""" + "\n".join(f"  .{name} {{ fill: var(--{name}) }} .line-{name} {{ stroke: var(--{name}); fill: none }}"
                for name in ("ours", "c1", "c2", "c3", "c4", "c5"))


@dataclasses.dataclass
class Lines:
    """`lines`: for each name its points, in order."""
    file: str
    title: str
    x: str
    y: str
    lines: dict
    is_log_x: bool = False
    is_log_y: bool = False

    def draw(self):
        lines = {name: line for name, line in self.lines.items() if line}
        points = [point for line in lines.values() for point in line]
        if not points:
            return None
        across = Axis([x for x, _ in points], self.is_log_x, LEFT, WIDTH - RIGHT)
        up = Axis([y for _, y in points], self.is_log_y, HEIGHT - BOTTOM, TOP)
        parts = []
        for at, words in across.ticks():
            parts += [line(at, TOP, at, HEIGHT - BOTTOM, "grid"),
                      text(at, HEIGHT - BOTTOM + 20, words, "middle", "soft")]
        for at, words in up.ticks():
            parts += [line(LEFT, at, WIDTH - RIGHT, at, "grid"), text(LEFT - 8, at + 4.5, words, "end", "soft")]
        parts += [line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"),
                  text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, self.x, "middle", "soft"),
                  text(LEFT - 8, TOP - 14, self.y, "start", "soft")]
        places = {name: [(across.place(x), up.place(y)) for x, y in line] for name, line in lines.items()}
        # ours last: it lies above the others
        for name in sorted(places, key=lambda name: colour_of(name) == "ours"):
            parts += stroke(name, places[name])
        parts += labels({name: line[-1] for name, line in places.items()})
        return svg(self.title, parts, HEIGHT)


@dataclasses.dataclass
class Bars:
    """`bars`: for each name its samples; a bar is their median, the line on it their range. `marks`: lines across, by
    what is said of them."""
    file: str
    title: str
    unit: str
    bars: dict
    marks: dict = dataclasses.field(default_factory=dict)

    def draw(self):
        bars = {name: samples for name, samples in self.bars.items() if samples}
        if not bars:
            return None
        bottom = TOP + BAR_GAP + len(bars) * (BAR + BAR_GAP)
        most = max([*(max(samples) for samples in bars.values()), *self.marks.values()])
        across = Axis([0, most], False, NAMES_WIDTH, WIDTH - 80)
        parts = []
        for at, words in across.ticks():
            parts += [line(at, TOP, at, bottom, "grid"), text(at, bottom + 20, words, "middle", "soft")]
        # the rightmost first: no line crosses what is said of another
        for n, (words, value) in enumerate(sorted(self.marks.items(), key=lambda mark: -mark[1])):
            at, below = across.place(value), bottom + 70 + n * 20
            said = f"{words}: {short(value)}"
            has_room = at + 7 + len(said) * LETTER < WIDTH
            parts += [line(at, TOP - 4, at, below - 4, "mark"),
                      text(at + 7 if has_room else at - 7, below, said, "start" if has_room else "end", "bare soft")]
        for n, (name, samples) in enumerate(bars.items()):
            parts += self._bar(name, samples, TOP + BAR_GAP + n * (BAR + BAR_GAP), across)
        parts += [line(NAMES_WIDTH, TOP, NAMES_WIDTH, bottom, "axis"),
                  text((NAMES_WIDTH + WIDTH - 80) / 2, bottom + 44, self.unit, "middle", "bare soft")]
        return svg(self.title, parts, bottom + 62 + 20 * len(self.marks))

    def _bar(self, name, samples, y, across):
        colour, value = colour_of(name), statistics.median(samples)
        start, end, middle = across.place(0), across.place(value), y + BAR / 2
        yield text(start - 10, middle + 4.5, name, "end", "strong" if colour == "ours" else "")
        yield (f'<rect x="{start:.1f}" y="{y:.1f}" width="{max(end - start, 1.5):.1f}" height="{BAR}" rx="2" '
               f'class="{colour}{"" if colour == "ours" else " other"}"/>')
        yield line(across.place(min(samples)), middle, across.place(max(samples)), middle, "range")
        yield text(max(end, across.place(max(samples))) + 8, middle + 4.5, short(value), "start",
                   "bare strong" if colour == "ours" else "bare")


class Axis:
    """From values to places on the picture."""

    def __init__(self, values, is_log, first, last):
        self.is_log, self.first, self.last = is_log, first, last
        values = [value for value in values if value > 0] if is_log else values
        self.low, self.high = min(values), max(values)
        if is_log:
            self.low, self.high = 10.0 ** math.floor(math.log10(self.low)), 10.0 ** math.ceil(math.log10(self.high))
        else:
            self.low = min(self.low, 0)
        if self.low == self.high:
            self.high = self.low * 10 if is_log else self.low + 1

    def place(self, value):
        scale = math.log10 if self.is_log else float
        value = max(value, self.low) if self.is_log else value
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.first + share * (self.last - self.first)

    def ticks(self):
        """Places, and what stands there."""
        return [(self.place(value), short(value)) for value in self._values()]

    def _values(self):
        if self.is_log:
            return [10.0 ** n for n in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = 10 ** math.floor(math.log10(self.high - self.low))
        step *= next(k for k in (0.2, 0.5, 1, 2) if (self.high - self.low) / (step * k) <= 6)
        return [step * n for n in range(int(self.high / step) + 1)]


def short(value):
    if value >= 100 or value == 0 or value == round(value) and value >= 1:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def colour_of(name):
    """By its first word, where the name says more: "credfd, lent"."""
    known = COLOURS.get(name) or COLOURS.get(name.partition(",")[0])
    return known or SPARE[sum(map(ord, name)) % len(SPARE)]


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def stroke(name, places):
    colour = colour_of(name)
    width, radius = (3.5, 4.5) if colour == "ours" else (1.75, 3)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" class="line-{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{colour}"/>'


def labels(ends):
    """Each name beside the end of its line, moved apart where they would touch."""
    by_height = sorted(ends, key=lambda name: ends[name][1])
    heights = [ends[name][1] for name in by_height]
    for _ in range(50):
        for i in range(len(heights) - 1):
            overlap = LABEL_HEIGHT - (heights[i + 1] - heights[i])
            if overlap > 0:
                heights[i], heights[i + 1] = heights[i] - overlap / 2, heights[i + 1] + overlap / 2
    for name, y in zip(by_height, heights):
        colour = colour_of(name)
        yield text(ends[name][0] + 11, y + 4.5, name, "start", colour + (" strong" if colour == "ours" else ""))


def svg(title, parts, height):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                      f'viewBox="0 0 {WIDTH} {height:.0f}" role="img"><title>{escape(title)}</title>',
                      f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" class="paper"/>',
                      text(22, 34, title, "start", "title"), *parts, "</svg>", ""])


def write(folder, prefix, drawings):
    """Writes each as PREFIX and its name; tells where."""
    paths = []
    for drawing in drawings:
        picture = drawing.draw()
        if picture:
            paths.append(folder / f"{prefix}{drawing.file}.svg")
            paths[-1].write_text(picture)
    return paths
