"""The fold of the archiving process: a view whose notes and changes go to the archive.

The one thing to know: it starts from the newest snapshot that lies at or below the first row that
is missing, so a restart folds a tail and archives nothing twice.
"""

from collections.abc import Sequence

from connectors.archive.rows import ArchivedChange
from projections.travel.notes import Note, Noted
from scheduler.machine import Machine
from scheduler.model.changes import Change
from scheduler.model.codec import encode_change
from scheduler.model.events import CellRecord
from streams.cell.follower import Changes, Follower


class NotedFold:
    """A view with its notes, as a follower drives it."""

    def __init__(self, noted: Noted | None = None) -> None:
        self.noted = noted or Noted()
        self.notes: list[Note] = []
        """Those of the record that was folded last."""

    @property
    def machine(self) -> Machine:
        """The machine that folds."""
        return self.noted.view.machine

    def apply(self, offset: int, record: CellRecord) -> Changes:
        """Fold one record; the changes it made."""
        changes, self.notes = self.noted.fold(offset, record)
        return changes

    def pass_over(self, offset: int) -> None:
        """Leave one record out."""
        self.noted.pass_over(offset)


def rows_of_notes(
    follower: Follower, _: int, __: CellRecord, ___: Changes
) -> Sequence[ArchivedChange]:
    """The notes of the record that was folded last, as the archive keeps them."""
    fold = follower.fold
    assert isinstance(fold, NotedFold)
    places: dict[int, int] = {}
    return [_row_of_note(each, _next(places, each.index)) for each in fold.notes]


def rows_of_changes(
    follower: Follower, offset: int, _: CellRecord, changes: Changes
) -> Sequence[ArchivedChange]:
    """The fold's changes at a record, as the archive keeps them."""
    at_ms = follower.machine.state.clock.now_ms
    places: dict[int, int] = {}
    return [
        row_of_change((offset, index, _next(places, index)), at_ms, change)
        for index, change in changes
    ]


def _next(places: dict[int, int], index: int) -> int:
    """The number of the next row of the same event."""
    places[index] = places.get(index, -1) + 1
    return places[index]


def _row_of_note(note: Note, place: int) -> ArchivedChange:
    return ArchivedChange(
        offset=note.offset,
        index=note.index,
        at_ms=note.at_ms,
        kind=note.kind,
        job_id=note.job_id or None,
        task_id=note.task_id or None,
        host_id=note.host_id or None,
        state=None,
        reason=None,
        body=note.body,
        place=place,
    )


def row_of_change(spot: tuple[int, int, int], at_ms: int, change: Change) -> ArchivedChange:
    """The row of a change that stands at this offset, index and place."""
    return ArchivedChange(
        offset=spot[0],
        index=spot[1],
        at_ms=at_ms,
        kind=type(change).__name__,
        job_id=getattr(change, "job_id", None),
        task_id=getattr(change, "task_id", None),
        host_id=getattr(change, "host_id", None),
        state=getattr(change, "state", None),
        reason=getattr(change, "reason", None) or None,
        body=encode_change(change),
        place=spot[2],
    )
