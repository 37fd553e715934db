"""A leader's feed in bad weather: storms of re-subscription, a burnt id, and what is acknowledged.

The feed is the one of a leader, with the connector's own client; the endpoint is scripted, and
attempts are counted by its clock. Only Kafka is a stand-in: records are acknowledged by the test.
"""

import asyncio
from itertools import pairwise
from typing import Any, Self, cast

import pytest
from aiokafka import AIOKafkaProducer

from connectors.mesos.client import MesosClient
from scheduler.model.codec import decode_mesos
from scheduler.model.inbound import PartitionBegan
from scheduler.model.mesos import MesosRecord, StreamEnded, Subscribed
from streams.cell.mesos_feed import MesosFeed
from tests.support.cell import CellInMemory
from tests.support.leading import HeldLog, turns
from tests.support.mesos_endpoint import Exchange, Handler, ScriptedMaster, scripted_master
from tests.support.mesos_stream import (
    FAILED_OVER,
    REMOVED,
    answering,
    client_of,
    dropped,
    eventually,
    run,
)


class Topic:
    """Stands in for Kafka's producer: keeps what is sent, and acknowledges it when told to."""

    def __init__(self) -> None:
        self.records: list[MesosRecord | PartitionBegan] = []
        self.written: list[asyncio.Future[None]] = []
        self.is_held = False

    async def send(self, topic: str, value: bytes, partition: int) -> asyncio.Future[None]:
        """Take one record."""
        del topic, partition
        self.records.append(decode_mesos(value))
        written = asyncio.get_running_loop().create_future()
        self.written.append(written)
        if not self.is_held:
            written.set_result(None)
        return written


class Fed:
    """A feed that runs while the test looks."""

    def __init__(self, client: MesosClient) -> None:
        self.client = client
        self.topic = Topic()
        cell = CellInMemory()
        lead = HeldLog(cell).lead(cell.elect())
        producer = cast("AIOKafkaProducer", cast("Any", self.topic))
        self.feed = MesosFeed(lead, client, producer, "mesos", 0)

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(self.feed.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.client.close()


async def _opened_and_closed(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.end()


async def _opened_and_reset(exchange: Exchange) -> None:
    await exchange.open_stream()
    exchange.reset()


async def _failed_over(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.event(FAILED_OVER)


async def _invalid(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.event({"type": "ERROR", "error": {"message": "Role 'a b' is invalid"}})


STORMS: list[Handler] = [
    _opened_and_closed,
    _opened_and_reset,
    _failed_over,
    _invalid,
    dropped,
    answering(503),
    answering(307, Location="/"),
]
ATTEMPTS = 5


async def _storm(handler: Handler) -> list[float]:
    """When the first attempts came, by the endpoint's clock."""
    async with scripted_master(handler) as master, Fed(client_of(master.address)):
        # A redirect to itself is followed three times in one attempt.
        several = 4 if handler is STORMS[-1] else 1
        await eventually(lambda: len(master.heard) >= ATTEMPTS * several)
        return [each.at_s for each in master.heard[::several]]


def test_whoever_ends_each_stream_at_once_is_asked_ever_less_often() -> None:
    """All kinds of storm side by side: each wait is at least half of twice the one before it."""

    async def main() -> None:
        for came in await asyncio.gather(*(_storm(each) for each in STORMS)):
            waits = [later - earlier for earlier, later in pairwise(came)]
            for number, wait_s in enumerate(waits):
                assert wait_s >= 0.5 * 0.2 * 2**number * 0.98, waits

    run(main())


def _is_anybody_subscribing() -> bool:
    """Whether the feed's loop that subscribes is still there."""
    return any("_keep_subscribed" in repr(each) for each in asyncio.all_tasks())


def test_a_burnt_id_is_never_subscribed_again() -> None:
    async def burnt(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.event(REMOVED)

    async def main() -> None:
        async with scripted_master(burnt) as master, Fed(client_of(master.address)) as fed:
            await eventually(lambda: len(fed.topic.records) == 2)
            subscribed, ended = fed.topic.records
            assert isinstance(subscribed, Subscribed)
            assert isinstance(ended, StreamEnded)
            assert ended.is_fatal
            await eventually(lambda: not _is_anybody_subscribing())
            assert len(master.heard) == 1
            assert not fed.running.done(), "what was heard before is still acknowledged"

    run(main())


def _update(state: str, uuid: str = "x3bSgzWTRzS0vq2JcZuG4w==") -> dict[str, object]:
    status = {
        "task_id": {"value": "t"},
        "agent_id": {"value": "h"},
        "state": state,
        **({"uuid": uuid} if uuid else {}),
    }
    return {"type": "UPDATE", "update": {"status": status}}


def _acknowledged(master: ScriptedMaster) -> int:
    return master.calls.count("ACKNOWLEDGE")


@pytest.mark.parametrize("state", ["TASK_RUNNING", "TASK_OF_TOMORROW"])
def test_an_update_is_acknowledged_when_it_is_written_and_not_before(state: str) -> None:
    """Also one that this build cannot read: Mesos would hold back the task's end behind it."""
    go = asyncio.Event()

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await go.wait()
        await exchange.event(_update(state))
        await exchange.event(_update(state, uuid=""))

    async def main() -> None:
        async with scripted_master(stream) as master, Fed(client_of(master.address)) as fed:
            await eventually(lambda: len(fed.topic.records) == 1)
            fed.topic.is_held = True
            go.set()
            await eventually(lambda: len(fed.topic.records) == 3)
            await turns()
            assert _acknowledged(master) == 0
            for written in fed.topic.written[1:]:
                written.set_result(None)
            await eventually(lambda: _acknowledged(master) == 1)
            await turns()
            assert _acknowledged(master) == 1, "what has no uuid is the master's own word"

    run(main())


def test_duplicates_are_each_acknowledged() -> None:
    """Mesos repeats until it has heard us; it takes a second acknowledgement without effect."""

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        for _ in range(3):
            await exchange.event(_update("TASK_FINISHED"))

    async def main() -> None:
        async with scripted_master(stream) as master, Fed(client_of(master.address)):
            await eventually(lambda: _acknowledged(master) == 3)

    run(main())
