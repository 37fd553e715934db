"""Line charts as SVG inside a page: no script, no font, nothing from a network.

The one thing to know: colours and sizes are the page's style sheet; a chart only says which line
is the first, the second, and so on.
"""

from collections.abc import Sequence
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
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


class Line(msgspec.Struct, frozen=True):
    """A named line of points. A dashed one is a bound, not a result."""

    name: str
    points: Sequence[tuple[float, float]]
    is_dashed: bool = False


class Chart(msgspec.Struct, frozen=True):
    """Lines over one axis. ``top`` is the least upper end of the vertical axis."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]
    top: float = 0.0
    begins: float | None = None
    """Where the vertical axis begins, if not at 0."""


def svg_of(chart: Chart) -> str:
    """The chart as one SVG element."""
    points = [point for line in chart.lines for point in line.points]
    if not points:
        return '<p class="none">Nothing to draw.</p>'
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low = 0.0 if chart.begins is None else chart.begins
    y_high = max(chart.top, max(y for _, y in points))
    x_ticks = ticks(x_low, x_high if x_high > x_low else x_low + 1)
    y_ticks = ticks(y_low, y_high if y_high > y_low else y_low + 1)
    x_high, y_high = max(x_high, x_low + 1e-9), max(y_ticks[-1], y_high)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (max(y, y_low) - y_low) / (y_high - y_low)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">'
    ]
    for tick in y_ticks:
        _, y = at(x_low, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in x_ticks:
        if tick <= x_high:
            x, y = at(tick, y_low)
            parts.append(f'<text class="tick" x="{x:.1f}" y="{y + 17:.1f}" text-anchor="middle">{number(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(chart.across)}</text>')
    colour = 0
    for line in chart.lines:
        name = "bound" if line.is_dashed else f"line c{colour % COLOURS}"
        colour += not line.is_dashed
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line.points))
        parts.append(
            f'<polyline class="{name}" points="{drawn}"><title>{escape(line.name)}</title></polyline>'
        )
    parts.append("</svg>")
    return "".join(parts)


def legend_of(names: Sequence[str]) -> str:
    """The names of lines with their colours."""
    items = "".join(
        f'<li><i class="c{number % COLOURS}"></i>{escape(name)}</li>'
        for number, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers from at most ``low`` to at least ``high``."""
    raw = (high - low) / 5
    size = 10.0 ** floor(log10(raw))
    step = next(size * each for each in STEPS if size * each >= raw * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * each, 10) for each in range(first, last + 1)]


def number(value: float) -> str:
    """A number as an axis shows it."""
    if abs(value) >= 10_000 and value == round(value):
        return f"{value / 1000:,.10g}k"
    return f"{value:,.10g}"
