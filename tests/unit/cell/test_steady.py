"""What Faust does to its channels while a consumer group rebalances does not reach the fold."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import faust
import pytest

from streams.cell.main import CellProcess
from streams.cell.seat import CellOptions
from streams.cell.steady import SteadyChannel

GONE_S = 0.5
"""What has not come by then has been held back or lost: nothing but our own loop is between."""
BEFORE, WHILE = "before", "while the group rebalances"

Give = Callable[[Any, str], Coroutine[Any, Any, None]]


async def _hand_over(channel: Any, value: str) -> None:
    await channel.hand_over(value)


async def _send(channel: Any, value: str) -> None:
    await (await channel.send(value=value))


def _got_through_a_rebalance(
    make: Callable[[faust.App], faust.ChannelT[Any]], give: Give, tmp_path: Path
) -> list[Any]:
    """What a reader of the channel gets of two values, given before and while a group rebalances.

    The rebalance is what Faust does of it: flow suspended, queues emptied.
    """

    async def run() -> list[Any]:
        app = faust.App("steady", broker="kafka://127.0.0.1:1", datadir=str(tmp_path))
        channel = make(app)
        reader = channel.clone(is_iterator=True)
        app.flow_control.resume()
        await give(channel, BEFORE)
        app.flow_control.suspend()
        app.flow_control.clear()
        during = asyncio.create_task(give(channel, WHILE))
        got: list[Any] = []
        try:
            async with asyncio.timeout(GONE_S):
                while len(got) < 2:
                    got.append(await reader.get())
        except TimeoutError:
            during.cancel()
        return got

    return asyncio.run(run())


def test_a_batch_is_neither_held_nor_lost_while_the_group_rebalances(tmp_path: Path) -> None:
    assert _got_through_a_rebalance(SteadyChannel, _hand_over, tmp_path) == [BEFORE, WHILE]


@pytest.mark.slow
def test_a_channel_of_faust_holds_and_loses_them(tmp_path: Path) -> None:
    # Were this no longer so, `SteadyChannel` would be of no use.
    assert not _got_through_a_rebalance(lambda app: app.channel(), _send, tmp_path)


def test_what_is_handed_over_is_no_event_that_streams_could_pass_over(tmp_path: Path) -> None:
    # A stream of Faust looks at the generation of events, and passes over those of another.
    sent = _got_through_a_rebalance(SteadyChannel, _send, tmp_path)
    assert all(isinstance(each, faust.EventT) for each in sent)
    given = _got_through_a_rebalance(SteadyChannel, _hand_over, tmp_path)
    assert not any(isinstance(each, faust.EventT) for each in given)


def test_the_fold_of_a_cell_process_hangs_on_a_steady_channel(tmp_path: Path) -> None:
    options = CellOptions(
        bootstrap="127.0.0.1:1", candidate="a", masters=("127.0.0.1:2",), data_dir=tmp_path
    )

    async def channel() -> faust.ChannelT[Any]:
        return CellProcess(options)._batches

    assert isinstance(asyncio.run(channel()), SteadyChannel)
