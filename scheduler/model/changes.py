"""What the fold says has changed: facts derived from the log, for people and for producers.

The one thing to know: changes are not in the cell log, because they follow from it. Every reader
that folds the same log gets the same changes at the same addresses; the leader also publishes
them to topic ``job-events``, at least once, with the address as their id.
"""

from scheduler.model.address import Source
from scheduler.model.base import Ours
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId
from scheduler.model.inbound import Fault


class JobAccepted(Ours, frozen=True):
    """A submission became a job; also the answer to the same submission sent again."""

    job_id: JobId
    source: Source
    is_repeated: bool = False


class JobRejected(Ours, frozen=True):
    """A record of topic ``jobs`` or ``commands`` was refused, with every reason."""

    source: Source
    faults: tuple[Fault, ...]
    job_id: JobId | None = None


class RequestAccepted(Ours, frozen=True):
    """A scale, kill or operator's request was taken."""

    source: Source
    what: str
    job_id: JobId | None = None


class JobChanged(Ours, frozen=True):
    """A job entered a state (Accepted, KillInitiated, Finished), or changed its size."""

    job_id: JobId
    state: str
    reason: str = ""
    message: str = ""
    desired: int | None = None


class TaskChanged(Ours, frozen=True):
    """A task entered a state of Titus' life cycle, with the reason."""

    job_id: JobId
    task_id: TaskId
    state: str
    """Accepted, Launched, StartInitiated, Started, Disconnected, KillInitiated or Finished."""
    step: str
    """Our own finer word for what happened, such as ``placed`` or ``effect started``."""
    reason: str = ""
    message: str = ""
    host_id: HostId | None = None
    hostname: str = ""
    observed_at_ms: int = 0


class ProposalRefused(Ours, frozen=True):
    """The fold refused a proposal at its place; nothing of it is carried out."""

    proposal_id: ProposalId
    kind: str
    why: str


class OrphanSeen(Ours, frozen=True):
    """A task runs that the log does not know; it is shown and never killed."""

    task_id: TaskId
    host_id: HostId | None
    state: str


class OrphanGone(Ours, frozen=True):
    """An orphan ended, or an operator has dealt with it."""

    task_id: TaskId
    why: str


class TimeGapped(Ours, frozen=True):
    """The log's clock jumped by more than a minute; time-outs that judge began anew."""

    from_ms: int
    to_ms: int


class CellPaged(Ours, frozen=True):
    """Something that an operator must look at."""

    what: str
    why: str


Change = (
    JobAccepted
    | JobRejected
    | RequestAccepted
    | JobChanged
    | TaskChanged
    | ProposalRefused
    | OrphanSeen
    | OrphanGone
    | TimeGapped
    | CellPaged
)
"""All that the fold can report."""
