"""A framework for the contract tests: the product's client, and what it has heard so far.

The one thing to know: every wait names what it waits for and has a deadline; a test that waits
in vain fails with all that was heard instead.
"""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp

from connectors.mesos.client import MesosClient
from connectors.mesos.settings import MesosSettings, Timeouts
from scheduler.model.effects import AcceptOffers, Called, Effect, TaskToRun
from scheduler.model.ids import HostId, JobId, OfferId, ProposalId, StreamId, TaskId
from scheduler.model.mesos import (
    MesosRecord,
    MesosTaskState,
    Offer,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
)
from scheduler.model.resources import Need
from tests.contract.mesos_client.clusters import Cluster

P = ProposalId("1.0")
NEED = Need(cpu_milli=100, memory_mib=32)
WAIT_S = 20.0

Record = TypeVar("Record", bound=MesosRecord)
_numbers = itertools.count(1)


class Framework:
    """One subscribed client; records and offers are collected while the test goes on."""

    def __init__(
        self,
        cluster: Cluster,
        framework_id: str | None = None,
        *,
        acknowledges: bool = True,
        failover_timeout_s: float = 3600,
        role: str = "*",
    ) -> None:
        self.cluster = cluster
        self.framework_id = framework_id or f"contract-{uuid.uuid4().hex[:12]}"
        self.client = MesosClient(
            MesosSettings(
                masters=(cluster.address,),
                framework_id=self.framework_id,
                framework_name="contract",
                failover_timeout_s=failover_timeout_s,
                role=role,
                timeouts=Timeouts(connect_s=2, answer_s=10),
            )
        )
        self.records: list[MesosRecord] = []
        self.offers: dict[OfferId, Offer] = {}
        self.stream_id = StreamId("")
        self._acknowledges = acknowledges
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    async def subscribe(self, epoch: int = 1) -> MesosRecord:
        """Open a stream and read it from now on: its first record. The old records stay."""
        since = len(self.records)
        self._reading = asyncio.create_task(self._read(epoch))
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self.records) > since)
        return self.records[since]

    async def end(self) -> None:
        """End the stream as a stopped control plane does: the framework goes on."""
        await self.client.close()
        if self._reading is not None:
            await self._reading

    async def _read(self, epoch: int) -> None:
        async for record in self.client.subscribe(epoch):
            match record:
                case Subscribed():
                    self.stream_id = record.stream_id
                    self.offers.clear()
                case OffersReceived():
                    self.offers |= {each.offer_id: each for each in record.offers}
                case OfferRescinded():
                    self.offers.pop(record.offer_id, None)
                # STARTING, which not every executor tells, would only stand in the way.
                case StatusUpdate(uuid=uuid, state=state) if uuid and (
                    self._acknowledges or state == "TASK_STARTING"
                ):
                    await self.acknowledge(record)
                case _:
                    pass
            async with self._news:
                self.records.append(record)
                self._news.notify_all()

    async def wait_for(
        self,
        kind: type[Record],
        what: str,
        holds: Callable[[Record], bool] = lambda _: True,
        *,
        since: int = 0,
        wait_s: float = WAIT_S,
    ) -> Record:
        """The first record of that kind, from number ``since``, for which it holds."""

        def found() -> Record | None:
            return next((r for r in self.records[since:] if isinstance(r, kind) and holds(r)), None)

        try:
            async with asyncio.timeout(wait_s), self._news:
                while (record := found()) is None:
                    await self._news.wait()
                return record
        except TimeoutError:
            heard = "\n".join(map(str, self.records[since:])) or "nothing"
            raise AssertionError(f"not within {wait_s:g} s: {what}; heard was:\n{heard}") from None

    async def update(
        self,
        task_id: TaskId,
        state: MesosTaskState,
        holds: Callable[[StatusUpdate], bool] = lambda _: True,
        *,
        since: int = 0,
        wait_s: float = WAIT_S,
    ) -> StatusUpdate:
        """The first update of that task with that state."""
        return await self.wait_for(
            StatusUpdate,
            f"{task_id} in {state}",
            lambda each: each.task_id == task_id and each.state == state and holds(each),
            since=since,
            wait_s=wait_s,
        )

    async def ended(self, *, since: int = 0, wait_s: float = WAIT_S) -> StreamEnded:
        """The end of the stream."""
        return await self.wait_for(StreamEnded, "the stream's end", since=since, wait_s=wait_s)

    async def offer(
        self, holds: Callable[[Offer], bool] = lambda _: True, *, wait_s: float = WAIT_S
    ) -> Offer:
        """An offer that is held now and has room for a small task."""

        def found() -> Offer | None:
            roomy = (each for each in self.offers.values() if each.resources.cpu_milli >= 500)
            return next((each for each in roomy if holds(each)), None)

        try:
            async with asyncio.timeout(wait_s), self._news:
                while (offer := found()) is None:
                    await self._news.wait()
                return offer
        except TimeoutError:
            raise AssertionError(f"no such offer within {wait_s:g} s") from None

    async def call(self, effect: Effect) -> Called:
        """Carry out an effect on the current stream."""
        return await self.client.carry_out(effect, self.stream_id)

    async def acknowledge(self, update: StatusUpdate) -> Called:
        """Acknowledge an update on the current stream."""
        return await self.client.acknowledge(update, self.stream_id)

    async def accept(self, offer: Offer, *tasks: TaskToRun) -> Called:
        """Launch tasks on an offer, which is then used."""
        self.offers.pop(offer.offer_id, None)
        return await self.call(
            AcceptOffers(P, offer.host_id, (offer.offer_id,), tasks, refuse_ms=100)
        )

    async def launch(self, *command: str, need: Need = NEED) -> tuple[TaskId, HostId]:
        """Start one task on any offer that is held; its id and host."""
        offer = await self.offer()
        task = a_task(*command, need=need)
        called = await self.accept(offer, task)
        assert called.fate == "sent", called
        return task.task_id, offer.host_id

    def heard(self, task_id: TaskId) -> list[StatusUpdate]:
        """Every update of one task so far."""
        updates = [each for each in self.records if isinstance(each, StatusUpdate)]
        return [each for each in updates if each.task_id == task_id]

    async def teardown(self) -> None:
        """End the framework and its tasks: tests may, the product never does."""
        async with aiohttp.ClientSession() as http:
            body = {"type": "TEARDOWN", "framework_id": {"value": self.framework_id}}
            headers = {"Mesos-Stream-Id": self.stream_id}
            url = f"http://{self.cluster.address}/api/v1/scheduler"
            async with http.post(url, json=body, headers=headers) as answer:
                assert answer.status == 202, await answer.text()


def a_task(
    *command: str,
    need: Need = NEED,
    ports: tuple[int, ...] = (),
    environment: tuple[tuple[str, str], ...] = (),
    kill_grace_ms: int = 1000,
) -> TaskToRun:
    """A task with an id that no other has."""
    job = JobId(f"job{next(_numbers)}")
    return TaskToRun(
        task_id=TaskId(f"{job}-worker-0-1"),
        job_id=job,
        index=0,
        need=need,
        ports=ports,
        command=command,
        environment=environment,
        labels=(("flumina.job", job),),
        kill_grace_ms=kill_grace_ms,
    )


@asynccontextmanager
async def subscribed(it: Framework) -> AsyncIterator[Framework]:
    """The framework with an open stream; it is torn down at the end, its tasks with it."""
    try:
        first = await it.subscribe()
        assert isinstance(first, Subscribed), first
        yield it
    finally:
        if it.records and not isinstance(it.records[-1], StreamEnded):
            await it.teardown()
        await it.end()
