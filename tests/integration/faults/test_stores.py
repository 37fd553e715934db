"""The store of objects goes away and comes back: nobody waits for it, nothing is left out.

A real S3 protocol on loopback, whose server is stopped and started again while a fold takes
snapshots into it.
"""

import asyncio
from collections.abc import Callable

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from connectors.objects.s3 import S3Store
from connectors.objects.s3_calls import Limits
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker, TakingPolicy
from streams.supervise.ports import free_block
from tests.support.cell import CellInMemory, running_cell, service
from tests.support.moto import environment_of

pytestmark = pytest.mark.integration

DEADLINE_S = 60.0
IMPATIENT = Limits(attempts=2, pause_s=0.05, connect_s=1.0, silent_s=2.0, call_s=5.0)
OFTEN = TakingPolicy(interval_s=0.0, retry_s=0.1, retry_s_max=0.5, page_after_s=0.5)


def feed(follower: Follower, cell: CellInMemory) -> None:
    """Let the follower read what it has not read yet."""
    new = enumerate(cell.log[follower.wanted_offset :], start=follower.wanted_offset)
    follower.take([LogRecord(offset, value) for offset, value in new])


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; else fail, and name it."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE_S:.0f} s: {what}") from None


def test_snapshots_go_on_when_a_store_that_was_away_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_block(1)
    for name, value in environment_of(f"http://127.0.0.1:{port}").items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    boto3.session.Session().client("s3").create_bucket(Bucket="away")
    shelf = Shelf(S3Store("away", "", IMPATIENT), "test")
    cell = running_cell()
    cell.run(service(2))
    follower = Follower("cell", 0, BareFold)
    feed(follower, cell)
    pages: list[str] = []
    taker = SnapshotTaker(shelf, follower, OFTEN, page=lambda what, _: pages.append(what))

    def taken_at() -> int:
        return -1 if taker.last is None else taker.last.name.next_offset

    async def scenario() -> ThreadedMotoServer:
        running = asyncio.create_task(taker.run())
        cell.tick()
        feed(follower, cell)
        await until(lambda: taken_at() == len(cell.log), "a first snapshot")
        server.stop()
        known = len(cell.log)
        cell.tick()
        feed(follower, cell)
        await until(lambda: pages == ["snapshot-late"], "somebody is paged")
        # Nothing waits for the store: the fold goes on.
        cell.tick(times=3)
        feed(follower, cell)
        assert follower.machine.state.next_offset == len(cell.log) == known + 4
        assert taken_at() == known
        again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        again.start()
        await until(lambda: taken_at() == len(cell.log), "a snapshot of all that came meanwhile")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return again

    again = asyncio.run(scenario())
    try:
        newest = shelf.newest_good(follower.machine.state.generation)
        assert newest is not None
        assert newest.machine.digest.value() == follower.machine.digest.value()
    finally:
        again.stop()
