"""Requests about jobs and tasks that live, read from records of topic ``jobs``, and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in; each encoder stands beside
the reader of what it writes. A record's key is the job's id, of a move the source job's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from scheduler.model.ids import JobId, TaskId
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    JobRequest,
    TaskAttributesAsked,
    TaskMoveAsked,
)
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import (
    read_if_version,
    read_job_id,
    read_said,
    read_task_id,
)
from scheduler.model.v3 import limits
from scheduler.model.v3.container import read_attributes, refuse_our_attributes

_NAME: Final = name_check(limits.ATTRIBUTE_NAME_BYTES_MAX)


def _set_processes(fields: Fields) -> JobProcessesAsked:
    job_id = read_job_id(fields)
    up = _switch(fields, "disableIncreaseDesired")
    down = _switch(fields, "disableDecreaseDesired")
    if up is None and down is None:
        text = "is missing, and so is disableDecreaseDesired"
        fields.fault("disableIncreaseDesired", text, "give at least one")
    actor, why = read_said(fields)
    return JobProcessesAsked(job_id, up, down, actor, why, read_if_version(fields))


def _switch(fields: Fields, name: str) -> bool | None:
    return fields.truth(name, default=False) if fields.has(name) else None


def _set_enabled(fields: Fields) -> JobEnabledAsked:
    job_id = read_job_id(fields)
    if not fields.has("enabled"):
        fields.fault("enabled", "is missing", "it is required, true or false")
    is_enabled = fields.truth("enabled", default=True)
    return JobEnabledAsked(job_id, is_enabled, *read_said(fields), read_if_version(fields))


def _job_attributes(fields: Fields) -> JobAttributesAsked:
    job_id = read_job_id(fields)
    attributes, removed = _attributes(fields)
    said = read_said(fields)
    return JobAttributesAsked(job_id, attributes, removed, *said, read_if_version(fields))


def _task_attributes(fields: Fields) -> TaskAttributesAsked:
    task_id = read_task_id(fields)
    attributes, removed = _attributes(fields)
    said = read_said(fields)
    return TaskAttributesAsked(task_id, attributes, removed, *said, read_if_version(fields))


def _attributes(fields: Fields) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """What is set, but nothing that only the control plane may write, and what is removed."""
    set_to = read_attributes(fields)
    refuse_our_attributes(fields)
    removed = fields.texts("removed", _NAME, limits.ATTRIBUTES_MAX, limits.ATTRIBUTES_BYTES_MAX)
    if not fields.raw("attributes") and not fields.raw("removed"):
        text = "is missing or empty, and so is removed"
        fields.fault("attributes", text, "name at least one attribute")
    for name in sorted({name for name, _ in set_to} & set(removed)):
        fields.fault_below("attributes", name, "is removed as well", "decide for one")
    return set_to, tuple(sorted(set(removed)))


def _move_task(fields: Fields) -> TaskMoveAsked:
    task_id = read_task_id(fields)
    source, target = read_job_id(fields, "sourceJobId"), read_job_id(fields, "targetJobId")
    return TaskMoveAsked(task_id, source, target, *read_said(fields), read_if_version(fields))


JOB_REQUESTS: Final[Mapping[str, Callable[[Fields], JobRequest]]] = {
    "SetJobProcesses": _set_processes,
    "SetJobEnabled": _set_enabled,
    "UpdateJobAttributes": _job_attributes,
    "UpdateTaskAttributes": _task_attributes,
    "MoveTask": _move_task,
}


def encode_set_job_processes(
    job_id: JobId,
    *,
    is_increase_disabled: bool | None = None,
    is_decrease_disabled: bool | None = None,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that stops or lets go on what changes a service's desired size; None leaves it."""
    switches = {
        "disableIncreaseDesired": is_increase_disabled,
        "disableDecreaseDesired": is_decrease_disabled,
    }
    record = {"type": "SetJobProcesses", "jobId": job_id, **_given(switches)}
    return _encoded(record, actor, why, if_version)


def encode_set_job_enabled(
    job_id: JobId,
    *,
    is_enabled: bool,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that takes a service in or out of service."""
    record = {"type": "SetJobEnabled", "jobId": job_id, "enabled": is_enabled}
    return _encoded(record, actor, why, if_version)


def encode_update_job_attributes(
    job_id: JobId,
    attributes: Mapping[str, str],
    removed: Sequence[str] = (),
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that sets attributes of a job and removes others."""
    subject = {"type": "UpdateJobAttributes", "jobId": job_id}
    return _encoded(_with_attributes(subject, attributes, removed), actor, why, if_version)


def encode_update_task_attributes(
    task_id: TaskId,
    attributes: Mapping[str, str],
    removed: Sequence[str] = (),
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that sets attributes of a task and removes others."""
    subject = {"type": "UpdateTaskAttributes", "taskId": task_id}
    return _encoded(_with_attributes(subject, attributes, removed), actor, why, if_version)


def encode_move_task(
    task_id: TaskId,
    source_job_id: JobId,
    target_job_id: JobId,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that moves a started task to another service."""
    record = {
        "type": "MoveTask",
        "taskId": task_id,
        "sourceJobId": source_job_id,
        "targetJobId": target_job_id,
    }
    return _encoded(record, actor, why, if_version)


def _with_attributes(
    subject: Mapping[str, object], attributes: Mapping[str, str], removed: Sequence[str]
) -> dict[str, object]:
    return {**subject, "attributes": dict(attributes), "removed": list(removed)}


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _encoded(record: Mapping[str, object], actor: str, why: str, if_version: int | None) -> bytes:
    version = _given({"ifVersion": if_version})
    return msgspec.json.encode({**record, **version, "actor": actor, "why": why})
