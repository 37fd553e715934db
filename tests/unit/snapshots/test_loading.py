"""Whoever cannot use a snapshot uses an older one, and at last the log: never an empty cell."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.ports import ObjectFacts, StoreFailed
from scheduler.chain import Chain
from scheduler.digest import canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import RECORD_VERSION, decode_record, digest_of, encode_record
from scheduler.model.events import CellContinued, CellRecord, Tick
from scheduler.model.ids import Generation
from scheduler.model.inbound import RecordSkipped
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.history.reading import LogBounds
from streams.snapshots.loading import Bases, CannotFold, followed_to, machine_at
from streams.snapshots.names import SnapshotName
from tests.golden.first_day import LOG
from tests.support.cell import CellInMemory, running_cell
from tests.support.log_in_memory import LogInMemory
from tests.support.snapshots import Scene

FIRST_DAY = LOG.read_bytes().splitlines()
POINTS = (100, 200, 300, 400)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, FIRST_DAY)


def whole(offset: int) -> bytes:
    machine = Machine()
    for at, data in enumerate(FIRST_DAY[:offset]):
        machine.apply(at, decode_record(data))
    return canonical_bytes(machine.state)


def test_the_newest_is_taken_and_only_the_tail_is_folded(scene: Scene) -> None:
    scene.take_at(*POINTS)
    machine = asyncio.run(machine_at(scene.bases, len(FIRST_DAY)))
    assert canonical_bytes(machine.state) == whole(len(FIRST_DAY))
    assert scene.reader.records_read == len(FIRST_DAY) - 400


@pytest.mark.parametrize("offset", [0, 1, 99, 100, 101, 250, 300, 513])
def test_the_state_at_any_offset_is_the_fold_from_zero(scene: Scene, offset: int) -> None:
    scene.take_at(*POINTS)
    offset = min(offset, len(FIRST_DAY))
    machine = asyncio.run(machine_at(scene.bases, offset))
    assert canonical_bytes(machine.state) == whole(offset)
    nearest = max((each for each in POINTS if each <= offset), default=0)
    assert scene.reader.records_read <= offset - nearest + 1


def _flipped(scene: Scene, name: SnapshotName) -> None:
    data = bytearray(scene.store.get(name.key))
    data[len(data) // 2] ^= 4
    scene.damage(name, bytes(data))


def _cut(scene: Scene, name: SnapshotName) -> None:
    scene.damage(name, scene.store.get(name.key)[:-100])


def _empty(scene: Scene, name: SnapshotName) -> None:
    scene.damage(name, b"")


def _of_a_later_build(scene: Scene, name: SnapshotName) -> None:
    scene.damage(name, scene.store.get(name.key).replace(b'"format":1', b'"format":2', 1))


def _another(scene: Scene, name: SnapshotName) -> None:
    """A good snapshot under the key of another: moved, or written by something that is lost."""
    scene.damage(name, scene.store.get(scene.shelf.names()[0].key))


@pytest.mark.parametrize("fault", [_flipped, _cut, _empty, _of_a_later_build, _another])
@pytest.mark.parametrize("damaged", [1, 3, 4])
def test_bad_snapshots_are_passed_over_down_to_the_logs_beginning(
    scene: Scene, damaged: int, fault: Callable[[Scene, SnapshotName], None]
) -> None:
    names = scene.take_at(*POINTS)
    for name in reversed(names[-damaged:]):
        if fault is _another and name.next_offset == POINTS[0]:
            scene.store.delete(name.key)
            continue
        fault(scene, name)
    base = asyncio.run(scene.bases.newest())
    assert base.wanted_offset == (0, *POINTS)[4 - damaged]
    machine = asyncio.run(machine_at(scene.bases, len(FIRST_DAY)))
    assert canonical_bytes(machine.state) == whole(len(FIRST_DAY))


def test_a_store_that_fails_is_no_reason_to_stop_while_the_log_is_whole(scene: Scene) -> None:
    scene.take_at(*POINTS)
    scene.shelf.names = _no_answer  # type: ignore[method-assign]
    base = asyncio.run(scene.bases.newest())
    assert base.wanted_offset == 0


def _no_answer(generation: str = "") -> list[SnapshotName]:
    raise StoreFailed(f"Listing {generation} failed")


def test_where_the_log_begins_late_and_no_snapshot_reaches_it_nothing_is_begun(
    scene: Scene,
) -> None:
    class Late(LogInMemory):
        async def bounds(self) -> LogBounds:
            return LogBounds(self.generation, 350, len(self.log))

    names = scene.take_at(*POINTS)
    bases = Bases(scene.shelf, Late(FIRST_DAY))
    assert asyncio.run(bases.newest()).wanted_offset == 400
    for name in names:
        _flipped(scene, name)
    with pytest.raises(CannotFold, match="begins at offset 350, and no good snapshot"):
        asyncio.run(bases.newest())


def test_a_log_that_ends_below_what_a_snapshot_holds_is_not_followed(scene: Scene) -> None:
    scene.take_at(*POINTS)
    short = Bases(scene.shelf, LogInMemory(FIRST_DAY[:350]))
    with pytest.raises(CannotFold, match=r"ends at offset 350, but a snapshot .* up to 399"):
        asyncio.run(short.newest())


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_log_made_anew_under_the_name_of_one_with_snapshots_is_not_followed(
    scene: Scene, *, is_empty: bool
) -> None:
    """So a recreated topic never becomes an empty cell whose running tasks are strangers."""
    scene.take_at(*POINTS)
    other = LogInMemory([] if is_empty else FIRST_DAY, "" if is_empty else "ffffffff")
    with pytest.raises(CannotFold, match="the topic was made anew"):
        asyncio.run(Bases(scene.shelf, other).newest())


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_cell_that_was_archived_and_is_too_young_for_a_snapshot_is_not_begun_anew(
    scene: Scene, *, is_empty: bool
) -> None:
    scene.shelf.store.put_new(f"archive/cells/{scene.shelf.cell}/0a0a0a0a/records/0-9.json", b"{}")
    other = LogInMemory([] if is_empty else FIRST_DAY, "" if is_empty else "ffffffff")
    with pytest.raises(CannotFold, match="generation 0a0a0a0a of it"):
        asyncio.run(Bases(scene.shelf, other).newest())
    asyncio.run(Bases(scene.shelf, LogInMemory(FIRST_DAY, "0a0a0a0a")).newest())


def test_nothing_is_begun_while_the_store_does_not_say_whether_there_is_a_history(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.shelf, "names", _no_answer)
    with pytest.raises(CannotFold, match="Nothing is begun before that is known"):
        asyncio.run(Bases(scene.shelf, LogInMemory([], "")).check())
    asyncio.run(Bases(scene.shelf, LogInMemory(FIRST_DAY)).check())


def test_a_skip_is_obeyed_wherever_it_stands_and_folds_anew_from_below(tmp_path: Path) -> None:
    cell = running_cell()
    cell.tick(1_000, times=30)
    poisoned = len(cell.log)
    garbage = b'{"version":1,"epoch":1,"at_ms":1,"events":[{"type":"Miracle"}]}'
    log = [*cell.log, garbage]
    cell.log.append(garbage)
    cell.machine.pass_over(poisoned)
    cell.tick(1_000, times=20)
    skip = RecordSkipped(offset=poisoned, digest=digest_of(garbage), actor="op", why="test")
    cell.copy("commands", skip)
    cell.tick(1_000, times=10)
    log = list(cell.log)
    scene = Scene(tmp_path, log)
    scene.take_at(10, 20)
    assert not scene.pages

    machine = asyncio.run(machine_at(scene.bases, len(log)))
    assert canonical_bytes(machine.state) == canonical_bytes(cell.state)
    # Twice from the snapshot, and never from the beginning.
    assert scene.reader.records_read <= 2 * (len(log) - 20)
    early = asyncio.run(machine_at(scene.bases, poisoned + 5))
    assert early.state.next_offset == poisoned + 5
    with pytest.raises(CannotFold, match="Miracle"):
        asyncio.run(machine_at(Bases(scene.shelf, LogInMemory(log[: poisoned + 5])), poisoned + 3))


def test_a_halted_follower_begins_anew_at_the_snapshot_below_the_skipped_record(
    tmp_path: Path,
) -> None:
    cell = running_cell()
    cell.tick(1_000, times=30)
    poisoned, garbage = len(cell.log), b"garbage"
    cell.log.append(garbage)
    cell.machine.pass_over(poisoned)
    skip = RecordSkipped(offset=poisoned, digest=digest_of(garbage), actor="op", why="test")
    cell.copy("commands", skip)
    cell.tick(1_000, times=5)
    scene = Scene(tmp_path, cell.log)
    scene.take_at(10, 20)
    records = [LogRecord(at, data) for at, data in enumerate(cell.log)]

    async def run() -> Follower:
        follower = Follower("cell", 0, BareFold, find_base=scene.bases.at_or_below)
        follower.take(records)
        # Until the base is there nothing is taken, whoever hands it over.
        follower.take(records)
        assert follower.machine.state.next_offset == poisoned
        await follower.begun()
        assert follower.wanted_offset == 20
        follower.take(records[20:])
        return follower

    follower, chain = asyncio.run(run()), Chain()
    assert follower.halt is None
    assert canonical_bytes(follower.machine.state) == canonical_bytes(cell.state)
    for record in records:
        chain.take(record.value)
    assert follower.chain.hex == chain.hex, "it goes on from the snapshot's"


def continued(cell: CellInMemory) -> bytes:
    """The first record of a log that goes on where this cell stands."""
    state = cell.state
    event = CellContinued(
        cell=state.cell,
        cell_uuid=state.cell_uuid,
        generation=Generation("11112222"),
        previous_generation=state.generation,
        previous_offset=state.next_offset - 1,
        digest_version=cell.machine.digest.version,
        digest=cell.machine.digest.value(),
    )
    return encode_record(
        CellRecord(version=RECORD_VERSION, epoch=-1, at_ms=cell.now_ms, events=(event, Tick()))
    )


def test_a_continued_log_begins_with_the_state_at_the_end_of_the_one_before(
    tmp_path: Path,
) -> None:
    cell = running_cell()
    cell.tick(1_000, times=30)
    scene = Scene(tmp_path, cell.log)
    scene.take_at(10, 20)
    first = continued(cell)
    bases = Bases(
        scene.shelf, LogInMemory([first], "11112222"), reader_of=lambda _: LogInMemory(cell.log)
    )
    base = asyncio.run(bases.newest())
    assert base.wanted_offset == 0
    assert "0a0b0c0d" in base.origin
    follower = asyncio.run(followed_to(bases, 1))
    assert follower.halt is None
    assert follower.machine.state.generation == "11112222"
    assert follower.machine.state.tasks == cell.state.tasks
    with pytest.raises(CannotFold, match="not at hand"):
        asyncio.run(Bases(scene.shelf, LogInMemory([first], "11112222")).newest())


def test_the_listing_is_by_generation_and_offset_and_ignores_other_objects(scene: Scene) -> None:
    scene.take_at(*POINTS)
    scene.store.put_new("snapshots/test/0a0b0c0d/readme", b"1")
    scene.store.put_new("snapshots/other/0a0b0c0d/readme", b"1")
    assert [each.next_offset for each in scene.shelf.names()] == list(POINTS)
    assert isinstance(next(iter(scene.store.facts("snapshots/test/"))), ObjectFacts)
    assert scene.shelf.generations() == ["0a0b0c0d"]
    for name in scene.shelf.names():
        assert scene.shelf.header(name).next_offset == name.next_offset


def test_the_oldest_snapshot_is_where_a_wanted_tail_begins_at_the_earliest(scene: Scene) -> None:
    """A view that wants a longer tail than snapshots allow begins there, not at record 0."""
    assert asyncio.run(scene.bases.oldest_offset()) is None
    scene.take_at(200, 300)
    assert asyncio.run(scene.bases.oldest_offset()) == 200
    base = asyncio.run(scene.bases.at_or_below(max(50, 200)))
    assert base.wanted_offset == 200
