"""A question in SQL over all of history: which tables it names, and what they are made of.

The one thing to know: a table is every archived generation of its series and what Kafka has behind
the newest. Only what a question names is looked for.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from aiokafka import TopicPartition

from connectors.archive.archive import Archive
from connectors.archive.columns import arrow_table
from connectors.archive.ranges import ROOT, Kind, Series, covering
from connectors.archive.rows import ArchivedRecord
from connectors.archive.sql import EVENTS, Source, SqlAnswer, SqlFault, SqlLimits, answer
from streams.errors import OperatorError
from streams.history.derived import DerivedReader
from streams.history.heads import archived_record
from streams.history.joined_log import JoinedLog
from streams.history.opening import open_log
from streams.history.partitions import ARCHIVED_TOPICS
from streams.history.tails import tail_of_cell, tail_of_changes, tail_of_partition
from streams.kafka.topics import TOPICS
from streams.settings import Settings

CELL_TABLES: Final[dict[str, Kind]] = {"records": "records", "changes": "changes", "notes": "notes"}
TOPIC_TABLES: Final = {each.replace("-", "_"): each for each in ARCHIVED_TOPICS}
TABLES: Final = (*CELL_TABLES, EVENTS, *TOPIC_TABLES)
_WORD: Final = re.compile(r"[a-z_]+")

Tables = dict[str, tuple[Kind, Sequence[Source]]]


def named_tables(sql: str) -> list[str]:
    """The tables that a question may name: every one whose name is a word of it."""
    words = frozenset(_WORD.findall(sql.lower()))
    found = {each for each in TABLES if each in words}
    if EVENTS in found:
        found.add("records")
    return sorted(found)


async def ask(settings: Settings, archive: Archive, sql: str, limits: SqlLimits) -> SqlAnswer:
    """What the question's answer is; raises `OperatorError` where it cannot be answered."""
    names = named_tables(sql)
    tables: Tables = dict.fromkeys(TOPIC_TABLES, ("messages", ()))
    tables |= {name: (kind, ()) for name, kind in CELL_TABLES.items()}
    async with AsyncExitStack() as stack:
        if any(name in CELL_TABLES for name in names):
            for kind, sources in (await _cell_tables(settings, archive, names, stack)).items():
                tables[kind] = (kind, sources)
        for name in names:
            if name in TOPIC_TABLES:
                tables[name] = ("messages", await _topic(settings, archive, TOPIC_TABLES[name]))
    try:
        return await asyncio.to_thread(answer, archive, sql, tables, limits)
    except SqlFault as fault:
        where = f"Line {fault.line}, column {fault.column}." if fault.line else "In all of it."
        raise OperatorError(
            f"The question cannot be answered: {fault.what.strip().rstrip('.?')}.",
            where,
            f"Tables are {', '.join(TABLES)}; `DESCRIBE records` shows columns.",
        ) from fault


async def _cell_tables(
    settings: Settings, archive: Archive, names: Sequence[str], stack: AsyncExitStack
) -> dict[Kind, list[Source]]:
    """Tables of the cell: all archived generations, and Kafka's tail of the present one."""
    prefix = f"{ROOT}/cells/{settings.cell}/"
    known = await asyncio.to_thread(archive.series, prefix)
    kinds = [CELL_TABLES[name] for name in names if name in CELL_TABLES]
    tables: dict[Kind, list[Source]] = {
        kind: [
            await asyncio.to_thread(_archived, archive, each) for each in known if each.kind == kind
        ]
        for kind in kinds
    }
    if settings.kafka_brokers is None:
        return tables
    log = await open_log(settings, archive)
    stack.push_async_callback(log.close)
    if not isinstance(log, JoinedLog):
        return tables
    generation = (await log.bounds()).generation
    if not generation:
        return tables  # No cell has begun there.
    tail = await tail_of_cell(log)
    if "records" in tables:
        tables["records"].append(
            Source("records", generation, settings.partition, table=arrow_table("records", tail))
        )
    if "changes" in tables:
        end = await DerivedReader(archive, settings.cell, generation, "changes").end()
        place = TopicPartition(settings.topic_prefix + "job-events", settings.partition)
        rows = await tail_of_changes(
            settings.kafka_brokers, place, generation, await _from(log, end, tail), end
        )
        tables["changes"].append(
            Source("changes", generation, settings.partition, table=arrow_table("changes", rows))
        )
    return tables


async def _from(log: JoinedLog, first: int, tail: list[ArchivedRecord]) -> list[ArchivedRecord]:
    """The records from this offset on: changes may be archived less far than records are."""
    begin = tail[0].offset if tail else (await log.bounds()).end_offset
    rows: list[ArchivedRecord] = []
    if first < begin:
        at_ms_max = 0
        async for batch in log.records(first, begin):
            for record in batch:
                rows.append(archived_record(record.offset, record.value, at_ms_max))
                at_ms_max = rows[-1].at_ms_max
    return [*rows, *(each for each in tail if each.offset >= first)]


def _archived(archive: Archive, series: Series) -> Source:
    """All of a series, each offset once."""
    pieces = covering(archive.spans(series), 0, 2**62)
    return Source(
        series.kind,
        series.generation,
        series.partition,
        pieces=tuple((each, archive.manifest(series, each.span)) for each in pieces),
    )


async def _topic(settings: Settings, archive: Archive, name: str) -> list[Source]:
    """A topic: every archived generation of every partition, and Kafka's tails."""
    known = await asyncio.to_thread(archive.series, f"{ROOT}/topics/{name}/")
    sources = [await asyncio.to_thread(_archived, archive, each) for each in known]
    if settings.kafka_brokers is None:
        return sources
    topic = next(each for each in TOPICS if each.name == name)
    for number in range(topic.partitions or settings.cells):
        place = TopicPartition(settings.topic_prefix + name, number)
        found = await tail_of_partition(archive, settings.kafka_brokers, place, name)
        if found is not None:
            series, rows = found
            table = arrow_table("messages", rows)
            sources.append(Source("messages", series.generation, number, table=table))
    return sources
