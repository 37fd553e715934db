"""Snapshots lie in every store alike: taken, proven, fallen back over, dropped."""

import asyncio

from connectors.ports import ObjectStore
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.snapshots.loading import Bases, machine_at
from streams.snapshots.retention import Retention
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker, TakingPolicy
from tests.golden.first_day import LOG
from tests.support.log_in_memory import LogInMemory

FIRST_DAY = LOG.read_bytes().splitlines()[:200]


def test_a_cell_begins_from_this_store(store: ObjectStore) -> None:
    shelf, follower = Shelf(store, "test"), Follower("cell", 0, BareFold)
    rules = Retention(newest=2, hourly_ms=0, daily_ms=0)
    taker = SnapshotTaker(shelf, follower, TakingPolicy(retention=rules))
    for end in (50, 100, 150):
        first = follower.wanted_offset
        follower.take([LogRecord(at, FIRST_DAY[at]) for at in range(first, end)])
        asyncio.run(taker.take())
    names = shelf.names()
    assert [each.next_offset for each in names] == [50, 100, 150], "one a month, and two"
    newest = store.get(names[-1].key)
    store.delete(names[-1].key)
    store.put_new(names[-1].key, newest[: len(newest) // 2])

    reader = LogInMemory(FIRST_DAY)
    machine = asyncio.run(machine_at(Bases(shelf, reader), len(FIRST_DAY)))
    assert reader.records_read == len(FIRST_DAY) - 100, "the halved one was passed over"
    follower.take([LogRecord(at, FIRST_DAY[at]) for at in range(150, len(FIRST_DAY))])
    assert machine.digest.value() == follower.machine.digest.value()
