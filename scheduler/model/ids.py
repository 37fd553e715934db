"""The names of things: one type for each, so that a job's id never stands where a task's belongs.

The one thing to know: nothing here makes a new id from chance or a clock. A submitter names the
job; everything else is derived from that name or from an address in the cell log.
"""

import re
from typing import Final, NewType

CellName = NewType("CellName", str)
CellUuid = NewType("CellUuid", str)
Generation = NewType("Generation", str)
"""Eight hexadecimal digits that name one incarnation of a topic partition."""

JobId = NewType("JobId", str)
TaskId = NewType("TaskId", str)
HostId = NewType("HostId", str)
"""Mesos' agent id; it stays the same while the agent keeps its meta directory."""
OfferId = NewType("OfferId", str)
StreamId = NewType("StreamId", str)
ProposalId = NewType("ProposalId", str)
"""The address of the proposal inside its generation: ``offset.index``."""

JOB_ID_CHARACTERS_MAX: Final = 64
_JOB_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_WORKER: Final = "-worker-"
_TASK_ID: Final = re.compile(rf"(?P<job>.+){_WORKER}[0-9]{{1,9}}-[0-9]{{1,18}}")


def job_id_fault(text: str) -> str | None:
    """Why ``text`` cannot be a job's id, or None if it can.

    A job's id becomes a part of task ids, sandbox paths and URLs, so it is kept to letters,
    digits, ``.``, ``_`` and ``-``. ``-worker-`` inside would make task ids ambiguous.
    """
    if not text:
        return "is empty"
    if len(text) > JOB_ID_CHARACTERS_MAX:
        return f"is longer than {JOB_ID_CHARACTERS_MAX} characters"
    if not _JOB_ID.fullmatch(text):
        return "may hold only letters, digits, '.', '_' and '-', and must begin and end with one"
    if _WORKER in text:
        return "must not contain '-worker-'"
    return None


def task_id_of(job_id: JobId, index: int, number: int) -> TaskId:
    """The stable name of a task: ``JOB-worker-INDEX-NUMBER``.

    ``index`` is the task's place in its job (from 0); ``number`` counts the starts of the whole
    job, so a replacement keeps the index and gets a new number. It begins at 1, except where jobs
    were forgotten since: then above what they used, so that a task id is never used twice.
    """
    return TaskId(f"{job_id}{_WORKER}{index}-{number}")


def worker_name_of(job_id: JobId, index: int) -> str:
    """The name of an index of a job, ``JOB-worker-INDEX``, which stays whatever runs there."""
    return f"{job_id}{_WORKER}{index}"


def job_id_of(task_id: TaskId) -> JobId | None:
    """The job that a task id belongs to, or None if the text is no task id of ours."""
    found = _TASK_ID.fullmatch(task_id)
    if found is None or job_id_fault(found["job"]):
        return None
    return JobId(found["job"])


def proposal_id_of(offset: int, index: int) -> ProposalId:
    """The id of the proposal that stands at ``offset``, ``index`` of the cell log."""
    return ProposalId(f"{offset}.{index}")
