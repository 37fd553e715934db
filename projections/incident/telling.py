"""What an event or change means for an incident: which section, which words, how grave.

The one thing to know: a launch, a tick or an offer is no line of an incident, however many there
are; what is not in these tables is counted as movement and not told.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from projections.incident.shapes import SectionName, Weight
from projections.words import counted, duration
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from scheduler.model.changes import (
    CellPaged,
    EvictionDecided,
    FleetChanged,
    HealingChanged,
    HostHealthChanged,
    JobChanged,
    JobCrashLooping,
    JobRejected,
    JobScaled,
    JobSlaChanged,
    OrphanGone,
    OrphanSeen,
    OwnerAlerted,
    ProposalRefused,
    RelocationEnded,
    RelocationPlanned,
    SafeBegan,
    SafeEnded,
    TaskMissed,
    TimeGapped,
    WarmPoolChanged,
)
from scheduler.model.events import LeaderElected
from scheduler.model.health import HostJudged, HostProbed, TaskSilent
from scheduler.model.inbound import (
    FindingConfirmed,
    FindingRejected,
    HostMarked,
    HostOrdered,
    InboundLost,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    LeaderDismissed,
    RecordSkipped,
    TaskKillAsked,
)
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered
from scheduler.model.mesos import HostFailed, StreamEnded, Subscribed
from scheduler.model.proposals import KillTask, PreemptTask


class Said(NamedTuple):
    """What is told of one event or change."""

    section: SectionName
    what: str
    text: str
    weight: Weight = ""


def said_of(thing: object) -> Said | None:
    """What an event, the body of a copy, or a change means; None where it is no line."""
    tell = _TOLD.get(type(thing))
    return tell(thing) if tell is not None else None


def _paged(it: CellPaged) -> Said:
    more = f" ({counted(it.tasks_total, 'task')})" if it.tasks_total else ""
    return Said("alerts", it.kind or "page", f"{it.what}: {it.why}{more}", "critical")


def _sla(it: JobSlaChanged) -> Said:
    weight: Weight = "" if it.stand == "met" else "warning"
    return Said("alerts", "demand of time", f"{it.kind} is {it.stand}. {it.message}", weight)


def _crash_loop(it: JobCrashLooping) -> Said:
    if not it.is_looping:
        return Said("alerts", "crash loop", "its tasks fail no longer again and again")
    text = (
        f"{counted(it.failures, 'failure')} within {duration(it.window_ms)}, the last was "
        f"{it.reason}; the next replacement waits {duration(it.delay_ms)}"
    )
    return Said("alerts", "crash loop", text, "warning")


def _gapped(it: TimeGapped) -> Said:
    text = f"time went on by {duration(it.to_ms - it.from_ms)} at once"
    return Said("leaders", "time gap", text, "warning")


def _safe_ended(it: SafeEnded) -> Said:
    text = f"the finding of record {it.finding} was {it.how} with {counted(it.tasks, 'task')}"
    return Said("safety", "safe ended", _because(text, it.why))


def _health(it: HostHealthChanged) -> Said:
    words = {
        "away": "gets no tasks",
        "spared": "would get no tasks, were its group not spared",
        "back": "gets tasks again",
    }
    weight: Weight = "" if it.standing == "back" else "warning"
    return Said("verdicts", f"host {it.standing}", _because(words[it.standing], it.why), weight)


def _judged(it: HostJudged) -> Said:
    evidence = "; ".join(f"{each.text} ({each.count}x)" for each in it.evidence[:3])
    text = f"{it.detector} finds it {it.standing}, {it.score_milli} of 1000"
    weight: Weight = "warning" if it.standing == "sick" else ""
    return Said("verdicts", "verdict", _because(text, evidence), weight)


def _probed(it: HostProbed) -> Said | None:
    bad = [f"{each.name}: {each.detail}" for each in it.probes if each.state == "bad"]
    return Said("verdicts", "check", f"failed {'; '.join(bad)}", "warning") if bad else None


def _silent(it: TaskSilent) -> Said:
    if not it.is_silent:
        return Said("verdicts", "heartbeat", "its heartbeat is back")
    text = f"its heartbeat stays away for {duration(it.silent_ms)}. {it.detail}"
    return Said("verdicts", "heartbeat", text, "warning")


def _healing(it: HealingChanged) -> Said:
    what = f"{it.runbook} ({it.run_id})"
    if it.step:
        return Said("healing", "step", f"{what}: {it.step} {it.outcome}. {it.detail}")
    weight: Weight = "warning" if it.state == "failed" else ""
    return Said("healing", f"run {it.state}", _because(what, it.why), weight)


def _fleet(it: FleetChanged) -> Said:
    size = f" to {counted(it.size, 'host')}" if it.what == "sizeOrdered" else ""
    text = f"group {it.group}{size} {it.instance_id}".rstrip()
    weight: Weight = "warning" if it.what == "orderFailed" else ""
    return Said("capacity", it.what, _because(text, it.why), weight)


def _warm_pool(it: WarmPoolChanged) -> Said:
    text = _because(f"group {it.group}: {it.text}", it.why)
    return Said("capacity", f"warm pool {it.what}", text)


def _scaled(it: JobScaled) -> Said:
    text = f"from {it.before} to {counted(it.after, 'task')} by {it.policy_id} on {it.metric}"
    return Said("capacity", "job scaled", _because(text, it.why))


def _eviction(it: EvictionDecided) -> Said:
    if it.is_allowed:
        return Said("decisions", "evicted", _because("within all budgets", it.reason))
    return Said("decisions", "eviction refused", f"{it.limit}: {it.message}", "warning")


def _relocation_ended(it: RelocationEnded) -> Said:
    how = "evicted by its plan" if it.is_done_by_us else "it needs not be moved any more"
    return Said("decisions", "relocation over", _because(how, it.message))


def _kill(it: KillTask) -> Said | None:
    if not it.is_inferred:
        return None  # Whoever asked for it has a line.
    return Said("decisions", "inferred kill", "no user asked for it", "warning")


def _job_changed(it: JobChanged) -> Said | None:
    if it.state != "Finished" or it.reason in {"normal", "killed"}:
        return None
    return Said("endings", "job ended", _because(it.reason, it.message), "warning")


def _rejected(it: JobRejected) -> Said:
    first = it.faults[0] if it.faults else None
    text = f"{first.field} {first.text}".strip() if first else "no reason was given"
    return Said("requests", "refused", text, "warning")


def _host_failed(it: HostFailed) -> Said | None:
    if it.executor_id or it.host_id is None:
        return None
    return Said("hosts", "lost", "Mesos removed it", "critical")


def _asked(what: str) -> Callable[[Any], Said]:
    return lambda it: Said("requests", what, it.why or "no reason was given")


_TOLD: Final[Mapping[type, Callable[[Any], Said | None]]] = {
    CellPaged: _paged,
    OwnerAlerted: lambda it: Said("alerts", it.kind, f"to {it.owner}: {it.message}", "warning"),
    JobSlaChanged: _sla,
    JobCrashLooping: _crash_loop,
    AlertsSilenced: lambda it: Said(
        "alerts", "silenced", f"{it.name} for {duration(it.for_s * 1_000)}: {it.why}"
    ),
    AlertsUnsilenced: lambda it: Said("alerts", "unsilenced", f"{it.name}: {it.why}"),
    AlertAcknowledged: lambda it: Said("alerts", "acknowledged", f"{it.key}: {it.why}"),
    TimeGapped: _gapped,
    LeaderElected: lambda it: Said("leaders", "elected", _built(it)),
    LeaderDismissed: lambda it: Said("leaders", "dismissed", f"of epoch {it.epoch}: {it.why}"),
    Subscribed: lambda it: Said("leaders", "stream open", f"to {it.master or 'Mesos'}"),
    StreamEnded: lambda it: Said(
        "leaders", "stream ended", it.why, "critical" if it.is_fatal else "warning"
    ),
    SafeBegan: lambda it: Said("safety", "safe", it.why, "critical"),
    SafeEnded: _safe_ended,
    FindingConfirmed: lambda it: Said(
        "safety", "confirmed", f"the finding of record {it.finding}: {it.why}"
    ),
    FindingRejected: lambda it: Said(
        "safety", "rejected", f"the finding of record {it.finding}: {it.why}"
    ),
    RecordSkipped: lambda it: Said("safety", "skip", f"record {it.offset}: {it.why}", "warning"),
    InboundLost: lambda it: Said(
        "safety", "records lost", f"{it.first_offset} to {it.last_offset}", "critical"
    ),
    HostHealthChanged: _health,
    HostJudged: _judged,
    HostProbed: _probed,
    TaskSilent: _silent,
    HealingChanged: _healing,
    FleetChanged: _fleet,
    WarmPoolChanged: _warm_pool,
    JobScaled: _scaled,
    HostFailed: _host_failed,
    HostOrdered: lambda it: Said("hosts", f"ordered {it.standing}", it.why),
    HostMarked: lambda it: Said("hosts", "marked", it.why),
    PreemptTask: lambda it: Said("decisions", "preempted", f"for {it.for_job}: {it.why}"),
    KillTask: _kill,
    EvictionDecided: _eviction,
    RelocationPlanned: lambda it: Said("decisions", "to be moved", _because(it.reason, it.message)),
    RelocationEnded: _relocation_ended,
    ProposalRefused: lambda it: Said(
        "decisions", "refused", f"{it.kind} {it.proposal_id}: {it.why}", "warning"
    ),
    TaskMissed: lambda it: Said(
        "decisions", "missed", f"Mesos, asked, says {it.state}; it is waited for", "warning"
    ),
    OrphanSeen: lambda it: Said("decisions", "orphan seen", f"it is {it.state}", "warning"),
    OrphanGone: lambda it: Said("decisions", "orphan gone", it.why),
    JobChanged: _job_changed,
    JobRejected: _rejected,
    JobSubmitted: _asked("job submitted"),
    JobKillAsked: _asked("job's end"),
    JobScaleAsked: lambda it: Said("requests", "job's size", _size(it)),
    TaskKillAsked: _asked("task's end"),
    JobUpdateAsked: _asked("job's update"),
    JobUpdateOrdered: lambda it: Said("requests", f"update: {it.order}", it.why or "no reason"),
}
"""What is told of each kind; changes of policy and endings of tasks are gathered elsewhere."""


def _built(it: LeaderElected) -> str:
    return f"{it.candidate} leads{f', build {it.build}' if it.build else ''}"


def _size(it: JobScaleAsked) -> str:
    bounds = (("min", it.minimum), ("desired", it.desired), ("max", it.maximum))
    text = ", ".join(f"{name} {value}" for name, value in bounds if value is not None)
    return _because(text, it.why)


def _because(text: str, why: str) -> str:
    return f"{text}: {why}" if why else text
