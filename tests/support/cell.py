"""A cell in memory: writes records as a leader does, folds them, and keeps the log.

No Kafka and no processes: the log is a list. Time moves only when a test says so. After every
record the invariants are checked over the whole state.
"""

from collections.abc import Iterable

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
    StreamId,
    TaskId,
    proposal_id_of,
)
from scheduler.model.inbound import InboundBody, JobSubmitted, OffersChanged, PartitionBegan
from scheduler.model.job import Batch, Container, JobSpec, RetryPolicy, Service
from scheduler.model.mesos import HostFacts, MesosTaskState, Offer, StatusUpdate, Subscribed
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks, Proposal
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.task import Task

GENERATION = Generation("0a0b0c0d")


class CellInMemory:
    """Machine, log and the leader's writing hand, without any transport."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.machine = Machine()
        self.log: list[bytes] = []
        self.now_ms = 1_700_000_000_000
        self.epoch = -1
        self.changes: list[tuple[int, int, Change]] = []
        self.inbound: dict[str, int] = {}
        self.stream_id = StreamId("")
        self.write(
            CellCreated(cell=CellName("test"), cell_uuid=CellUuid("u" * 32), generation=GENERATION),
            FoldVersion(version=FOLD_VERSION),
            PolicySet(version=1, policy=policy or Policy()),
        )

    @property
    def state(self):  # type: ignore[no-untyped-def] # noqa: ANN201 - a test looks at everything
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
        check_everything(self.machine.state)
        return offset

    def elect(self, candidate: str = "cell-0") -> int:
        """Elect a leader, open its stream, and let its first tick pass."""
        self.epoch = self.write(LeaderElected(candidate=candidate, incarnation="i"))
        self.write(Tick())
        return self.epoch

    def subscribe(self) -> StreamId:
        """A new stream of the present leader."""
        self.stream_id = StreamId(f"stream-{len(self.log)}")
        self.copy(
            "mesos",
            Subscribed(
                stream_id=self.stream_id,
                framework_id="f",
                epoch=self.epoch,
                heartbeat_interval_ms=15_000,
            ),
        )
        return self.stream_id

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

    def copy(self, topic: str, *bodies: InboundBody) -> int:
        """Copy inbound records of one topic, in order, as ingest does; the record's offset."""
        events = []
        for body in bodies:
            previous = self.inbound.get(topic, -1)
            if previous == -1:
                events.append(_copied(topic, 0, -1, PartitionBegan(generation=GENERATION)))
                previous = 0
            events.append(_copied(topic, previous + 1, previous, body))
            self.inbound[topic] = previous + 1
        return self.write(*events)

    def submit(self, spec: JobSpec, job_id: str = "job") -> JobId:
        """Submit a job."""
        self.copy("jobs", JobSubmitted(job_id=JobId(job_id), spec=spec, digest=digest_of(encode_value(spec))))
        return JobId(job_id)

    def offer(self, host: str, cpus: int = 4, memory_mib: int = 8_192, name: str = "") -> OfferId:
        """Offer a host with ports 31000 to 31999."""
        offer_id = OfferId(name or f"offer-{len(self.log)}-{host}")
        offer = Offer(
            offer_id=offer_id,
            host_id=HostId(host),
            resources=Resources(cpus * 1_000, memory_mib, 10_000, (PortRange(31_000, 31_999),)),
            facts=HostFacts(hostname=f"name-of-{host}"),
        )
        first = self.inbound.get("mesos", -1) + 1
        self.copy(
            "mesos",
            OffersChanged(stream_id=self.stream_id, first_offset=max(first, 1), added=(offer,)),
        )
        return offer_id

    def rescind(self, *offer_ids: OfferId) -> None:
        """Take offers back."""
        first = self.inbound["mesos"] + 1
        self.copy(
            "mesos",
            OffersChanged(stream_id=self.stream_id, first_offset=first, removed=offer_ids),
        )

    def status(self, task_id: TaskId, state: MesosTaskState, **fields: object) -> None:
        """A status update with a uuid (or any other field) on the open stream."""
        values: dict[str, object] = {"uuid": "dXVpZA==", "host_id": self._host(task_id)} | fields
        self.copy(
            "mesos",
            StatusUpdate(stream_id=self.stream_id, task_id=task_id, state=state, **values),  # type: ignore[arg-type]
        )

    def answer(self, task_id: TaskId, state: MesosTaskState) -> None:
        """An answer to a question about the task's state."""
        self.status(task_id, state, uuid="", reason="REASON_RECONCILIATION")

    def _host(self, task_id: TaskId) -> HostId | None:
        task = self.state.tasks.get(task_id)
        place = getattr(task.state, "place", None) if task else None
        return place.host_id if place else None

    def decide(self) -> tuple[tuple[str, Proposal], ...]:
        """Run one round and write it; its proposals with their ids."""
        events = self.machine.decide()
        if not events:
            return ()
        offset = self.write(*events)
        return tuple(
            (proposal_id_of(offset, index), event)
            for index, event in enumerate(events)
            if not isinstance(event, RoundRecord)
        )

    def carry_out(self, proposal_id: str, fate: str = "sent") -> None:
        """Start an effect and end it."""
        self.write(EffectStarted(proposal_id=proposal_id))  # type: ignore[arg-type]
        self.write(EffectEnded(proposal_id=proposal_id, fate=fate))  # type: ignore[arg-type]

    def decide_and_carry_out(self, fate: str = "sent") -> list[Proposal]:
        """Run rounds until nothing is left to propose, with every call ending in ``fate``."""
        done: list[Proposal] = []
        for _ in range(20):
            proposals = self.decide()
            if not proposals:
                return done
            for proposal_id, proposal in proposals:
                if proposal_id in self.state.decisions:
                    self.carry_out(proposal_id, fate)
                    done.append(proposal)
        raise AssertionError("the machine proposes without end")

    def launched(self) -> list[TaskId]:
        """Run rounds, and the tasks that were launched by them."""
        return [
            launch.task_id
            for proposal in self.decide_and_carry_out()
            if isinstance(proposal, LaunchTasks)
            for launch in proposal.launches
        ]

    def tasks(self, job_id: str = "job") -> list[Task]:
        """The job's current tasks, by index."""
        there = self.state.indexes[JobId(job_id)]
        return [self.state.tasks[there[index]] for index in sorted(there)]

    def steps_of(self, task_id: TaskId) -> list[str]:
        """The Titus states that the task was reported in, in order, repeats left out."""
        names = [
            change.state
            for _, _, change in self.changes
            if isinstance(change, TaskChanged) and change.task_id == task_id
        ]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    def refolded(self, records: Iterable[bytes] | None = None) -> Machine:
        """Another machine that folds the same log from its beginning."""
        machine = Machine()
        for offset, data in enumerate(self.log if records is None else records):
            machine.apply(offset, decode_record(data))
        return machine


def running_cell(hosts: int = 2, policy: Policy | None = None) -> CellInMemory:
    """A cell with a leader, an open stream, and an offer of each of some hosts."""
    cell = CellInMemory(policy)
    cell.elect()
    cell.subscribe()
    for number in range(1, hosts + 1):
        cell.offer(f"host{number}")
    return cell


def batch(size: int = 1, retries: int = 0, **container: object) -> JobSpec:
    """A batch job of small tasks."""
    return _spec(Batch(size=size, runtime_limit_ms=432_000_000), retries, container)


def service(desired: int = 1, maximum: int = 100, **container: object) -> JobSpec:
    """A service of small tasks."""
    return _spec(Service(minimum=0, desired=desired, maximum=maximum), 0, container)


def _spec(kind: Batch | Service, retries: int, container: dict[str, object]) -> JobSpec:
    values: dict[str, object] = {
        "need": Need(cpu_milli=500, memory_mib=256, disk_mib=10),
        "command": ("true",),
    } | container
    return JobSpec(
        owner_email="owner@example.org",
        application_name="app",
        container=Container(**values),  # type: ignore[arg-type]
        kind=kind,
        retry=RetryPolicy(kind="immediate", retries=retries),
    )


def _copied(topic: str, offset: int, previous: int, body: InboundBody) -> Copied:
    source = Source(topic, GENERATION, 0, offset, previous)
    return Copied(source=source, body=body)
