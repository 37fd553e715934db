"""A worker's seats: what the group's word means to each, and which lost leadership ends what.

The seats are real; their leaders are left out, for `tests/integration/cell/test_two_cells.py` has
real ones.
"""

import asyncio
from pathlib import Path

import pytest

from scheduler.model.ids import CellName
from streams.cell.lead import LeadershipLost
from streams.cell.leader import _first_of
from streams.cell.main import CellProcess
from streams.cell.seat import Batch, CellOptions, Seat


def options(tmp_path: Path, *names: str) -> CellOptions:
    return CellOptions(
        bootstrap="127.0.0.1:1",
        candidate="worker-0",
        masters=("127.0.0.1:2",),
        data_dir=tmp_path,
        cells=tuple(map(CellName, names)),
    )


async def nowhere(_: Batch) -> None:
    """Nobody folds."""


async def lost(*, is_outvoted: bool) -> None:
    raise LeadershipLost("a test", is_outvoted=is_outvoted)


def test_a_worker_has_a_seat_for_each_cell_in_the_order_of_partitions(tmp_path: Path) -> None:
    async def test() -> None:
        process = CellProcess(options(tmp_path, "a", "b", "c"))
        assert [(seat.cell, seat.partition) for seat in process.seats] == [
            ("a", 0),
            ("b", 1),
            ("c", 2),
        ]
        assert {seat.follower.partition for seat in process.seats} == {0, 1, 2}

    asyncio.run(test())


def test_the_groups_word_is_about_one_cell_and_the_last_one_counts(tmp_path: Path) -> None:
    async def test() -> None:
        seat = Seat(options(tmp_path, "a", "b"), 1, nowhere)
        for is_ours in (True, True, False, True):
            seat.assign(is_ours=is_ours)
            assert seat.is_assigned.is_set() is is_ours
            assert seat.is_unassigned.is_set() is not is_ours

    asyncio.run(test())


@pytest.mark.parametrize(
    ("is_outvoted", "are_others_led"), [(False, True), (False, False), (True, False)]
)
def test_a_leadership_that_is_lost_ends_the_process(
    tmp_path: Path, *, is_outvoted: bool, are_others_led: bool
) -> None:
    # We cannot tell whether we lead; or nothing else would be lost by a new beginning.
    async def test() -> None:
        seat = Seat(options(tmp_path, "a", "b"), 0, nowhere)
        term = asyncio.ensure_future(lost(is_outvoted=is_outvoted))
        await asyncio.wait([term])
        with pytest.raises(LeadershipLost):
            await seat._ended(term, lambda: are_others_led)

    asyncio.run(test())


def test_a_cell_that_was_handed_on_ends_only_its_own_term(tmp_path: Path) -> None:
    # Who was elected in our place has heard of it before us; the group's word comes later.
    async def test() -> None:
        seat = Seat(options(tmp_path, "a", "b"), 0, nowhere)
        seat.assign(is_ours=True)
        term = asyncio.ensure_future(lost(is_outvoted=True))
        await asyncio.wait([term])
        ending = asyncio.ensure_future(seat._ended(term, lambda: True))
        await asyncio.sleep(0)
        assert not ending.done(), "it waits for the group"
        seat.assign(is_ours=False)
        await ending

    asyncio.run(test())


def test_a_cell_that_another_leads_though_it_is_ours_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.cell.seat.HANDED_ON_S_MAX", 0.01)

    async def test() -> None:
        seat = Seat(options(tmp_path, "a", "b"), 0, nowhere)
        seat.assign(is_ours=True)
        term = asyncio.ensure_future(lost(is_outvoted=True))
        await asyncio.wait([term])
        with pytest.raises(LeadershipLost):
            await seat._ended(term, lambda: True)

    asyncio.run(test())


def test_one_cell_that_fails_is_tried_again_and_only_where_there_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.cell.seat.TRY_AGAIN_S_MIN", 0.0)

    class Failing(Seat):
        tries = 0

        async def follow(self, producer: object) -> None:
            del producer
            self.tries += 1
            raise ValueError("this cell's log is none")

    async def test(*names: str) -> int:
        seat = Failing(options(tmp_path, *names), 0, nowhere)
        seat.assign(is_ours=True)
        leading = asyncio.ensure_future(
            seat.lead_when_assigned(None, lambda: False)  # nothing is written
        )
        while seat.tries < 3 and not leading.done():
            await asyncio.sleep(0)
        if not leading.done():
            leading.cancel()
            await asyncio.wait([leading])
            return seat.tries
        leading.result()
        raise AssertionError("it never returns by itself")

    assert asyncio.run(test("a", "b")) == 3
    with pytest.raises(ValueError, match="log is none"):
        asyncio.run(test("only"))


def test_the_reason_is_found_in_groups_of_groups() -> None:
    reason = LeadershipLost("inside", is_outvoted=True)
    group = BaseExceptionGroup("", [BaseExceptionGroup("", [reason])])
    assert _first_of(group) is reason
