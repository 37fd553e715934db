"""What every request of a producer or operator says besides its subject: who, why, which version.

The one thing to know: readers of all kinds of requests share these, so that a field has one name,
one limit and one text wherever it stands.
"""

from typing import Final

from scheduler.model.ids import JobId, TaskId
from scheduler.model.reading.checks import job_id_check, name_check, task_id_check, words_check
from scheduler.model.reading.fields import Fields

ACTOR_BYTES_MAX: Final = 255
WHY_BYTES_MAX: Final = 1_000
VERSION_MAX: Final = 2**53
"""Exact in any reader of JSON, doubles included."""
_ACTOR: Final = name_check(ACTOR_BYTES_MAX)
_WHY: Final = name_check(WHY_BYTES_MAX)
_WHY_OR_NONE: Final = words_check(WHY_BYTES_MAX)


def read_job_id(fields: Fields, name: str = "jobId") -> JobId:
    """The id of a job."""
    return JobId(fields.text(name, job_id_check))


def read_task_id(fields: Fields, name: str = "taskId") -> TaskId:
    """The id of a task that we started."""
    return TaskId(fields.text(name, task_id_check))


def read_actor(fields: Fields) -> str:
    """Who asks, where that need not be said."""
    return fields.text("actor", _ACTOR, default="")


def read_said(fields: Fields, *, is_required: bool = False) -> tuple[str, str]:
    """Who asks, and why."""
    if is_required:
        return fields.text("actor", _ACTOR), fields.text("why", _WHY)
    return read_actor(fields), fields.text("why", _WHY_OR_NONE, default="")


def read_if_version(fields: Fields) -> int | None:
    """The version that the request is meant for; None where it is for any."""
    if not fields.has("ifVersion"):
        return None
    return fields.whole("ifVersion", 1, VERSION_MAX)
