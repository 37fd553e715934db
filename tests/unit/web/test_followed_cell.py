"""The fold of a cell in the api process: it goes on, and lets everybody else have their turns."""

import asyncio

import pytest

from connectors.web.cell import Progress
from streams.api import followed_cell
from streams.api.followed_cell import FollowedCell
from streams.cell.follower import LogRecord
from tests.support.cell import running_cell, service


def records() -> list[LogRecord]:
    cell = running_cell(hosts=3)
    cell.run(service(desired=3), "s")
    cell.tick(1_000, times=20)
    return [LogRecord(offset, data) for offset, data in enumerate(cell.log)]


@pytest.mark.parametrize("at_once_s", [0.0, 3_600.0])
def test_the_fold_of_a_batch_leaves_turns_to_requests_by_the_clock(
    at_once_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_cell, "FOLD_S_AT_ONCE", at_once_s)
    batch = records()

    async def turns() -> int:
        cell, taken = FollowedCell("127.0.0.1:1", "test.", 0), 0
        folding = asyncio.create_task(cell._deliver(batch))
        while not folding.done():
            taken += 1
            await asyncio.sleep(0)
        assert cell.view.next_offset == len(batch)
        assert not cell.progress().halt
        assert isinstance(cell.progress(), Progress)
        return taken

    taken = asyncio.run(turns())
    if at_once_s:
        assert taken <= 2, "a batch that is quickly folded is folded at once"
    else:
        assert taken >= len(batch)
