"""What Faust does to its queues while a consumer group rebalances does not reach the fold."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust

from streams.cell.main import CellProcess
from streams.cell.seat import CellOptions
from streams.cell.steady import SteadyChannel

GONE_S = 0.5
"""What has not come by then has been held back or lost: nothing but our own loop is between."""

Make = Callable[[faust.App], faust.ChannelT[Any]]


def _got_through_a_rebalance(make: Make, tmp_path: Path) -> list[str]:
    """What a reader of the channel gets of two values, sent as its app suspends and empties."""

    async def run() -> list[str]:
        app = faust.App("steady", broker="kafka://127.0.0.1:1", datadir=str(tmp_path))
        channel = make(app)
        reader = channel.clone(is_iterator=True)
        app.flow_control.resume()
        await (await channel.send(value="before"))
        app.flow_control.suspend()
        app.flow_control.clear()
        during = asyncio.create_task(_sent(channel, "while suspended"))
        got: list[str] = []
        try:
            async with asyncio.timeout(GONE_S):
                while len(got) < 2:
                    event: Any = await reader.get()
                    got.append(event.value)
        except TimeoutError:
            during.cancel()
        return got

    return asyncio.run(run())


async def _sent(channel: faust.ChannelT[Any], value: str) -> None:
    await (await channel.send(value=value))


def test_a_batch_is_neither_held_nor_lost_while_the_group_rebalances(tmp_path: Path) -> None:
    assert _got_through_a_rebalance(SteadyChannel, tmp_path) == ["before", "while suspended"]


def test_a_channel_of_faust_holds_and_loses_them(tmp_path: Path) -> None:
    # Were this no longer so, `SteadyChannel` would be of no use.
    assert _got_through_a_rebalance(lambda app: app.channel(), tmp_path) == []


def test_the_fold_of_a_cell_process_hangs_on_a_steady_channel(tmp_path: Path) -> None:
    options = CellOptions(
        bootstrap="127.0.0.1:1", candidate="a", masters=("127.0.0.1:2",), data_dir=tmp_path
    )

    async def channel() -> faust.ChannelT[Any]:
        return CellProcess(options)._batches

    assert isinstance(asyncio.run(channel()), SteadyChannel)
