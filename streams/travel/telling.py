"""Streams of events, told again of records that no api process keeps: page by page, in order.

The one thing to know: the last walk is kept, standing where its page ended, for the next question
is mostly for the page behind it. Any other question begins at the nearest snapshot, and histories
that its events show begin there as well.
"""

from typing import Final

from projections.cell_view import CellView
from projections.observe.ring import WHOLE_RECORD, Spot
from projections.observe.walked import PAGE_BYTES, Walk, WalkedPage
from projections.travel.questions import ToldAfter
from streams.travel.errors import TravelError
from streams.travel.machine import SkippedLater, TimeMachine

RECORDS_AT_ONCE: Final = 50
"""Between so many records a walk looks whether its page is full."""
RECORDS_A_PAGE: Final = 5_000
"""A page ends behind so many, be it empty: its reader is to hear that the walk goes on."""
TRIES_MAX: Final = 100
"""A fold that meets a record which an operator left out begins anew, once for each of them."""


class Telling:
    """Tells old events of one log."""

    def __init__(self, machine: TimeMachine) -> None:
        self._machine = machine
        self._walk: Walk | None = None

    async def told(self, question: ToldAfter) -> WalkedPage:
        """The page behind a place; raises `TravelError`."""
        for _ in range(TRIES_MAX):
            try:
                return await self._told(question)
            except SkippedLater:
                self._walk = None  # Which record is left out is known now.
        raise TravelError("unavailable", "Too many records are left out.", "Ask for less.")

    async def _told(self, question: ToldAfter) -> WalkedPage:
        after: Spot = (question.offset, question.number)
        first = question.offset + (question.number >= WHOLE_RECORD)
        end = min(question.end_offset, first + RECORDS_A_PAGE)
        walk, self._walk = self._walk, None
        if walk is None or walk.view.next_offset != first:
            walk = await self._begun(first)
        walk.begin_page(question.stream, after)
        while (offset := walk.view.next_offset) < end and walk.bytes_total < PAGE_BYTES:
            last = min(end, offset + RECORDS_AT_ONCE)
            await self._machine.fold(walk.apply, walk.view.machine.pass_over, offset, last)
        if walk.view.next_offset < question.end_offset:
            self._walk = walk
        return walk.page()

    async def _begun(self, first: int) -> Walk:
        machine, offset = await self._machine.begin_below(first, is_proving=False)
        machine.is_proving = False
        view = CellView.restored(machine) if machine.state.next_offset else CellView(machine)
        await self._machine.fold(view.apply, machine.pass_over, offset, first)
        return Walk(view)
