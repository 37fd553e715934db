"""Where a fold of a cell's log begins: at a snapshot, or at the log's first record.

The one thing to know: a base is a machine and the offset of the record that it wants next. Where
the log goes on from another Kafka (`CellContinued` is its first record) and no snapshot of it is
there yet, the base is the state at the end of the generation before, made of a snapshot of that
and its archived tail.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from connectors.ports import StoreFailed
from projections.snapshot.format import Restored
from scheduler.machine import Machine
from scheduler.model.codec import Undecodable, decode_record
from scheduler.model.events import CellContinued
from streams.cell.follower import BareFold, Base, Foldable, Follower, LogRecord
from streams.history.reading import LogHole, LogReader
from streams.snapshots.shelf import Shelf

logger = structlog.get_logger(__name__)

RECORDS_AT_ONCE: Final = 50
Wrap = Callable[[Machine], Foldable]
ReaderOf = Callable[[str], LogReader]
"""The log of an earlier generation, from the archive."""


class CannotFold(Exception):
    """The state that was asked for cannot be made; says why and what to do."""


class Bases:
    """Finds where folds of one log can begin."""

    def __init__(
        self,
        shelf: Shelf,
        reader: LogReader,
        reader_of: ReaderOf | None = None,
        wrap: Wrap = BareFold,
    ) -> None:
        """``wrap`` puts what else is folded around a restored machine, such as views."""
        self.shelf = shelf
        self.reader = reader
        self._reader_of = reader_of
        self._wrap = wrap

    async def newest(self) -> Base:
        """The newest good snapshot; before it older ones, and at last the log's beginning.

        Raises `CannotFold` where the log is not the one that the snapshots are of.
        """
        await self.check()
        return await self.at_or_below(None)

    async def check(self) -> None:
        """Return if this log is the cell's; raises `CannotFold` where one was made under its name.

        A topic that was made anew would else begin the cell empty, and its running tasks be
        strangers.
        """
        bounds = await self.reader.bounds()
        try:
            known = await asyncio.to_thread(self.shelf.known_generations, bounds.generation)
        except StoreFailed as failure:
            if bounds.end_offset == 0:
                raise CannotFold(
                    f"The log of cell {self.shelf.cell} is empty, and whether the cell has a "
                    f"history cannot be asked: {failure}. Nothing is begun before that is known"
                ) from failure
            logger.warning("the snapshots cannot be listed", why=str(failure))
            return
        if not known or bounds.generation in known:
            return
        if bounds.end_offset > 0 and isinstance(await first_event(self.reader), CellContinued):
            return
        found = f"generation {bounds.generation}" if bounds.end_offset else "empty"
        raise CannotFold(
            f"The log of cell {self.shelf.cell} is {found}, but {self.shelf.store.url} has "
            f"generation {known[-1]} of it: the topic was made anew, or this is another "
            "installation's store. Continue the cell in an empty Kafka (`flumina continue`, or "
            "`flumina up --continue`), or give this installation a store or a cell name of its own"
        )

    async def oldest_offset(self) -> int | None:
        """Where the oldest snapshot of this log stands; None where none can be listed."""
        generation = (await self.reader.bounds()).generation
        try:
            names = await asyncio.to_thread(self.shelf.names, generation) if generation else []
        except StoreFailed:
            return None  # Whoever asks for a base hears of it, and folds the log whole.
        return names[0].next_offset if names else None

    async def at_or_below(self, offset: int | None) -> Base:
        """The nearest base that has folded no record at or behind this offset.

        A store that fails is no reason to stop: the log's beginning is a base as well. Raises
        `CannotFold` only where that is not there any more.
        """
        bounds = await self.reader.bounds()
        restored = await self._restored(bounds.generation, offset, bounds.end_offset)
        if restored is not None:
            header = restored.header
            return Base(
                self._wrap(restored.machine),
                wanted_offset=header.next_offset,
                chain=header.chain,
                origin=f"snapshot at {header.next_offset} of generation {header.generation}",
            )
        if bounds.first_offset > 0:
            raise CannotFold(
                f"The log of cell {self.shelf.cell} begins at offset {bounds.first_offset}, and no "
                f"good snapshot at or behind it and at most {offset or bounds.end_offset} is in "
                f"{self.shelf.store.url}. Bring back the archive or such a snapshot"
            )
        return await self._beginning()

    async def _restored(self, generation: str, offset: int | None, end: int) -> Restored | None:
        if not generation:
            return None
        try:
            restored = await asyncio.to_thread(self.shelf.nearest_below, generation, offset)
        except StoreFailed as failure:
            logger.warning("no snapshot can be loaded; the log is folded whole", why=str(failure))
            return None
        if restored is not None and offset is None and restored.header.next_offset > end:
            raise CannotFold(
                f"The log of cell {self.shelf.cell} ends at offset {end}, but a snapshot of the "
                f"same generation holds records up to {restored.header.next_offset - 1}: Kafka "
                "lost acknowledged records. Restore them, or continue the cell in a new log"
            )
        return restored

    async def of(self, generation: str) -> "Bases":
        """Where folds of this generation can begin: of the log at hand or an earlier, archived."""
        if self._reader_of is None or generation == (await self.reader.bounds()).generation:
            return self
        return Bases(self.shelf, self._reader_of(generation), self._reader_of)

    async def _beginning(self) -> Base:
        first = await first_event(self.reader)
        if not isinstance(first, CellContinued):
            return Base(self._wrap(Machine()), wanted_offset=0)
        end = first.previous_offset + 1
        if self._reader_of is None:
            raise CannotFold(
                f"The log continues generation {first.previous_generation}, whose records are not "
                "at hand here. Give the archive that holds them"
            )
        machine = await machine_at(await self.of(first.previous_generation), end)
        return Base(
            self._wrap(machine),
            wanted_offset=0,
            origin=f"the end of generation {first.previous_generation}",
        )


async def first_event(reader: LogReader) -> object:
    """What a log begins with; None where it is empty, or where this build cannot read it."""
    async for batch in reader.records(0, 1):
        try:
            return decode_record(batch[0].value).events[0]
        except Undecodable:
            return None  # Whoever folds it halts there and says so.
    return None


async def machine_at(bases: Bases, offset: int) -> Machine:
    """The machine before the record at this offset: the nearest snapshot and the tail behind it.

    Records that an operator had skipped are left out, wherever in the log the skip stands. Raises
    `CannotFold` where the fold halts before the offset, and `LogHole` where records are missing.
    """
    follower = await followed_to(bases, offset)
    return follower.machine


async def followed_to(bases: Bases, offset: int, base: Base | None = None) -> Follower:
    """A follower that has folded every record below this offset, and no other.

    It begins at the base, or at the nearest one.
    """
    follower = Follower("cell", 0, BareFold, find_base=bases.at_or_below)
    follower.begin_at(base or await bases.at_or_below(offset))
    await _read(bases.reader, follower, offset)
    if follower.halt is not None:
        # A skip of it may stand behind the offset. Looking for it folds nothing.
        await _read(bases.reader, follower, (await bases.reader.bounds()).end_offset, offset)
    if follower.halt is not None:
        raise CannotFold(follower.halt.sentence())
    return follower


async def _read(
    reader: LogReader, follower: Follower, end: int, end_if_sound: int | None = None
) -> None:
    """Hand over records up to ``end``; only to the other end once the fold is sound again."""
    while True:
        await follower.begun()
        last = end if end_if_sound is None or follower.halt is not None else end_if_sound
        wanted = follower.wanted_offset
        if wanted >= last:
            return
        async for batch in reader.records(wanted, last):
            await _take(follower, batch)
            if follower.wanted_offset != batch[-1].offset + 1:
                break  # Begun anew.
        else:
            if follower.wanted_offset < last:
                raise LogHole(f"the log ends before record {last - 1}")


async def _take(follower: Follower, batch: Sequence[LogRecord]) -> None:
    """Hand over a batch, a few records at a time: the loop is not ours alone."""
    for first in range(0, len(batch), RECORDS_AT_ONCE):
        some = batch[first : first + RECORDS_AT_ONCE]
        if follower.wanted_offset == some[0].offset:
            follower.take(some)
            await asyncio.sleep(0)
