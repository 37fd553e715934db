"""What of a cell log counts: records of the epoch's leader, and copies without a gap.

The one thing to know: these are the machine's own two rules once more, because the machine says
what changed but not what it passed over. A test folds random logs with both and compares epoch
and watermarks after every record; where the rules of the fold change, they change here.
"""

from collections.abc import Iterator, Sequence

import msgspec

from scheduler.model.changes import Change, TimeGapped
from scheduler.model.events import (
    CellContinued,
    CellCreated,
    CellEvent,
    CellRecord,
    Copied,
    LeaderElected,
)
from scheduler.model.inbound import PartitionBegan
from scheduler.state import NO_OFFSET, Watermark


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where and when an event stands; ``at_ms`` is the fold's clock."""

    offset: int
    index: int
    at_ms: int

    @property
    def spot(self) -> tuple[int, int]:
        """Offset and index."""
        return (self.offset, self.index)


class Obeyed(msgspec.Struct, frozen=True, gc=False):
    """One event that counts, with what the fold says it changed."""

    place: Place
    event: CellEvent
    changes: Sequence[Change]


class Obedience:
    """Epoch and watermarks of a log, and by them what counts."""

    def __init__(self) -> None:
        self.epoch = NO_OFFSET
        self.watermarks: dict[tuple[str, int], Watermark] = {}

    def events(
        self,
        offset: int,
        record: CellRecord,
        at_ms: int,
        changes: Sequence[tuple[int, Change]] = (),
    ) -> Iterator[Obeyed]:
        """The events of the record that count, in order; none of a writer that does not lead.

        To be read to its end: it moves epoch and watermarks on as it goes.
        """
        if not self._is_leaders(offset, record):
            return
        by_index: dict[int, list[Change]] = {}
        for index, change in changes:
            if not isinstance(change, TimeGapped):  # of the record, and of none of its events
                by_index.setdefault(index, []).append(change)
        for index, event in enumerate(record.events):
            if isinstance(event, Copied):
                if not self._takes(event):
                    continue
            elif isinstance(event, LeaderElected):
                if index:
                    continue  # Behind another event it stands in a record of an old epoch.
                self.epoch = offset
            yield Obeyed(Place(offset, index, at_ms), event, by_index.get(index, ()))

    def _is_leaders(self, offset: int, record: CellRecord) -> bool:
        first = record.events[0]
        if offset == 0:
            self.epoch = NO_OFFSET  # Of an earlier generation, where the cell was moved.
            return True
        if isinstance(first, CellCreated | CellContinued):
            return False
        if isinstance(first, LeaderElected):
            return len(record.events) == 1
        return record.epoch == self.epoch != NO_OFFSET

    def _takes(self, event: Copied) -> bool:
        source = event.source
        mark = self.watermarks.get(source.lane)
        if mark is None:
            is_next = source.previous_offset == NO_OFFSET
        elif mark.generation != source.generation:
            is_began = isinstance(event.body, PartitionBegan)
            is_next = is_began and source.previous_offset == NO_OFFSET
        else:
            is_next = source.previous_offset == mark.offset < source.offset
        if is_next:
            self.watermarks[source.lane] = Watermark(source.generation, source.offset)
        return is_next
