"""Records without the values of environment variables and other secrets, for files that leave.

The one thing to know: a masked record folds as the original does, for nothing is decided by an
environment, nor by what a message has behind the name of a secret; but the state's digest is
another. So checkpoints are written anew over the masked state, after the original ones were proven.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from projections.masking import ENVIRONMENT_KEYS, MASK, Masker
from scheduler.machine import Machine
from scheduler.model.codec import encode_record
from scheduler.model.events import CellEvent, CellRecord, Checkpoint, Copied
from scheduler.model.inbound import JobSubmitted
from scheduler.model.job import JobSpec
from scheduler.model.job_requests import JobAttributesAsked, TaskAttributesAsked
from scheduler.model.job_updates import JobUpdateAsked
from scheduler.model.mesos import StatusUpdate, Unrecognised
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.task import Finished, KillInitiated
from scheduler.state import Job, State

SAID_BY_PEOPLE: Final = (JobAttributesAsked, TaskAttributesAsked, Unrecognised)
"""Bodies that hold texts of others, besides jobs and updates."""
Body = TypeVar("Body", bound=msgspec.Struct)


def masked_spec(spec: JobSpec, masker: Masker | None = None) -> JobSpec:
    """The job with the names of its environment and no values, and what else ``masker`` masks."""
    environment = tuple((name, MASK) for name, _ in spec.container.environment)
    if environment == spec.container.environment:
        return _masked_whole(spec, masker)
    masked = replace(spec, container=replace(spec.container, environment=environment))
    return _masked_whole(masked, masker)


def _masked_whole(value: Body, masker: Masker | None) -> Body:
    """The value with all masked in it that stands under or behind a secret name."""
    if masker is None:
        return value
    plain = msgspec.to_builtins(value)
    masked = masker.value(plain)
    return value if masked is plain else msgspec.convert(masked, type(value))


def masked_job(job: Job, masker: Masker | None = None) -> Job:
    """The job with every version of its spec masked."""
    specs = tuple(replace(each, spec=masked_spec(each.spec, masker)) for each in job.specs)
    prior = job.prior and replace(job.prior, spec=masked_spec(job.prior.spec, masker))
    return replace(job, spec=masked_spec(job.spec, masker), specs=specs, prior=prior)


def masked_copy(machine: Machine, masker: Masker | None = None) -> Machine:
    """A copy of the machine that knows its jobs and endings masked, and no digest of before."""
    kept = machine.kept()
    for job_id, job in kept.state.jobs.items():
        kept.state.jobs[job_id] = masked_job(job, masker)
    if masker is not None:
        _mask_endings(kept.state, masker)
    kept.marks.clear()
    return Machine.restored(kept)


def _mask_endings(state: State, masker: Masker) -> None:
    """Mask what hosts said of how tasks ended; nothing is decided by it any more."""
    for task_id, task in state.tasks.items():
        where = task.state
        if isinstance(where, KillInitiated | Finished) and where.message:
            text = masker.text(where.message)
            if text is not where.message:
                state.tasks[task_id] = replace(task, state=replace(where, message=text))
    for host_id, failures in state.host_failures.items():
        state.host_failures[host_id] = replace(
            failures,
            failures=tuple(
                replace(each, text=masker.text(each.text)) for each in failures.failures
            ),
        )


def masked_record(record: CellRecord, masker: Masker | None = None) -> CellRecord:
    """The record with its submissions masked, and with ``masker`` what hosts and people said."""
    events = tuple(_masked(event, masker) for event in record.events)
    if all(now is was for now, was in zip(events, record.events, strict=True)):
        return record
    return replace(record, events=events)


def _masked(event: CellEvent, masker: Masker | None) -> CellEvent:
    if masker is not None and isinstance(event, Copied):
        body = event.body
        if isinstance(body, StatusUpdate):
            text = masker.text(body.message)
            return event if text is body.message else _with(event, replace(body, message=text))
        if isinstance(body, SAID_BY_PEOPLE):
            masked = _masked_whole(body, masker)
            return event if masked is body else _with(event, masked)
    if not (isinstance(event, Copied) and isinstance(event.body, JobSubmitted | JobUpdateAsked)):
        return event
    spec = masked_spec(event.body.spec, masker)
    if spec is event.body.spec:
        return event
    return replace(event, body=replace(event.body, spec=spec))


def _with(event: Copied, body: Any) -> Copied:  # noqa: ANN401 - as the event's own
    return replace(event, body=body)


class MaskedLog:
    """Masks one record after the other, and keeps checkpoints true by folding what it wrote."""

    def __init__(self, machine: Machine, masker: Masker | None = None) -> None:
        """``machine`` stands where the first record is folded, and is masked already."""
        self.machine = machine
        self._masker = masker

    def take(self, offset: int, record: CellRecord) -> bytes:
        """The masked record's bytes."""
        masked = masked_record(record, self._masker)
        events = tuple(self._checked(event) for event in masked.events)
        masked = replace(masked, events=events)
        self.machine.apply(offset, masked)
        return encode_record(masked)

    def _checked(self, event: CellEvent) -> CellEvent:
        """A checkpoint with the digest of the masked state at its mark, and of nothing else."""
        if not isinstance(event, Checkpoint):
            return event
        ours = self.machine.marks.get(event.mark_offset)
        return Checkpoint(
            mark_offset=event.mark_offset,
            digest_version=event.digest_version if ours else 0,
            digest=ours or "",
        )


def masked_json(data: bytes) -> bytes:
    """A foreign record's JSON with its environments masked; empty where it is no JSON.

    What is nested beyond what can be looked into is empty as well, for it could not be masked.
    """
    try:
        return msgspec.json.encode(_masked_value(msgspec.json.decode(data)))
    except BAD_BYTES:
        return b""


def _masked_value(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    if isinstance(value, Mapping):
        return {
            name: _masked_environment(each) if name in ENVIRONMENT_KEYS else _masked_value(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_masked_value(each) for each in value]
    return value


def _masked_environment(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    if isinstance(value, Mapping):
        return dict.fromkeys(value, MASK)
    if isinstance(value, list):
        return [[each[0], MASK] if isinstance(each, list) and each else MASK for each in value]
    return MASK if value else value
