"""A cell that was away for a while: what it missed is no alarm, what it never knew is one.

Tasks run while five more are asked for in every second. The only cell process is killed; after an
absence in which tasks end and jobs go on coming, it is back. Times are a fifteenth of the usual
ones, by policy, and so is the absence: 4 s for 60. Then three tasks are launched behind its back,
by somebody who subscribes as its framework: it says so, goes safe, and ends none of them.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from connectors.mesos.client import MesosClient
from connectors.mesos.settings import MesosSettings
from scheduler.model.changes import CellPaged, SafeBegan
from scheduler.model.effects import AcceptOffers
from scheduler.model.ids import ProposalId, StreamId, TaskId
from scheduler.model.mesos import OffersReceived, StatusUpdate, Subscribed
from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.contract.mesos_client.framework import a_task
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

Found = TypeVar("Found")
AWAY_S = 4
LAUNCHES_A_SECOND = 5
STRANGERS = 3
FIFTEENTH = {
    "unreachable_timeout_ms": 4_000,
    "reconcile_retry_ms": 667,
    "kill_retry_ms": 667,
    "launch_timeout_ms": 20_000,
}


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """A cell with a service of six tasks on a dev cluster of two agents."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3), agents=2)
        there.start_cell("cell-0")
        there.set_policy(**FIFTEENTH)
        there.submit("service", service_of(6, "sleep 100000"))
        there.until(lambda: there.are("service", Started, 6), "the service runs")
        yield there
    finally:
        there.close()


def test_an_absence_under_load_is_no_alarm_and_three_strangers_are_one(world: World) -> None:
    service = [task.task_id for task in world.tasks("service")]
    submitted = _submit_for(world, 2, "before")
    world.until(lambda: len(_started(world, "before")) == 2 * LAUNCHES_A_SECOND, "all of them run")
    world.kill_cell("cell-0")
    killed_at_ms = time.time() * 1_000
    submitted += _submit_for(world, AWAY_S, "away")
    missed = [line for line in world.journal("ENDED") if line["at_ms"] > killed_at_ms]
    assert missed, "nothing ended meanwhile"
    assert not _started(world, "away"), "somebody else leads"
    world.start_cell("cell-0")
    world.until(lambda: all(map(world.is_normal, submitted)), "every job ends well")
    assert not _said(world, SafeBegan)
    assert not _said(world, CellPaged)
    assert [task.task_id for task in world.tasks("service")] == service
    assert world.are("service", Started, 6)

    world.kill_cell("cell-0")
    strangers = asyncio.run(_launched_behind_its_back(world))
    world.start_cell("cell-0")
    world.until(lambda: world.machine.state.safe is not None, "the cell is safe")
    (page,) = _said(world, CellPaged)
    assert (page.kind, set(page.tasks)) == ("safe", strangers)
    world.submit("in-safety", batch_of(1, "true"))
    world.until(lambda: world.is_normal("in-safety"), "what users want is done")
    assert strangers | set(service) <= set(world.alive())
    assert not world.journal("KILL")


def _submit_for(world: World, seconds: int, name: str) -> list[str]:
    """Ask for five tasks in each of so many seconds, which pass meanwhile; the jobs."""
    jobs = [f"{name}-{number}" for number in range(seconds)]
    begun_s = time.monotonic()
    for number, job in enumerate(jobs, start=1):
        world.submit(job, batch_of(LAUNCHES_A_SECOND, "sleep 2"))
        # The passing of time is what this is about: nothing is waited for.
        time.sleep(max(0.0, begun_s + number - time.monotonic()))
    return jobs


def _started(world: World, name: str) -> list[str]:
    tasks = [str(line["task_id"]) for line in world.journal("STARTED")]
    return [each for each in tasks if each.startswith(name)]


def _said(world: World, kind: type[Found]) -> list[Found]:
    return [change for _, _, change in world.changes if isinstance(change, kind)]


async def _launched_behind_its_back(world: World) -> set[TaskId]:
    """Three tasks that run in the cell's framework, and that its log knows nothing of."""
    state = world.machine.state
    framework = f"flumina-{state.cell_uuid}"
    client = MesosClient(MesosSettings(masters=(world.master,), framework_id=framework))
    tasks = tuple(a_task("sleep", "100000") for _ in range(STRANGERS))
    waiting, running, stream_id = tasks, set[TaskId](), StreamId("")
    try:
        async with asyncio.timeout(30):
            async for record in client.subscribe(state.epoch):
                match record:
                    case Subscribed():
                        stream_id = record.stream_id
                    case OffersReceived() if waiting:
                        offer = record.offers[0]
                        accept = AcceptOffers(
                            ProposalId("0.0"), offer.host_id, (offer.offer_id,), waiting, 100
                        )
                        assert (await client.carry_out(accept, stream_id)).fate == "sent"
                        waiting = ()
                    case StatusUpdate(state="TASK_STARTING"):
                        await client.acknowledge(record, stream_id)
                    case StatusUpdate(task_id=task_id, state="TASK_RUNNING"):
                        running.add(task_id)
                    case _:
                        pass
                if running >= {each.task_id for each in tasks}:
                    break
    finally:
        await client.close()
    return {each.task_id for each in tasks}
