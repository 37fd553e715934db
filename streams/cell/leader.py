"""Leading a cell: from the right to try, to an epoch, to all that a leader does.

The one thing to know is the order. Read back our own election; subscribe, so that Mesos refuses
the old leader; copy the inbound backlog; then let the first tick pass, from which time-outs count;
ask for every started task on the new stream; only then decide. Much of that order is kept by the
fold, which decides nothing without a stream and a tick of this epoch.
"""

import asyncio
from collections.abc import Callable

import structlog

from connectors.cancelling import TaskGroup
from connectors.cloud.opening import open_cloud
from connectors.healing.opening import open_commands
from connectors.ports import ClusterManager
from scheduler.invariants import checks
from scheduler.model.events import LeaderElected, Mark, Tick
from streams.cell.backoff import Backoff
from streams.cell.context import CellContext
from streams.cell.ingest import Ingest
from streams.cell.lead import Lead, LeadershipLost
from streams.cell.mesos_feed import MesosFeed
from streams.cell.outbox import Outbox
from streams.cell.plugins import Equipment
from streams.cell.points import reached
from streams.cell.shield import OfferShield
from streams.cell.volume_box import VolumeBox
from streams.clock import elapsed_s
from streams.fleet.outbox import FleetOutbox
from streams.healing.outbox import HealingOutbox
from streams.kafka.generations import INBOUND
from streams.upgrade.gate import Gate

logger = structlog.get_logger(__name__)

ELECTION_TIMEOUT_S = 30.0
DECIDE_PAUSE_S = 5.0
"""After an exception in `decide` the decider rests so long; the cell pages and goes on."""
CHECK_REST_S = 0.05
"""Between two looks at everything for what must hold. With 100,000 tasks six take 20 to 80 ms
each, and what came meanwhile takes several turns of the loop to be answered."""


class Leader:
    """One term of leadership of one cell; `run` returns when the term is over."""

    def __init__(self, cell: CellContext, connect: Callable[[str], ClusterManager]) -> None:
        self._cell = cell
        self._connect = connect

    async def run(self) -> None:
        """Lead until cancelled; raises `LeadershipLost` when another was elected.

        Before it is elected, every reader must be able to read what this build can write.
        """
        cell = self._cell
        if cell.readers is None:
            await self._lead()
            return
        async with cell.readers() as roll:
            cell.log.gate = Gate(roll, is_at_once=cell.is_writing_at_once)
            try:
                await self._lead()
            finally:
                cell.log.gate = None

    async def _lead(self) -> None:
        cell = self._cell
        lead = await self._elected()
        cell.follower.hearers.append(lead.heard)
        manager = self._connect(f"flumina-{cell.follower.machine.state.cell_uuid}")
        try:
            await self._work(lead, manager)
        except* LeadershipLost as lost:
            first = _first_of(lost)
            raise LeadershipLost(str(first), is_outvoted=first.is_outvoted) from lost
        finally:
            cell.follower.hearers.remove(lead.heard)
            await manager.close()

    async def _elected(self) -> Lead:
        cell = self._cell
        incarnation = cell.surroundings.new_id()
        event = LeaderElected(candidate=cell.candidate, incarnation=incarnation, build=cell.build)
        if cell.log.gate is not None:  # It may have to wait long; an election may not.
            await cell.log.gate.version_for([event])
        async with asyncio.timeout(ELECTION_TIMEOUT_S):
            epoch = await cell.log.append(-1, [event])
            await cell.follower.until(epoch)
        cell.log.clock.go_on_from(cell.follower.machine.state.clock.now_ms)
        lead = Lead(cell.follower, cell.log, epoch, pace=cell.surroundings.pace)
        lead.check()
        logger.info("leads the cell", partition=cell.follower.partition, epoch=epoch)
        return lead

    async def _work(self, lead: Lead, manager: ClusterManager) -> None:
        cell = self._cell
        ingests = [
            Ingest(
                lead,
                cell.follower,
                cell.bootstrap,
                kind,
                cell.topic(kind),
                surroundings=cell.surroundings,
                tracing=cell.tracing,
            )
            for kind in INBOUND
        ]
        backoff = Backoff(cell.surroundings.draw)
        topic, partition = cell.topic("mesos"), cell.follower.partition
        shield = OfferShield(lead, cell.follower, manager)
        feed = MesosFeed(
            lead, manager, cell.producer, topic, partition, backoff=backoff, shield=shield
        )
        async with TaskGroup() as group:
            for ingest in ingests:
                group.create_task(ingest.run())
            group.create_task(feed.run())
            group.create_task(self._tick(lead, ingests))
            group.create_task(self._decide(lead, shield))
            group.create_task(Outbox(lead, cell.follower, manager).run())
            if cell.volumes is not None:
                group.create_task(VolumeBox(lead, cell.follower, cell.volumes).run())
            if cell.cloud:
                cloud = FleetOutbox(lead, cell.follower, open_cloud(cell.cloud))
                group.create_task(cloud.run())
            if cell.healing:
                commands = open_commands(cell.healing)
                group.create_task(HealingOutbox(lead, cell.follower, commands).run())
            group.create_task(cell.publisher.run())
            group.create_task(self._watch(lead))

    async def _tick(self, lead: Lead, ingests: list[Ingest]) -> None:
        """Stamp the passing of time; the first tick waits for the inbound backlog."""
        for ingest in ingests:
            await self._heartbeat_until(lead, ingest.is_backlog_copied)
        marked_offset = self._cell.follower.seen_offset
        while True:
            begun_s = elapsed_s()
            tick = Tick(published_offset=self._cell.publisher.published_offset)
            offset = await lead.write_and_read_back([tick])
            if offset - marked_offset >= self._cell.follower.machine.state.policy.mark_records:
                await self._mark(lead)
                marked_offset = offset
            await asyncio.sleep(max(0.0, lead.pace.tick_s - (elapsed_s() - begun_s)))

    async def _heartbeat_until(self, lead: Lead, event: asyncio.Event) -> None:
        """Wait for the event, and write a mark now and then so that we hear ourselves."""
        while not event.is_set():
            try:
                async with asyncio.timeout(lead.pace.tick_s):
                    await event.wait()
            except TimeoutError:
                await lead.write_and_read_back([Mark()])

    async def _mark(self, lead: Lead) -> None:
        """Have every fold keep its digest at one place, and say what ours is."""
        offset = await lead.write_and_read_back([Mark()])
        machine = self._cell.follower.machine
        made = machine.checkpoint_later(offset, self._cell.follower.chain_at(offset))
        if made is None:
            return  # The fold is halted or begun anew; the next mark will do.
        # Both look at every entity. The loop has its turns meanwhile: requests are waiting.
        checkpoint = await asyncio.to_thread(made)
        for check in checks():
            check(machine.state)
            await asyncio.sleep(CHECK_REST_S)
        await lead.write([checkpoint])

    async def _decide(self, lead: Lead, shield: OfferShield) -> None:
        """Write what the machine proposes, one round at a time, and read it back."""
        follower, equipment = self._cell.follower, Equipment()
        version = -1
        while True:
            version = await follower.newer(version, lead.pace.tick_s)
            while not (lead.is_behind() or shield.is_up):
                try:
                    equipment.equip(follower.machine)
                    events = follower.machine.decide()
                except Exception as error:  # pauses this decider only, and pages
                    logger.critical("decide failed; it pauses", page=True, exc_info=error)
                    await asyncio.sleep(DECIDE_PAUSE_S)
                    break
                if not events:
                    break
                reached("round-decided", *events)
                await lead.write_and_read_back(events, point="round-written")

    async def _watch(self, lead: Lead) -> None:
        """End the term when we lead no longer or cannot tell."""
        while True:
            lead.check()
            await asyncio.sleep(lead.pace.tick_s / 2)


def _first_of(group: BaseExceptionGroup[BaseException]) -> LeadershipLost:
    """The first leaf: groups of coroutines within groups make groups of errors within groups."""
    first = group.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return _first_of(first)
    assert isinstance(first, LeadershipLost), f"{first!r} is another error"
    return first
