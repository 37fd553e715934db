"""Which series of the archive a partition of a topic is, and its records as the archive keeps them.

The one thing to know: a partition that was made anew has the same name and other records. Its first
record names its generation where we write it; of other topics the last archived record is compared
with what Kafka has in its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from itertools import count
from typing import Final, TypeAlias

from aiokafka import ConsumerRecord

from connectors.archive.archive import Archive
from connectors.archive.ranges import ROOT, Series
from connectors.archive.rows import ArchivedMessage
from scheduler.model.codec import Undecodable, decode_mesos
from scheduler.model.inbound import PartitionBegan
from streams.kafka.headers import header_values

ARCHIVED_TOPICS: Final = (
    "jobs",
    "commands",
    "mesos",
    "hosts",
    "verdicts",
    "metrics",
    "host-logs",
    "job-events",
    "federated-jobs",
    "federation",
    "queries",
    "dead-letters",
)
"""Every topic but the cell log, which has an archive of its own kind, and `leaders`, which has no
records."""

Message: TypeAlias = "ConsumerRecord[bytes, bytes]"
Fetch = Callable[[int], Awaitable[Message]]
"""The first record at or behind an offset that Kafka has."""


def archived_message(record: Message) -> ArchivedMessage:
    """The record as the archive keeps it."""
    return ArchivedMessage(
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        header_values(record.headers),
    )


async def series_in_kafka(
    archive: Archive, place: tuple[str, int], ends: tuple[int, int], fetch: Fetch
) -> Series:
    """The series that Kafka's partition is; one of its own where nothing archived goes with it.

    ``place`` is the topic's name without prefix and the partition; ``ends`` is what Kafka has,
    from the first up to, and without, the second, at least one record.
    """
    name, partition = place
    first = await fetch(ends[0])
    generation = _named(first)
    if not generation:
        prefix = f"{ROOT}/topics/{name}/{partition:05d}/"
        known = await asyncio.to_thread(archive.series, prefix)
        generation = await _known(archive, known, ends, fetch) or _made(first, known)
    return Series("messages", name, generation, partition)


async def _known(
    archive: Archive, known: Sequence[Series], ends: tuple[int, int], fetch: Fetch
) -> str | None:
    """The archived generation that Kafka's partition goes on with; None if it is another."""
    begin, end = ends
    for series in known:
        spans = await asyncio.to_thread(archive.spans, series)
        last = max(spans, key=lambda each: each.last_offset)
        if last.last_offset >= end:
            continue  # Kafka's is shorter, so it is another one.
        if last.last_offset < begin:
            return series.generation  # Nothing is left to compare; offsets go on.
        manifest = await asyncio.to_thread(archive.manifest, series, last)
        row = (await asyncio.to_thread(archive.rows, manifest))[-1]
        assert isinstance(row, ArchivedMessage)
        if row == archived_message(await fetch(row.offset)):
            return series.generation
    return None


def _named(first: Message) -> str:
    """The generation by the partition's first record; empty where that names none."""
    if first.offset != 0 or not first.value:
        return ""
    try:
        body = decode_mesos(first.value)
    except Undecodable:
        return ""
    return body.generation if isinstance(body, PartitionBegan) else ""


def _made(first: Message, known: Sequence[Series]) -> str:
    """A name for a partition that has none: of its first record, and unlike those that are taken.

    A partition that lost its end begins as it did before, and is another one all the same.
    """
    taken = frozenset(each.generation for each in known)
    text = f"{first.offset} {first.timestamp} ".encode() + (first.key or b"") + (first.value or b"")
    names = (blake2b(b"%d " % n + text, digest_size=4).hexdigest() for n in count())
    return next(each for each in names if each not in taken)
