"""Plots as SVG: lines over axes, and bars with their ranges. Enough for what is drawn here, and no more."""
import dataclasses
import math
import statistics
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 50
of_name = {}  # the same in every picture of a run
COLOURS = ["#c1121f", "#2a6f97", "#5a8f29", "#7b5ea7", "#b08968", "#777777"]


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
        points = [point for line in self.lines.values() for point in line]
        if not points:
            return None
        across = Axis([x for x, _ in points], self.is_log_x, LEFT, WIDTH - RIGHT)
        up = Axis([y for _, y in points], self.is_log_y, HEIGHT - BOTTOM, TOP)
        parts = [*across.grid(lambda at, text: vertical(at, text)), *up.grid(lambda at, text: horizontal(at, text)),
                 *captions(self.title, self.x, self.y)]
        for n, (name, line) in enumerate(self.lines.items()):
            colour = colour_of(name)
            places = [(across.place(x), up.place(y)) for x, y in line]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
            parts += legend(n, name, colour)
        return svg(parts)


@dataclasses.dataclass
class Bars:
    """`bars`: for each name its samples; a bar is their median, the line on it their range. `mark` is a line across."""
    file: str
    title: str
    unit: str
    bars: dict
    mark: float = None

    def draw(self):
        if not self.bars:
            return None
        up = Axis([0, *(value for samples in self.bars.values() for value in samples), self.mark or 0], False,
                  HEIGHT - BOTTOM, TOP)
        parts = [*up.grid(lambda at, text: horizontal(at, text)), *captions(self.title, "", self.unit)]
        step = (WIDTH - LEFT - RIGHT) / len(self.bars)
        for n, (name, samples) in enumerate(self.bars.items()):
            middle, value = LEFT + step * (n + 0.5), statistics.median(samples)
            top = up.place(value)
            parts.append(f'<rect x="{middle - step * 0.3:.1f}" y="{top:.1f}" width="{step * 0.6:.1f}" '
                         f'height="{up.place(0) - top:.1f}" fill="{colour_of(name)}"/>')
            parts.append(line(middle, up.place(min(samples)), middle, up.place(max(samples)), "#222"))
            parts.append(text(middle, HEIGHT - BOTTOM + 18, name, "middle"))
            parts.append(text(middle + 6, top - 6, f"{value:.1f}", "start"))
        if self.mark:
            at = up.place(self.mark)
            parts += [line(LEFT, at, WIDTH - RIGHT, at, "#222", 'stroke-dasharray="6 4"'),
                      text(WIDTH - RIGHT + 8, at + 4, f"the mark, {self.mark:g}")]
        return svg(parts)


class Axis:
    """From values to places on the picture."""

    def __init__(self, values, is_log, first, last):
        self.is_log, self.first, self.last = is_log, first, last
        values = [value for value in values if value > 0] if is_log else values
        self.low, self.high = min(values), max(values)
        if is_log:
            self.low, self.high = 10 ** math.floor(math.log10(self.low)), 10 ** math.ceil(math.log10(self.high))
        elif self.low > 0:
            self.low = 0
        if self.low == self.high:
            self.high = self.low * 10 if is_log else self.low + 1

    def place(self, value):
        scale = math.log10 if self.is_log else float
        value = max(value, self.low) if self.is_log else value
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.first + share * (self.last - self.first)

    def ticks(self):
        if self.is_log:
            return [10 ** n for n in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = 10 ** math.floor(math.log10(self.high - self.low))
        step *= next(k for k in (0.2, 0.5, 1, 2) if (self.high - self.low) / (step * k) <= 6)
        return [step * n for n in range(int(self.high / step) + 1)]

    def grid(self, draw):
        for tick in self.ticks():
            yield from draw(self.place(tick), f"{tick:,.0f}" if tick >= 1 else f"{tick:g}")


def colour_of(name):
    return of_name.setdefault(name, COLOURS[len(of_name) % len(COLOURS)])


def line(x1, y1, x2, y2, colour, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def vertical(at, words):
    return [line(at, TOP, at, HEIGHT - BOTTOM, "#ddd"), text(at, HEIGHT - BOTTOM + 18, words, "middle")]


def horizontal(at, words):
    return [line(LEFT, at, WIDTH - RIGHT, at, "#ddd"), text(LEFT - 6, at + 4, words, "end")]


def captions(title, x, y):
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return [text(LEFT, 22, title, more='font-size="15"'), text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle"),
            text(16, middle, y, "middle", f'transform="rotate(-90 16 {middle})"')]


def legend(n, name, colour):
    y = TOP + 10 + 20 * n
    return [line(WIDTH - RIGHT + 10, y, WIDTH - RIGHT + 30, y, colour, 'stroke-width="3"'),
            text(WIDTH - RIGHT + 36, y + 4, name)]


def svg(parts):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#222">')
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *parts, "</svg>", ""])


def write(folder, stem, drawings):
    """Writes each as STEM-FILE.svg; tells where."""
    paths = []
    for drawing in drawings:
        picture = drawing.draw()
        if picture:
            paths.append(folder / f"{stem}-{drawing.file}.svg")
            paths[-1].write_text(picture)
    return paths
