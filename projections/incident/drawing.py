"""When things happened, as a picture: a lane for each section, a mark for each line.

The one thing to know: it shows nothing that the tables below do not say; graver marks are taller as
well as of another colour.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from projections.incident.shapes import IncidentLine
from projections.words import instant

WIDTH: Final = 1200
LABELS: Final = 240
LANE: Final = 24
_HEIGHT: Final = {"": 8, "warning": 12, "critical": 18}


def lanes(
    sections: Sequence[tuple[str, Sequence[IncidentLine]]], first_ms: int, last_ms: int
) -> str:
    """The picture as SVG."""
    span = max(1, last_ms - first_ms)
    height = LANE * len(sections) + 26
    label = "When things happened, one lane for each section below"
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">']
    for number, (title, lines) in enumerate(sections):
        middle = LANE * number + LANE // 2
        parts.append(f'<text x="0" y="{middle + 4}">{escape(title)}</text>')
        parts.append(f'<line x1="{LABELS}" x2="{WIDTH}" y1="{middle}" y2="{middle}"/>')
        parts += _marks(lines, middle, first_ms, span)
    bottom = height - 6
    parts.append(f'<text class="axis" x="{LABELS}" y="{bottom}">{instant(first_ms)}</text>')
    parts.append(
        f'<text class="axis" x="{WIDTH}" y="{bottom}" text-anchor="end">{instant(last_ms)}</text>'
    )
    return "".join(parts) + "</svg>"


def _marks(lines: Sequence[IncidentLine], middle: int, first_ms: int, span: int) -> list[str]:
    """Marks of a lane: at each pixel the gravest one."""
    at_pixel: dict[int, str] = {}
    for each in lines:
        share = min(1.0, max(0.0, (each.at_ms - first_ms) / span))
        x = LABELS + round(share * (WIDTH - LABELS - 4))
        if _HEIGHT[each.weight] >= _HEIGHT[at_pixel.get(x, "")]:
            at_pixel[x] = each.weight
    found = []
    for x, weight in sorted(at_pixel.items()):
        tall = _HEIGHT[weight]
        found.append(
            f'<rect class="{weight or "m"}" x="{x}" y="{middle - tall // 2}" width="4" '
            f'height="{tall}"/>'
        )
    return found
