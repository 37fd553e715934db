"""The archive for queries, opened by the first query that needs it.

The one thing to know: Parquet's library and a store's client are some 60 MiB. Most queries are of
what Kafka still has, and a process that is asked no other has neither.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from projections.query.syntax import Query
from streams.query.kafka import Kafka
from streams.query.record import Record
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.query.archived import ArchivedHistory


class LazyHistory:
    """The archive in the store that the settings mean; for one query where one is given."""

    def __init__(self, settings: Settings, kafka: Kafka) -> None:
        self._settings, self._kafka = settings, kafka
        self._opened: ArchivedHistory | None = None

    def of(self, query: Query) -> "HistoryOf":
        """The same for one query: records that it cannot want are left out."""
        return HistoryOf(self, query)

    async def begin(self, topic: str, partition: int, /) -> int | None:
        """The first offset that is archived of what Kafka's partition goes on; None for none."""
        return await (await self.opened()).begin(topic, partition)

    async def offset_at(self, topic: str, partition: int, at_ms: int, /) -> int | None:
        """The first archived offset of this time or later; None where all are earlier."""
        return await (await self.opened()).offset_at(topic, partition, at_ms)

    async def records(
        self, topic: str, partition: int, first_offset: int, end_offset: int, /
    ) -> AsyncIterator[Sequence[Record]]:
        """The archived records of these offsets, in order."""
        opened = await self.opened()
        async for each in opened.records(topic, partition, first_offset, end_offset):
            yield each

    async def close(self) -> None:
        """Nothing is open between two reads."""

    async def opened(self) -> "ArchivedHistory":
        """The archive, which is opened now if it was not."""
        if self._opened is None:
            self._opened = await asyncio.to_thread(self._open)
        return self._opened

    def _open(self) -> "ArchivedHistory":
        from connectors.archive.archive import Archive  # noqa: PLC0415 - see above
        from streams.query.archived import ArchivedHistory  # noqa: PLC0415
        from streams.store import store_of  # noqa: PLC0415

        archive = Archive(store_of(self._settings))
        return ArchivedHistory(archive, self._kafka, self._settings.cell_names)


class HistoryOf(LazyHistory):
    """The archive as one query sees it."""

    def __init__(self, whole: LazyHistory, query: Query) -> None:
        self._whole, self._query = whole, query
        self._opened = None

    async def opened(self) -> "ArchivedHistory":
        """The archive, narrowed to the query."""
        if self._opened is None:
            self._opened = (await self._whole.opened()).of(self._query)
        return self._opened
