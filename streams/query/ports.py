"""What the query process wants of others: records that Kafka has no more.

The one thing to know: history is asked only for what lies below the first record that Kafka has.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from projections.query.syntax import Query
from streams.query.record import Record


class History(Protocol):
    """The archive of all topics, by topics' names without prefix."""

    def of(self, query: Query, /) -> "History":
        """The same for one query: records that it cannot want may be left out."""
        ...

    async def begin(self, topic: str, partition: int, /) -> int | None:
        """The first offset that is archived of what Kafka's partition goes on; None for none."""
        ...

    async def offset_at(self, topic: str, partition: int, at_ms: int, /) -> int | None:
        """The first archived offset of this time or later; None where all are earlier."""
        ...

    def records(
        self, topic: str, partition: int, first_offset: int, end_offset: int, /
    ) -> AsyncIterator[Sequence[Record]]:
        """The archived records from ``first_offset`` up to, and without, ``end_offset``, in order.

        It may end earlier where the archive does not go so far.
        """
        ...

    async def close(self) -> None:
        """Give back what is open."""
        ...


class NoHistory:
    """Knows nothing: Kafka's retention is all there is."""

    def of(self, query: Query, /) -> "NoHistory":  # noqa: ARG002 - a port
        """The same."""
        return self

    async def begin(self, _topic: str, _partition: int, /) -> int | None:
        """None: nothing is archived."""
        return None

    async def offset_at(self, _topic: str, _partition: int, _at_ms: int, /) -> int | None:
        """None: nothing is archived."""
        return None

    async def records(
        self, _topic: str, _partition: int, _first_offset: int, _end_offset: int, /
    ) -> AsyncIterator[Sequence[Record]]:
        """Nothing."""
        nothing: tuple[Sequence[Record], ...] = ()
        for each in nothing:
            yield each

    async def close(self) -> None:
        """Nothing is open."""
