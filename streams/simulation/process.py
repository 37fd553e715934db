"""Simulated cell processes: the real parts of `streams.cell`, on clients that can be cut off.

The one thing to know: a `Life` is one run of the program, from its start to its end. When it is
killed, everything it holds is dead at once: its coroutines still run their clean-ups, and nothing
of that reaches the world. Its successor begins anew from the log, as after SIGKILL.
"""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from connectors.cancelling import TaskGroup
from connectors.ports import ClusterManager, StoreFailed
from projections.snapshot.format import BadSnapshot
from scheduler.model.events import CellRecord
from streams.cell import points
from streams.cell.context import CellContext
from streams.cell.follower import Changes, LogRecord
from streams.cell.ingest import UnreadableInbound
from streams.cell.lead import LeadershipLost
from streams.cell.leader import Leader
from streams.cell.publisher import Publisher
from streams.cell.surroundings import Pace, Surroundings
from streams.cell.writer import CellLog
from streams.clock import SIMULATED
from streams.simulation.kafka import Client, Consumer, Producer
from streams.simulation.loop import OWNER, Turn
from streams.simulation.manager import Manager
from streams.snapshots.taking import SnapshotTaker

if TYPE_CHECKING:
    from streams.simulation.world import World

BATCH_RECORDS_MAX: Final = 500
RETRY_S: Final = 0.5
RESTART_S: Final = 1.5
"""Whoever keeps a process running starts it again after about so long."""
SILENCE_TICKS_S: Final = 4.0
"""In production a leader may hear nothing for 5 s at one tick a second."""


class Slot:
    """A candidate: a name, a computer with its clock, and the process that runs there, if any."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.name = f"cell-{number}"
        self.number = number
        self.clock_ahead_ms = 0
        self.crash_point = ""
        """Where the process is to be killed when it passes there."""
        self.life: Life | None = None
        self.starts = 0
        self.elapsed_s = world.loop.time
        """Monotonic seconds."""

    def now_ms(self) -> int:
        """What the clock of this computer shows."""
        return self.world.wall_ms() + self.clock_ahead_ms

    def start(self) -> None:
        """Start the process, if none runs."""
        if self.life is None and not self.world.is_over:
            self.starts += 1
            self.life = Life(self)

    def kill(self, restart_s: float = RESTART_S) -> None:
        """End the process as SIGKILL does; it is started again after a while."""
        life, self.life = self.life, None
        if life is not None:
            life.die()
            self.world.group.left(life)
            self.world.loop.later(restart_s, self.start)


class Life(Client):
    """One run of the program in a slot."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.world = slot.world
        self.is_dead = False
        self.is_frozen = False
        self.frozen: list[Turn] = []
        self.mesos_cut_until_s = 0.0
        self.is_assigned = asyncio.Event()
        self.is_unassigned = asyncio.Event()
        self.manager: Manager | None = None
        self.follower = self.world.new_follower()
        context = Context()
        context.run(self._enter)
        self.task = self.world.loop.create_task(self._run(), context=context)

    def _enter(self) -> None:
        OWNER.set(self)
        SIMULATED.set(self.slot)
        points.SIMULATED.set(self._passed)

    def _passed(self, point: points.Point, passing: tuple[object, ...]) -> None:
        wanted = self.slot.crash_point  # Mostly none.
        if not wanted or self.is_dead:
            return
        if any(points.named(point, each).startswith(wanted) for each in passing):
            self.slot.crash_point = ""
            self.slot.kill()

    @property
    def is_well(self) -> bool:
        """Whether the group hears it."""
        now_s = self.world.loop.time()
        is_cut = now_s < self.cut_from_until_s("leaders")
        return not self.is_dead and not self.is_frozen and not is_cut

    def die(self) -> None:
        """Nothing of it reaches the world any more."""
        self.is_dead = True
        if self.manager is not None:
            self.manager.die()
        if self.is_frozen:
            self.world.loop.thaw(self)
        self.task.cancel()

    def freeze(self, for_s: float) -> None:
        """Stop it as SIGSTOP does, and let it go on after a while."""
        if not self.is_frozen:
            self.world.loop.freeze(self)
            self.world.loop.later(for_s, self.world.loop.thaw, self)

    def take_snapshot(self) -> None:
        """Take a snapshot of the fold, as the process that keeps history does."""
        if not self.is_dead and self.follower.halt is None:
            self.world.keep(self.world.loop.create_task(self._take_snapshot()))

    async def _take_snapshot(self) -> None:
        try:
            await SnapshotTaker(self.world.shelf, self.follower).take()
        except (StoreFailed, BadSnapshot) as failure:
            self.world.note(f"no snapshot: {failure}")

    async def _run(self) -> None:
        why = "ended"
        try:
            await self._live()
        except* LeadershipLost as lost:
            why = str(lost.exceptions[0])
        except* (KafkaError, OSError, TimeoutError) as errors:
            why = repr(errors.exceptions[0])
        except* UnreadableInbound as errors:
            why = repr(errors.exceptions[0])
            if not self.world.unreadable:
                self.world.process_failed(self, errors)
        except* Exception as errors:  # noqa: BLE001 - whatever it is, the process is over, and it is told
            why = repr(errors.exceptions)
            self.world.process_failed(self, errors)
        if not self.is_dead:
            self.world.note(f"{self.slot.name} ended: {why}")
            self.slot.kill()

    async def _live(self) -> None:
        world, follower = self.world, self.follower
        producer = Producer(world.broker, self)
        publisher = Publisher(follower, producer, "job-events")
        follower.listeners.append(self._folded)
        log = CellLog(producer, "cell", 0, self.slot.name)
        context = CellContext(
            follower=follower,
            log=log,
            producer=producer,
            publisher=publisher,
            bootstrap="",
            topic_prefix="",
            candidate=self.slot.name,
            build="simulated",
            surroundings=self._surroundings(),
        )
        await world.begin(follower)
        async with TaskGroup() as group:
            group.create_task(self._follow())
            await follower.until(world.broker.partition("cell").ends - 1)
            world.group.joined(self)
            await self._lead_when_assigned(context)

    def _surroundings(self) -> Surroundings:
        world = self.world
        tick_s = world.script.tick_s
        return Surroundings(
            open_consumer=lambda _, __: Consumer(world.broker, self),
            new_id=world.new_id,
            draw=world.chance.random,
            pace=Pace(tick_s=tick_s, silence_s_max=tick_s + SILENCE_TICKS_S),
        )

    def _folded(self, offset: int, record: CellRecord, changes: Changes) -> None:
        if not self.is_dead:
            self.world.witness.folded(self.follower.fold.machine.state, offset, record, changes)

    async def _follow(self) -> None:
        """Feed the follower, as `streams.cell.lane` does with a real consumer."""
        while True:
            try:
                await self._follow_until_fault()
            except (KafkaError, OSError):
                await asyncio.sleep(RETRY_S)

    async def _follow_until_fault(self) -> None:
        follower, place = self.follower, TopicPartition("cell", 0)
        consumer = Consumer(self.world.broker, self)
        await consumer.start()
        while True:
            await follower.begun()
            consumer.seek(place, follower.wanted_offset)
            try:
                found = await consumer.getmany(place, 1_000, BATCH_RECORDS_MAX)
            except OffsetOutOfRangeError:
                partition = self.world.broker.partition("cell")
                follower.stop_at_hole(partition.begins, partition.ends)
                await asyncio.sleep(1.0)
                continue
            follower.take([LogRecord(each.offset, each.value or b"") for each in found[place]])

    async def _lead_when_assigned(self, context: CellContext) -> None:
        """Lead whenever the group says so, as `streams.cell.main` does."""
        while True:
            await self.is_assigned.wait()
            term = asyncio.create_task(Leader(context, self._connect).run())
            unassigned = asyncio.create_task(self.is_unassigned.wait())
            try:
                await asyncio.wait((term, unassigned), return_when=asyncio.FIRST_COMPLETED)
                if term.done():
                    term.result()
            finally:
                for each in (term, unassigned):
                    each.cancel()
                await asyncio.gather(term, unassigned, return_exceptions=True)

    def _connect(self, framework_id: str) -> ClusterManager:
        del framework_id
        world = self.world
        manager = Manager(
            world.loop, world.chance, world.master, self, world.witness, world.weather
        )
        self.manager = manager
        return manager


class Group:
    """The consumer group on topic ``leaders``: who has the right to try."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.number = 0
        """The slot that the cell is assigned to."""
        self._members: dict[int, Life] = {}

    def joined(self, life: Life) -> None:
        """A process follows the log and would lead."""
        self._members[life.slot.number] = life
        self.look()

    def left(self, life: Life) -> None:
        """A process died; the group notices when its session is over."""
        if self._members.get(life.slot.number) is life:
            del self._members[life.slot.number]
        self.look_later()

    def look_later(self) -> None:
        """Look when a session that is not renewed from now on is over: after 6 to 8 s."""
        self._world.loop.later(6.0 + 2.0 * self._world.chance.random(), self.look)

    def look(self) -> None:
        """Give the cell to a process that is well, if its present one is not."""
        present = self._members.get(self.number)
        if present is not None and present.is_well:
            self._tell(present)
            return
        others = [life for life in self._members.values() if life.is_well]
        if others and not self._world.is_over:
            self.give(min(others, key=lambda life: life.slot.number))
        elif not self._world.is_over:
            self.look_later()

    def give(self, life: Life) -> None:
        """Assign the cell to this process; the one that had it hears so when it can."""
        before = self._members.get(self.number)
        self.number = life.slot.number
        self._tell(life)
        if before is not None and before is not life:
            self._world.loop.later(3.0 * self._world.chance.random(), self._tell, before)

    def give_to_another(self) -> None:
        """Rebalance for no reason; it takes a while until the old one hears of it."""
        others = [
            life
            for number, life in sorted(self._members.items())
            if life.is_well and number != self.number
        ]
        before = self._members.get(self.number)
        if others:
            self.number = others[0].slot.number
            self._tell(others[0])
            if before is not None:
                self._world.loop.later(20.0 * self._world.chance.random(), self._tell, before)

    def _tell(self, life: Life) -> None:
        if life.is_dead:
            return
        if not life.is_well:
            self._world.loop.later(3.0, self._tell, life)
        elif self._members.get(self.number) is life:
            life.is_unassigned.clear()
            life.is_assigned.set()
        else:
            life.is_assigned.clear()
            life.is_unassigned.set()
