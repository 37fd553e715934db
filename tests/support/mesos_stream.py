"""A client with an open stream to a scripted master, for the tests of the client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from connectors.mesos.client import MesosClient
from connectors.mesos.settings import MesosSettings, Timeouts
from scheduler.model.ids import HostId, ProposalId, StreamId
from scheduler.model.mesos import (
    MesosRecord,
    StreamEnded,
    Subscribed,
)
from tests.support.mesos_endpoint import (
    Exchange,
    Handler,
    ScriptedMaster,
)

P = ProposalId("1.0")
S1 = StreamId("s1")
H = HostId("h1")
DEADLINE_S = 10.0
RESCIND = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o1"}}}
FAILED_OVER = {"type": "ERROR", "error": {"message": "Framework failed over"}}
REMOVED = {"type": "ERROR", "error": {"message": "Framework has been removed"}}


def client_of(*masters: str, answer_s: float = 5.0, missed_max: int = 5) -> MesosClient:
    timeouts = Timeouts(connect_s=answer_s, answer_s=answer_s, heartbeats_missed_max=missed_max)
    return MesosClient(MesosSettings(masters=masters, framework_id="cell-1", timeouts=timeouts))


def run(main: Awaitable[None]) -> None:
    """Run a test with a deadline, so that a stream that never ends fails it."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main

    asyncio.run(bounded())


async def everything(client: MesosClient, epoch: int = 7) -> list[MesosRecord]:
    return [record async for record in client.subscribe(epoch)]


def ended(records: list[MesosRecord]) -> StreamEnded:
    """The last record, which is the only one that ends the stream."""
    last = records[-1]
    assert isinstance(last, StreamEnded)
    assert not any(isinstance(each, StreamEnded) for each in records[:-1])
    return last


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the test's deadline bounds the wait."""
    while not holds():
        await asyncio.sleep(0.005)


class Opened:
    """A client with an open stream, whose records are collected while the test goes on."""

    def __init__(self, master: ScriptedMaster, *, answer_s: float = 5.0) -> None:
        self.client = client_of(master.address, answer_s=answer_s)
        self.records: list[MesosRecord] = []
        self.reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.reading = asyncio.create_task(self._read())
        await eventually(lambda: bool(self.records))
        assert isinstance(self.records[0], Subscribed)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        assert self.reading is not None
        await self.reading

    async def _read(self) -> None:
        async for record in self.client.subscribe(7):
            self.records.append(record)

    async def ended(self) -> StreamEnded:
        assert self.reading is not None
        await self.reading
        return ended(self.records)


def answering(status: int, said: str = "", **headers: str) -> Handler:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer(status, said, **headers)

    return handler


async def mute(exchange: Exchange) -> None:
    await exchange.gone()


async def dropped(exchange: Exchange) -> None:
    exchange.drop()
