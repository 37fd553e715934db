"""What a history is made of: small entries, kept per job and per task, with limits.

The one thing to know: an entry holds places in the log and no copies of it. Whoever needs all of
a message or of a round reads the record at the entry's address; here is what a list of steps
shows, and what `why` needs to name its causes.

Everything that grows has a limit here. What is dropped is counted, and the beginning is kept: the
submission and the first start of a task explain more than its thousandth health check.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from projections.obeyed import Place
from scheduler.model.address import Source
from scheduler.model.events import ClassPlacement, ClassRefusal, Troughs
from scheduler.model.ids import HostId, JobId, ProposalId, StreamId, TaskId
from scheduler.model.mesos import MesosTaskState
from scheduler.model.task import Task
from scheduler.state import HeldOffer, Job

ENTRIES_OF_TASK_MAX: Final = 100
ENTRIES_OF_JOB_MAX: Final = 200
ENTRIES_KEPT_FROM_THE_BEGINNING: Final = 20
REFUSAL_RUNS_OF_JOB_MAX: Final = 30
ROUNDS_OF_REFUSAL_RUN_MAX: Final = 200
"""Rounds that one run remembers one by one; then a new run begins."""
MESSAGE_CHARACTERS_MAX: Final = 1_000
"""Of a message in an entry; the record at its address has all of it."""
STATISTICS: Final = "\n\nMEMORY STATISTICS"
"""Where dozens of lines of the kernel's begin, in what Mesos says of a task out of memory."""
TASKS_BEYOND_FOLD_MAX: Final = 5_000
"""Ended tasks that the fold has forgotten and histories still know."""
JOBS_BEYOND_FOLD_MAX: Final = 1_000

What = Literal[
    "submitted",
    "submitted again",
    "rejected",
    "scale asked",
    "scaling policy",
    "job health",
    "load balancers",
    "volume",
    "address",
    "job state",
    "queued",
    "requeued",
    "launch proposed",
    "launch refused",
    "effect started",
    "effect ended",
    "status",
    "kill asked",
    "kill proposed",
    "kill refused",
    "deadline",
    "asked of Mesos",
    "replaced",
    "changed",
]
"""What can have happened to a job or a task; rounds that refused it are kept as `RefusalRun`."""

Spot = tuple[int, int]
"""Offset and index of an event of the cell log."""


class RoundFacts(msgspec.Struct, frozen=True, gc=False):
    """A round of placement as its record tells it."""

    spot: Spot
    at_ms: int
    policy_version: int
    mesos_offset: int
    waiting: int
    placed: int
    hosts: int
    refusals: tuple[ClassRefusal, ...]
    unexplained: int
    mode: str = "normal"
    placements: tuple[ClassPlacement, ...] = ()
    troughs: Troughs | None = None

    def placement_of(self, job_id: JobId) -> ClassPlacement | None:
        """Why tasks of the job were placed where they were, as the record says."""
        return next((each for each in self.placements if each.job_id == job_id), None)


class LaunchFacts(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An accepted launch: its round, and the offers it uses."""

    round: RoundFacts | None
    offers: tuple[HeldOffer, ...]
    tasks: int
    """Tasks launched together with these offers."""


class StatusFacts(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What Mesos said, less its message."""

    state: MesosTaskState
    reason: str
    source: str
    stream_id: StreamId
    has_uuid: bool
    """With a uuid an update is repeated until it is acknowledged; without, Mesos only answers."""
    observed_at_ms: int
    is_healthy: bool | None


class Entry(msgspec.Struct, gc=False):
    """One thing that happened, or the same thing several times in a row."""

    offset: int
    index: int
    at_ms: int
    what: What
    state: str = ""
    """The state of Titus' life cycle that began or went on; empty where nothing changed."""
    reason: str = ""
    message: str = ""
    host_id: HostId | None = None
    actor: str = ""
    source: Source | None = None
    cause: Spot | None = None
    """The event of the cell log that led to this one, where that is another."""
    proposal_id: ProposalId | None = None
    fact: LaunchFacts | StatusFacts | None = None
    count: int = 1
    last_offset: int = -1
    last_index: int = 0
    last_at_ms: int = 0
    """Of the last of ``count``; the first is the entry itself."""

    @property
    def spot(self) -> Spot:
        """Where the first of it stands."""
        return (self.offset, self.index)

    def says_again(self, other: "Entry") -> bool:
        """Whether ``other`` came later and says the same, so that counting it is enough."""
        return (
            not other.state
            and self.what == other.what
            and self.reason == other.reason
            and self.message == other.message
            and self.actor == other.actor
            and _gist(self.fact) == _gist(other.fact)
        )

    def count_again(self, other: "Entry") -> None:
        """Count ``other`` as one more of this."""
        self.count += 1
        self.last_offset, self.last_index = other.offset, other.index
        self.last_at_ms = other.at_ms


def _gist(fact: LaunchFacts | StatusFacts | None) -> object:
    """What of a fact makes it different for a reader."""
    if isinstance(fact, StatusFacts):
        return (fact.state, fact.reason, fact.has_uuid, fact.stream_id, fact.is_healthy)
    return fact


_LOOK_BACK: Final = 6
"""Entries that a repetition is looked for in: a kill that is repeated has three at a time
(proposed, started, ended)."""


@dataclass(slots=True)
class History:
    """Entries in the order of the log, the same thing said again counted and not kept."""

    entries: list[Entry] = field(default_factory=list)
    dropped: int = 0
    """Entries that fell out of the middle, because there were more than the limit."""

    def add(self, entry: Entry, most: int) -> None:
        """Keep the entry, or count it where it only repeats what a recent one says."""
        if entry.message:
            entry.message = entry.message.partition(STATISTICS)[0]
            if len(entry.message) > MESSAGE_CHARACTERS_MAX:
                entry.message = entry.message[: MESSAGE_CHARACTERS_MAX - 1] + "…"
        before = self.repeated(entry)
        if before is not None:
            before.count_again(entry)
            return
        self.entries.append(entry)
        if len(self.entries) > most:
            del self.entries[ENTRIES_KEPT_FROM_THE_BEGINNING]
            self.dropped += 1

    def repeated(self, entry: Entry) -> Entry | None:
        """The recent entry that the next one only repeats; None where it is news."""
        if entry.state:
            return None  # Something changed: that is news.
        for before in reversed(self.entries[-_LOOK_BACK:]):
            if before.says_again(entry):
                return before
            if before.state:
                break  # Things changed since: what is said again after that is news.
        return None


@dataclass(slots=True)
class RefusalRun:
    """Rounds one after another that refused a job's waiting tasks by the same rules."""

    refusal: ClassRefusal
    """What the last of them said."""
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    indexes: "array[int]" = field(default_factory=lambda: array("h"))
    times_ms: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, place: Place, refusal: ClassRefusal) -> None:
        """Take one more round into the run."""
        self.refusal = refusal
        self.offsets.append(place.offset)
        self.indexes.append(place.index)
        self.times_ms.append(place.at_ms)

    def continues_with(self, refusal: ClassRefusal) -> bool:
        """Whether a round with this refusal belongs to the run."""
        is_room = len(self.offsets) < ROUNDS_OF_REFUSAL_RUN_MAX
        return is_room and self.refusal.gist == refusal.gist


@dataclass(slots=True, kw_only=True)
class TaskHistory(History):
    """All that is remembered of one task."""

    task_id: TaskId
    job_id: JobId
    created: int
    """Its place in the order of creation; see `projections.histories.creation_place`."""
    state: str = "Accepted"
    """The state of Titus' life cycle that it is in, by the fold's changes."""
    task: Task | None = None
    """As the fold last had it when the task was new or ended; while the fold knows it, ask that."""
    ready_at_ms: int = 0
    """A retry did not wait for a host before this time."""
    container_ip: str = ""
    replaced_by: TaskId | None = None


@dataclass(slots=True, kw_only=True)
class JobHistory(History):
    """All that is remembered of one job, and which tasks it had."""

    job_id: JobId
    created: int
    state: str = "Accepted"
    """As the fold's changes say it."""
    job: Job | None = None
    """As the fold last had it; while the fold knows it, ask that."""
    task_ids: dict[TaskId, None] = field(default_factory=dict)
    tasks_dropped: int = 0
    refusals: list[RefusalRun] = field(default_factory=list)
    refusals_dropped: int = 0
