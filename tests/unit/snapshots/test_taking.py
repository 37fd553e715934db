"""Snapshots are taken when due, count only when read back, and are dropped by the rules."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.ports import StoreFailed
from projections.snapshot.format import BadSnapshot, capture
from streams.cell.follower import LogRecord
from streams.snapshots import taking
from streams.snapshots.metrics import SnapshotMetrics
from streams.snapshots.names import SnapshotName
from streams.snapshots.retention import DAY_MS, HOUR_MS, MONTH_MS, Retention, to_drop
from streams.snapshots.taking import SnapshotTaker, TakingPolicy
from tests.golden.first_day import LOG
from tests.support.snapshots import Scene

FIRST_DAY = LOG.read_bytes().splitlines()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, FIRST_DAY)


def test_a_snapshot_is_due_by_events_or_by_time_and_never_without_news(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr("streams.snapshots.taking.monotonic", lambda: now_s)
    policy = TakingPolicy(events=50, interval_s=600)
    taker = SnapshotTaker(scene.shelf, scene.follower, policy)
    assert not taker.is_due()
    now_s += 10_000
    assert not taker.is_due(), "nothing was folded"
    scene.fold_to(10)
    assert taker.is_due(), "ten minutes are over"
    asyncio.run(taker.take())
    scene.fold_to(20)
    assert not taker.is_due()
    scene.fold_to(120)
    assert taker.is_due(), "fifty events were folded"


def test_a_halted_fold_is_never_kept(scene: Scene) -> None:
    scene.fold_to(50)
    scene.follower.take([LogRecord(50, b"garbage")])
    taker = SnapshotTaker(scene.shelf, scene.follower, TakingPolicy(events=1))
    assert not taker.is_due()
    with pytest.raises(ValueError, match="halted"):
        asyncio.run(taker.take())


def test_each_names_the_one_before_it_and_carries_the_chain(scene: Scene) -> None:
    first, second = scene.take_at(100, 200)
    header = scene.shelf.header(second)
    assert header.previous == first.key
    assert len(header.chain) == 64
    assert scene.shelf.load(second).header.chain == scene.follower.chain.hex


def test_two_who_take_the_same_state_keep_one_snapshot(scene: Scene) -> None:
    (first,) = scene.take_at(100)
    again = asyncio.run(SnapshotTaker(scene.shelf, scene.follower, build="other").take())
    assert again.name == first
    assert len(scene.shelf.names()) == 1


def test_a_damaged_one_under_the_same_key_is_written_anew(scene: Scene) -> None:
    (first,) = scene.take_at(100)
    scene.damage(first, b"flumina snapshot\nnothing")
    asyncio.run(SnapshotTaker(scene.shelf, scene.follower).take())
    assert scene.shelf.load(first).header.next_offset == 100


def test_what_comes_back_otherwise_than_it_was_written_does_not_count(scene: Scene) -> None:
    get = scene.store.get

    def forgetful(key: str) -> bytes:
        return get(key)[:-1]

    scene.store.get = forgetful  # type: ignore[method-assign]
    with pytest.raises(BadSnapshot, match="half an upload"):
        scene.take_at(100)
    assert scene.taker.last is None


def test_another_state_at_the_same_offset_is_paged_and_both_stay(scene: Scene) -> None:
    (name,) = scene.take_at(100)
    scene.store.put_new(name.key.replace(name.digest, "0" * 32), scene.store.get(name.key))
    scene.store.delete(name.key)
    asyncio.run(scene.taker.take())
    assert [what for what, _ in scene.pages] == ["snapshots-differ"]
    assert len(scene.shelf.names()) == 2


def test_a_store_that_fails_is_tried_again_and_paged_when_it_takes_too_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The taker goes on, the fold is not disturbed, and the next success ends the matter."""
    metrics = SnapshotMetrics(CollectorRegistry())
    policy = TakingPolicy(events=1, retry_s=0.001, retry_s_max=0.002, page_after_s=0.0)
    taker = SnapshotTaker(
        scene.shelf, scene.follower, policy, metrics, page=lambda *said: scene.pages.append(said)
    )
    monkeypatch.setattr(taking, "LOOK_S", 0.001)
    put, failures = scene.store.put_new, 0

    def failing(key: str, data: bytes) -> None:
        nonlocal failures
        failures += 1
        if failures <= 3:
            raise StoreFailed(f"Writing {key} failed")
        put(key, data)

    scene.store.put_new = failing  # type: ignore[method-assign]
    scene.fold_to(100)

    async def run() -> None:
        running = asyncio.create_task(taker.run())
        async with asyncio.timeout(20):
            while taker.last is None:
                await asyncio.sleep(0.001)
        running.cancel()

    asyncio.run(run())
    assert [what for what, _ in scene.pages] == ["snapshot-late"]
    assert metrics.failed.labels("test", "store")._value.get() == 3
    assert metrics.taken.labels("test")._value.get() == 1
    assert metrics.offset.labels("test")._value.get() == 100


# Retention.


def name(offset: int, at_ms: int, generation: str = "a") -> SnapshotName:
    key = f"snapshots/test/{generation}/{offset}"
    return SnapshotName(key, "test", generation, offset, at_ms, "0" * 32, 1, at_ms)


def offsets(names: list[SnapshotName]) -> list[int]:
    return [each.next_offset for each in names]


def test_near_now_all_are_kept_then_one_an_hour_a_day_a_month() -> None:
    every_ms, count = 600_000, 6 * 24 * 100  # Each ten minutes for a hundred days.
    names = [name(number, number * every_ms) for number in range(count)]
    rules = Retention(newest=20)
    dropped = {each.key for each in to_drop(names, names[-1], rules)}
    kept = [each for each in names if each.key not in dropped]
    now_ms = names[-1].at_ms
    ages = [now_ms - each.at_ms for each in kept]
    assert [each for each in kept if each in names[-20:]] == names[-20:]
    hourly = [age for age in ages if 20 * every_ms <= age <= DAY_MS]
    assert len(hourly) in range(20, 23)
    daily = [age for age in ages if DAY_MS < age <= MONTH_MS]
    assert len(daily) in range(28, 32)
    older = [age for age in ages if age > MONTH_MS]
    assert len(older) in range(2, 5)
    assert max(b - a for a, b in zip(sorted(ages), sorted(ages)[1:], strict=False)) <= MONTH_MS


def test_what_was_kept_once_is_kept_as_time_goes_on() -> None:
    """Dropping again and again leaves what dropping once leaves: periods do not wander."""
    rules, kept = Retention(newest=5), list[SnapshotName]()
    for number in range(24 * 40):
        kept.append(name(number, number * HOUR_MS))
        gone = {each.key for each in to_drop(kept, kept[-1], rules)}
        kept = [each for each in kept if each.key not in gone]
    days = {each.at_ms // DAY_MS for each in kept}
    assert days.issuperset(range(11, 40)), "a snapshot of each of the last days"
    assert 50 <= len(kept) < 80


def test_the_newest_of_each_generation_stays_for_a_log_was_continued_from_it() -> None:
    old = [name(number, number, "a") for number in range(50)]
    new = [name(number, 10**12 + number, "b") for number in range(50)]
    dropped = to_drop([*old, *new], new[-1], Retention(newest=3))
    kept = [each for each in [*old, *new] if each not in dropped]
    assert old[-1] in kept
    assert new[-1] in kept


def test_without_a_proven_one_in_the_listing_nothing_is_dropped() -> None:
    names = [name(number, number) for number in range(50)]
    assert to_drop(names, name(999, 1), Retention(newest=1)) == []
    assert to_drop([], names[0], Retention()) == []


def test_the_taker_drops_only_behind_a_proof(scene: Scene) -> None:
    rules = Retention(newest=2, hourly_ms=0, daily_ms=0)
    scene.taker.policy = TakingPolicy(retention=rules)
    names = scene.take_at(50, 100, 150, 200)
    assert scene.shelf.names() == [names[0], *names[-2:]], "one a month, and the newest"
    keep: Callable[[str], bytes] = scene.store.get
    scene.store.get = lambda key: keep(key)[:-1]  # type: ignore[method-assign]
    with pytest.raises(BadSnapshot):
        scene.take_at(250)
    assert {each.next_offset for each in scene.shelf.names()} >= {50, 150, 200}


def test_a_copy_that_is_not_what_was_written_is_named(scene: Scene) -> None:
    scene.fold_to(100)
    captured = capture(scene.follower.machine)
    written = scene.shelf.put(captured)
    captured.kept.looked_at_ms["other"] = 5  # type: ignore[index]
    with pytest.raises(BadSnapshot, match="looked_at_ms is not what was copied"):
        scene.shelf.put(captured)
    assert scene.shelf.load(written).header.next_offset == 100
