"""What the fold says has changed: facts derived from the log, for people and for producers.

The one thing to know: changes are not in the cell log, because they follow from it. Every reader
that folds the same log gets the same changes at the same addresses; the leader also publishes
them to topic ``job-events``, at least once, with the address as their id.
"""

from typing import Literal

from scheduler.model.address import Source
from scheduler.model.autoscaling import PolicyId
from scheduler.model.base import Ours
from scheduler.model.disruption import Limit, PlanReason
from scheduler.model.health import Evidence
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId
from scheduler.model.inbound import Fault
from scheduler.model.provenance import Provenance
from scheduler.model.sla import SlaKind, SlaStand
from scheduler.model.volumes import AddressChanged, VolumeChanged


class JobAccepted(Ours, frozen=True):
    """A submission became a job; also the answer to the same submission sent again."""

    job_id: JobId
    source: Source
    is_repeated: bool = False


class JobRejected(Ours, frozen=True):
    """A record of topic ``jobs`` or ``commands`` was refused, with every reason."""

    source: Source
    faults: tuple[Fault, ...]
    job_id: JobId | None = None


class RequestAccepted(Ours, frozen=True):
    """A scale, kill or operator's request was taken."""

    source: Source
    what: str
    job_id: JobId | None = None


class JobChanged(Ours, frozen=True):
    """A job entered a state (Accepted, KillInitiated, Finished), or changed its size."""

    job_id: JobId
    state: str
    reason: str = ""
    message: str = ""
    desired: int | None = None
    provenance: Provenance = ()
    """Of a job that begins: where its image came from."""


class TaskChanged(Ours, frozen=True):
    """A task entered a state of Titus' life cycle, with the reason."""

    job_id: JobId
    task_id: TaskId
    state: str
    """Accepted, Launched, StartInitiated, Started, Disconnected, KillInitiated or Finished."""
    step: str
    """Our own finer word for what happened, such as ``placed`` or ``effect started``."""
    reason: str = ""
    message: str = ""
    host_id: HostId | None = None
    hostname: str = ""
    observed_at_ms: int = 0
    moved_from: JobId | None = None
    """The job whose task it was until now; Titus' ``movedFromAnotherJob``."""


class ProposalRefused(Ours, frozen=True):
    """The fold refused a proposal at its place; nothing of it is carried out."""

    proposal_id: ProposalId
    kind: str
    why: str


class OrphanSeen(Ours, frozen=True):
    """A task runs that the log does not know; it is shown and never killed."""

    task_id: TaskId
    host_id: HostId | None
    state: str


class OrphanGone(Ours, frozen=True):
    """An orphan ended, or an operator has dealt with it."""

    task_id: TaskId
    why: str


class TimeGapped(Ours, frozen=True):
    """The log's clock jumped by more than a minute; time-outs that judge began anew."""

    from_ms: int
    to_ms: int


PageKind = Literal[
    "metric",
    "safe",
    "inferred kills",
    "user kills",
    "zone",
    "records lost",
    "topic made anew",
    "unreadable update",
    "framework id",
    "stuck kill",
    "sick hosts",
    "failing kind",
    "healing",
    "fleet",
    "volume",
    "webhook",
]
"""What can be paged by the fold; `docs/safe-mode.md` says what each means and what to do."""


class CellPaged(Ours, frozen=True):
    """Something that an operator must look at."""

    what: str
    why: str
    kind: PageKind | None = None
    key: str = ""
    """What it is about: a second page of the same kind and key is the same alarm again."""
    tasks: tuple[TaskId, ...] = ()
    """The first of the tasks that it is about."""
    tasks_total: int = 0


class SafeBegan(Ours, frozen=True):
    """The cell became safe: nothing that is only inferred is done until an operator's word."""

    finding: int
    """The offset of this record, by which the finding is confirmed or rejected."""
    why: str


class SafeEnded(Ours, frozen=True):
    """The cell is safe no longer: the finding was confirmed, rejected, or nothing is left of it."""

    finding: int
    how: Literal["confirmed", "rejected", "cleared"]
    actor: str = ""
    why: str = ""
    tasks: int = 0
    """How many tasks were on the list at the end."""


class TaskMissed(Ours, frozen=True):
    """Mesos, asked, has no task that was known to run there; it is held and not given up yet."""

    job_id: JobId
    task_id: TaskId
    host_id: HostId | None
    state: str
    """What Mesos said of it."""


class EvictionDecided(Ours, frozen=True):
    """Whether a task may be ended within all budgets; what may be is being ended."""

    job_id: JobId
    task_id: TaskId
    is_allowed: bool
    limit: Limit = ""
    """What stands in the way; empty where nothing does."""
    message: str = ""
    reason: str = ""
    """Why it was to be ended, in the words of who asked."""
    actor: str = ""
    source: Source | None = None
    """The record that asked for it; None where relocation did."""


class RelocationPlanned(Ours, frozen=True):
    """A task has to leave its host: its owner has until then to move it himself."""

    job_id: JobId
    task_id: TaskId
    reason: PlanReason
    message: str
    deadline_ms: int
    is_immediate: bool = False


class RelocationEnded(Ours, frozen=True):
    """A plan is over: the task was evicted by it, went otherwise, or may stay."""

    job_id: JobId
    task_id: TaskId
    is_done_by_us: bool
    message: str = ""


class ScalingPolicyChanged(Ours, frozen=True):
    """A scaling policy entered a state: Pending, Applied, Error, Deleting or Deleted."""

    job_id: JobId
    policy_id: PolicyId
    state: str
    reason: str = ""
    version: int = 1


class LoadBalancersChanged(Ours, frozen=True):
    """A service's tasks are registered with these load balancers from now on, and no others."""

    job_id: JobId
    load_balancer_ids: tuple[str, ...]


class JobScaled(Ours, frozen=True):
    """A scaling policy changed a job's size; its `JobChanged` stands beside it."""

    job_id: JobId
    policy_id: PolicyId
    before: int
    after: int
    metric: str
    threshold_milli: int
    """What the value was held against: the alarm's threshold, or the target."""
    value_milli: int | None = None
    why: str = ""
    is_forecast: bool = False
    """By what is expected, and not by what was measured."""


class JobCrashLooping(Ours, frozen=True):
    """A job's tasks fail again and again, and are restarted more slowly; or that is over."""

    job_id: JobId
    is_looping: bool
    failures: int
    """Within the window."""
    window_ms: int
    delay_ms: int
    """How long the next replacement waits."""
    reason: str = ""
    """How the last of them ended."""


class JobSlaChanged(Ours, frozen=True):
    """What a job demands of time is at risk, missed, or well again: an alarm for its owner."""

    job_id: JobId
    kind: SlaKind
    stand: SlaStand
    message: str = ""
    deadline_ms: int = 0
    start_ms: int = 0
    """How long a task may take to start."""


FleetWhat = Literal[
    "groupSeen",
    "groupGone",
    "sizeOrdered",
    "hostMarked",
    "hostUnmarked",
    "hostEnded",
    "hostReplaced",
    "instancesProtected",
    "hookCompleted",
    "groupRemoved",
    "interfaceAttached",
    "securityGroupsSet",
    "addressesAssigned",
    "addressesReturned",
    "noticed",
    "orderDone",
    "orderFailed",
    "rulesSet",
    "deployment",
]
"""What can be told of the fleet; `docs/fleet.md` says what each means."""


class FleetChanged(Ours, frozen=True):
    """Something was heard, decided or done about a group of hosts."""

    group: str
    what: FleetWhat
    why: str = ""
    size: int = 0
    """Of the group, as it is or shall be."""
    instance_id: str = ""
    host_id: HostId | None = None
    actor: str = ""


class WarmPoolChanged(Ours, frozen=True):
    """A group's warm pool was asked for by an operator, ordered of the cloud, or seen there."""

    group: str
    what: Literal["asked", "ordered", "seen"]
    text: str = ""
    """The pool in words, or that there is none."""
    why: str = ""
    actor: str = ""


class HostHealthChanged(Ours, frozen=True):
    """A host gets no tasks for its health, would get none were its group not spared, or is back."""

    host_id: HostId
    hostname: str
    standing: Literal["away", "spared", "back"]
    why: str = ""
    evidence: tuple[Evidence, ...] = ()
    falls: int = 0
    """How often it was away lately, this time counted."""
    actor: str = ""
    """Who let it back; empty where nobody had to."""


class HealingChanged(Ours, frozen=True):
    """A run of a runbook began, took a step, or ended."""

    run_id: str
    host_id: HostId
    hostname: str
    runbook: str
    state: str
    """Of the run: waiting, running, or how it ended."""
    why: str = ""
    step: str = ""
    """The step that was taken; empty where the run began or ended."""
    outcome: str = ""
    detail: str = ""
    exit_code: int | None = None
    output: str = ""
    """The end of what the step's script wrote."""
    actor: str = ""


OwnerAlertKind = Literal["oomKilled", "evicted", "crashLoop", "diskFull"]


class OwnerAlerted(Ours, frozen=True):
    """Something that the owner of a job should know of, once for a while."""

    job_id: JobId
    task_id: TaskId | None
    kind: OwnerAlertKind
    owner: str
    """As the job names its team."""
    message: str = ""


class HostMaintenanceChanged(Ours, frozen=True):
    """What is done about a window in which a host is taken away."""

    host_id: HostId
    hostname: str
    standing: Literal["announced", "draining", "accept", "decline", "over"]
    why: str = ""
    from_ms: int = 0
    for_ms: int | None = None


Change = (
    JobAccepted
    | JobRejected
    | RequestAccepted
    | JobChanged
    | JobScaled
    | ScalingPolicyChanged
    | LoadBalancersChanged
    | TaskChanged
    | ProposalRefused
    | OrphanSeen
    | OrphanGone
    | TimeGapped
    | CellPaged
    | SafeBegan
    | SafeEnded
    | TaskMissed
    | EvictionDecided
    | RelocationPlanned
    | RelocationEnded
    | JobCrashLooping
    | JobSlaChanged
    | HostHealthChanged
    | HostMaintenanceChanged
    | HealingChanged
    | OwnerAlerted
    | FleetChanged
    | WarmPoolChanged
    | VolumeChanged
    | AddressChanged
)
"""All that the fold can report."""
