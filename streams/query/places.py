"""Where a query is in its topics, as it stands in the ``id`` of what it says.

The one thing to know: an id says from where to read again, and how many of the rows that come of it
the reader has already. So a query goes on behind any row, at this process or at another. It is
``topic:partition:offset[.event],...;sequence[;skip[;time[;windows]]]``: the offset is the next one
to be read, the sequence counts rows, and ``time`` is when the next window begins.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

Lane = tuple[str, int]
"""A topic (without prefix) and a partition."""
Spot = tuple[int, int]
"""An offset, and how many of the record's events have been taken."""
Spots = dict[Lane, Spot]
"""Of each lane the next event to be taken."""
CHARACTERS_MAX: Final = 16_384
_LANE: Final = re.compile(
    r"([a-z][a-z-]{0,40}):([0-9]{1,6}):([0-9]{1,19})(?:\.([0-9]{1,9}))?", re.ASCII
)
_NUMBERS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_PARTS_MAX: Final = 5


class Place(NamedTuple):
    """Where to go on."""

    spots: Spots
    sequence: int = 0
    """Rows said before."""
    skip: int = 0
    """Rows that come first and were said before."""
    at_ms: int = 0
    """When the next window begins, or what a join's clock showed; 0 for neither."""
    windows: int = 0
    """Windows said before, where a limit counts them."""


def spots_text(spots: Mapping[Lane, Spot]) -> str:
    """The lanes with their spots, in order."""
    return ",".join([spot_text(lane, spots[lane]) for lane in sorted(spots)])


def spot_text(lane: Lane, spot: Spot) -> str:
    """One lane with its spot."""
    topic, partition = lane
    offset, events = spot
    return f"{topic}:{partition}:{offset}.{events}" if events else f"{topic}:{partition}:{offset}"


def place_text(place: Place, lanes: str | None = None) -> str:
    """The id; ``lanes`` is the text of its spots where the caller has it already."""
    numbers = [place.sequence, place.skip, place.at_ms, place.windows]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return ";".join([spots_text(place.spots) if lanes is None else lanes, *map(str, numbers)])


def place_of(text: str) -> Place | None:
    """The place that an id names; None where it is none."""
    if len(text) > CHARACTERS_MAX:
        return None
    lanes, *numbers = text.split(";")
    if len(numbers) >= _PARTS_MAX or not all(map(_NUMBERS.fullmatch, numbers)):
        return None
    spots: Spots = {}
    for each in lanes.split(","):
        found = _LANE.fullmatch(each)
        if found is None:
            return None
        spots[found[1], int(found[2])] = int(found[3]), int(found[4] or 0)
    return Place(spots, *map(int, numbers))
