"""Line charts as SVG inside a page: no script, no font, nothing from a network.

The one thing to know: colours and sizes are the page's style sheet; a chart only says which line
is the first, the second, and so on.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

import msgspec

WIDTH: Final = 560
HEIGHT: Final = 260
LEFT: Final = 52
RIGHT: Final = 14
TOP: Final = 12
BOTTOM: Final = 38
COLOURS: Final = 8
"""As many lines can be told apart; the next begins anew."""
WIDER: Final = 1.7
"""Points by which a line is wider than the one after it."""
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


class Line(msgspec.Struct, frozen=True):
    """A named line of points. A dashed one is a bound, not a result."""

    name: str
    points: Sequence[tuple[float, float]]
    is_dashed: bool = False
    is_stepped: bool = False
    """Whether a value holds until the next point."""


class Chart(msgspec.Struct, frozen=True):
    """Lines over one axis. ``top`` is the least upper end of the vertical axis."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]
    top: float = 0.0
    begins: float | None = None
    """Where the vertical axis begins, if not at 0."""
    is_count: bool = False
    """Whether its values are whole by nature: there is no half host."""


def svg_of(chart: Chart) -> str:
    """The chart as one SVG element."""
    points = [point for line in chart.lines for point in line.points]
    if not points:
        return '<p class="note">Nothing to draw.</p>'
    frame = _frame(chart, points)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        *_axes(chart, frame),
    ]
    results = [line for line in chart.lines if not line.is_dashed]
    for line in chart.lines:
        if line.is_dashed:
            style = 'class="bound"'
        else:
            order = results.index(line)
            # The first is drawn widest, so that lines which lie on each other are all seen.
            width = 2.2 + WIDER * (len(results) - 1 - order)
            style = f'class="line c{order % COLOURS}" style="stroke-width:{width:.1f}"'
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (frame.at(*each) for each in _path(line)))
        parts.append(f'<polyline {style} points="{path}">')
        parts.append(f"<title>{escape(line.name)}</title></polyline>")
    parts.append("</svg>")
    return "".join(parts)


class _Frame(msgspec.Struct, frozen=True):
    """What part of the plane is shown."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is drawn."""
        across = (x - self.x_low) / (self.x_high - self.x_low)
        up = (max(y, self.y_low) - self.y_low) / (self.y_high - self.y_low)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )


def _frame(chart: Chart, points: Sequence[tuple[float, float]]) -> _Frame:
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low = 0.0 if chart.begins is None else chart.begins
    y_high = max(chart.top, *(y for _, y in points), y_low)
    return _Frame(
        x_low,
        x_high if x_high > x_low else x_low + 1,
        y_low,
        ticks(y_low, y_high if y_high > y_low else y_low + 1, is_whole=chart.is_count)[-1],
    )


def _axes(chart: Chart, frame: _Frame) -> Iterator[str]:
    for tick in ticks(frame.y_low, frame.y_high, is_whole=chart.is_count):
        _, y = frame.at(frame.x_low, tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
        yield f"{number(tick)}</text>"
    for tick in ticks(frame.x_low, frame.x_high):
        if frame.x_low <= tick <= frame.x_high:
            x, y = frame.at(tick, frame.y_low)
            yield f'<text class="tick" x="{x:.1f}" y="{y + 17:.1f}" text-anchor="middle">'
            yield f"{number(tick)}</text>"
    middle = (LEFT + WIDTH - RIGHT) // 2
    yield f'<text class="axis" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">'
    yield f"{escape(chart.across)}</text>"


def _path(line: Line) -> Iterator[tuple[float, float]]:
    before: tuple[float, float] | None = None
    for point in line.points:
        if before is not None and line.is_stepped:
            yield (point[0], before[1])
        yield point
        before = point


def legend_of(names: Sequence[str]) -> str:
    """The names of lines with their colours."""
    items = "".join(
        f'<li><i class="c{number % COLOURS}"></i>{escape(name)}</li>'
        for number, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def ticks(low: float, high: float, *, is_whole: bool = False) -> list[float]:
    """Four to eight round numbers from at most ``low`` to at least ``high``; fewer if whole."""
    raw = (high - low) / 5
    size = 10.0 ** floor(log10(raw))
    step = next(
        size * each
        for each in STEPS
        if size * each >= raw * (1 - 1e-9) and (not is_whole or (size * each).is_integer())
    )
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * each, 10) for each in range(first, last + 1)]


def number(value: float) -> str:
    """A number as an axis shows it."""
    if abs(value) >= 10_000 and value == round(value):
        return f"{value / 1000:,.10g}k"
    return f"{value:,.10g}"
