"""What an inbound record becomes when ingest copies it into the cell log.

The one thing to know: a copy is one of these bodies, and the fold decides what it means. Topic
``jobs`` is foreign (anybody may publish there), so what cannot be read becomes `InboundRejected`
and never an exception; the other topics are written by us and are as closed as the cell log.
"""

from typing import Literal

from scheduler.model.alerts import AlertRequest
from scheduler.model.autoscaling import ScalingRequest
from scheduler.model.balancers import BalancerRequest
from scheduler.model.base import Ours
from scheduler.model.disruption import DisruptionRequest
from scheduler.model.fleet import FleetReport
from scheduler.model.fleet_rules import FleetRequest
from scheduler.model.healing import HealingRequest
from scheduler.model.health import VerdictBody
from scheduler.model.ids import HostId, JobId, OfferId, StreamId, TaskId
from scheduler.model.incident_notes import IncidentNoted
from scheduler.model.job import JobSpec
from scheduler.model.job_requests import JobRequest
from scheduler.model.job_updates import UpdateRequest
from scheduler.model.membership import MemberLabelled
from scheduler.model.mesos import (
    HostFailed,
    InverseOfferRescinded,
    InverseOffersReceived,
    Offer,
    StatusUpdate,
    StreamEnded,
    Subscribed,
    Unrecognised,
)
from scheduler.model.registry_health import RegistryHealthNoted
from scheduler.model.rules import CapacityGroup, InstanceGroup, Mode, PlacementRules, Selector
from scheduler.model.volumes import VolumeRequest
from scheduler.model.webhooks import WebhookRequest

Standing = Literal["enabled", "lastChoice", "draining", "disabled"]
"""What an operator lets a host be used for. Only the first two get tasks."""


FaultCode = Literal["", "unknown", "state", "taken", "version", "limit", "disabled"]
"""What kind of fault it is, for programs: bad content (empty); something that is not there; a state
that does not allow it; a name of another; another version than demanded; a limit of the cell or of
a rate; something that is turned off."""


class Fault(Ours, frozen=True):
    """One thing that is wrong with an input: which field, what, and what to do."""

    field: str
    """A path such as ``container.resources.cpu``, or empty for the whole."""
    text: str
    hint: str = ""
    code: FaultCode = ""


class PartitionBegan(Ours, frozen=True):
    """Record 0 of an inbound partition: the generation it belongs to."""

    generation: str


class JobSubmitted(Ours, frozen=True):
    """A producer asks for a job, and names it."""

    job_id: JobId
    spec: JobSpec
    actor: str = ""
    digest: str = ""
    """Of the admitted spec: the same name with the same digest is the same submission again."""
    why: str = ""
    """Shown as Titus' ``titus.callReason``."""


class JobKillAsked(Ours, frozen=True):
    """A user ends a job."""

    job_id: JobId
    actor: str = ""
    why: str = ""
    if_version: int | None = None
    """Only if the job has this version, here and elsewhere; None: whatever it has."""


class JobScaleAsked(Ours, frozen=True):
    """A user changes a service's size; None leaves a bound as it is."""

    job_id: JobId
    desired: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    actor: str = ""
    why: str = ""
    if_version: int | None = None


class TaskKillAsked(Ours, frozen=True):
    """A user ends a task; with ``is_shrink`` its service becomes one smaller."""

    task_id: TaskId
    actor: str = ""
    why: str = ""
    is_shrink: bool = False
    is_minimum_kept: bool = False
    """Titus' ``preventMinSizeUpdate``: refused where a shrink would take the minimum along."""
    if_version: int | None = None
    """Of the task."""


class InboundRejected(Ours, frozen=True):
    """A foreign record that says nothing we can obey, kept by digest, with the reasons."""

    faults: tuple[Fault, ...]
    digest: str
    job_id: JobId | None = None
    """The name the submitter gave, where that much could be read."""
    bytes_total: int = 0


class InboundLost(Ours, frozen=True):
    """Kafka dropped records of this partition before they were copied; this pages."""

    first_offset: int
    last_offset: int


class OffersChanged(Ours, frozen=True):
    """A contiguous run of offers and rescissions, as one difference.

    ``first_offset`` to the copy's own offset are the records it stands for. An offer that was made
    and rescinded inside the run is in neither list.
    """

    stream_id: StreamId
    first_offset: int
    added: tuple[Offer, ...] = ()
    removed: tuple[OfferId, ...] = ()


class PolicyAsked(Ours, frozen=True):
    """An operator changes limits: names and new values of `Policy` fields."""

    values: dict[str, int]
    actor: str
    why: str


class RulesAsked(Ours, frozen=True):
    """An operator sets the whole policy: rules of placement, and every number of `Policy`."""

    rules: PlacementRules
    values: dict[str, int]
    actor: str
    why: str
    if_version: int | None = None
    """Only if the cell has this version of its policy; None: whatever it has."""


class RulesChangeAsked(Ours, frozen=True):
    """An operator turns switches of placement; what is not named stays as it is."""

    actor: str
    why: str
    mode: Mode | None = None
    lost_zones: tuple[str, ...] = ()
    regained_zones: tuple[str, ...] = ()
    selectors: tuple[Selector, ...] = ()
    """Each in place of the one of its name."""
    removed_selectors: tuple[str, ...] = ()
    groups: tuple[CapacityGroup, ...] = ()
    removed_groups: tuple[str, ...] = ()
    instance_groups: tuple[InstanceGroup, ...] = ()
    removed_instance_groups: tuple[str, ...] = ()
    if_version: int | None = None


class HostOrdered(Ours, frozen=True):
    """An operator says what a host may be used for."""

    host_id: HostId
    standing: Standing
    actor: str
    why: str


class HostMarked(Ours, frozen=True):
    """An operator writes attributes on a host, and removes others that operators wrote."""

    host_id: HostId
    attributes: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    actor: str
    why: str


class LeaderDismissed(Ours, frozen=True):
    """An operator has whoever leads by this epoch stop; its process ends, and one is elected."""

    epoch: int
    actor: str
    why: str


class HostNoiseMeasured(Ours, frozen=True):
    """How much the tasks of a host were seen to wait for each other, 0 to 1,000."""

    host_id: HostId
    noise_milli: int
    actor: str = ""
    why: str = ""


class RecordSkipped(Ours, frozen=True):
    """An operator lets the fold pass a record that it cannot apply."""

    offset: int
    digest: str
    """Of the record's bytes, as the halt report shows it: nobody skips what he has not seen."""
    actor: str
    why: str


class OrphanForgotten(Ours, frozen=True):
    """An operator has dealt with an orphan; it is no longer shown."""

    task_id: TaskId
    actor: str
    why: str
    host_id: HostId | None = None


class FindingConfirmed(Ours, frozen=True):
    """An operator says that a safe cell's finding is so.

    The tasks that Mesos does not have are ended and replaced, the orphans stay and alarm no more.
    """

    finding: int
    """The offset at which the cell became safe: nobody confirms what he has not seen."""
    tasks: int
    """How many tasks the operator saw on the list; a list that has grown is looked at again."""
    actor: str
    why: str


class FindingRejected(Ours, frozen=True):
    """An operator says that a safe cell's finding is wrong: it is dropped, and Mesos asked anew."""

    finding: int
    actor: str
    why: str


InboundBody = (
    PartitionBegan
    | JobSubmitted
    | JobKillAsked
    | JobScaleAsked
    | TaskKillAsked
    | JobRequest
    | UpdateRequest
    | ScalingRequest
    | BalancerRequest
    | VolumeRequest
    | DisruptionRequest
    | WebhookRequest
    | AlertRequest
    | RegistryHealthNoted
    | MemberLabelled
    | IncidentNoted
    | InboundRejected
    | InboundLost
    | OffersChanged
    | InverseOffersReceived
    | InverseOfferRescinded
    | Subscribed
    | StatusUpdate
    | HostFailed
    | StreamEnded
    | Unrecognised
    | FleetReport
    | FleetRequest
    | VerdictBody
    | HealingRequest
    | PolicyAsked
    | RulesAsked
    | RulesChangeAsked
    | HostOrdered
    | HostMarked
    | LeaderDismissed
    | HostNoiseMeasured
    | RecordSkipped
    | OrphanForgotten
    | FindingConfirmed
    | FindingRejected
)
"""All that can be copied into the cell log from outside."""
