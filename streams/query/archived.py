"""Records that Kafka has no more, out of the archive, for queries.

The one thing to know: a query's conditions are asked of the archive's own columns first. Row groups
whose statistics rule a query out are not fetched, and records whose bytes do are not decoded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from connectors.archive.archive import Archive, stored_file
from connectors.archive.columns import RowFile
from connectors.archive.ranges import ROOT, Piece, Series, covering
from connectors.ports import NoSuchObject
from projections.query.pushdown import mask_of, needed, texts_of
from projections.query.syntax import Condition, Query
from streams.query.record import Record
from streams.query.sources import SOURCES

if TYPE_CHECKING:
    from streams.query.kafka import Kafka

BATCH_RECORDS: Final = 500
_OFFERS: Final = "OffersChanged"
_OFFER_KINDS: Final = frozenset({"OfferAdded", "OfferRemoved"})
"""Events that a query sees for each offer of the one that the log has."""
_IDS: Final = frozenset({"job_id", "task_id", "host_id"})
PLAIN_KEYS: Final[dict[str, frozenset[str]]] = {
    "cell": _IDS | {"actor"},
    "job-events": _IDS | {"kind", "state", "reason", "message", "hostname", "step"},
    "verdicts": _IDS | {"kind", "detector", "standing"},
    "metrics": _IDS | {"host"},
    "host-logs": frozenset({"message"}),
}
"""By topic: fields of events whose texts stand in the record as they are. Foreign topics have
none: what a stranger wrote is decoded before anything is said of it."""


class Narrowed(NamedTuple):
    """What a query wants of a topic's records, as far as their columns can say."""

    kinds: frozenset[str] | None = None
    """Of a cell's records: one of these kinds is in them."""
    keys: tuple[bytes, bytes] | None = None
    """Of messages: the least and the largest key."""
    mask: Callable[[Any], Any] | None = None
    """Of a column of records' bytes: which are to be looked at."""


def narrowed(query: Query, topic: str) -> Narrowed:
    """What the query wants of this topic; of several streams of it, all that any of them wants."""
    sources = [SOURCES[name] for name in query.streams if SOURCES[name].topic == topic]
    # A condition of a join is of pairs, and a sample by rate counts what is not wanted, too.
    sample = query.sample
    is_whole = query.joins or (sample is not None and sample.strategy != "STICKY")
    where = None if is_whole else query.where
    part = needed(where, PLAIN_KEYS.get(topic, frozenset()))
    kinds = _kinds(where, [each.kinds for each in sources]) if topic == "cell" else None
    keys = _keys(where) if topic == "job-events" else None
    return Narrowed(
        kinds if not query.joins else None, keys, None if part is None else mask_of(part)
    )


def _kinds(
    where: Condition | None, streams: Sequence[frozenset[str] | None]
) -> frozenset[str] | None:
    """The kinds of events of which a record must have one."""
    asked = texts_of(where, "kind")
    of_streams = None if None in streams else frozenset().union(*(each or () for each in streams))
    if asked is None and of_streams is None:
        return None
    wanted = of_streams if asked is None else asked if of_streams is None else asked & of_streams
    assert wanted is not None
    return wanted | {_OFFERS} if wanted & _OFFER_KINDS else wanted


def _keys(where: Condition | None) -> tuple[bytes, bytes] | None:
    """The first and the last job that is asked for: records of one are keyed by it."""
    jobs = texts_of(where, "job_id")
    if not jobs:
        return None
    encoded = sorted(each.encode("utf-8", "surrogatepass") for each in jobs)
    return encoded[0], encoded[-1]


class ArchivedHistory:
    """The archive of all topics, as the port of queries wants it."""

    def __init__(
        self, archive: Archive, kafka: "Kafka", cells: Sequence[str], query: Query | None = None
    ) -> None:
        self._archive, self._kafka, self._cells = archive, kafka, cells
        self._query = query
        self._series: dict[tuple[str, int], Series | None] = {}
        self.groups_read = 0
        """Row groups whose records were fetched, and those that statistics ruled out."""
        self.groups_passed = 0

    def of(self, query: Query) -> "ArchivedHistory":
        """The same for one query: records that it cannot want are left out."""
        found = ArchivedHistory(self._archive, self._kafka, self._cells, query)
        found._series = self._series
        return found

    async def begin(self, topic: str, partition: int) -> int | None:
        """The first offset that is archived of what Kafka's partition goes on; None for none."""
        series = await self._series_of(topic, partition)
        if series is None:
            return None
        spans = await asyncio.to_thread(self._archive.spans_lately, series)
        return min((each.first_offset for each in spans), default=None)

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int | None:
        """The first archived offset of this time or later; None where all are earlier."""
        series = await self._series_of(topic, partition)
        return None if series is None else await asyncio.to_thread(self._offset_at, series, at_ms)

    async def records(
        self, topic: str, partition: int, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[Record]]:
        """The archived records of these offsets, in order; those that the query wants, if one is.

        It ends earlier where the archive does not go so far. Raises what the store raises.
        """
        series = await self._series_of(topic, partition)
        if series is None:
            return
        wanted = Narrowed() if self._query is None else narrowed(self._query, topic)
        position = first_offset
        while position < end_offset:
            spans = await asyncio.to_thread(self._archive.spans, series)
            pieces = covering(spans, position, end_offset)
            if not pieces:
                return
            try:
                for piece in pieces:
                    reading = _Reading(self._archive, series, piece, wanted)
                    for group in await asyncio.to_thread(reading.groups):
                        for batch in await asyncio.to_thread(reading.batches, group):
                            yield batch
                    self.groups_read += reading.groups_read
                    self.groups_passed += reading.groups_passed
                    position = piece.end_offset
            except NoSuchObject:
                # Small ranges were put together to a larger one since they were listed.
                if await asyncio.to_thread(self._archive.spans, series) == spans:
                    raise
            else:
                return

    async def close(self) -> None:
        """Nothing is open between two reads."""

    async def _series_of(self, topic: str, partition: int) -> Series | None:
        place = topic, partition
        if place not in self._series:
            self._series[place] = await self._found(topic, partition)
        return self._series[place]

    async def _found(self, topic: str, partition: int) -> Series | None:
        """The archived series that Kafka's partition goes on."""
        prefix = f"{ROOT}/topics/{topic}/{partition:05d}/"
        if topic == "cell":
            if partition >= len(self._cells):
                return None
            prefix = f"{ROOT}/cells/{self._cells[partition]}/"
        known = await asyncio.to_thread(self._archive.series, prefix)
        known = [each for each in known if each.kind in {"messages", "records"}]
        if len(known) <= 1:
            return known[0] if known else None
        return await self._compared(topic, partition, known)

    async def _compared(self, topic: str, partition: int, known: list[Series]) -> Series | None:
        """Of several generations the one that has, where Kafka begins, what Kafka has there."""
        async with self._kafka.consumer() as consumer:
            place = self._kafka.place((topic, partition))
            consumer.assign([place])
            begin = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            if begin == end:
                return None
            consumer.seek(place, begin)
            first = await consumer.getone(place)
        for series in known:
            for record in await asyncio.to_thread(self._record, series, first.offset):
                if record.value == first.value:
                    return series
        return None

    def _record(self, series: Series, offset: int) -> list[Record]:
        for piece in covering(self._archive.spans(series), offset, offset + 1):
            reading = _Reading(self._archive, series, piece, Narrowed())
            return [
                record
                for group in reading.groups()
                for batch in reading.batches(group)
                for record in batch
            ]
        return []

    def _offset_at(self, series: Series, at_ms: int) -> int | None:
        """By manifests: the range that reaches that time, and in it the first such record."""
        for manifest in self._archive.manifests(series):
            if not manifest.file or manifest.at_ms_max < at_ms:
                continue
            file = RowFile(manifest.kind, stored_file(self._archive.store, manifest))
            table = file.table(range(file.groups), ("offset", "at_ms"))
            late = pc.greater_equal(table["at_ms"].cast(pa.int64()), at_ms)
            offset = pc.min(table["offset"].filter(late)).as_py()
            if offset is not None:
                return int(offset)
        return None


class _Reading:
    """What a piece of a range has for a query; all of it blocks."""

    def __init__(self, archive: Archive, series: Series, piece: Piece, wanted: Narrowed) -> None:
        self._archive, self._series, self._piece, self._wanted = archive, series, piece, wanted
        self._file: RowFile | None = None
        self.groups_read = self.groups_passed = 0

    def groups(self) -> list[list[int]]:
        """Row groups that may have something, as they have to be read together."""
        manifest = self._archive.manifest(self._series, self._piece.span)
        if not manifest.file:
            return []
        # Of the file only what is read is fetched; its pages prove themselves.
        self._file = RowFile(manifest.kind, stored_file(self._archive.store, manifest))
        found = [group for group in range(self._file.groups) if self._may_have(group)]
        self.groups_passed += self._file.groups - len(found)
        if self._series.kind == "records":
            return [[group] for group in found]
        # Messages stand by their keys, and have to come by their offsets.
        return [found] if found else []

    def batches(self, groups: list[int]) -> list[list[Record]]:
        """The records of these row groups, in the order of their offsets."""
        assert self._file is not None
        chosen = None
        if self._wanted.kinds is not None and self._series.kind == "records":
            chosen = _with_kind(self._file.table(groups, ("kinds",))["kinds"], self._wanted.kinds)
            if not chosen.any():
                self.groups_passed += len(groups)
                return []
        self.groups_read += len(groups)
        names = ["offset", "at_ms", "value"]
        is_keyed = self._series.kind == "messages"
        table = self._file.table(groups, [*names, "key"] if is_keyed else names)
        table = table.filter(self._mask(table, chosen))
        if is_keyed:
            table = table.sort_by("offset")
        return list(self._records(table))

    def _may_have(self, group: int) -> bool:
        assert self._file is not None
        first, last = self._file.bounds(group, "offset")
        if first is not None and not (
            first < self._piece.end_offset and last >= self._piece.first_offset
        ):
            return False
        if self._wanted.keys is None or self._series.kind != "messages":
            return True
        least, most = self._file.bounds(group, "key")
        if least is None:
            return True
        # Statistics may be cut short, so a key that begins as the largest does is within.
        return bool(self._wanted.keys[0][: len(most)] <= most and least <= self._wanted.keys[1])

    def _mask(self, table: Any, chosen: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        offset = table["offset"]
        mask = pc.and_(
            pc.greater_equal(offset, self._piece.first_offset),
            pc.less(offset, self._piece.end_offset),
        )
        if chosen is not None:
            mask = pc.and_(mask, pa.array(chosen))
        if self._wanted.mask is not None:
            mask = pc.and_(mask, self._wanted.mask(table["value"]))
        return mask

    def _records(self, table: Any) -> Iterator[list[Record]]:  # noqa: ANN401 - pyarrow has no types
        partition = self._series.partition
        for piece in table.to_batches(max_chunksize=BATCH_RECORDS):
            offsets, times, values = (piece.column(name) for name in ("offset", "at_ms", "value"))
            keys = (
                piece.column("key").to_pylist()
                if "key" in piece.schema.names
                else [None] * len(offsets)
            )
            rows = zip(
                offsets.to_pylist(),
                times.cast(pa.int64()).to_pylist(),
                keys,
                values.to_pylist(),
                strict=True,
            )
            yield [
                Record(partition, offset, at_ms, key, value or b"")
                for offset, at_ms, key, value in rows
            ]


def _with_kind(column: Any, kinds: frozenset[str]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Which records have an event of one of these kinds, or say nothing of their events."""
    lists = column.combine_chunks()
    flat = lists.flatten()
    # The archive calls a copy by both its names: ``Copied:JobSubmitted``.
    wanted = [each for each in flat.unique().to_pylist() if kinds & {each, *each.split(":")}]
    is_wanted = pc.is_in(flat, value_set=pa.array(wanted, type=pa.string()))
    found = pc.equal(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).copy()
    found[pc.list_parent_indices(lists).to_numpy()[is_wanted.to_numpy(zero_copy_only=False)]] = True
    return found
