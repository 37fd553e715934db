"""Requests about disruption, read from records of topic ``jobs``, and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in; each encoder stands beside
the reader of what it writes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scheduler.model.disruption import DisruptionRequest, JobBudgetAsked, TaskEvictionAsked
from scheduler.model.ids import JobId, TaskId
from scheduler.model.reading.checks import words_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import (
    WHY_BYTES_MAX,
    read_actor,
    read_if_version,
    read_job_id,
    read_said,
    read_task_id,
)
from scheduler.model.v3.disruption import read_budget

_REASON: Final = words_check(WHY_BYTES_MAX)


def _set_budget(fields: Fields) -> JobBudgetAsked:
    job_id = read_job_id(fields)
    if not fields.has("disruptionBudget"):
        hint = "it is required, an object; {} takes the job's own budget away"
        fields.fault("disruptionBudget", "is missing", hint)
    budget = read_budget(fields)
    return JobBudgetAsked(job_id, budget, *read_said(fields), read_if_version(fields))


def _evict_task(fields: Fields) -> TaskEvictionAsked:
    task_id = read_task_id(fields)
    reason = fields.text("reason", _REASON, default="")
    return TaskEvictionAsked(task_id, reason, read_actor(fields))


DISRUPTION_REQUESTS: Final[Mapping[str, Callable[[Fields], DisruptionRequest]]] = {
    "SetDisruptionBudget": _set_budget,
    "EvictTask": _evict_task,
}
"""The reader of each type of record."""


def encode_set_budget(
    job_id: JobId,
    budget: Mapping[str, Any],
    actor: str = "",
    why: str = "",
    *,
    if_version: int | None = None,
) -> bytes:
    """The value that gives a job another budget; ``budget`` is a v3 budget's JSON value."""
    record: dict[str, object] = {
        "type": "SetDisruptionBudget",
        "jobId": job_id,
        "disruptionBudget": budget,
        "actor": actor,
        "why": why,
    }
    if if_version is not None:
        record["ifVersion"] = if_version
    return msgspec.json.encode(record)


def encode_evict_task(task_id: TaskId, reason: str = "", actor: str = "") -> bytes:
    """The value that asks for a task's eviction."""
    record = {"type": "EvictTask", "taskId": task_id, "reason": reason, "actor": actor}
    return msgspec.json.encode(record)
