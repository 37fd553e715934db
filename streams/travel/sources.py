"""What a time machine reads: the log, the snapshots beside it, and the table of notes.

The one thing to know: only the log must be there. Without snapshots and notes every answer is
folded from the beginning; they make it quicker and never different.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from projections.travel.notes import Note
from projections.travel.wanted import EVERYTHING, NewestSpots, Wanted
from scheduler.machine import Machine


class SnapshotPlace(msgspec.Struct, frozen=True):
    """A snapshot that can be loaded: the state before the record ``next_offset`` is folded."""

    next_offset: int
    at_ms: int
    key: str
    digest: str = ""
    """Of the state; empty where it is not told without loading it."""


class SnapshotSource(Protocol):
    """The snapshots of one cell and one generation of its log."""

    async def places(self) -> Sequence[SnapshotPlace]:
        """Those that are there now, oldest first."""
        ...

    async def load(self, place: SnapshotPlace) -> Machine | None:
        """The machine that the snapshot holds; None where it cannot be used, which is logged."""
        ...


class NoteReader(Protocol):
    """The table of notes, as `projections.travel.notes.Noted` made them."""

    async def notes(
        self, first_offset: int, end_offset: int, wanted: Wanted = EVERYTHING
    ) -> Sequence[Note]:
        """Rows of these offsets, in the order of the log, of those that are wanted."""
        ...

    async def find(self, first_offset: int, end_offset: int, newest: NewestSpots) -> None:
        """Find the places in these offsets that are lacking, from their end backwards."""
        ...

    async def notes_end(self) -> int:
        """Notes of every record below this offset are in the table."""
        ...


class NoSnapshots:
    """No snapshots: everything is folded from the beginning."""

    async def places(self) -> Sequence[SnapshotPlace]:
        """None."""
        return ()

    async def load(self, place: SnapshotPlace) -> Machine | None:
        """None."""
        del place
        return None


class NoNotes:
    """No table: every note is made by folding."""

    async def notes(
        self, first_offset: int, end_offset: int, wanted: Wanted = EVERYTHING
    ) -> Sequence[Note]:
        """None."""
        del first_offset, end_offset, wanted
        return ()

    async def find(self, first_offset: int, end_offset: int, newest: NewestSpots) -> None:
        """None."""
        del first_offset, end_offset, newest

    async def notes_end(self) -> int:
        """The beginning."""
        return 0
