"""Notes of any range: from the table as far as it goes, and folded from there on.

The one thing to know: the part that is folded is one view that follows the end of the log, with
its rows kept; it begins where the table ends, and anew once the table has gone on far enough.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from projections.cell_view import CellView
from projections.travel.notes import Note, Noted
from projections.travel.wanted import EVERYTHING, NewestSpots, Wanted
from streams.travel.machine import SkippedLater, TimeMachine
from streams.travel.sources import NoNotes, NoteReader

TAIL_ROWS_MAX: Final = 500_000
"""Rows above which a table that has gone on lets the tail begin anew; each takes about 0.5 KB."""


class NoteSource:
    """All notes of one cell's log."""

    def __init__(self, machine: TimeMachine, table: NoteReader | None = None) -> None:
        self._machine = machine
        self._table: NoteReader = table or NoNotes()
        self._tail: Noted | None = None
        self._rows: list[Note] = []
        self._first = 0
        """The first offset whose rows the tail has."""
        self._next = 0
        """The record that the tail wants next."""

    async def rows(
        self, first_offset: int, end_offset: int, wanted: Wanted = EVERYTHING
    ) -> list[Note]:
        """Rows of these offsets, in the order of the log, of those that are wanted."""
        if end_offset <= first_offset:
            return []
        table_end = await self._table_end()
        found: list[Note] = []
        if first_offset < table_end:
            found += await self._table.notes(first_offset, min(end_offset, table_end), wanted)
        if end_offset > table_end:
            tail = await self._tail_rows(max(first_offset, table_end), end_offset, table_end)
            found += filter(wanted.has, tail)
        return found

    async def find(self, first_offset: int, end_offset: int, newest: NewestSpots) -> None:
        """Find the places of these offsets that are lacking."""
        if end_offset <= first_offset:
            return
        table_end = await self._table_end()
        if end_offset > table_end:
            first = max(first_offset, table_end)
            newest.take_notes(await self._tail_rows(first, end_offset, table_end))
        if first_offset < table_end:
            await self._table.find(first_offset, min(end_offset, table_end), newest)

    async def _table_end(self) -> int:
        """Where the table ends; where the log begins, if nobody has what is before that."""
        begins = (await self._machine.reader.bounds()).first_offset
        return max(await self._table.notes_end(), begins)

    async def _tail_rows(self, first: int, end: int, table_end: int) -> Sequence[Note]:
        is_worth = len(self._rows) > TAIL_ROWS_MAX and table_end > self._first
        if self._tail is None or self._first > first or is_worth:
            await self._begin_tail(table_end)
        tail = self._tail
        assert tail is not None
        if self._next < end:
            try:
                await self._machine.fold(
                    lambda offset, record: self._rows.extend(tail.take(offset, record)),
                    tail.pass_over,
                    self._next,
                    end,
                )
            except BaseException as error:
                self._tail = None  # It stands in the middle of something.
                if not isinstance(error, SkippedLater):
                    raise
                return await self._tail_rows(first, end, table_end)
            self._next = end
        begin = bisect_left(self._rows, first, key=attrgetter("offset"))
        return self._rows[begin : bisect_left(self._rows, end, key=attrgetter("offset"))]

    async def _begin_tail(self, table_end: int) -> None:
        machine, self._next = await self._machine.begin_below(table_end)
        machine.is_proving = False
        is_whole = machine.state.next_offset == 0
        view = CellView(machine) if is_whole else CellView.restored(machine)
        self._tail, self._rows = Noted(view), []
        self._first = table_end
