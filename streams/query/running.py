"""One query of one reader: found events go in, rows with ids come out.

The one thing to know: the id of a row says from where to read again so that the rows behind it, and
no others, come again. For single events that is behind the event. For windows of time it is before
the first event of the oldest window that is not said, for counted ones the first event of the
window, for joins behind the event, with what it may be paired with read once more before.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from projections.query.engine import Running
from projections.query.sampling import Draw
from projections.query.syntax import Query, TimeWindow
from streams.query.places import Lane, Place, Spot, Spots, place_text, spot_text

LATE_MS: Final = 1_000
"""A window is said so long after its end by the clock, where no later event says it before."""
MARKS_MAX: Final = 10_000
"""Places kept for a window; beyond, every other one is forgotten, and more is read again."""
_OPTIONS: Final = orjson.OPT_NON_STR_KEYS


class Found(NamedTuple):
    """An event that a query wants, with what it names of it."""

    lane: Lane
    offset: int
    number: int
    at_ms: int
    stream: str
    row: Mapping[str, Any]
    size: int
    """Its part of the record, in bytes."""


class Batch(NamedTuple):
    """What was found up to some places, in the order in which it is to be taken."""

    found: list[Found]
    ends: Mapping[Lane, int]
    """Of each lane that was read: the next offset."""
    at_ms: int
    """The latest time that was read."""
    read: int = 0
    """Events that were looked at."""


class Said(NamedTuple):
    """A row on its way to the reader."""

    id: str
    data: bytes


class QueryRun:
    """Takes what was found, and says rows."""

    def __init__(self, query: Query, draw: Draw, place: Place) -> None:
        """``place``: where it begins; of an id that a reader came back with, where it goes on."""
        self.query = query
        self.running = Running(query, draw, "client")
        self.sequence = place.sequence
        self.matched = 0
        self.clock_ms = 0
        self.spots: Spots = dict(place.spots)
        self._skip = place.skip
        self._skipped = 0
        """Of the rows to skip, how many the base's own count has in it."""
        self._base: Spots = dict(place.spots)
        self._base_ms = place.at_ms
        self._warm_until: Spots | None = None
        self._texts = {lane: spot_text(lane, spot) for lane, spot in sorted(place.spots.items())}
        self._marks: deque[tuple[int, Spots]] = deque()
        self._windows = place.windows
        if place.at_ms:
            self.running.window_begins_ms = place.at_ms
        self.is_held = self.running.is_held
        self._is_timed = isinstance(query.window, TimeWindow)
        self._counts_windows = query.window is not None and query.limit is not None
        self.running.said = place.windows if self.is_held else place.sequence
        if query.joins and place.at_ms:
            self._warm_until = dict(place.spots)
            self.running.is_warming = True

    @property
    def warm_from_ms(self) -> int | None:
        """From when to read again before the place, so that joins have what they had; or None."""
        if self._warm_until is None:
            return None
        within_ms = max(each.within_s for each in self.query.joins) * 1_000
        return max(0, self._base_ms - within_ms)

    @property
    def is_warming(self) -> bool:
        """Whether what is read now only rebuilds a join."""
        return self._warm_until is not None and any(
            self.spots[lane] < spot for lane, spot in self._warm_until.items()
        )

    def warm(self, spots: Spots) -> None:
        """Begin at these earlier places, to say nothing until the place is reached."""
        for lane, spot in spots.items():
            self._set(lane, min(spot, self.spots.get(lane, spot)))

    @property
    def is_over(self) -> bool:
        """Whether nothing that comes can change what was said."""
        return self.running.is_over

    def take(self, batch: Batch) -> list[Said]:
        """The rows that come of a batch; what was taken before is passed over."""
        said: list[Said] = []
        self._mark()
        for each in batch.found:
            at = each.offset, each.number
            if at < self.spots.get(each.lane, (0, 0)):
                continue
            self.matched += 1
            self.clock_ms = max(self.clock_ms, each.at_ms)
            before = self._joined_text() if self.query.joins else ""
            rows = self._pushed(each)
            self._set(each.lane, (each.offset, each.number + 1))
            self._say(rows, said, before)
            if self.is_over:
                return said
        for lane, offset in batch.ends.items():
            if self.spots.get(lane, (0, 0)) < (offset, 0):
                self._set(lane, (offset, 0))
        # Of several lanes one may be a little behind the other.
        late_ms = LATE_MS if len(self.spots) > 1 else 0
        return said + self.tick(batch.at_ms - late_ms)

    def tick(self, at_ms: int) -> list[Said]:
        """The rows of windows that have ended by then."""
        self.clock_ms = max(self.clock_ms, at_ms)
        said: list[Said] = []
        if self.running.is_held:
            self._say(self.running.tick(self.clock_ms), said)
        return said

    def close(self) -> list[Said]:
        """The rows that are left at the end."""
        said: list[Said] = []
        self._say(self.running.close(), said)
        return said

    def place_id(self) -> str:
        """The id of this moment: a reader who comes back with it misses and repeats nothing."""
        return self._id()

    def _pushed(self, found: Found) -> list[dict[str, Any]]:
        running = self.running
        if self._warm_until is not None:
            is_warm = (found.offset, found.number) < self._warm_until.get(found.lane, (0, 0))
            running.is_warming = is_warm
        return running.push(found.row, self.clock_ms, found.stream)

    def _say(self, rows: list[dict[str, Any]], said: list[Said], before: str = "") -> None:
        """Rows that belong together; ``before`` are the spots before the pair's event."""
        last = len(rows) - 1
        for number, row in enumerate(rows):
            is_last = number == last
            if self._skip:
                self._skip -= 1
                self._skipped += 1
                if is_last:
                    self._rebase()
                continue
            self.sequence += 1
            self._skipped += 1
            if is_last:
                self._rebase()
            lanes = before if before and not is_last and not self.is_held else None
            said.append(Said(self._id(lanes), orjson.dumps(row, option=_OPTIONS)))

    def _rebase(self) -> None:
        """All rows so far are said: what comes next is rebuilt from here."""
        self._skipped = 0
        if not self.is_held:
            return
        self._windows = self.running.said if self._counts_windows else 0
        begins_ms = self.running.window_begins_ms
        if begins_ms is None:
            self._base, self._base_ms = dict(self.spots), 0
            return
        marks = self._marks
        while len(marks) > 1 and marks[1][0] < begins_ms:
            marks.popleft()
        if marks and marks[0][0] < begins_ms:
            self._base = marks[0][1]
        self._base_ms = begins_ms

    def _mark(self) -> None:
        """Remember where a window that begins from now on is rebuilt from."""
        if not self._is_timed:
            return
        begins_ms = self.running.window_begins_ms
        if begins_ms is None:
            self._base = dict(self.spots)
            return
        marks = self._marks
        while len(marks) > 1 and marks[1][0] < begins_ms:
            marks.popleft()
        marks.append((self.clock_ms, dict(self.spots)))
        if len(marks) > MARKS_MAX:
            kept = list(marks)[::2]
            self._marks = deque(kept)
        if not self.running.held and not self._skip + self._skipped and marks[-1][0] < begins_ms:
            # Nothing waits: what was passed over need not be read again.
            self._base, self._base_ms = marks[-1][1], begins_ms

    def _set(self, lane: Lane, spot: Spot) -> None:
        self.spots[lane] = spot
        self._texts[lane] = spot_text(lane, spot)

    def _joined_text(self) -> str:
        return ",".join(self._texts.values())

    def _id(self, lanes: str | None = None) -> str:
        skip = self._skip + self._skipped
        if self.is_held:
            return place_text(Place(self._base, self.sequence, skip, self._base_ms, self._windows))
        clock_ms = self.clock_ms if self.query.joins else 0
        place = Place(self.spots, self.sequence, skip, clock_ms)
        return place_text(place, lanes or self._joined_text())
