"""Records of the topics ``jobs`` and ``commands``, as what they ask the cell for.

The one thing to know: anybody may publish there, so nothing here raises and nothing is guessed.
What cannot be obeyed becomes `InboundRejected` with every reason; ingest copies that like any
other record, and the fold answers it with `JobRejected`. Headers are not read: a record is its key
and its value. The formats are in ``docs/producers.md``, their encoders in
`scheduler.model.foreign_records`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from scheduler.model.alerts import AlertRequest
from scheduler.model.autoscaling import ScalingRequest
from scheduler.model.balancers import BalancerRequest
from scheduler.model.codec import RECORD_BYTES_MAX, digest_of
from scheduler.model.descriptor import spec_digest
from scheduler.model.disruption import DisruptionRequest
from scheduler.model.fleet_rules import FleetRequest
from scheduler.model.foreign_alerts import ALERT_REQUESTS
from scheduler.model.foreign_balancers import BALANCER_REQUESTS
from scheduler.model.foreign_disruption import DISRUPTION_REQUESTS
from scheduler.model.foreign_fleet import FLEET_REQUESTS
from scheduler.model.foreign_healing import HEALING_REQUESTS
from scheduler.model.foreign_incident import read_note_incident
from scheduler.model.foreign_jobs import JOB_REQUESTS
from scheduler.model.foreign_membership import read_label_member
from scheduler.model.foreign_registry_health import read_registry_health
from scheduler.model.foreign_scaling import METRIC_RECORDS, SCALING_REQUESTS
from scheduler.model.foreign_updates import UPDATE_REQUESTS
from scheduler.model.foreign_volumes import VOLUME_REQUESTS
from scheduler.model.foreign_webhooks import WEBHOOK_REQUESTS
from scheduler.model.healing import HealingRequest
from scheduler.model.ids import HostId, JobId, TaskId, job_id_fault, job_id_of
from scheduler.model.inbound import (
    FindingConfirmed,
    FindingRejected,
    HostMarked,
    HostNoiseMeasured,
    HostOrdered,
    InboundRejected,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    LeaderDismissed,
    OrphanForgotten,
    PartitionBegan,
    PolicyAsked,
    RecordSkipped,
    RulesAsked,
    RulesChangeAsked,
    TaskKillAsked,
)
from scheduler.model.incident_notes import IncidentNoted
from scheduler.model.job_requests import JobRequest
from scheduler.model.job_updates import UpdateRequest
from scheduler.model.membership import MemberLabelled
from scheduler.model.policy import NUMBERS, Policy, changed_policy
from scheduler.model.reading.checks import name_check, pattern_check
from scheduler.model.reading.faults import Faults, nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.json_text import parsed_json
from scheduler.model.reading.requests import (
    read_if_version,
    read_job_id,
    read_said,
    read_task_id,
)
from scheduler.model.registry_health import RegistryHealthNoted
from scheduler.model.rules_document.commands import (
    read_change_rules,
    read_mark_host,
    read_set_host,
    read_set_rules,
)
from scheduler.model.sealed import refuse_bare
from scheduler.model.v3.job import read_job
from scheduler.model.v3.limits import SERVICE_SIZE_MAX
from scheduler.model.volumes import HoldsReleased, VolumeRequest
from scheduler.model.webhooks import WebhookRequest

FOREIGN_BYTES_MAX: Final = RECORD_BYTES_MAX
"""A larger value could not be copied into one record of the cell log."""
NOISE_MAX: Final = 1_000
"""Thousandths, as everywhere (`scheduler.cpu_sets.noise`)."""
OFFSET_MAX: Final = 2**63 - 1
POLICY_VALUE_MAX: Final = 10**15
"""Every number stays exact in any reader of JSON, doubles included."""

ForeignBody = (
    PartitionBegan
    | JobSubmitted
    | JobKillAsked
    | JobScaleAsked
    | TaskKillAsked
    | JobRequest
    | UpdateRequest
    | DisruptionRequest
    | ScalingRequest
    | BalancerRequest
    | WebhookRequest
    | AlertRequest
    | RegistryHealthNoted
    | MemberLabelled
    | IncidentNoted
    | VolumeRequest
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
    | FleetRequest
    | InboundRejected
)
"""All that a record of ``jobs`` or ``commands`` can become."""

Reader = Callable[[Fields], ForeignBody]

_ORPHAN: Final = name_check(255)  # Mesos takes ids that we would not make
_HOST: Final = name_check(255)  # so are hosts' ids
_GENERATION: Final = pattern_check("[0-9a-f]{8}", 8, "1a2b3c4d")
_DIGEST: Final = pattern_check("[0-9a-f]{32}", 32, "the 32 hex digits of the halt report")
_KEY_BYTES_MAX: Final = 4 * 255
_POLICIES_MAX: Final = 64


def decode_jobs_record(key: bytes | None, value: bytes | None) -> ForeignBody:
    """What a record of topic ``jobs`` asks for; `InboundRejected` where that cannot be told."""
    return _decoded(key or b"", value or b"", _JOBS, _COMMANDS, "commands")


def decode_commands_record(key: bytes | None, value: bytes | None) -> ForeignBody:
    """What a record of topic ``commands`` asks for; `InboundRejected` where that is unclear."""
    return _decoded(key or b"", value or b"", _COMMANDS, _JOBS, "jobs")


def _decoded(
    key: bytes,
    value: bytes,
    readers: Mapping[str, Reader],
    elsewhere: Mapping[str, Reader],
    other_topic: str,
) -> ForeignBody:
    faults = Faults()
    raw = parsed_json(value, FOREIGN_BYTES_MAX, faults)
    if not faults:
        fields = Fields(raw, "", faults)
        kind = fields.raw("type")
        reader = readers.get(kind) if isinstance(kind, str) else None
        if reader is not None:
            body = reader(fields)
            _check_key(fields, body, key)
            fields.close()
            if not faults:
                return body
        elif isinstance(kind, str) and kind in elsewhere:
            hint = f"publish it to topic {other_topic}"
            fields.fault("type", f"is {shown(kind)}, which this topic does not take", hint)
        elif kind is None:
            fields.fault("type", "is missing", f"one of {', '.join(sorted(readers))}")
        else:
            hint = nearest_name(kind if isinstance(kind, str) else "", readers)
            fields.fault("type", f"is {shown(kind)}, which is no type of record", hint)
    return InboundRejected(
        faults=faults.all(),
        digest=digest_of(value),
        job_id=_job_id_of(raw, key),
        bytes_total=len(value),
    )


def _job_id_of(raw: object, key: bytes) -> JobId | None:
    """The job that the record seems to be about, so that its sender can find the answer."""
    named = raw.get("jobId") if isinstance(raw, dict) else None
    if not isinstance(named, str):
        named = key.decode("ascii", "replace") if len(key) <= _KEY_BYTES_MAX else ""
    return JobId(named) if job_id_fault(named) is None else None


def _check_key(fields: Fields, body: ForeignBody, key: bytes) -> None:
    """Demand the job's id as key, or none: one job's records must stay in one partition."""
    found = _subject(body)
    if found is None:
        return
    name, job_id = found
    if key and job_id_fault(job_id) is None and key != job_id.encode():
        given = shown_text(key[:_KEY_BYTES_MAX].decode("utf-8", "replace"))
        text = f"is of another job than the record's key, {given}"
        fields.fault(name, text, "use the job's id as the key, or no key")


def _subject(body: ForeignBody) -> tuple[str, JobId] | None:
    """The field that says which job the record is about, and the job; None where it is of none."""
    for name in ("job_id", "source_job_id"):
        job_id = getattr(body, name, None)
        if job_id is not None and not isinstance(body, InboundRejected):
            return ("jobId" if name == "job_id" else "sourceJobId"), job_id
    task_id = getattr(body, "task_id", None)
    if task_id is None or isinstance(body, OrphanForgotten | HoldsReleased):
        return None
    return "taskId", job_id_of(task_id) or JobId("")


def _partition_began(fields: Fields) -> PartitionBegan:
    return PartitionBegan(fields.text("generation", _GENERATION))


def _submit(fields: Fields) -> JobSubmitted:
    job_id = read_job_id(fields)
    actor, why = read_said(fields)
    # Paths are those of the descriptor, as the REST API and the fold give them.
    spec = read_job(fields.inner("job", path=""))
    refuse_bare(fields, spec.container)
    digest = "" if fields.is_faulty else spec_digest(spec)  # a faulty text may have no bytes
    return JobSubmitted(job_id, spec, actor, digest, why)


def _kill_job(fields: Fields) -> JobKillAsked:
    job_id = read_job_id(fields)
    return JobKillAsked(job_id, *read_said(fields), read_if_version(fields))


def _scale_job(fields: Fields) -> JobScaleAsked:
    job_id = read_job_id(fields)
    desired, minimum, maximum = (_size(fields, name) for name in ("desired", "min", "max"))
    given = [each for each in (minimum, desired, maximum) if each is not None]
    if not given and not any(map(fields.has, ("desired", "min", "max"))):
        fields.fault("desired", "is missing, and so are min and max", "give at least one")
    if given != sorted(given):
        fields.fault_here("has bounds that contradict each other", "give min <= desired <= max")
    actor, why = read_said(fields)
    if_version = read_if_version(fields)
    return JobScaleAsked(job_id, desired, minimum, maximum, actor, why, if_version)


def _size(fields: Fields, name: str) -> int | None:
    return fields.whole(name, 0, SERVICE_SIZE_MAX) if fields.has(name) else None


def _kill_task(fields: Fields) -> TaskKillAsked:
    task_id = read_task_id(fields)
    actor, why = read_said(fields)
    is_shrink = fields.truth("shrink", default=False)
    is_minimum_kept = fields.truth("preventMinSizeUpdate", default=False)
    if_version = read_if_version(fields)
    return TaskKillAsked(task_id, actor, why, is_shrink, is_minimum_kept, if_version)


def _set_policy(fields: Fields) -> PolicyAsked:
    values: dict[str, int] = {}
    inside = fields.inner("values")
    if fields.raw("values") == {}:
        fields.fault("values", "is empty", "name at least one policy and its new value")
    for name, value in inside.items(_POLICIES_MAX):
        if name not in NUMBERS:
            inside.fault(name, "is no policy", nearest_name(name, NUMBERS))
            continue
        values[name] = inside.whole(name, 0, POLICY_VALUE_MAX)
        if values[name] == value:
            _check_policy(inside, name, values[name])
    return PolicyAsked(values, *read_said(fields, is_required=True))


def _check_policy(inside: Fields, name: str, value: int) -> None:
    try:
        changed_policy(Policy(), {name: value})
    except ValueError as error:
        inside.fault(name, f"cannot be {value}", str(error))


def _set_rules(fields: Fields) -> RulesAsked:
    return read_set_rules(fields, *read_said(fields, is_required=True))


def _change_rules(fields: Fields) -> RulesChangeAsked:
    return read_change_rules(fields, *read_said(fields, is_required=True))


def _set_host(fields: Fields) -> HostOrdered:
    return read_set_host(fields, *read_said(fields, is_required=True))


def _mark_host(fields: Fields) -> HostMarked:
    return read_mark_host(fields, *read_said(fields, is_required=True))


def _dismiss_leader(fields: Fields) -> LeaderDismissed:
    epoch = fields.whole("epoch", 0, OFFSET_MAX)
    return LeaderDismissed(epoch, *read_said(fields, is_required=True))


def _note_noise(fields: Fields) -> HostNoiseMeasured:
    host_id = HostId(fields.text("hostId", _HOST))
    noise_milli = fields.whole("noiseMilli", 0, NOISE_MAX)
    return HostNoiseMeasured(host_id, noise_milli, *read_said(fields))


def _skip_record(fields: Fields) -> RecordSkipped:
    offset = fields.whole("offset", 0, OFFSET_MAX)
    digest = fields.text("digest", _DIGEST)
    return RecordSkipped(offset, digest, *read_said(fields, is_required=True))


def _forget_orphan(fields: Fields) -> OrphanForgotten:
    task_id = TaskId(fields.text("taskId", _ORPHAN))
    host_id = HostId(fields.text("hostId", _ORPHAN, default=""))
    actor, why = read_said(fields, is_required=True)
    return OrphanForgotten(task_id, actor, why, host_id or None)


def _confirm_finding(fields: Fields) -> FindingConfirmed:
    finding = fields.whole("finding", 0, OFFSET_MAX)
    tasks = fields.whole("tasks", 0, OFFSET_MAX)
    return FindingConfirmed(finding, tasks, *read_said(fields, is_required=True))


def _reject_finding(fields: Fields) -> FindingRejected:
    finding = fields.whole("finding", 0, OFFSET_MAX)
    return FindingRejected(finding, *read_said(fields, is_required=True))


_JOBS: Final[Mapping[str, Reader]] = {
    "PartitionBegan": _partition_began,
    "SubmitJob": _submit,
    "KillJob": _kill_job,
    "ScaleJob": _scale_job,
    "KillTask": _kill_task,
    **JOB_REQUESTS,
    **UPDATE_REQUESTS,
    **DISRUPTION_REQUESTS,
    **SCALING_REQUESTS,
    **BALANCER_REQUESTS,
}
_COMMANDS: Final[Mapping[str, Reader]] = {
    "PartitionBegan": _partition_began,
    "SetPolicy": _set_policy,
    "SetRules": _set_rules,
    "ChangeRules": _change_rules,
    "SetHost": _set_host,
    "MarkHost": _mark_host,
    "DismissLeader": _dismiss_leader,
    "NoteNoise": _note_noise,
    "SkipRecord": _skip_record,
    **METRIC_RECORDS,
    **HEALING_REQUESTS,
    **WEBHOOK_REQUESTS,
    **ALERT_REQUESTS,
    "NoteRegistryHealth": read_registry_health,
    "LabelMember": read_label_member,
    "NoteIncident": read_note_incident,
    **VOLUME_REQUESTS,
    "ForgetOrphan": _forget_orphan,
    "ConfirmFinding": _confirm_finding,
    "RejectFinding": _reject_finding,
    **FLEET_REQUESTS,
}
