"""A day of thousands of events, archived in many ranges: what is different, and what made it so.

Pairs of random instants are asked of a time machine that reads snapshots, records and notes from a
store of files. Its answers must be, entity by entity and address by address, what a fold from zero
over the same log says, with all of its notes looked through one by one.
"""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from connectors.archive.archive import Archive
from connectors.objects.directory import DirectoryStore
from projections.cell_view import CellView
from projections.entries import Spot
from projections.travel.diff import EntityChange, difference
from projections.travel.notes import Note, Noted
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from streams.history.archived_log import ArchivedLog
from streams.history.limits import HistoryLimits
from streams.travel.opening import answering_of
from streams.travel.traveller import ADDRESSES_OF_ENTITY_MAX
from tests.support.cell import GENERATION
from tests.support.long_day import CELL, Day, Sizes, made_day

EVENTS = 5_000
PAIRS = 30
SEED = 6
SIZES = Sizes(HistoryLimits(range_records_max=900), snapshot_events=700)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    """Where the day lies."""
    return DirectoryStore(tmp_path_factory.mktemp("day"))


@pytest.fixture(scope="module")
def day(store: DirectoryStore) -> Day:
    """The day, made once."""
    return made_day(Path(store.url.removeprefix("file://")), EVENTS, 0, SIZES)


def log_of(store: DirectoryStore) -> ArchivedLog:
    """The day's log, opened anew."""
    return ArchivedLog(Archive(store), CELL, GENERATION)


async def folded_from_zero(
    log: ArchivedLog, ends: set[int]
) -> tuple[dict[int, Machine], list[Note]]:
    """Copies of the machine before these records, and every note of the log."""
    noted, machines = Noted(), {}
    notes: list[Note] = []
    async for batch in log.records(0, (await log.bounds()).end_offset):
        for record in batch:
            if record.offset in ends:
                machines[record.offset] = Machine.restored(noted.view.machine.kept())
            notes += noted.take(record.offset, decode_record(record.value))
    return machines, notes


@pytest.mark.integration  # A whole day.
def test_differences_of_random_instants_are_those_of_a_fold_from_zero(
    store: DirectoryStore, day: Day
) -> None:
    chance = random.Random(SEED)
    pairs = [
        (chance.randrange(1, day.records), chance.randrange(1, day.records)) for _ in range(PAIRS)
    ]

    async def scenario() -> None:
        machines, notes = await folded_from_zero(
            log_of(store), {end for both in pairs for end in both}
        )
        spots_of = spots_by_entity(notes)
        kinds = set()
        for first, second in pairs:
            answering = await answering_of(log_of(store), Archive(store), CELL)
            limit = chance.choice((20, 200, 5_000))
            found = await answering.traveller.diff(str(first - 1), str(second - 1), limit)
            before, after = machines[first], machines[second]
            wanted = difference(before.state, after.state, (found.before, found.after), limit)
            assert (found.counts, found.dropped) == (wanted.counts, wanted.dropped)
            view, low, high = CellView(after), min(first, second), max(first, second)
            for ours, theirs in zip(found.entities, wanted.entities, strict=True):
                spots = spots_of.get((ours.kind, ours.id), [])
                between = [each for each in spots if low <= each[0] < high]
                assert ours == with_addresses(theirs, between, view)
                kinds.add((ours.kind, ours.has_older))
        assert kinds >= {("job", False), ("task", False), ("host", True)}

    asyncio.run(scenario())


def with_addresses(entity: EntityChange, spots: list[Spot], view: CellView) -> EntityChange:
    """The entity with the addresses of the newest of these places."""
    newest = spots[-ADDRESSES_OF_ENTITY_MAX:]
    return msgspec.structs.replace(
        entity,
        addresses=tuple(view.address(each) for each in newest),
        has_older=len(spots) > len(newest),
    )


def spots_by_entity(notes: list[Note]) -> dict[tuple[str, str], list[Spot]]:
    """Where the notes about each job, task and host stand; there are no orphans on this day."""
    found: dict[tuple[str, str], dict[Spot, None]] = {}
    for each in notes:
        about = [("task", each.task_id)] if each.task_id else [("job", each.job_id)]
        for entity in [*about, ("host", each.host_id)]:
            found.setdefault(entity, {})[each.offset, each.index] = None
    return {entity: list(spots) for entity, spots in found.items()}
