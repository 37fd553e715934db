"""Records without the values of environment variables, for files that leave the installation.

The one thing to know: a masked record folds as the original does, for nothing is decided by an
environment; but the state's digest is another. So checkpoints are written anew over the masked
state, after the original ones were proven.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from projections.masking import ENVIRONMENT_KEYS, MASK
from scheduler.machine import Machine
from scheduler.model.codec import encode_record
from scheduler.model.events import CellEvent, CellRecord, Checkpoint, Copied
from scheduler.model.inbound import JobSubmitted
from scheduler.model.job import JobSpec
from scheduler.model.job_updates import JobUpdateAsked
from scheduler.state import Job


def masked_spec(spec: JobSpec) -> JobSpec:
    """The job with the names of its environment and no values."""
    environment = tuple((name, MASK) for name, _ in spec.container.environment)
    if environment == spec.container.environment:
        return spec
    return replace(spec, container=replace(spec.container, environment=environment))


def masked_job(job: Job) -> Job:
    """The job with every version of its spec masked."""
    specs = tuple(replace(each, spec=masked_spec(each.spec)) for each in job.specs)
    prior = job.prior and replace(job.prior, spec=masked_spec(job.prior.spec))
    return replace(job, spec=masked_spec(job.spec), specs=specs, prior=prior)


def masked_copy(machine: Machine) -> Machine:
    """A copy of the machine that knows its jobs masked, and no digest of before."""
    kept = machine.kept()
    for job_id, job in kept.state.jobs.items():
        kept.state.jobs[job_id] = masked_job(job)
    kept.marks.clear()
    return Machine.restored(kept)


def masked_record(record: CellRecord) -> CellRecord:
    """The record with its submissions masked."""
    events = tuple(_masked(event) for event in record.events)
    if all(now is was for now, was in zip(events, record.events, strict=True)):
        return record
    return replace(record, events=events)


def _masked(event: CellEvent) -> CellEvent:
    if not (isinstance(event, Copied) and isinstance(event.body, JobSubmitted | JobUpdateAsked)):
        return event
    spec = masked_spec(event.body.spec)
    if spec is event.body.spec:
        return event
    return replace(event, body=replace(event.body, spec=spec))


class MaskedLog:
    """Masks one record after the other, and keeps checkpoints true by folding what it wrote."""

    def __init__(self, machine: Machine) -> None:
        """``machine`` stands where the first record is folded, and is masked already."""
        self.machine = machine

    def take(self, offset: int, record: CellRecord) -> bytes:
        """The masked record's bytes."""
        masked = masked_record(record)
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
    """A foreign record's JSON with its environments masked; empty where it is no JSON."""
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return b""
    return msgspec.json.encode(_masked_value(value))


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
