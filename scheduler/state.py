"""The state of a cell: values in containers, nothing else.

The one thing to know: values are frozen and replaced whole; only the containers change, and only
inside `Machine.apply`. What stands under "derived" follows from the rest and is in no digest.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from scheduler.autoscaling.standing import JobScaling, ScalingPolicy
from scheduler.fleet.forecast import LoadForecast
from scheduler.fleet.standing import (
    CloudGroup,
    Deployment,
    Fleet,
    FleetOrder,
    Instance,
    InstanceNetwork,
    WarmPool,
)
from scheduler.healing.standing import HealingRun, RunbookStanding
from scheduler.model.autoscaling import PolicyId
from scheduler.model.base import Ours
from scheduler.model.crash_loop import CrashLoop
from scheduler.model.disruption import Eviction, Relocation, RelocationPlan, Tokens
from scheduler.model.events import Promised
from scheduler.model.healing import Runbook
from scheduler.model.host_health import FailingKind, HostHealth, SilentTask
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
)
from scheduler.model.inbound import Standing
from scheduler.model.incident_notes import IncidentNote
from scheduler.model.job import JobSpec
from scheduler.model.job_updates import JobUpdate, SpecVersion
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.proposals import Proposal
from scheduler.model.registry_health import RegistryHealth
from scheduler.model.resources import Resources
from scheduler.model.sla import SlaStanding, SlaStart
from scheduler.model.task import Task
from scheduler.model.volumes import VolumeId
from scheduler.model.webhooks import Webhook
from scheduler.volumes.standing import Hold, Pin, Volume

NO_OFFSET: Final = -1
ENTITY_KINDS: Final = (
    "cloud group",
    "cloud instance",
    "decision",
    "deployment",
    "evictions",
    "failures",
    "fleet forecast",
    "fleet order",
    "held",
    "hold",
    "failing kind",
    "healing run",
    "early health",
    "health",
    "host",
    "incident note",
    "index",
    "instance network",
    "job",
    "job scaling",
    "launches",
    "load balancers",
    "loop",
    "maintenance",
    "mark",
    "member labels",
    "missing",
    "noise",
    "offer",
    "order",
    "orphan",
    "scaling policy",
    "plan",
    "registry health",
    "relocated",
    "relocating",
    "runbook",
    "runbook standing",
    "sla",
    "silent",
    "slaStart",
    "task",
    "volume",
    "warm pool",
    "watermark",
    "webhook",
)
"""What the digest is made of, besides the cell itself."""


class Watermark(Ours, frozen=True):
    """How far one inbound partition has been folded."""

    generation: Generation
    offset: int
    is_of_old_kafka: bool = False
    """Of the Kafka in which the cell was before: nothing of this one was folded yet."""


class CronRun(Ours, frozen=True, tag=False):
    """One firing that started a job."""

    job_id: JobId
    fired_for_ms: int
    started_at_ms: int
    state: Literal["Accepted", "Finished"] = "Accepted"
    reason: str = ""


class CronState(Ours, frozen=True):
    """Where a cron job stands."""

    next_at_ms: int | None
    """The next instant that the schedule names; None where none comes any more."""
    runs: tuple[CronRun, ...] = ()
    """Those that live, and the last that ended; oldest first."""
    skipped: int = 0
    """Firings that started nothing: missed, or kept away by a run that lived."""
    last_skip: str = ""
    """Why the last of them did not, with its time."""


class Job(Ours, frozen=True):
    """A job as the log knows it. ``open_indexes`` are those whose task has not ended for good."""

    job_id: JobId
    spec: JobSpec
    digest: str
    accepted_at_ms: int
    accepted_offset: int
    """Below 0: in the log of an earlier generation, so many records before this one began."""
    accepted_index: int
    next_number: int
    open_indexes: int
    state: Literal["Accepted", "KillInitiated", "Finished"] = "Accepted"
    reason: str = ""
    finished_at_ms: int = 0
    actor: str = ""
    call_reason: str = ""
    """Why it was submitted, in the submitter's words."""
    version: int = 1
    """Counts accepted changes: of the spec, attributes, capacity, switches, budget and state."""
    spec_version: int = 1
    """Which version ``spec`` is; tasks of others are there only while ``specs`` are."""
    last_spec_version: int = 1
    """The highest that was given so far; a version that was rolled back is not given again."""
    specs: tuple[SpecVersion, ...] = ()
    """The other versions that tasks have while the job is updated, see `scheduler.versions`."""
    prior: SpecVersion | None = None
    """The version before the last update that was done, to go back to."""
    update: JobUpdate | None = None
    """The update under way."""
    past_updates: tuple[JobUpdate, ...] = ()
    """The last ones that ended, oldest first."""
    cron: CronState | None = None
    """Of a cron job: when it fires next and what it started."""
    cron_job_id: JobId | None = None
    """The cron job of which this is a run."""
    pins: tuple[Pin, ...] = ()
    """Where indexes have to run because of what stays with them, lowest index first."""


class HeldOffer(Ours, frozen=True):
    """An offer that is ours to use until it is used, declined, rescinded or void."""

    offer_id: OfferId
    host_id: HostId
    resources: Resources
    since_ms: int
    mesos_offset: int


class Decision(Ours, frozen=True):
    """An accepted proposal that has not ended. ``is_started``: its effect may be under way."""

    proposal_id: ProposalId
    proposal: Proposal
    accepted_at_ms: int
    offers: tuple[HeldOffer, ...] = ()
    """What it uses up; held again if it is cancelled before anything left the cell."""
    is_started: bool = False


class Rest(Ours, frozen=True):
    """An address of a host that a task gave back; it is used again last."""

    interface: int
    security_groups: tuple[str, ...]
    ended_at_ms: int


class Told(Ours, frozen=True):
    """What the log says last of why a job's tasks wait."""

    gist: tuple[str, ...]
    """Rules and wake, in order; numbers of hosts may vary without news."""
    waiting: int
    at_ms: int


class Orphan(Ours, frozen=True):
    """A task that runs without history in the log; shown, never killed."""

    task_id: TaskId
    host_id: HostId | None
    state: str
    first_seen_at_ms: int
    is_confirmed: bool = False
    """An operator knows of it: it alarms no more."""


class Missing(Ours, frozen=True):
    """A task that ran and that Mesos says it does not have; held until that is believed."""

    state: str
    """What Mesos said."""
    since_ms: int


class Safe(Ours, frozen=True):
    """The cell does nothing that is only inferred, until an operator's word."""

    finding: int
    """The offset at which it began."""
    since_ms: int
    why: str
    paged_tasks: int = 0
    """How many tasks the last page was about."""


class ActorKills(Ours, frozen=True):
    """How many running tasks one actor has ended since when, within an hour."""

    since_ms: int
    kills: int


class HostOrder(Ours, frozen=True):
    """What an operator lets a host be used for; a host without an order is used."""

    standing: Standing
    actor: str
    why: str
    since_ms: int


class Failure(Ours, frozen=True):
    """A task that ended on a host in a way for which the host may be to blame."""

    at_ms: int
    weight_milli: int
    job_id: JobId
    hosts: int
    """On how many hosts the job had failed by then: the more, the less each is to blame."""
    task_id: TaskId | None = None
    text: str = ""
    """How it ended."""


class HostFailures(Ours, frozen=True):
    """What failed on a host lately, its quality by that, and when it will be judged anew."""

    failures: tuple[Failure, ...]
    quality_milli: int
    next_ms: int


class Maintenance(Ours, frozen=True):
    """A window in which an operator of Mesos takes a host away, and what is done about it."""

    host_id: HostId
    from_ms: int
    for_ms: int | None
    """None: for good."""
    since_ms: int
    """When it was heard of first."""
    offer_id: OfferId | None = None
    """The last inverse offer of this stream."""
    is_open: bool = False
    """It is not answered yet."""
    wanted: Literal["", "accept", "decline"] = ""
    """What it is to be answered; empty while that is not known."""
    why: str = ""
    answer: Literal["", "accept", "decline"] = ""
    """What Mesos was told last."""
    draining_since_ms: int = 0
    order_before: HostOrder | None = None
    """What an operator had said of the host when draining began."""
    doubted_until_ms: int = 0
    """Unless it is confirmed until then, it is over; 0: nobody doubts it."""


@dataclass(slots=True)
class Stream:
    """The conversation with Mesos: one open stream at a time."""

    stream_id: StreamId | None = None
    """None while no stream of the current leader is open."""
    framework_id: str = ""
    is_fatal: str = ""
    """Why the framework id can never be used again; empty while it can."""
    is_suppressed: bool = False
    idle_since_ms: int = 0
    """Since when nothing has waited for a host; 0 while something does."""
    reconcile_asked_at_ms: int = 0
    """When the silent tasks were last asked for on this stream; 0 before the first time."""
    reconcile_attempts: int = 0
    is_reconcile_sent: bool = False
    """The first question of this stream has left: only then are launches decided."""
    reconcile_all_at_ms: int = 0
    call_failed_at_ms: int = 0
    """When a call on this stream last did not go through; 0 while all did."""
    mesos_offset: int = NO_OFFSET


@dataclass(slots=True)
class Clock:
    """The log's own time, in milliseconds since 1970, which never runs backwards."""

    now_ms: int = 0
    judging_since_ms: int = 0
    """Time-outs that judge count from here at the earliest."""
    is_judging: bool = False
    """False from an election to its first tick: until then the backlog is being read."""
    inferred_kills_at_ms: list[int] = field(default_factory=list)
    """When the last inferred kills were accepted, for their hourly budget."""
    stuck_kills_at_ms: list[int] = field(default_factory=list)
    """When tasks that had not started in time were last ended, for theirs."""
    kills_second: int = 0
    """The second of the log's clock in which kills were accepted last, and how many."""
    kills_in_second: int = 0
    stuck_turn_ms: int = 0
    """When the next task that is stuck in a state has its turn, at the earliest."""
    collected_at_ms: int = 0
    """When what has ended long ago was last forgotten."""
    preemptions: list[tuple[int, JobId]] = field(default_factory=list)
    """When tasks of which jobs were last ended for others, for their hourly budgets."""
    ticked_at_ms: int = 0
    """When the last tick was: what was not looked at for long is not acted upon."""
    planned_at_ms: int = 0
    """When it was last looked which tasks must leave their hosts."""
    descheduled_at_ms: int = 0
    """When those whose time was up were last evicted."""


@dataclass(slots=True)
class State:
    """Everything that the fold knows of its cell."""

    cell: CellName = CellName("")
    cell_uuid: CellUuid = CellUuid("")
    generation: Generation = Generation("")
    fold_version: int = 0
    policy: Policy = field(default_factory=Policy)
    policy_version: int = 0
    epoch: int = NO_OFFSET
    leader: str = ""
    dismissed_epoch: int = NO_OFFSET
    """The epoch by which an operator had the leader stop last."""
    next_offset: int = 0
    published_offset: int = NO_OFFSET
    clock: Clock = field(default_factory=Clock)
    stream: Stream = field(default_factory=Stream)
    placement_inputs: int = 0
    """Counts what could change an answer of placement."""
    placement_seen: int = NO_OFFSET
    """The count that the last round had seen."""
    round_again_at_ms: int = 0
    """When time alone could change an answer of placement; 0: it cannot."""
    promises: tuple[Promised, ...] = ()
    """Room that preemption frees, and for whom, as the last round left it."""

    watermarks: dict[tuple[str, int], Watermark] = field(default_factory=dict)
    jobs: dict[JobId, Job] = field(default_factory=dict)
    indexes: dict[JobId, dict[int, TaskId]] = field(default_factory=dict)
    """The current task of each index of a job."""
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    hosts: dict[HostId, HostFacts] = field(default_factory=dict)
    offers: dict[OfferId, HeldOffer] = field(default_factory=dict)
    decisions: dict[ProposalId, Decision] = field(default_factory=dict)
    orphans: dict[TaskId, Orphan] = field(default_factory=dict)
    missing: dict[TaskId, Missing] = field(default_factory=dict)
    """Tasks that ran and that Mesos does not have, and that have not been given up yet."""
    safe: Safe | None = None
    """Why nothing that is only inferred is done; None while the cell trusts what it hears."""
    actor_kills: dict[str, ActorKills] = field(default_factory=dict)
    """By actor, who began to end tasks longest ago first."""
    paged_at_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    """When each kind and key was paged last, oldest first: an alarm that goes on is one page."""
    crash_loops: dict[JobId, CrashLoop] = field(default_factory=dict)
    """Jobs of which tasks failed lately, see `scheduler.fold.crash_loops`."""
    slas: dict[JobId, SlaStanding] = field(default_factory=dict)
    """Jobs that demand something of time, see `scheduler.fold.sla`."""
    sla_starts: dict[TaskId, SlaStart] = field(default_factory=dict)
    """Tasks of those that should start soon."""
    updates_without_news: int = 0
    """Updates of Mesos that moved nothing: said before, or overtaken by a later one."""
    stuck_turns: dict[TaskId, int] = field(default_factory=dict)
    """Tasks that are stuck in a state, and when each has its turn to be acted upon."""
    unanswered: dict[TaskId, None] = field(default_factory=dict)
    """Tasks that Mesos has not spoken of on this stream and that may be there."""
    finished_tasks: dict[TaskId, None] = field(default_factory=dict)
    """Ended tasks that were replaced, kept for a while, oldest first."""
    finished_jobs: dict[JobId, None] = field(default_factory=dict)
    """Ended jobs, kept for a while with their last tasks, oldest first."""
    number_floors: dict[int, int] = field(default_factory=dict)
    """Where the numbers of a new job begin, by a digest of its name: above all that forgotten jobs
    of such names used. So no task id is ever used twice, and little has to be remembered."""
    address_rests: dict[HostId, tuple[Rest, ...]] = field(default_factory=dict)
    """Addresses given back lately, oldest first; only tasks with an address leave any."""
    hosts_seen_at_ms: dict[HostId, int] = field(default_factory=dict)
    """When each host offered something for the first time."""
    network_hosts: dict[HostId, None] = field(default_factory=dict)
    """Hosts that ever offered bandwidth; the others do not count it."""

    host_noise: dict[HostId, int] = field(default_factory=dict)
    """How much tasks on a host wait for each other, 1 to 1,000, as it was told last."""
    host_orders: dict[HostId, HostOrder] = field(default_factory=dict)
    """What operators let hosts be used for, where that is not everything."""
    maintenance: dict[HostId, Maintenance] = field(default_factory=dict)
    """Hosts that Mesos says will be taken away, see `scheduler.fold.maintenance`."""
    host_marks: dict[HostId, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Attributes that operators wrote on hosts, see `scheduler.fold.instance_groups`."""
    host_failures: dict[HostId, HostFailures] = field(default_factory=dict)
    """Hosts on which tasks failed lately, see `scheduler.fold.guards`."""
    health: dict[HostId, HostHealth] = field(default_factory=dict)
    """What speaks or spoke lately against hosts, see `scheduler.fold.health`."""
    early_health: dict[str, HostHealth] = field(default_factory=dict)
    """The same of hosts that nobody knows yet, by the name or id that their detectors use."""
    runbooks: dict[str, Runbook] = field(default_factory=dict)
    """By name, as operators set them last."""
    runbook_standings: dict[str, RunbookStanding] = field(default_factory=dict)
    healing_runs: dict[str, HealingRun] = field(default_factory=dict)
    """Runs of runbooks by id, those that ended included, oldest first."""
    silent: dict[TaskId, SilentTask] = field(default_factory=dict)
    """Tasks of which the heartbeat stays away, as they were told of."""
    failing_kinds: dict[str, FailingKind] = field(default_factory=dict)
    """Ways in which tasks fail lately, by what they have in common, see
    `scheduler.fold.failing_kinds`; the one heard longest ago first."""
    is_quality_suspended: bool = False
    """Too many hosts are bad: none is held back for its quality."""
    eviction_tokens: Tokens = field(default_factory=Tokens)
    evictions: dict[JobId, tuple[Eviction, ...]] = field(default_factory=dict)
    """Evictions of jobs with a rate, oldest first, for as long as they count."""
    jobs_marked_at_ms: dict[JobId, int] = field(default_factory=dict)
    """Jobs that are marked to be relocated as a whole, and since when that is known: what came to
    its host later has moved."""
    plans: dict[TaskId, RelocationPlan] = field(default_factory=dict)
    """Tasks that have to leave their hosts."""
    relocated: dict[TaskId, Relocation] = field(default_factory=dict)
    """Plans that are over, oldest first, kept for a while."""
    launch_seconds: dict[int, dict[tuple[HostId, JobId], int]] = field(default_factory=dict)
    """Accepted launches of the last minute, by second of the log's clock, oldest first."""

    fleet: Fleet = field(default_factory=Fleet)
    """Rules and rates of the fleet, see `scheduler.fold.fleet`."""
    cloud_groups: dict[str, CloudGroup] = field(default_factory=dict)
    """Groups of hosts as their clouds tell of them, by name."""
    cloud_instances: dict[str, Instance] = field(default_factory=dict)
    """Their instances, by id."""
    instance_networks: dict[str, InstanceNetwork] = field(default_factory=dict)
    """Interfaces of instances, by the instance, see `scheduler.fold.network`."""
    warm_pools: dict[str, WarmPool] = field(default_factory=dict)
    """Warm pools of groups, by the group, see `scheduler.fold.warm_pools`."""
    fleet_orders: dict[ProposalId, FleetOrder] = field(default_factory=dict)
    """What is to be asked of clouds, or is under way, oldest first."""
    deployments: dict[str, Deployment] = field(default_factory=dict)
    """New groups that take the place of old ones, and the last that did, by the new one."""
    fleet_forecasts: dict[str, LoadForecast] = field(default_factory=dict)
    """What is remembered of the load of each group, to be ready for it."""
    registry_health: dict[tuple[str, TaskId], RegistryHealth] = field(default_factory=dict)
    """What registries say of tasks, by registry and task; of those that budgets ask about."""
    member_labels: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """What operators wrote on processes of the cell, by name."""
    incident_notes: dict[int, IncidentNote] = field(default_factory=dict)
    """What operators noted of stretches of time, by a number that counts up."""
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    """Who is told of events by HTTP, by name."""
    load_balancers: dict[JobId, tuple[str, ...]] = field(default_factory=dict)
    """Of active services: the load balancers that send to their tasks, sorted."""
    scaling_policies: dict[PolicyId, ScalingPolicy] = field(default_factory=dict)
    job_scalings: dict[JobId, JobScaling] = field(default_factory=dict)
    """Of jobs that have scaling policies: which, and what they did."""

    volumes: dict[VolumeId, Volume] = field(default_factory=dict)
    """Those of jobs, of ended jobs that keep them, and clones."""
    holds: dict[str, Hold] = field(default_factory=dict)
    """Volumes and static addresses that a task has, see `scheduler.volumes.standing`."""

    held: dict[JobId, dict[TaskId, None]] = field(default_factory=dict)
    """Of the queue, what waits because too many of its job have not started yet, first come first.
    They are among the resting, too, so that placement does not see them."""

    # Derived: follows from the above.
    instances_of_groups: dict[str, dict[str, None]] = field(default_factory=dict)
    hosts_of_instances: dict[str, HostId] = field(default_factory=dict)
    """Which host said last that it is this instance."""
    claims: dict[str, dict[JobId, int]] = field(default_factory=dict)
    """Which indexes of active jobs want each volume and address, by its key."""
    holders: dict[TaskId, dict[str, None]] = field(default_factory=dict)
    """What each task holds."""
    storage_waits: dict[TaskId, str] = field(default_factory=dict)
    """Of the queue, what waits for a volume or an address, by its key. Placement does not see
    them: they are among the resting, too."""
    volume_works: dict[VolumeId, None] = field(default_factory=dict)
    """Volumes with which something is being done."""
    finished_of_jobs: dict[JobId, dict[TaskId, None]] = field(default_factory=dict)
    """The replaced tasks that are kept, by their job, oldest first."""
    unstarted: dict[JobId, int] = field(default_factory=dict)
    """How many tasks of each job wait for a host or a retry, or start; those held not counted."""
    launches_of_hosts: dict[HostId, int] = field(default_factory=dict)
    launches_of_jobs: dict[JobId, int] = field(default_factory=dict)
    """Sums of the last minute."""
    failing_jobs: dict[JobId, dict[HostId, int]] = field(default_factory=dict)
    """How many of a host's remembered failures are of the job."""
    healing_live: dict[str, None] = field(default_factory=dict)
    """Runs that are under way or wait for approval, oldest first."""
    away_hosts: dict[HostId, None] = field(default_factory=dict)
    """Hosts that get no tasks for their health."""
    on_trial: dict[HostId, None] = field(default_factory=dict)
    """Hosts that are back since lately after having been away for their health."""
    bad_hosts: dict[HostId, None] = field(default_factory=dict)
    """Hosts of less quality than the rules ask for."""
    queue: dict[JobId, dict[TaskId, None]] = field(default_factory=dict)
    """Tasks without a host, by job; those that wait for a retry included."""
    host_tasks: dict[HostId, dict[TaskId, None]] = field(default_factory=dict)
    host_offers: dict[HostId, dict[OfferId, None]] = field(default_factory=dict)
    killing: dict[TaskId, None] = field(default_factory=dict)
    """Tasks that must be ended on their host."""
    resting: dict[JobId, dict[TaskId, None]] = field(default_factory=dict)
    """Of the queue, what still waits for its retry, by job."""
    on_hosts: dict[JobId, int] = field(default_factory=dict)
    """How many tasks of each job hold resources of a host."""
    placed_at_ms: dict[JobId, int] = field(default_factory=dict)
    """When a task of a job that still waits was placed last."""
    told: dict[JobId, Told] = field(default_factory=dict)
    """The refusal that was written last of each waiting job; without it, it is written again."""
    missing_of_jobs: dict[JobId, int] = field(default_factory=dict)
    unconfirmed_orphans: int = 0
    """Orphans that no operator has confirmed."""
    hosts_changed: dict[HostId, None] = field(default_factory=dict)
    """Hosts to look at anew before the next round; who places empties it."""
    jobs_changed: dict[JobId, None] = field(default_factory=dict)
    """Jobs of which other tasks wait or hold resources than before; the same."""
    is_planned: bool = False
    """Whether somebody places by this state: else what changed need not be remembered for ever."""
    offers_by_age: dict[int, dict[OfferId, None]] | None = None
    """Held offers by the time since which they are held, the oldest first; None: nobody has asked
    for it yet. A busy cell holds 20,000 and is asked for the oldest many times a second."""
    group_names: dict[str, JobId] = field(default_factory=dict)
    moving_jobs: dict[JobId, None] = field(default_factory=dict)
    """Jobs with an attribute of relocation, see `scheduler.disruption.marks`."""
    moving_tasks: dict[TaskId, None] = field(default_factory=dict)
    """Tasks that have one themselves."""
    updating: dict[JobId, None] = field(default_factory=dict)
    """Jobs of which an update is under way."""
    cron_jobs: dict[JobId, None] = field(default_factory=dict)
    """Active cron jobs."""
    starting_streams: dict[JobId, None] = field(default_factory=dict)
    """Active streams of ordered start that lack workers."""
    active_jobs: int = 0
    exclusive_jobs: int = 0
    """Active jobs whose tasks want a host for themselves."""
    queued_tasks: int = 0
    tasks_of_finished_jobs: int = 0
    dirty: dict[str, set[object]] = field(
        default_factory=lambda: {kind: set() for kind in ENTITY_KINDS}
    )
    """Entities whose part of the digest is stale, by their kind."""

    def hostname(self, host_id: HostId) -> str:
        """The host's name, or its id where the log has not seen its facts."""
        facts = self.hosts.get(host_id)
        return facts.hostname if facts else str(host_id)
