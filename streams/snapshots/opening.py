"""The snapshots of a cell that a process follows from Kafka: found, begun at, gone back to.

The one thing to know: what Kafka has no more is read from the archive, whose libraries are loaded
only then. A process that begins at a snapshot that Kafka's log still reaches needs none of them.
"""

from collections.abc import Callable
from typing import Final

import structlog

from connectors.objects.opening import open_store
from connectors.ports import ObjectStore
from scheduler.machine import Machine
from streams.cell.follower import BareFold, Base, Foldable, Follower
from streams.errors import OperatorError
from streams.history.kafka_log import KafkaLog
from streams.history.reading import LogHole, LogReader
from streams.snapshots.loading import Bases, CannotFold, followed_to
from streams.snapshots.shelf import Shelf

logger = structlog.get_logger(__name__)

VIEW_TAIL_RECORDS: Final = 2_000
"""The api folds so many records behind a snapshot, so that histories of what went on lately are
whole: a second of its start, and half an hour of a cell with one record a second. What was before
is asked of the time machine; where snapshots do not reach that far back, the oldest has to do."""

NEEDED_RECORDS_MAX: Final = 20_000
"""So many more records are folded at a start, if somebody beside the fold needs them: some hours
of a quiet cell, and less than ten seconds."""


class Beginnings:
    """Where one followed cell begins, at the start of a process and after a skip."""

    def __init__(
        self,
        kafka: KafkaLog,
        store: ObjectStore,
        cell: str,
        wrap: Callable[[Machine], Foldable] = BareFold,
        tail_records: int = 0,
    ) -> None:
        """``tail_records``: how many records at least are folded behind a snapshot."""
        self.shelf = Shelf(store, cell)
        self._kafka = kafka
        self._wrap = wrap
        self._tail_records = tail_records
        self._bases: Bases | None = None
        self.needed_offset: int | None = None
        """From where on somebody beside the fold needs the records, if that is not too far back."""

    async def check(self) -> None:
        """Return if this log may be followed or begun; raises `OperatorError` else.

        Where there are snapshots of the cell, an empty log or one of an unknown generation is not
        the cell's: beginning it anew would make strangers of all running tasks.
        """
        try:
            await (await self._opened()).check()
        except CannotFold as error:
            raise _not_begun(self.shelf, error) from error
        finally:
            await self._kafka.close()

    async def begin(self, follower: Follower) -> None:
        """Let the follower begin where this process should; raises `OperatorError`."""
        try:
            bases = await self._opened()
            await bases.check()
            base = await self._base(await self._offset_wanted(bases))
        except (CannotFold, LogHole) as error:
            raise _not_begun(self.shelf, error) from error
        finally:
            await self._kafka.close()
        logger.info(
            "the fold begins",
            origin=base.origin or "the log's beginning",
            wanted_offset=base.wanted_offset,
        )
        follower.begin_at(base)

    async def find_base(self, offset: int) -> Base:
        """The nearest base at or below this offset: what a follower asks for after a skip.

        Where there is none it is the log's beginning; if Kafka does not have that either, the
        follower halts there and says so.
        """
        try:
            return await self._base(offset)
        except (CannotFold, LogHole) as error:
            logger.critical("no base to fold anew from", page=True, why=str(error))
            return Base(self._wrap(Machine()), wanted_offset=0)
        finally:
            await self._kafka.close()

    async def _offset_wanted(self, bases: Bases) -> int | None:
        """Where the fold should begin at the latest; None for as late as there is a snapshot."""
        if self._tail_records == 0:
            return None
        end = (await self._kafka.ends()).end
        wanted = max(0, end - self._tail_records)
        if self.needed_offset is not None and self.needed_offset > end - NEEDED_RECORDS_MAX:
            wanted = max(0, min(wanted, self.needed_offset))
        if wanted == 0:
            return 0
        oldest = await bases.oldest_offset()
        return wanted if oldest is None else max(wanted, oldest)

    async def _base(self, offset: int | None) -> Base:
        """A base from which Kafka's log can be followed: behind an archived part, where it begins.

        Where the tail that is wanted is longer than Kafka's log, it begins as far back as that.
        """
        bases = await self._opened()
        begin = (await self._kafka.ends()).begin
        base = await bases.at_or_below(offset)
        if base.wanted_offset >= begin:
            return base
        follower = await followed_to(bases, begin, base)
        return Base(follower.fold, begin, follower.chain.hex, f"{base.origin}, and the archive")

    async def _opened(self) -> Bases:
        if self._bases is None:
            reader, reader_of = await self._reader()
            self._bases = Bases(self.shelf, reader, reader_of, self._wrap)
        return self._bases

    async def _reader(self) -> tuple[LogReader, Callable[[str], LogReader]]:
        def archived(generation: str) -> LogReader:
            # pyarrow is 60 MB and half a second: only whoever reads an archive pays them.
            from connectors.archive.archive import Archive  # noqa: PLC0415
            from streams.history.archived_log import ArchivedLog  # noqa: PLC0415

            return ArchivedLog(Archive(self.shelf.store), self.shelf.cell, generation)

        if (await self._kafka.ends()).begin == 0:
            return self._kafka, archived
        from connectors.archive.archive import Archive  # noqa: PLC0415
        from streams.history.archived_log import ArchivedLog  # noqa: PLC0415
        from streams.history.joined_log import (  # noqa: PLC0415
            AnotherLog,
            JoinedLog,
            generation_in_kafka,
        )

        archive = Archive(self.shelf.store)
        try:
            generation = await generation_in_kafka(archive, self.shelf.cell, self._kafka)
        except AnotherLog as error:
            raise CannotFold(str(error)) from error
        joined = JoinedLog(ArchivedLog(archive, self.shelf.cell, generation), self._kafka)
        return joined, archived


def beginnings_of(
    kafka: KafkaLog,
    store_url: str,
    cell: str,
    wrap: Callable[[Machine], Foldable] = BareFold,
    tail_records: int = 0,
) -> Beginnings:
    """The beginnings of a cell that is followed from this Kafka."""
    return Beginnings(kafka, open_store(store_url), cell, wrap, tail_records)


def _not_begun(shelf: Shelf, error: Exception) -> OperatorError:
    return OperatorError(
        f"Cell {shelf.cell} cannot be followed.",
        str(error),
        "Nothing was written, and running tasks go on. `flumina snapshots list` shows what is "
        "there; docs/recovery.md says what to do in each case.",
    )
