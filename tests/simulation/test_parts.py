"""The made-up world keeps to its rules: time, freezing, Kafka's promises, the master's answers."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from random import Random
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError, OffsetOutOfRangeError

from connectors.devcluster.master.model import Agent, Cluster, Settings
from connectors.devcluster.master.reconcile import verdict_on_unknown
from scheduler.model.effects import AskState, TaskToRun
from scheduler.model.ids import HostId, ProposalId, StreamId, TaskId
from scheduler.model.mesos import MesosRecord, StatusUpdate
from streams.simulation.kafka import Broker, Client, Consumer, Producer
from streams.simulation.loop import OWNER, NothingLeft, Turn, VirtualLoop
from streams.simulation.mesos import Master

PLACE = TopicPartition("cell", 0)


def in_loop(loop: VirtualLoop, work: Coroutine[Any, Any, Any]) -> Any:
    """What the coroutine returns."""
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_hours_pass_at_once_and_in_order() -> None:
    loop, seen = VirtualLoop(), []

    async def sleeper(name: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        seen.append((name, loop.time()))

    async def work() -> None:
        await asyncio.gather(sleeper("late", 7_200.0), sleeper("first", 1.0), sleeper("next", 1.0))

    in_loop(loop, work())
    assert seen == [("first", 1.0), ("next", 1.0), ("late", 7_200.0)]


def test_who_waits_for_nobody_is_told() -> None:
    loop = VirtualLoop()
    waiting = loop.create_task(_for_ever(loop))
    with pytest.raises(NothingLeft):
        loop.run_until_complete(waiting)
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()


async def _for_ever(loop: VirtualLoop) -> None:
    await loop.create_future()


class Frozen:
    """A process that can be stopped."""

    def __init__(self) -> None:
        self.is_frozen = False
        self.frozen: list[Turn] = []


def test_a_stopped_process_goes_on_where_it_was_and_others_do_not_wait() -> None:
    loop, process, seen = VirtualLoop(), Frozen(), []

    async def beat(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(1.0)
            seen.append((name, round(loop.time(), 1)))

    async def work() -> None:
        context = Context()
        context.run(OWNER.set, process)
        stopped = loop.create_task(beat("stopped"), context=context)
        other = loop.create_task(beat("other"))
        await asyncio.sleep(1.5)
        loop.freeze(process)
        loop.later(60.0, loop.thaw, process)
        await asyncio.gather(stopped, other)

    in_loop(loop, work())
    assert [at_s for name, at_s in seen if name == "other"] == [1.0, 2.0, 3.0]
    assert [at_s for name, at_s in seen if name == "stopped"] == [1.0, 61.5, 62.5]


def broker_of(loop: VirtualLoop) -> Broker:
    """A broker whose latencies are drawn from one seed."""
    return Broker(loop, Random(1), lambda: 0)


def test_records_of_a_producer_stay_in_order_and_are_acknowledged_once_durable() -> None:
    loop = VirtualLoop()
    broker = broker_of(loop)

    async def work() -> list[int]:
        producer = Producer(broker, Client())
        sent = [await producer.send("cell", b"%d" % number) for number in range(50)]
        return [(await each).offset for each in sent]

    assert in_loop(loop, work()) == list(range(50))
    values = [each.value for each in broker.partition("cell").records]
    assert values == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("is_one_way", [False, True])
def test_a_producer_that_is_cut_off_cannot_know_whether_its_record_is_there(
    is_one_way: bool,
) -> None:
    loop = VirtualLoop()
    broker, client = broker_of(loop), Client()

    async def work() -> None:
        client.kafka_cut_until_s, client.is_cut_one_way = 60.0, is_one_way
        with pytest.raises(KafkaTimeoutError):
            await Producer(broker, client).send_and_wait("cell", b"x")
        assert loop.time() == pytest.approx(15.0, abs=0.1)

    in_loop(loop, work())
    assert len(broker.partition("cell").records) == is_one_way


def test_a_consumer_waits_for_news_and_refuses_what_is_not_there() -> None:
    loop = VirtualLoop()
    broker = broker_of(loop)

    async def work() -> None:
        consumer = Consumer(broker, Client())
        loop.later(9.0, broker.publish, "cell", b"x")
        found = await consumer.getmany(PLACE, 1_000, 10)
        assert [each.value for each in found[PLACE]] == [b"x"]
        assert 9.0 < loop.time() < 9.1
        consumer.seek(PLACE, 5)
        with pytest.raises(OffsetOutOfRangeError):
            await consumer.getmany(PLACE, 1_000, 10)

    in_loop(loop, work())


class Heard:
    """A stream that keeps what it is sent."""

    stream_id = StreamId("s")

    def __init__(self) -> None:
        self.records: list[MesosRecord] = []

    def put(self, record: MesosRecord) -> None:
        """Keep it."""
        self.records.append(record)

    def close(self, why: str) -> None:
        """Nothing to end."""


class Nobody:
    """Watches nothing."""

    def launched(self, task: TaskToRun, host_id: HostId) -> None:
        """Nothing."""

    def over_committed(self, host_id: HostId, why: str) -> None:
        """Nothing."""

    def killed(self, task_id: TaskId) -> None:
        """Nothing."""


@pytest.mark.parametrize("asked", [None, "known", "recovered", "unreachable", "gone", "never"])
@pytest.mark.parametrize("is_recovering", [False, True])
def test_what_is_said_of_unknown_tasks_is_what_the_dev_clusters_master_says(
    asked: str | None, is_recovering: bool
) -> None:
    loop = VirtualLoop()
    heard = Heard()
    master = Master(loop, Random(1), lambda: 0, Nobody())
    for name in ("known", "recovered", "unreachable", "gone"):
        master.add_host(name, "z")
    cluster = Cluster(Settings("127.0.0.1", 1), "m", 0.0, lambda: "u")
    cluster.agents["known"] = cast("Agent", object())  # Only its presence is looked at.
    if is_recovering:
        master.hosts[HostId("recovered")].is_known = False
        master.recovered.add(HostId("recovered"))
        cluster.recovered["recovered"] = {}
    else:
        cluster.agents["recovered"] = cast("Agent", object())
    for name, there in (("unreachable", master.unreachable), ("gone", master.gone)):
        master.hosts[HostId(name)].is_known = False
        there.add(HostId(name))
    cluster.unreachable["unreachable"] = 1.0
    cluster.gone["gone"] = 1.0
    master.stream = heard
    host_id = None if asked is None else HostId(asked)
    master.call(AskState(ProposalId("1.0"), ((TaskId("t-worker-0-1"), host_id),)))
    verdict = verdict_on_unknown(cluster, asked)
    states = [each.state for each in heard.records if isinstance(each, StatusUpdate)]
    assert states == ([] if verdict is None else [verdict.state])
    loop.close()
