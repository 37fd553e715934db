"""What the outbox asks a connector to do, complete in itself, and what the connector answers.

The one thing to know: an effect is built from an accepted proposal and the fold's state; a
connector only translates and sends it. It never decides, and it never sends an effect twice.
"""

from typing import Literal

import msgspec

from scheduler.model.ids import HostId, JobId, OfferId, ProposalId, StreamId, TaskId
from scheduler.model.job import Container
from scheduler.model.mounts import Mounted
from scheduler.model.resources import Need
from scheduler.model.volumes import AddressAllocation


class TaskToRun(msgspec.Struct, frozen=True):
    """One task of an ACCEPT: what to run, with which resources and ports."""

    task_id: TaskId
    job_id: JobId
    index: int
    need: Need
    ports: tuple[int, ...]
    command: tuple[str, ...]
    """Program and arguments; run without a shell."""
    environment: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    kill_grace_ms: int
    container: Container | None = None
    """All that the job says of it, for connectors that run more than a command."""
    application: str = ""
    """The name under which others look for it."""
    interface: int = -1
    """The network interface that the task has its address on; -1: none."""
    gpus: tuple[int, ...] = ()
    """Which devices of the host it has."""
    volumes: tuple[Mounted, ...] = ()
    address: AddressAllocation | None = None
    """A static one, for hosts that can give it."""


class AcceptOffers(msgspec.Struct, frozen=True, tag=True):
    """Launch tasks on the offers of one host; sent at most once."""

    proposal_id: ProposalId
    host_id: HostId
    offer_ids: tuple[OfferId, ...]
    tasks: tuple[TaskToRun, ...]
    refuse_ms: int


class DeclineOffers(msgspec.Struct, frozen=True, tag=True):
    """Give offers back; the same resources are not offered again for ``refuse_ms``."""

    proposal_id: ProposalId
    offer_ids: tuple[OfferId, ...]
    refuse_ms: int


class AnswerInverseOffers(msgspec.Struct, frozen=True, tag=True):
    """Say whether we leave the hosts of these inverse offers; we are asked again later."""

    proposal_id: ProposalId
    offer_ids: tuple[OfferId, ...]
    is_accepted: bool
    refuse_ms: int


class KillOnHost(msgspec.Struct, frozen=True, tag=True):
    """End a task: SIGTERM, and SIGKILL after the grace."""

    proposal_id: ProposalId
    task_id: TaskId
    host_id: HostId
    kill_grace_ms: int


class AskState(msgspec.Struct, frozen=True, tag=True):
    """Explicit reconciliation: ask the state of these tasks (with the host where it is known)."""

    proposal_id: ProposalId
    tasks: tuple[tuple[TaskId, HostId | None], ...]


class AskAll(msgspec.Struct, frozen=True, tag=True):
    """Implicit reconciliation: ask for all tasks that the master holds for us."""

    proposal_id: ProposalId


class Suppress(msgspec.Struct, frozen=True, tag=True):
    """Ask for no more offers."""

    proposal_id: ProposalId


class Revive(msgspec.Struct, frozen=True, tag=True):
    """Ask for offers again, and lift every earlier refusal."""

    proposal_id: ProposalId


Effect = (
    AcceptOffers
    | DeclineOffers
    | AnswerInverseOffers
    | KillOnHost
    | AskState
    | AskAll
    | Suppress
    | Revive
)
"""Everything that may leave the cell towards Mesos, acknowledgements excepted."""


class Called(msgspec.Struct, frozen=True):
    """How a call ended, as far as we can know.

    ``sent``: the master answered 2xx (parsed and addressed, not done). ``refused``: nothing
    happened, because the master answered 3xx, 4xx or 503, or because nothing was sent.
    ``unknown``: no complete answer came; the call may have been carried out or may yet be, until
    a new stream fences it off.
    """

    fate: Literal["sent", "refused", "unknown"]
    stream_id: StreamId
    detail: str = ""
