"""History for queries: what is left out of the archive is nothing that a query would have wanted.

How: records of topics and of a cell's log in an archive in memory, read whole and read for a query;
the query finds the same events in both. And what was left out is counted: no test that cannot fail.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from connectors.archive.archive import Archive, NewRange
from connectors.archive.ranges import Series, Span
from connectors.archive.rows import ArchivedMessage, Row
from projections.query.engine import Running
from projections.query.parser import parse
from projections.query.pushdown import Every, Holds, Some, needed, texts_of
from streams.history.heads import archived_record
from streams.query.archived import ArchivedHistory
from streams.query.kafka import Kafka
from streams.query.record import Record, Unreadable
from streams.query.sources import SOURCES, decoded
from tests.support.kept_log import MemoryStore

AT_MS = 1_763_800_000_000


def history(series: Series, rows: Sequence[Row], ranges: int = 3) -> ArchivedHistory:
    archive = Archive(MemoryStore())
    size = -(-len(rows) // ranges)
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        archive.put(
            NewRange(
                series=series,
                span=Span(first, first + len(part) - 1),
                rows=part,
                at_ms_max=max(each.at_ms for each in part),
                made_at_ms=1,
                build="test",
            )
        )
    return ArchivedHistory(archive, Kafka("nowhere:1", "", 1), ["main"])


@cache
def events_of_jobs() -> ArchivedHistory:
    chance = random.Random(3)
    rows: list[Row] = []
    for offset in range(2_400):
        job = f"job-{chance.randrange(40):02d}"
        event: dict[str, Any] = {
            "type": chance.choice(("TaskChanged", "JobChanged")),
            "job_id": job,
            "task_id": f"{job}-{chance.randrange(9)}",
            "state": chance.choice(("Started", "Finished", "Launched")),
            "reason": chance.choice(("normal", "killed", "lost", "")),
            "message": chance.choice(("disk full on host", 'said "no"', "ключ", "a\\nb", "5")),
        }
        value = json.dumps(event, ensure_ascii=chance.random() < 0.5).encode()
        if chance.random() < 0.02:
            value = b"\xff no JSON disk full"
        rows.append(ArchivedMessage(offset, AT_MS + offset * 100, job.encode(), value))
    return history(Series("messages", "job-events", "g"), rows, ranges=1)


@cache
def log_of_a_cell() -> ArchivedHistory:
    rows: list[Row] = []
    for offset in range(3_000):
        events: list[dict[str, Any]] = [{"type": "Tick"}]
        if offset % 500 == 7:
            events += [{"type": "EffectEnded", "fate": "sent", "task_id": f"t-{offset}"}]
        if 1_000 <= offset < 1_040:
            added = {"offer_id": f"o-{offset}", "host_id": "h-1", "resources": {"cpu_milli": 4000}}
            body = {"type": "OffersChanged", "added": [added], "removed": ["o-1"]}
            events = [{"type": "Copied", "source": ["mesos", "g", 0, offset], "body": body}]
        if offset == 2_900:
            events = [{"type": "Copied", "body": {"type": "HostJudged", "host_id": "h-9"}}]
        record = {"epoch": 1, "at_ms": AT_MS + offset * 1_000, "events": events}
        rows.append(archived_record(offset, json.dumps(record).encode(), AT_MS))
    return history(Series("records", "main", "g"), rows)


def read(archived: ArchivedHistory, topic: str, first: int = 0, end: int = 10_000) -> list[Record]:
    async def all_of() -> list[Record]:
        return [each async for batch in archived.records(topic, 0, first, end) for each in batch]

    return asyncio.run(all_of())


def rows_of(mql: str, records: Sequence[Record]) -> list[dict[str, Any]]:
    """What the query says of these records."""
    query = parse(mql)
    source = SOURCES[query.streams[0]]
    running = Running(query, lambda: 0.5)
    rows: list[dict[str, Any]] = []
    for record in records:
        try:
            events = decoded(source.topic, record)
        except Unreadable:
            continue
        for event in events:
            if source.wants(event):
                rows += running.push(event, record.at_ms)
    return rows + running.close()


OF_JOBS = [
    "select task_id, offset from tasks where job_id == 'job-07'",
    "select task_id, offset from tasks where job_id == 'job-07' or job_id == 'job-31'",
    "select task_id from tasks where 'job-07' == job_id and state == 'Finished'",
    "select offset from tasks where message ==+ 'disk'",
    "select offset from tasks where message ==~ /.*full on.*/ and reason == 'killed'",
    "select offset from tasks where message == 'ключ'",
    "select offset from tasks where message == 'said \"no\"' or message ==+ 'b'",
    "select offset from tasks where message ==+ '5' and job_id == 'job-01'",
    "select offset from jobs where not (state == 'Started') and reason != 'lost'",
    "select count(*) as 'n', job_id from tasks window 60 where state == 'Launched' group by job_id",
    "select offset from tasks where job_id == 'no-such-job'",
    "select offset from tasks where job_id == 'job-03' sample {'strategy':'RPS','threshold':1}",
    "select e['job_id'] from tasks where e['job_id'] == 'job-11' and (true == true)",
]
OF_CELL = [
    "select task_id from decisions",
    "select offer_id from offers",
    "select offer_id from offers where kind == 'OfferRemoved'",
    "select host_id from hosts",
    "select offset from events where kind == 'EffectEnded'",
    "select count(*) from events",
    "select offset from events where task_id == 't-507'",
]


@pytest.mark.parametrize("mql", OF_JOBS)
def test_a_query_finds_the_same_in_what_is_left_of_a_topic(mql: str) -> None:
    archived = events_of_jobs()
    whole = read(archived, "job-events")
    assert [each.offset for each in whole] == list(range(2_400))
    assert rows_of(mql, read(archived.of(parse(mql)), "job-events")) == rows_of(mql, whole)


@pytest.mark.parametrize("mql", OF_CELL)
def test_a_query_finds_the_same_in_what_is_left_of_a_log(mql: str) -> None:
    archived = log_of_a_cell()
    whole = read(archived, "cell")
    assert [each.offset for each in whole] == list(range(3_000))
    found = rows_of(mql, read(archived.of(parse(mql)), "cell"))
    assert found == rows_of(mql, whole)
    assert found


def test_what_a_query_cannot_want_is_neither_fetched_nor_decoded() -> None:
    narrow = events_of_jobs().of(parse("select offset from tasks where job_id == 'job-07'"))
    records = read(narrow, "job-events")
    assert len(records) < 400  # Of 2,400: its own, and those that write letters as \\u.
    assert narrow.groups_passed > narrow.groups_read
    decisions = log_of_a_cell().of(parse("select task_id from decisions"))
    assert [each.offset for each in read(decisions, "cell")] == [7, 507, 1_507, 2_007, 2_507]


def test_bounds_and_times_are_those_of_the_archive() -> None:
    archived = events_of_jobs()
    assert [each.offset for each in read(archived, "job-events", 1_990, 2_010)] == list(
        range(1_990, 2_010)
    )
    assert asyncio.run(archived.begin("job-events", 0)) == 0
    assert asyncio.run(archived.begin("job-events", 1)) is None
    assert asyncio.run(archived.offset_at("job-events", 0, AT_MS + 150_050)) == 1_501
    assert asyncio.run(archived.offset_at("job-events", 0, AT_MS - 1)) == 0
    assert asyncio.run(archived.offset_at("job-events", 0, AT_MS + 10**9)) is None
    assert read(archived, "job-events", 7_000) == []


def test_conditions_are_weakened_and_never_strengthened() -> None:
    keys = frozenset({"a", "b"})

    def of(where: str) -> Any:
        return needed(parse(f"select * where {where}").where, keys)

    assert of("a == 'x'") == Holds(b'"x"')
    assert of("a == 'x' and c == 'y'") == Holds(b'"x"')
    assert of("a == 'x' and b ==+ 'one two'") == Every((Holds(b'"x"'), Holds(b"one")))
    assert of("a == 'x' or b == 'y'") == Some((Holds(b'"x"'), Holds(b'"y"')))
    for nothing in (
        *("c == 'x'", "a != 'x'", "not (a == 'x')", "a == 5", "a == null", "a > 'x'"),
        *("a == 'x' or c == 'y'", "a == 'a/b'", "a == 'é'", "a ==+ ' b'", "a ==+ '1.0E'"),
        *("a ==+ 'e5'", "a ==+ 'mask'", "a == 'masked'", "a ==~ /x|y/", "e['a']['b'] == 'x'"),
    ):
        assert of(nothing) is None, nothing
    where = parse("select * where (k == 'a' or k == 'b') and (k == 'b' or k == 'c')").where
    assert texts_of(where, "k") == frozenset({"b"})
    assert texts_of(parse("select * where k == 'a' or j == 'b'").where, "k") is None
