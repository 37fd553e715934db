"""What a client reads of the API's answers: the fields that are used, and no more.

The one thing to know: a field that is missing has a default and one that is new is left out, so a
client of this release reads the answers of the next.
"""

from typing import Any

import msgspec


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """The base of all shapes: names as the API writes them."""


class Status(Shape, frozen=True):
    """A state that a job or task has or had."""

    state: str = ""
    reason_code: str = ""
    reason_message: str = ""
    timestamp: int = 0

    @property
    def reason(self) -> str:
        """The reason's code, and what ran out where something did."""
        what, _, _ = self.reason_message.partition(" (")
        return f"{self.reason_code}: {what}" if what.startswith("out of ") else self.reason_code


class Capacity(Shape, frozen=True):
    """The bounds of a service."""

    min: int = 0
    desired: int = 0
    max: int = 0


class Batch(Shape, frozen=True):
    """What makes a job a batch job."""

    size: int = 0


class Service(Shape, frozen=True):
    """What makes a job a service."""

    capacity: Capacity = Capacity()


class Stream(Shape, frozen=True):
    """What makes a job a stream."""

    workers: int = 0


class Cron(Shape, frozen=True):
    """What makes a job a cron job."""

    schedule: str = ""


class Owner(Shape, frozen=True):
    """Whose job it is."""

    team_email: str = ""


class Descriptor(Shape, frozen=True):
    """What was submitted, as far as it is shown."""

    owner: Owner = Owner()
    batch: Batch | None = None
    service: Service | None = None
    stream: Stream | None = None
    cron: Cron | None = None

    @property
    def kind(self) -> str:
        """``batch``, ``service``, ``stream`` or ``cron``."""
        for name in ("service", "stream", "cron"):
            if getattr(self, name) is not None:
                return name
        return "batch"

    @property
    def desired(self) -> int:
        """How many tasks are wanted."""
        if self.service:
            return self.service.capacity.desired
        if self.stream:
            return self.stream.workers
        return self.batch.size if self.batch else 0


class Version(Shape, frozen=True):
    """Which version of a job or task it is, and since when."""

    timestamp: int = 0
    version: int = 0


class Job(Shape, frozen=True):
    """A job."""

    id: str
    job_descriptor: Descriptor = Descriptor()
    status: Status = Status()
    status_history: tuple[Status, ...] = ()
    version: Version = Version()


class Task(Shape, frozen=True):
    """A task."""

    id: str
    job_id: str = ""
    task_context: dict[str, str] = {}
    status: Status = Status()
    status_history: tuple[Status, ...] = ()
    attributes: dict[str, str] = {}
    version: Version = Version()

    @property
    def host(self) -> str:
        """Its host's name, or empty."""
        return self.task_context.get("agent.host", "")

    @property
    def host_id(self) -> str:
        """Its host, by the id that Mesos gave it, or empty; hosts may share a name."""
        return self.task_context.get("agent.instanceId", "")

    @property
    def index(self) -> int:
        """Its place in its job."""
        return int(self.task_context.get("task.index", "-1"))

    @property
    def resubmit_of(self) -> str:
        """The task in whose place it stands, or empty."""
        return self.task_context.get("task.resubmitOf", "")

    @property
    def address(self) -> str:
        """Where in the log its last change stands."""
        return self.task_context.get("flumina.address", "")

    @property
    def is_finished(self) -> bool:
        """Whether it ended."""
        return self.status.state == "Finished"


class Pagination(Shape, frozen=True):
    """Where a page stands."""

    has_more: bool = False
    cursor: str = ""


class Page(Shape, frozen=True):
    """A page of anything."""

    pagination: Pagination = Pagination()


class JobPage(Shape, frozen=True):
    """A page of jobs."""

    items: tuple[Job, ...] = ()


class TaskPage(Shape, frozen=True):
    """A page of tasks."""

    items: tuple[Task, ...] = ()


class Taken(Shape, frozen=True):
    """The answer to a request: what it was about, and a token where it is not passed yet."""

    id: str
    token: str = ""


class Standing(Shape, frozen=True):
    """How the cell stands, and how well the API knows it."""

    cell: str = ""
    generation: str = ""
    leader: str = ""
    epoch: int = -1
    offset: int = -1
    lag_records: int = 0
    leader_silent_ms: int | None = None
    stale: str = ""
    halt: str = ""
    safe: str = ""


class Host(Shape, frozen=True):
    """A host and what is left of it."""

    host_id: str
    hostname: str = ""
    zone: str = ""
    tasks: int = 0
    used_cpu_milli: int = 0
    used_memory_mib: int = 0
    offered_cpu_milli: int = 0
    offered_memory_mib: int = 0
    standing: str = "enabled"
    quality_milli: int = 1_000

    @property
    def remark(self) -> str:
        """What is not usual about it: an operator's order, or failures lately."""
        standing = "" if self.standing == "enabled" else self.standing
        quality = "" if self.quality_milli == 1_000 else f"quality {self.quality_milli / 1_000:g}"
        return ", ".join(each for each in (standing, quality) if each)


class State(Shape, frozen=True):
    """The cell in numbers."""

    cell: str = ""
    generation: str = ""
    at_ms: int = 0
    leader: str = ""
    cell_uuid: str = ""
    elected_at: str = ""
    stream_id: str | None = None
    fatal: str = ""
    jobs: dict[str, int] = {}
    tasks: dict[str, int] = {}
    queue_length: int = 0
    retries_waiting: int = 0
    hosts: tuple[Host, ...] = ()
    hosts_total: int = 0
    orphans_total: int = 0
    decisions_total: int = 0
    policy_version: int = 0
    mode: str = ""
    lost_zones: tuple[str, ...] = ()
    policy: dict[str, int] = {}
    fold_version: int = 0
    next_offset: int = -1
    digest: str = ""

    @property
    def standing(self) -> Standing:
        """How the cell stood at the instant of these numbers."""
        offset = self.next_offset - 1
        return Standing(self.cell, self.generation, self.leader, offset=offset)


class PolicyShown(Shape, frozen=True):
    """The policy in force: its version, and its document."""

    version: int = 0
    document: dict[str, Any] = {}


class Line(Shape, frozen=True):
    """A line of a history."""

    address: str
    at_ms: int = 0
    what: str = ""
    task_id: str = ""
    state: str = ""
    reason: str = ""
    message: str = ""
    host_id: str = ""
    hostname: str = ""
    actor: str = ""
    source: str = ""
    cause: str = ""
    proposal: str = ""
    mesos_state: str = ""
    mesos_reason: str = ""
    wake: str = ""
    count: int = 1
    last_address: str = ""


class History(Shape, frozen=True):
    """A history, oldest line first."""

    id: str
    lines: tuple[Line, ...] = ()
    dropped: int = 0


class Link(Shape, frozen=True):
    """A link of a chain of causes."""

    address: str
    at_ms: int = 0
    text: str = ""
    task_id: str = ""
    cause: str = ""


class Why(Shape, frozen=True):
    """Why a job or task is where it is."""

    kind: str
    id: str
    state: str = ""
    reason: str = ""
    hostname: str = ""
    sentences: tuple[str, ...] = ()
    chain: tuple[Link, ...] = ()
    chain_dropped: int = 0
    predecessors: tuple[str, ...] = ()
    replaced_by: str = ""
    stale: str = ""


class Success(Shape, frozen=True):
    """Where a round put a task, and why there."""

    host: str = ""
    of_host: str = ""
    proposal: str = ""
    fitness: int = 0
    parts: dict[str, int] = {}
    runner_up: str = ""
    runner_up_fitness: int = 0
    runner_up_parts: dict[str, int] = {}


class Failure(Shape, frozen=True):
    """One rule by which a round refused hosts."""

    rule: str
    hosts: int = 0
    nearest_host: str = ""
    missing: str = ""


class SchedulingResult(Shape, frozen=True):
    """What a round said of a task."""

    task_id: str
    state: str = ""
    round: str = ""
    round_at_ms: int = 0
    policy_version: int = 0
    mode: str = ""
    success: Success | None = None
    failures: tuple[Failure, ...] = ()
    waiting: int = 0
    wake: str = ""
    message: str = ""


class Orphan(Shape, frozen=True):
    """A task that runs without history in the log."""

    task_id: str
    host_id: str | None = None
    hostname: str = ""
    state: str = ""
    first_seen_at_ms: int = 0
    address: str = ""


class ListedTask(Shape, frozen=True):
    """A task of a safe cell's finding."""

    task_id: str
    job_id: str = ""
    hostname: str = ""
    state: str = ""
    since_ms: int = 0


class Finding(Shape, frozen=True):
    """Whether the cell is safe, why, and what waits for an operator's word."""

    is_safe: bool = False
    finding: int | None = None
    address: str = ""
    why: str = ""
    since_ms: int = 0
    tasks: int = 0
    missing: tuple[ListedTask, ...] = ()
    missing_total: int = 0
    orphans: tuple[ListedTask, ...] = ()
    orphans_total: int = 0
    kills_held: int = 0
    inferred_kills_left: int = 0
    stuck_kills_left: int = 0


class OrphanList(Shape, frozen=True):
    """All orphans."""

    items: tuple[Orphan, ...] = ()
