"""From the wire to the cell and back: one story over a real connection, through every part of ours.

A scripted master offers a host, takes a launch, loses the task, gives it back, and speaks of it in
a state of tomorrow. The connector's client hears it, ingest's runs copy it, the machine decides,
and its effects go out as calls, which the master compares with what a cell should have asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from connectors.mesos.client import MesosClient
from scheduler.effects import effect_of
from scheduler.inbound_runs import InboundRuns
from scheduler.model.inbound import PartitionBegan
from scheduler.model.mesos import MesosRecord, StreamEnded
from scheduler.model.task import Finished, Started
from tests.support.cell import GENERATION, CellInMemory, service
from tests.support.mesos_endpoint import Exchange, ScriptedMaster, scripted_master
from tests.support.mesos_stream import client_of, run

OFFER: dict[str, Any] = {
    "agent_id": {"value": "h1"},
    "hostname": "host-1",
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4}, "role": "*"},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 4096}, "role": "*"},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 4096}, "role": "*"},
    ],
}


class Played:
    """A cell in memory whose inbound records and calls go over the wire."""

    def __init__(self, client: MesosClient, streams: "asyncio.Queue[Exchange]") -> None:
        self.cell = CellInMemory()
        self.client = client
        self.streams = streams
        self.cell.elect()
        self.runs = InboundRuns(0, None, self.cell.state.hosts)
        self.offset = 0
        self.cell.write(*self.runs.add(0, PartitionBegan(generation=GENERATION), 0))
        self.records: asyncio.Queue[MesosRecord] = asyncio.Queue()

    async def read(self) -> None:
        """Subscribe once and hand over what is heard."""
        async for record in self.client.subscribe(self.cell.epoch):
            await self.records.put(record)

    async def take(self, kind: type) -> None:
        """Fold the next record, which must be of this kind."""
        record = await self.records.get()
        assert isinstance(record, kind), record
        self.offset += 1
        copies = (*self.runs.add(self.offset, record, 0), *self.runs.flush())
        self.cell.write(*copies)

    async def act(self) -> list[str]:
        """Run rounds; every call goes out, and its fate comes back."""
        done = []
        while proposals := self.cell.decide():
            for proposal_id, proposal in proposals:
                decision = self.cell.state.decisions.get(proposal_id)
                if decision is None:
                    continue
                self.cell.start(proposal_id)
                stream_id = self.cell.state.stream.stream_id
                assert stream_id is not None
                effect = effect_of(self.cell.state, decision)
                called = await self.client.carry_out(effect, stream_id)
                self.cell.end(proposal_id, fate=called.fate)
                done.append(type(proposal).__name__)
        return done


def _update(task_id: str, state: str, uuid: str = "") -> dict[str, Any]:
    status = {"task_id": {"value": task_id}, "agent_id": {"value": "h1"}, "state": state}
    return {"type": "UPDATE", "update": {"status": status | ({"uuid": uuid} if uuid else {})}}


def _offer(offer_id: str) -> dict[str, Any]:
    return {"type": "OFFERS", "offers": {"offers": [{"id": {"value": offer_id}} | OFFER]}}


def played(story: Callable[[Played, ScriptedMaster], Awaitable[None]]) -> None:
    """Run a story with its cell and its master."""
    numbers = iter(range(1, 100))

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(f"s{next(numbers)}")
        await streams.put(exchange)
        await exchange.gone()

    streams: asyncio.Queue[Exchange] = asyncio.Queue()

    async def main() -> None:
        async with scripted_master(stream) as master:
            client = client_of(master.address)
            try:
                await story(Played(client, streams), master)
            finally:
                await client.close()

    run(main())


async def _lost_and_back(it: Played, master: ScriptedMaster) -> None:
    cell = it.cell
    cell.submit(service(1))
    reading = asyncio.create_task(it.read())
    exchange = await it.streams.get()
    await it.take(object)
    await exchange.event(_offer("o1"))
    await it.take(object)
    assert await it.act() == ["ReconcileAll", "LaunchTasks"]
    first = cell.task().task_id
    await exchange.event(_update(first, "TASK_RUNNING", "dXVpZA=="))
    await it.take(object)
    assert isinstance(cell.task_state(first), Started)

    # A state of tomorrow: the task is asked for, and goes on as it is.
    await exchange.event(_update(first, "TASK_OF_TOMORROW", "dXVpZDI="))
    await it.take(object)
    assert isinstance(cell.task_state(first), Started)
    assert await it.act() == ["ReconcileTasks"]
    assert master.heard[-1].body["reconcile"]["tasks"] == [
        {"task_id": {"value": first}, "agent_id": {"value": "h1"}}
    ]
    await exchange.event(_update(first, "TASK_RUNNING"))
    await it.take(object)

    # Lost, replaced on the next offer, and back: only the old one is ended.
    await exchange.event(_update(first, "TASK_LOST"))
    await it.take(object)
    await exchange.event(_offer("o2"))
    await it.take(object)
    cell.tick(1_000)
    assert await it.act() == ["LaunchTasks"]
    second = cell.task().task_id
    for event in (_update(second, "TASK_RUNNING", "dXVpZDM="), _update(first, "TASK_RUNNING")):
        await exchange.event(event)
        await it.take(object)
    assert await it.act() == ["KillTask"]
    assert master.heard[-1].body["kill"]["task_id"] == {"value": first}
    await exchange.event(_update(first, "TASK_KILLED", "dXVpZDQ="))
    await it.take(object)
    assert isinstance(cell.task_state(first), Finished)
    assert isinstance(cell.task_state(second), Started)

    # The stream breaks: on the next one the task is asked for, and nothing else is done.
    exchange.reset()
    await it.take(StreamEnded)
    await reading
    reading = asyncio.create_task(it.read())
    exchange = await it.streams.get()
    await it.take(object)
    assert await it.act() == ["ReconcileTasks", "ReconcileAll"]
    launched = [
        each.body["accept"]["operations"][0]["launch"]["task_infos"][0]["task_id"]["value"]
        for each in master.heard
        if each.body["type"] == "ACCEPT"
    ]
    assert launched == [first, second]
    await it.client.close()
    await reading


def test_a_task_of_tomorrow_lost_back_and_a_broken_stream() -> None:
    played(_lost_and_back)
