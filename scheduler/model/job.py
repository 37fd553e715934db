"""What a user submits: a batch or service job, in whole numbers and closed types.

The one thing to know: a `JobSpec` has passed `scheduler.model.descriptor`; nothing downstream
checks again whether a size is negative or a name is too long. Words and defaults are those of
Titus' API v3 (S19) unless a docstring says otherwise.
"""

from typing import Literal, assert_never

from scheduler.model.base import Ours
from scheduler.model.constraint import Constraint
from scheduler.model.disruption import DisruptionBudget
from scheduler.model.resources import Need
from scheduler.model.volumes import AddressAllocation, SharedMount, VolumeClaim

Migration = Literal["systemDefault", "selfManaged"]


CatchUp = Literal["none", "one", "all"]
"""What is done for firings that were missed: nothing, the last of them, or each."""
Overlap = Literal["allow", "forbid", "replace"]
"""What a firing does while a run lives: starts beside it, is skipped, or ends it first."""


class RetryPolicy(Ours, frozen=True):
    """How often a task that failed by its own fault is started again, and how long to wait.

    The n-th wait is ``min(delay_ms * 2**(n-1), delay_ms_max)``; equal bounds mean a fixed delay.
    """

    kind: Literal["immediate", "delayed", "exponentialBackOff"]
    retries: int
    delay_ms: int = 0
    delay_ms_max: int = 0


class Batch(Ours, frozen=True):
    """Runs each of its indexes to success once."""

    size: int
    runtime_limit_ms: int
    is_retried_on_runtime_limit: bool = False


class Service(Ours, frozen=True):
    """Keeps ``desired`` tasks running until it is killed."""

    minimum: int
    desired: int
    maximum: int


class Stream(Ours, frozen=True):
    """Keeps ``workers`` ordered tasks running, of indexes 0 and up, until it is killed."""

    workers: int
    is_start_ordered: bool = False
    """A worker is first started when all of lower index are started and healthy."""


class Cron(Ours, frozen=True):
    """Starts a batch job at each time that the schedule names; it has no tasks of its own."""

    schedule: str
    """Five fields, or a word such as ``@hourly``; it has passed `scheduler.model.cron`."""
    batch: Batch
    time_zone: str = "UTC"
    zone_rule: str = "UTC0"
    """What the zone's name meant when the job was taken in, see `scheduler.model.time_zones`."""
    catch_up: CatchUp = "none"
    catch_up_max: int = 10
    """Of ``all``: so many of the last missed firings are made up for."""
    overlap: Overlap = "allow"
    starting_deadline_ms: int = 0
    """A firing that is later than this is missed and not made up for; 0: there is no such limit."""
    runs_kept_max: int = 10
    """How many ended runs are listed under the job."""


JobKind = Batch | Service | Stream | Cron
"""What a job can be."""


class TaskSet(Ours, frozen=True, tag=False):
    """So many of a job's indexes that have to be on hosts of one kind, such as a data centre."""

    name: str
    count: int
    attributes: tuple[tuple[str, str], ...]
    """Host attributes and the value that each must have."""


def desired_of(kind: JobKind) -> int:
    """How many tasks a job of this kind wants to have."""
    match kind:
        case Batch():
            return kind.size
        case Service():
            return kind.desired
        case Stream():
            return kind.workers
        case Cron():
            return 0
    assert_never(kind)


def indexes_of(kind: JobKind) -> int:
    """How many indexes a job of this kind can have."""
    match kind:
        case Service():
            return kind.maximum
        case Cron():
            return 0  # Its runs have them.
        case _:
            return desired_of(kind)


class Container(Ours, frozen=True):
    """What one task runs and what it needs."""

    need: Need
    command: tuple[str, ...]
    """Program and arguments: entry point, then command, as Titus joins them."""
    entry_point_words: int = 0
    """How many words of ``command`` came from the entry point."""
    environment: tuple[tuple[str, str], ...] = ()
    image: str = ""
    """Recorded and shown; whether hosts run it is a setting of the connector."""
    image_tag: str = ""
    image_digest: str = ""
    security_groups: tuple[str, ...] = ()
    iam_role: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    hard_constraints: tuple[Constraint, ...] = ()
    soft_constraints: tuple[Constraint, ...] = ()
    kill_grace_ms: int = 10_000
    security_attributes: tuple[tuple[str, str], ...] = ()

    @property
    def full_image(self) -> str:
        """The image as a registry knows it: by digest where there is one, else by tag."""
        if self.image_digest:
            return f"{self.image}@{self.image_digest}"
        return f"{self.image}:{self.image_tag}" if self.image else ""


class JobSpec(Ours, frozen=True):
    """A whole job as it was admitted."""

    owner_email: str
    application_name: str
    container: Container
    kind: JobKind
    retry: RetryPolicy
    capacity_group: str = "DEFAULT"
    stack: str = ""
    detail: str = ""
    sequence: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    is_enabled: bool = True
    """Of a service; one that is not in service is not scaled by itself."""
    is_increase_disabled: bool = False
    """Of a service: ``desired`` does not rise. Bounds change, and ended tasks are replaced."""
    is_decrease_disabled: bool = False
    migration: Migration = "systemDefault"
    """Titus' older word for who moves the tasks of a service off a host."""
    budget: DisruptionBudget | None = None
    """What the job allows to be done to it; None: what `scheduler.disruption.budgets` injects."""
    sets: tuple[TaskSet, ...] = ()
    """Indexes in order of the sets, each with host attributes of its own; see `scheduler.versions`.

    Empty: all indexes are alike. Their counts add up to what the job wants.
    """
    volumes: tuple[VolumeClaim, ...] = ()
    """What each index has for itself, sorted by name."""
    mounts: tuple[SharedMount, ...] = ()
    """What all tasks share, sorted by mount point, as Titus sorts them."""
    addresses: tuple[AddressAllocation, ...] = ()
    """Static ones, in order of the indexes."""

    @property
    def is_persistent(self) -> bool:
        """Whether something stays with its indexes when their tasks are replaced."""
        return bool(self.volumes or self.addresses)

    @property
    def index_limit(self) -> int | None:
        """How many indexes there are addresses or volumes for; None: as many as there are tasks.

        An index that is on its way out keeps its own: a new task waits until that one is gone.
        """
        given = [len(each.volume_ids) for each in self.volumes if each.volume_ids]
        if self.addresses:
            given.append(len(self.addresses))
        return min(given, default=None)

    @property
    def desired(self) -> int:
        """How many tasks the job wants to have."""
        return desired_of(self.kind)

    @property
    def group_name(self) -> str:
        """The name that must be unique among active jobs when a sequence is given, else empty."""
        if not self.sequence:
            return ""
        return f"{self.application_name}-{self.stack}-{self.detail}-{self.sequence}"
