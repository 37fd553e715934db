"""What was held of a cell between two instants of its log, from archive and Kafka alike.

The one thing to know: the state at the first instant comes from the nearest snapshot, and every
record from there on is folded, over each generation of the log that lies between the two.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from projections.cost.ledger import Costs, Ledger, costs
from projections.travel.instants import AtTime, InstantUnclear, parse_instant
from projections.travel.questions import CostOf
from scheduler.machine import Machine
from scheduler.model.events import CellRecord
from streams.clock import now_ms
from streams.travel.errors import TravelError
from streams.travel.machine import SkippedLater

if TYPE_CHECKING:
    from streams.travel.answering import Answering

TRIES_MAX = 100
"""A fold that meets a record which an operator left out begins anew, once for each of them."""


class Costing:
    """Counts what was held, over a log and the generations before it."""

    def __init__(self, newer: "Answering", older: "Answering") -> None:
        """``newer`` has the second instant, ``older`` the first; both may be the same."""
        self._newer = newer
        self._older = older

    async def cost(self, question: CostOf) -> Costs:
        """What was held; raises `TravelError`."""
        for _ in range(TRIES_MAX):
            try:
                return await self._counted(question)
            except SkippedLater:
                continue  # Which record is left out is known now.
        raise TravelError("unavailable", "Too many records are left out.", "Ask for less.")

    async def _counted(self, question: CostOf) -> Costs:
        older, newer = self._older, self._newer
        begin = await older.traveller.begin_of(question.first)
        view = await older.machine.view_at(begin)
        from_ms = _instant_ms(question.first, view.state.clock.now_ms)
        end = await newer.traveller.end_of(question.second)
        if older is newer and end < begin:
            raise _backwards()
        ledger = Ledger(from_ms).begin(view.state)
        machine, first = Machine.restored(view.machine.kept()), begin
        for each in reversed(self._between()):
            if each is not older:
                machine, first = await each.machine.beginning()
            last = end if each is newer else _end_of(each, self._between())
            await self._fold(each, ledger, machine, first, last)
        to_ms = _instant_ms(question.second, machine.state.clock.now_ms)
        if to_ms < from_ms:
            raise _backwards()
        held = ledger.until(to_ms)
        return costs(held, question.by, from_ms, to_ms, question.rows_max)

    def _between(self) -> "list[Answering]":
        """Who answers from the newer generation down to the older one."""
        chain = [self._newer]
        if self._newer.earlier is not None:
            chain += self._newer.earlier.chain()
        if self._older not in chain:
            raise _backwards()
        return chain[: chain.index(self._older) + 1]

    @staticmethod
    async def _fold(
        each: "Answering", ledger: Ledger, machine: Machine, first: int, end: int
    ) -> None:
        def apply(offset: int, record: CellRecord) -> None:
            ledger.take(machine.state, machine.apply(offset, record))

        await each.machine.fold(apply, machine.pass_over, first, end)


def _backwards() -> TravelError:
    return TravelError("unclear", "The range ends before it begins.", "Swap the instants.")


def with_fixed_times(question: CostOf) -> CostOf:
    """The question with times ago as times: asked twice, ``-1h`` would be two instants."""
    return replace(question, first=fixed_time(question.first), second=fixed_time(question.second))


def fixed_time(text: str) -> str:
    """The instant as it was written, or as a time where it was a time ago."""
    try:
        instant = parse_instant(text, now_ms())
    except InstantUnclear:
        return text  # Whoever reads it says so.
    if not isinstance(instant, AtTime):
        return text
    moment = datetime.fromtimestamp(instant.at_ms // 1_000, UTC)
    return moment.replace(microsecond=instant.at_ms % 1_000 * 1_000).isoformat()


def _end_of(older: "Answering", chain: "list[Answering]") -> int:
    """Behind the last record of a generation that counts for the one after it."""
    newer = chain[chain.index(older) - 1]
    assert newer.earlier is not None
    return newer.earlier.end


def _instant_ms(text: str, folded_ms: int) -> int:
    """The time that the text names; an offset's is the log's clock there.

    A time that is still to come is the log's newest: nobody knows yet what will be held then.
    """
    try:
        instant = parse_instant(text, now_ms())
    except InstantUnclear as error:
        raise TravelError("unclear", f"{error}.", "") from error
    if isinstance(instant, AtTime) and instant.at_ms <= now_ms():
        return max(folded_ms, instant.at_ms)
    return folded_ms
