"""A simulated cell with everything around it, run from a script to its end.

The one thing to know: one process, one thread, one loop over made-up time. The parts that decide
and act are those of production (`streams.cell`, codec included); only Kafka, Mesos, hosts and
clocks are made up.
"""

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Final

import msgspec

from scheduler.digest import canonical_bytes
from scheduler.machine import FOLD_VERSION
from scheduler.model.codec import RECORD_VERSION, decode_record, encode_mesos, encode_record
from scheduler.model.events import CellCreated, CellRecord, FoldVersion, PolicySet
from scheduler.model.ids import CellName, CellUuid, Generation, JobId, TaskId
from scheduler.model.inbound import PartitionBegan
from scheduler.model.job import Service, Stream
from scheduler.model.policy import Policy
from scheduler.model.task import Queued, Started
from scheduler.state import Job, State
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.kafka.generations import INBOUND
from streams.simulation.kafka import Broker
from streams.simulation.loop import VirtualLoop
from streams.simulation.manager import Weather
from streams.simulation.mesos import Master
from streams.simulation.process import Group, Life, Slot
from streams.simulation.script import Script
from streams.simulation.store import MemoryStore, PartitionReader
from streams.simulation.witness import Violation, Witness
from streams.snapshots.loading import Bases
from streams.snapshots.shelf import Shelf

BEGAN_AT_MS: Final = 1_700_000_000_000
SLOTS: Final = 2
CELL: Final = "main"
GENERATION: Final = "5e5e5e5e"
STALE_MS: Final = 59_000
MARK_RECORDS: Final = 200
"""So that digests are compared several times in one run; production marks every 10,000."""
SETTLE_TRIES: Final = 10
SETTLE_S: Final = 60.0
"""The jobs have settled if they are as wanted at one of so many looks at the end."""


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to."""

    seed: int
    events: int
    log_digest: str
    state_digest: str
    violations: tuple[Violation, ...]
    records: int = 0
    elections: int = 0
    launches: int = 0
    starts: int = 0
    snapshots_loaded: int = 0


class World:
    """Everything of one run."""

    def __init__(self, loop: VirtualLoop, script: Script) -> None:
        self.loop = loop
        self.script = script
        self.chance = Random(script.seed)  # noqa: S311 - a made-up world
        self.is_over = False
        self.notes: list[str] = []
        self._kept: set[asyncio.Task[None]] = set()
        self.broker = Broker(loop, self.chance, self.wall_ms)
        self.witness = Witness(loop.time)
        self.master = Master(loop, self.chance, self.wall_ms, self.witness)
        self.witness.watch(self.master.hosts)
        self.weather = Weather()
        self.group = Group(self)
        self.slots = [Slot(self, number) for number in range(SLOTS)]
        self.store = MemoryStore(self.wall_ms)
        self.shelf = Shelf(self.store, CELL)
        self.bases = Bases(self.shelf, PartitionReader(self.broker.partition("cell"), GENERATION))
        self.snapshots_loaded = 0
        self.poisoned: set[int] = set()
        """Records of the cell's log that a stranger wrote."""
        self.unreadable: set[int] = set()
        """The same of topic ``mesos``: each ends every leader that meets it."""
        self.submitted: set[JobId] = set()
        self._decoded: dict[bytes, CellRecord] = {}

    def wall_ms(self) -> int:
        """The true time of day."""
        return BEGAN_AT_MS + int(self.loop.now_s * 1_000)

    def new_id(self) -> str:
        """An id that no other has, the same in every run of the script."""
        return f"{self.chance.randrange(1 << 64):016x}"

    def new_follower(self) -> Follower:
        """A fold that knows nothing yet."""
        return Follower("cell", 0, BareFold, find_base=self.bases.at_or_below, decode=self._decode)

    def _decode(self, value: bytes) -> CellRecord:
        """What a record says; the processes read the same bytes, and each is decoded once for them.

        The fold from zero at the end decodes all anew: it would see if one had changed a record.
        """
        known = self._decoded.get(value)
        if known is None:
            known = self._decoded[value] = decode_record(value)
        return known

    async def begin(self, follower: Follower) -> None:
        """Let a fold begin at the newest good snapshot, as a cell process does."""
        base = await self.bases.newest()
        self.snapshots_loaded += base.wanted_offset > 0
        follower.begin_at(base)

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a coroutine until it is over: the loop itself does not."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    def note(self, text: str) -> None:
        """Keep a word for whoever reads the run."""
        self.notes.append(f"{self.loop.time():.1f} {text}")

    def process_failed(self, life: Life, errors: BaseExceptionGroup) -> None:
        """A process ended by an error that no weather explains."""
        if not life.is_dead:
            self.witness.violated("process", repr(errors.exceptions))

    def lives(self) -> list[Life]:
        """The processes that run."""
        return [slot.life for slot in self.slots if slot.life is not None]

    async def run(self, schedule: Callable[["World"], None]) -> None:
        """From the cell's first record to the last look."""
        script = self.script
        # Ticks are slow here, and what was known at the last one is no older for that.
        policy = Policy(mark_records=MARK_RECORDS, relocation_stale_ms=STALE_MS)
        created = CellCreated(CellName(CELL), CellUuid("5e" * 16), Generation(GENERATION))
        events = (created, FoldVersion(FOLD_VERSION), PolicySet(1, policy))
        record = CellRecord(RECORD_VERSION, -1, self.wall_ms(), events)
        self.broker.publish("cell", encode_record(record))
        for topic in INBOUND:
            self.broker.publish(topic, encode_mesos(PartitionBegan("0a0b0c0d")))
        for number in range(script.hosts):
            self.master.add_host(f"host-{number}", f"zone-{number % 3}")
        for slot in self.slots:
            slot.start()
        schedule(self)
        ends_s = script.hours * 3_600
        await asyncio.sleep(ends_s - SETTLE_TRIES * SETTLE_S)
        unsettled: list[str] = []
        for _ in range(SETTLE_TRIES):
            await asyncio.sleep(SETTLE_S)
            unsettled = self.unsettled()
            if not unsettled:
                break
        if unsettled:
            self.witness.violated("I8", "; ".join(unsettled[:10]))
        self.witness.check_all()

    # The last look.

    def unsettled(self) -> list[str]:
        """What is not as the jobs want it, now that nothing has broken for a while."""
        state = self.witness.state
        found = [f"{job_id} was never answered" for job_id in self._unanswered()]
        if not self.lives() or state.stream.stream_id is None:
            found.append("nobody leads the cell with a stream to Mesos")
        found += [
            f"{life.slot.name}: {life.follower.halt.sentence()}"
            for life in self.lives()
            if life.follower.halt is not None
        ]
        if state.safe is not None:
            found.append(f"the cell is safe, and no word helps: {state.safe.why}")
        if state.unanswered:
            found.append(f"Mesos has not spoken of {sorted(state.unanswered)}")
        running = {
            task_id
            for host in self.master.hosts.values()
            for task_id, task in host.tasks.items()
            if task.state == "TASK_RUNNING"
        }
        for job in state.jobs.values():
            found += self._unsettled_job(state, job, running)
        return found

    def _unanswered(self) -> list[JobId]:
        return sorted(self.submitted - self.witness.answered_jobs)

    def _unsettled_job(self, state: State, job: Job, running: set[TaskId]) -> list[str]:
        tasks = [state.tasks[each] for each in state.indexes[job.job_id].values()]
        if job.state == "Finished":
            return []
        if job.state == "KillInitiated":
            return [f"{job.job_id} is still being ended"]
        if isinstance(job.spec.kind, Service | Stream):
            if len(tasks) != job.spec.desired:
                return [f"{job.job_id} has {len(tasks)} tasks and wants {job.spec.desired}"]
            return [
                f"{each.task_id} does not run: {each.state}"
                for each in tasks
                if not isinstance(each.state, Started) or each.task_id not in running
            ]
        return [
            f"{each.task_id} waits for a host since {each.state.since_ms}"
            for each in tasks
            if isinstance(each.state, Queued) and each.state.ready_at_ms <= state.clock.now_ms
        ]

    def outcome(self) -> Outcome:
        """Fold the log from its beginning, compare with every process, and sum up."""
        values = [each.value or b"" for each in self.broker.partition("cell").records]
        log = blake2b(digest_size=16)
        for value in values:
            log.update(len(value).to_bytes(8, "big") + value)
        whole = folded(values)
        found = canonical_bytes(whole.machine.state)
        for life in self.lives():
            follower = life.follower
            if follower.seen_offset == whole.seen_offset and follower.halt is None:
                if canonical_bytes(follower.machine.state) != found:
                    self.witness.violated("I5", f"{life.slot.name} and a fold from zero differ")
            elif follower.halt is not None and follower.halt.offset not in self.poisoned:
                self.witness.violated("I5", f"{life.slot.name}: {follower.halt.sentence()}")
        witness = self.witness
        return Outcome(
            seed=self.script.seed,
            events=witness.events,
            log_digest=log.hexdigest(),
            state_digest=whole.machine.digest.value(),
            violations=tuple(witness.violations),
            records=len(values),
            elections=witness.elections,
            launches=witness.launches,
            snapshots_loaded=self.snapshots_loaded,
            starts=sum(slot.starts for slot in self.slots),
        )


def folded(values: list[bytes]) -> Follower:
    """A follower that has looked at all of a log."""
    follower = Follower("cell", 0, BareFold)
    records = [LogRecord(offset, value) for offset, value in enumerate(values)]
    while follower.wanted_offset < len(records):
        follower.take(records[follower.wanted_offset :])
    return follower
