"""Copies of inbound records: the gap rule, and which rule each kind of body goes to.

The one thing to know: a copy is taken only where its ``previous_offset`` is the watermark. Lower
means that it was taken before, higher that something is missing: either way it changes nothing,
and ingest, which reads the watermark back, starts again from there. Nothing is lost or doubled,
however often ingest dies.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from scheduler.fold.alerts import alert_acknowledged, alerts_silenced, alerts_unsilenced
from scheduler.fold.autoscaling import (
    metric_observed,
    scaling_policy_removed,
    scaling_policy_set,
)
from scheduler.fold.balancers import load_balancer_added, load_balancer_removed
from scheduler.fold.changing import (
    job_attributes_asked,
    job_enabled_asked,
    job_processes_asked,
    task_attributes_asked,
)
from scheduler.fold.context import Fold
from scheduler.fold.dismissal import leader_dismissed
from scheduler.fold.evictions import job_budget_asked, task_eviction_asked
from scheduler.fold.fleet import group_gone, group_observed, instance_noticed
from scheduler.fold.fleet_requests import (
    deployment_asked,
    deployment_ordered,
    fleet_asked,
    group_size_asked,
)
from scheduler.fold.healing import healing_ordered, probes_heard, runbooks_asked
from scheduler.fold.health import host_judged
from scheduler.fold.health_tasks import host_failed, task_silent
from scheduler.fold.incident_notes import incident_noted
from scheduler.fold.instance_groups import host_marked
from scheduler.fold.killing import job_kill_asked, task_kill_asked
from scheduler.fold.maintenance import host_removed, inverse_offered, inverse_rescinded
from scheduler.fold.membership import member_labelled
from scheduler.fold.mesos import (
    ask_again,
    offers_changed,
    orphan_forgotten,
    status_updated,
    stream_ended,
    subscribed,
    unrecognised,
)
from scheduler.fold.moving import task_move_asked
from scheduler.fold.network import network_observed
from scheduler.fold.noise import host_noise_measured
from scheduler.fold.registry_health import registry_health_noted
from scheduler.fold.rules import host_ordered, policy_asked, rules_asked, rules_change_asked
from scheduler.fold.safe import finding_confirmed, finding_rejected, kills_by, page_once
from scheduler.fold.scaling import job_scale_asked
from scheduler.fold.submitting import job_submitted
from scheduler.fold.updates import job_update_asked, job_update_ordered
from scheduler.fold.volume_orders import holds_released, volume_ordered
from scheduler.fold.warm_pool_looks import warm_pool_asked
from scheduler.fold.warm_pools import warm_pool_observed
from scheduler.fold.webhooks import (
    webhook_noted,
    webhook_paused,
    webhook_removed,
    webhook_set,
    webhook_tested,
)
from scheduler.model.address import Source
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from scheduler.model.autoscaling import MetricObserved, ScalingPolicyRemoved, ScalingPolicySet
from scheduler.model.balancers import LoadBalancerAdded, LoadBalancerRemoved
from scheduler.model.changes import CellPaged, JobRejected, RequestAccepted
from scheduler.model.disruption import JobBudgetAsked, TaskEvictionAsked
from scheduler.model.events import Copied
from scheduler.model.fleet import CloudGroupGone, CloudGroupObserved, InstanceNoticed
from scheduler.model.fleet_rules import (
    DeploymentAsked,
    DeploymentOrdered,
    FleetAsked,
    GroupSizeAsked,
)
from scheduler.model.healing import HealingOrdered, RunbooksAsked
from scheduler.model.health import HostJudged, HostProbed, TaskSilent
from scheduler.model.inbound import (
    FindingConfirmed,
    FindingRejected,
    HostMarked,
    HostNoiseMeasured,
    HostOrdered,
    InboundBody,
    InboundLost,
    InboundRejected,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    LeaderDismissed,
    OffersChanged,
    OrphanForgotten,
    PartitionBegan,
    PolicyAsked,
    RecordSkipped,
    RulesAsked,
    RulesChangeAsked,
    TaskKillAsked,
)
from scheduler.model.incident_notes import IncidentNoted
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    TaskAttributesAsked,
    TaskMoveAsked,
)
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered
from scheduler.model.membership import MemberLabelled
from scheduler.model.mesos import (
    HostFailed,
    InverseOfferRescinded,
    InverseOffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
    Unrecognised,
)
from scheduler.model.network import InstanceNetworkObserved
from scheduler.model.registry_health import RegistryHealthNoted
from scheduler.model.volumes import HoldsReleased, VolumeOrdered
from scheduler.model.warm_pools import WarmPoolAsked, WarmPoolObserved
from scheduler.model.webhooks import (
    WebhookNoted,
    WebhookPaused,
    WebhookRemoved,
    WebhookSet,
    WebhookTested,
)
from scheduler.state import NO_OFFSET, Watermark

Rule = Callable[[Fold, Source, Any], None]
"""What one kind of body means; the table below says which kind."""


def copied(fold: Fold, event: Copied) -> None:
    """Take the copy if it is the next of its partition."""
    state, source, body = fold.state, event.source, event.body
    lane = (source.topic, source.partition)
    offset = source.offset
    known = state.watermarks.get(lane)
    if known is not None and known.generation == source.generation:
        if not source.previous_offset == known.offset < offset:
            return
    elif not _is_beginning(known, source, body):
        return
    elif known is not None:
        _begun_anew(fold, source, known)
    state.watermarks[lane] = Watermark(source.generation, offset)
    state.dirty["watermark"].add(lane)
    if source.topic == "mesos":
        state.stream.mesos_offset = offset
    if type(body) is StatusUpdate:  # Most of all that is copied; the table's way is longer.
        status_updated(fold, body)
    else:
        RULES[type(body)](fold, source, body)


def _begun_anew(fold: Fold, source: Source, known: Watermark) -> None:
    """Page for a partition that another one has taken the place of, and ask what it cannot say.

    In another Kafka each is another one, of which the continuation has paged.
    """
    if not known.is_of_old_kafka:
        page_once(
            fold,
            "topic made anew",
            f"{source.topic}[{source.partition}] {source.generation}",
            what=f"topic {source.topic} was made anew",
            why=f"its partition {source.partition} was generation {known.generation}, copied up "
            f"to {known.offset}, and is {source.generation} now: what stood behind that is lost. "
            "Producers send again what was not answered",
        )
    if source.topic == "mesos" and fold.state.stream.stream_id is not None:
        ask_again(fold)  # An ending may have been among what is lost.


def _is_beginning(mark: Watermark | None, source: Source, body: InboundBody) -> bool:
    if source.previous_offset != NO_OFFSET:
        return False
    # The partition begins anew on another Kafka: only its first record may say so.
    return mark is None or isinstance(body, PartitionBegan)


def _by_user(rule: Rule) -> Rule:
    """The rule, and then the question whether this actor ends more than his share of tasks."""

    def ruled(fold: Fold, source: Source, body: Any) -> None:  # noqa: ANN401 - as `Rule`
        killing = len(fold.state.killing)
        rule(fold, source, body)
        kills_by(fold, body.actor, killing)

    return ruled


def _rejected(fold: Fold, source: Source, body: InboundRejected) -> None:
    fold.report(JobRejected(source=source, faults=body.faults, job_id=body.job_id))


def _orphan_forgotten(fold: Fold, source: Source, body: OrphanForgotten) -> None:
    orphan_forgotten(fold, body)
    fold.report(RequestAccepted(source=source, what="forget orphan"))


def _lost(fold: Fold, source: Source, body: InboundLost) -> None:
    why = f"records {body.first_offset} to {body.last_offset} of {source} were lost"
    what, key = "Kafka dropped records before they were copied", source.topic
    fold.report(CellPaged(what=what, why=why, kind="records lost", key=key))
    if source.topic == "mesos" and fold.state.stream.stream_id is not None:
        ask_again(fold)  # An ending may have been among them.


def _skipped(fold: Fold, source: Source, body: RecordSkipped) -> None:
    fold.report(RequestAccepted(source=source, what=f"skip record {body.offset}"))


def _nothing(fold: Fold, source: Source, body: object) -> None:
    """A beginning has set the watermark; a failed host is told by its tasks' own updates."""


def _host_failed(fold: Fold, _source: Source, body: HostFailed) -> None:
    host_failed(fold, body)
    host_removed(fold, body)


RULES: Final[Mapping[type, Rule]] = {
    StatusUpdate: lambda fold, _, body: status_updated(fold, body),
    OffersChanged: offers_changed,
    Subscribed: lambda fold, _, body: subscribed(fold, body),
    StreamEnded: lambda fold, _, body: stream_ended(fold, body),
    JobSubmitted: job_submitted,
    JobKillAsked: _by_user(job_kill_asked),
    JobScaleAsked: _by_user(job_scale_asked),
    TaskKillAsked: _by_user(task_kill_asked),
    JobProcessesAsked: job_processes_asked,
    JobEnabledAsked: job_enabled_asked,
    JobAttributesAsked: job_attributes_asked,
    TaskAttributesAsked: task_attributes_asked,
    TaskMoveAsked: task_move_asked,
    JobUpdateAsked: job_update_asked,
    JobUpdateOrdered: job_update_ordered,
    LoadBalancerAdded: load_balancer_added,
    LoadBalancerRemoved: load_balancer_removed,
    VolumeOrdered: volume_ordered,
    HoldsReleased: holds_released,
    ScalingPolicySet: scaling_policy_set,
    ScalingPolicyRemoved: scaling_policy_removed,
    MetricObserved: metric_observed,
    JobBudgetAsked: job_budget_asked,
    TaskEvictionAsked: task_eviction_asked,
    RegistryHealthNoted: registry_health_noted,
    MemberLabelled: member_labelled,
    IncidentNoted: incident_noted,
    WebhookSet: webhook_set,
    WebhookRemoved: webhook_removed,
    WebhookPaused: webhook_paused,
    WebhookTested: webhook_tested,
    WebhookNoted: webhook_noted,
    AlertsSilenced: alerts_silenced,
    AlertsUnsilenced: alerts_unsilenced,
    AlertAcknowledged: alert_acknowledged,
    InboundRejected: _rejected,
    PolicyAsked: policy_asked,
    RulesAsked: rules_asked,
    RulesChangeAsked: rules_change_asked,
    HostOrdered: host_ordered,
    HostMarked: host_marked,
    LeaderDismissed: leader_dismissed,
    HostNoiseMeasured: host_noise_measured,
    OrphanForgotten: _orphan_forgotten,
    FindingConfirmed: finding_confirmed,
    FindingRejected: finding_rejected,
    InboundLost: _lost,
    PartitionBegan: _nothing,
    RecordSkipped: _skipped,
    Unrecognised: lambda fold, _, body: unrecognised(fold, body),
    HostFailed: _host_failed,
    InverseOffersReceived: lambda fold, _, body: inverse_offered(fold, body),
    InverseOfferRescinded: lambda fold, _, body: inverse_rescinded(fold, body),
    CloudGroupObserved: group_observed,
    CloudGroupGone: group_gone,
    InstanceNoticed: instance_noticed,
    InstanceNetworkObserved: network_observed,
    WarmPoolObserved: warm_pool_observed,
    FleetAsked: fleet_asked,
    GroupSizeAsked: group_size_asked,
    WarmPoolAsked: warm_pool_asked,
    DeploymentAsked: deployment_asked,
    DeploymentOrdered: deployment_ordered,
    HostJudged: host_judged,
    HostProbed: probes_heard,
    RunbooksAsked: runbooks_asked,
    HealingOrdered: healing_ordered,
    TaskSilent: task_silent,
}
"""The rule of each kind of body, one line each; a test holds it against `InboundBody`."""
