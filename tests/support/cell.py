"""A cell in memory: writes records as a leader does, folds them, and keeps the log.

No Kafka and no processes: the log is a list. Time moves only when a test says so. After every
record the invariants are checked over the whole state (of a very large cell at intervals, see
`records_a_check`), and every accepted launch against the offers that it uses.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, TypeVar, cast

from scheduler.invariants import check_everything
from scheduler.machine import FOLD_VERSION, Machine
from scheduler.model.address import Source
from scheduler.model.changes import Change, TaskChanged
from scheduler.model.codec import (
    RECORD_VERSION,
    decode_record,
    digest_of,
    encode_record,
    encode_value,
)
from scheduler.model.events import (
    CellCreated,
    CellEvent,
    CellRecord,
    Copied,
    EffectEnded,
    EffectStarted,
    FoldVersion,
    LeaderElected,
    PolicySet,
    RoundRecord,
    Tick,
)
from scheduler.model.ids import (
    CellName,
    CellUuid,
    Generation,
    HostId,
    JobId,
    OfferId,
    ProposalId,
    StreamId,
    TaskId,
    proposal_id_of,
)
from scheduler.model.inbound import (
    InboundBody,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    OffersChanged,
    PartitionBegan,
    PolicyAsked,
    TaskKillAsked,
)
from scheduler.model.job import Batch, Container, JobKind, JobSpec, RetryPolicy, Service
from scheduler.model.mesos import (
    HostFacts,
    MesosTaskState,
    Offer,
    StatusUpdate,
    StreamEnded,
    Subscribed,
)
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks, PreemptTask, Proposal
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.task import OnHost, Task, TaskState, place_of
from scheduler.state import State
from tests.support.derived import check_derived, check_launch

GENERATION = Generation("0a0b0c0d")
BEGAN_AT_MS = 1_700_000_000_000
ROUNDS_MAX = 200
Fate = Literal["sent", "refused", "unknown"]
Found = TypeVar("Found")


class CellInMemory:
    """Machine, log and the leader's writing hand, without any transport."""

    looks_one_in: ClassVar[int] = 1
    """How many records, or rounds, have one look at everything; see `tests.support.quick`."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.machine = Machine()
        self.log: list[bytes] = []
        self.now_ms = BEGAN_AT_MS
        self.epoch = -1
        self.changes: list[tuple[int, int, Change]] = []
        self.inbound: dict[str, int] = {}
        self.stream_id = StreamId("")
        self.records_a_check = self.looks_one_in
        """More than one only where a look at everything costs more than the test; see `check`."""
        self.write(
            CellCreated(cell=CellName("test"), cell_uuid=CellUuid("u" * 32), generation=GENERATION),
            FoldVersion(version=FOLD_VERSION),
            PolicySet(version=1, policy=policy or Policy()),
        )

    @property
    def state(self) -> State:
        """The machine's state."""
        return self.machine.state

    def write(self, *events: CellEvent, epoch: int | None = None) -> int:
        """Append one record and fold it; its offset."""
        record = CellRecord(
            version=RECORD_VERSION,
            epoch=self.epoch if epoch is None else epoch,
            at_ms=self.now_ms,
            events=events,
        )
        data = encode_record(record)
        offset = len(self.log)
        self.log.append(data)
        for index, change in self.machine.apply(offset, decode_record(data)):
            self.changes.append((offset, index, change))
        if offset % self.records_a_check == 0:
            self.check()
        for index, event in enumerate(events):
            decision = self.state.decisions.get(proposal_id_of(offset, index))
            if decision is not None and isinstance(event, LaunchTasks):
                check_launch(self.state, decision)
        return offset

    def check(self) -> None:
        """Assert every invariant over the whole state."""
        check_everything(self.machine.state)
        check_derived(self.machine.state)

    # The leader, its stream, and time.

    def elect(self, candidate: str = "cell-0") -> int:
        """Elect a leader and let its first tick pass; the epoch."""
        self.epoch = self.write(LeaderElected(candidate=candidate, incarnation="i"))
        self.write(Tick())
        return self.epoch

    def subscribe(self) -> StreamId:
        """A new stream of the present leader."""
        self.stream_id = StreamId(f"stream-{len(self.log)}")
        self.copy("mesos", subscription(self.stream_id, self.epoch))
        return self.stream_id

    def stream_ends(self, *, is_fatal: bool = False) -> None:
        """The open stream is over."""
        self.copy("mesos", StreamEnded(stream_id=self.stream_id, why="test", is_fatal=is_fatal))

    def tick(self, after_ms: int = 1_000, times: int = 1) -> None:
        """Let time pass, in steps that are no time gap."""
        for _ in range(times):
            self.now_ms += after_ms
            self.write(Tick())

    def pass_ms(self, total_ms: int) -> None:
        """Let much time pass with a tick each 30 seconds."""
        while total_ms > 0:
            step = min(total_ms, 30_000)
            self.tick(step)
            total_ms -= step

    # What is copied from outside.

    def copy(self, topic: str, *bodies: InboundBody) -> int:
        """Copy inbound records of one topic, in order, as ingest does; the record's offset."""
        return self.write(*self.copies(topic, *bodies))

    def copies(self, topic: str, *bodies: InboundBody) -> list[Copied]:
        """The copies of the next inbound records of one topic."""
        events = []
        for body in bodies:
            previous = self.inbound.get(topic, -1)
            if previous == -1:
                events.append(copied(topic, 0, -1, PartitionBegan(generation=GENERATION)))
                previous = 0
            events.append(copied(topic, previous + 1, previous, body))
            self.inbound[topic] = previous + 1
        return events

    def submit(self, spec: JobSpec, job_id: str = "job") -> JobId:
        """Submit a job."""
        self.copy("jobs", submission(spec, job_id))
        return JobId(job_id)

    def kill_job(self, job_id: str = "job") -> None:
        """A user ends a job."""
        self.copy("jobs", JobKillAsked(job_id=JobId(job_id), actor="ada", why="enough"))

    def kill_task(self, task_id: TaskId, *, is_shrink: bool = False) -> None:
        """A user ends a task."""
        self.copy("jobs", TaskKillAsked(task_id=task_id, actor="ada", is_shrink=is_shrink))

    def scale(
        self,
        desired: int | None = None,
        minimum: int | None = None,
        maximum: int | None = None,
        job_id: str = "job",
    ) -> None:
        """A user changes a service's size."""
        self.copy(
            "jobs",
            JobScaleAsked(job_id=JobId(job_id), desired=desired, minimum=minimum, maximum=maximum),
        )

    def set_policy(self, **values: int) -> None:
        """An operator changes limits."""
        self.copy("commands", PolicyAsked(values=values, actor="op", why="test"))

    def offer(
        self,
        host: str,
        cpus: int = 4,
        memory_mib: int = 8_192,
        name: str = "",
        ports: tuple[int, int] = (31_000, 31_999),
    ) -> OfferId:
        """Offer a host."""
        offer_id = OfferId(name or f"offer-{len(self.log)}-{host}")
        resources = Resources(cpus * 1_000, memory_mib, 10_000, (PortRange(*ports),))
        self.offers(offer_of(offer_id, host, resources))
        return offer_id

    def offers(self, *added: Offer, removed: tuple[OfferId, ...] = ()) -> None:
        """Copy one difference of offers, heard on the open stream."""
        first = max(self.inbound.get("mesos", -1) + 1, 1)
        self.copy(
            "mesos",
            OffersChanged(
                stream_id=self.stream_id, first_offset=first, added=added, removed=removed
            ),
        )

    def rescind(self, *offer_ids: OfferId) -> None:
        """Take offers back."""
        self.offers(removed=offer_ids)

    def status(self, task_id: TaskId, state: MesosTaskState, **fields: Any) -> None:
        """A status update with a uuid (or any other field) on the open stream."""
        values: dict[str, Any] = {"uuid": "dXVpZA==", "host_id": self.host_of(task_id)} | fields
        values = {"stream_id": self.stream_id, "task_id": task_id, "state": state} | values
        self.copy("mesos", StatusUpdate(**values))

    def answer(self, task_id: TaskId, state: MesosTaskState) -> None:
        """An answer to a question about the task's state."""
        self.status(task_id, state, uuid="", reason="REASON_RECONCILIATION")

    # The leader's rounds and its outbox.

    def decide(self) -> tuple[tuple[ProposalId, Proposal | PreemptTask], ...]:
        """Run one round and write it; its proposals with their ids."""
        events = self._round()
        return self._written(events) if events else ()

    def _round(self) -> tuple[RoundRecord | PreemptTask | Proposal, ...]:
        """What the machine wants written now; nothing where it has no wish."""
        if len(self.log) % self.looks_one_in:
            return self.machine.decide()
        before = self.machine.digest.value()
        events = self.machine.decide()
        assert self.machine.decide() == events, "decide() answers twice the same"
        assert self.machine.digest.value() == before, "decide() changes nothing"
        return events

    def _written(
        self, events: tuple[RoundRecord | PreemptTask | Proposal, ...]
    ) -> tuple[tuple[ProposalId, Proposal | PreemptTask], ...]:
        """Write a round; its proposals with their ids."""
        offset = self.write(*events)
        return tuple(
            (proposal_id_of(offset, index), event)
            for index, event in enumerate(events)
            if not isinstance(event, RoundRecord)
        )

    def start(self, *proposal_ids: ProposalId) -> None:
        """The outbox begins to carry decisions out."""
        self.write(*(EffectStarted(proposal_id=each) for each in proposal_ids))

    def end(self, *proposal_ids: ProposalId, fate: Fate = "sent") -> None:
        """The outbox's calls have ended."""
        self.write(*(EffectEnded(proposal_id=each, fate=fate) for each in proposal_ids))

    def carry_out(self, proposal_id: ProposalId, fate: Fate = "sent") -> None:
        """Start an effect and end it."""
        self.start(proposal_id)
        self.end(proposal_id, fate=fate)

    def decide_and_carry_out(self, fate: Fate = "sent") -> list[Proposal]:
        """Run rounds until nothing is left to propose, with every call ending in ``fate``."""
        done: list[Proposal] = []
        for _ in range(ROUNDS_MAX):
            events = self._round()
            if not events:
                return done
            for proposal_id, proposal in self._written(events):
                if proposal_id in self.state.decisions:
                    assert not isinstance(proposal, PreemptTask), "it has no effect of its own"
                    self.carry_out(proposal_id, fate)
                    done.append(proposal)
        raise AssertionError("the machine proposes without end")

    def proposed(self, kind: type[Found], fate: Fate = "sent") -> list[Found]:
        """Run rounds, and the proposals of one kind that were accepted and carried out."""
        return [each for each in self.decide_and_carry_out(fate) if isinstance(each, kind)]

    def launched(self, fate: Fate = "sent") -> list[TaskId]:
        """Run rounds, and the tasks that were launched by them."""
        return [
            launch.task_id
            for proposal in self.proposed(LaunchTasks, fate)
            for launch in proposal.launches
        ]

    def run(self, spec: JobSpec, job_id: str = "job") -> list[TaskId]:
        """Submit a job and bring all of its tasks to run; their ids by index."""
        self.submit(spec, job_id)
        self.launched()
        task_ids = [task.task_id for task in self.tasks(job_id)]
        for task_id in task_ids:
            self.status(task_id, "TASK_RUNNING")
        return task_ids

    # What is to be seen.

    def host_of(self, task_id: TaskId) -> HostId | None:
        """The host of a task that the state knows."""
        task = self.state.tasks.get(task_id)
        place = place_of(task.state) if task else None
        return place.host_id if place else None

    def place(self, task_id: TaskId) -> OnHost:
        """Where a task is."""
        place = place_of(self.task_state(task_id))
        assert place is not None
        return place

    def task_state(self, task_id: TaskId) -> TaskState:
        """The state of a task."""
        return self.state.tasks[task_id].state

    def is_in(self, task_id: TaskId, kind: type[Found]) -> Found:
        """The state of a task, which must be of this kind."""
        found = self.task_state(task_id)
        assert isinstance(found, kind), f"{found} is no {kind.__name__}"
        return found

    def tasks(self, job_id: str = "job") -> list[Task]:
        """The job's current tasks, by index."""
        there = self.state.indexes[JobId(job_id)]
        return [self.state.tasks[there[index]] for index in sorted(there)]

    def task(self, index: int = 0, job_id: str = "job") -> Task:
        """The current task of an index."""
        return self.state.tasks[self.state.indexes[JobId(job_id)][index]]

    def said(self, kind: type[Found]) -> list[Found]:
        """All changes of one kind so far, in order."""
        return [change for _, _, change in self.changes if isinstance(change, kind)]

    def said_last(self) -> list[Change]:
        """The changes that the last record made."""
        last = len(self.log) - 1
        return [change for offset, _, change in self.changes if offset == last]

    def steps_of(self, task_id: TaskId) -> list[str]:
        """The Titus states that the task was reported in, in order, repeats left out."""
        names = [each.state for each in self.said(TaskChanged) if each.task_id == task_id]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    def refolded(self, records: Iterable[bytes] | None = None) -> Machine:
        """Another machine that folds the same log from its beginning."""
        machine = Machine()
        for offset, data in enumerate(self.log if records is None else records):
            machine.apply(offset, decode_record(data))
        return machine


def running_cell(hosts: int = 2, policy: Policy | None = None, cpus: int = 4) -> CellInMemory:
    """A cell with a leader, an open stream, and an offer of each of some hosts."""
    cell = CellInMemory(policy)
    cell.elect()
    cell.subscribe()
    for number in range(1, hosts + 1):
        cell.offer(f"host{number}", cpus)
    return cell


def batch(size: int = 1, retries: int = 0, **container: Any) -> JobSpec:
    """A batch job of small tasks."""
    return spec_of(Batch(size=size, runtime_limit_ms=432_000_000), retries, container)


def service(desired: int = 1, maximum: int = 100, minimum: int = 0, **container: Any) -> JobSpec:
    """A service of small tasks."""
    return spec_of(Service(minimum=minimum, desired=desired, maximum=maximum), 0, container)


def spec_of(kind: JobKind, retries: int, container: dict[str, Any]) -> JobSpec:
    """A job of small tasks; ``container`` changes what a task needs and runs."""
    values: dict[str, Any] = {
        "need": Need(cpu_milli=500, memory_mib=256, disk_mib=10),
        "command": ("true",),
    } | container
    return JobSpec(
        owner_email="owner@example.org",
        application_name="app",
        container=Container(**values),
        kind=kind,
        retry=RetryPolicy(kind="immediate", retries=retries),
    )


def submission(spec: JobSpec, job_id: str) -> JobSubmitted:
    """What a submission becomes when it is read."""
    return JobSubmitted(job_id=JobId(job_id), spec=spec, digest=digest_of(encode_value(spec)))


def subscription(stream_id: StreamId, epoch: int) -> Subscribed:
    """A stream that was opened by the leader of ``epoch``."""
    return Subscribed(
        stream_id=stream_id, framework_id="f", epoch=epoch, heartbeat_interval_ms=15_000
    )


def offer_of(offer_id: str, host: str, resources: Resources) -> Offer:
    """An offer of one host, with its facts."""
    return Offer(
        offer_id=OfferId(offer_id),
        host_id=HostId(host),
        resources=resources,
        facts=HostFacts(hostname=f"name-of-{host}"),
    )


def copied(
    topic: str,
    offset: int,
    previous: int,
    body: InboundBody,
    generation: str = GENERATION,
) -> Copied:
    """A copy with its source written out."""
    source = Source(topic, cast("Generation", generation), 0, offset, previous)
    return Copied(source=source, body=body)
