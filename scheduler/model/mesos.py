"""What topic ``mesos`` holds: the Mesos event stream in our own words, in stream order.

The one thing to know: every record names the stream it was heard on. Offers are true only on the
stream they came by; a status update with a uuid is true whichever stream brought it.
Facts and words: the v1 scheduler API of Apache Mesos 1.11.0.
"""

from typing import Literal

from scheduler.model.base import Ours
from scheduler.model.ids import HostId, OfferId, StreamId, TaskId
from scheduler.model.resources import Resources

MesosTaskState = Literal[
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_FAILED",
    "TASK_KILLED",
    "TASK_ERROR",
    "TASK_LOST",
    "TASK_DROPPED",
    "TASK_UNREACHABLE",
    "TASK_GONE",
    "TASK_GONE_BY_OPERATOR",
    "TASK_UNKNOWN",
]


class HostFacts(Ours, frozen=True):
    """What does not change from offer to offer: the host's name, its address, its attributes."""

    hostname: str
    url: str = ""
    """``scheme://address:port`` of the host's own HTTP endpoint (sandbox files), or empty."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Name and value as text, sorted by name."""


class Offer(Ours, frozen=True):
    """Resources of one host, held for us until used, declined, rescinded or voided."""

    offer_id: OfferId
    host_id: HostId
    resources: Resources
    facts: HostFacts | None = None
    """Always there in topic ``mesos``; in the cell log only where they are new or changed."""


class Subscribed(Ours, frozen=True):
    """A new stream is open; every offer of an earlier stream is void from here on."""

    stream_id: StreamId
    framework_id: str
    epoch: int
    """The epoch of the leader that subscribed."""
    heartbeat_interval_ms: int
    master: str = ""
    """``host:port`` of the leading master."""


class OffersReceived(Ours, frozen=True):
    """The master made offers on this stream."""

    stream_id: StreamId
    offers: tuple[Offer, ...]


class OfferRescinded(Ours, frozen=True):
    """The master took an offer back."""

    stream_id: StreamId
    offer_id: OfferId


class InverseOffer(Ours, frozen=True, tag=False):
    """The master asks us to leave a host before an operator takes it away."""

    offer_id: OfferId
    """Of the inverse offer; Mesos numbers both kinds together."""
    host_id: HostId
    from_ms: int
    """When the host goes away, by the operator's clock."""
    for_ms: int | None = None
    """For how long; None: for good."""


class InverseOffersReceived(Ours, frozen=True):
    """The master made inverse offers on this stream; each is answered once, or taken back."""

    stream_id: StreamId
    offers: tuple[InverseOffer, ...]


class InverseOfferRescinded(Ours, frozen=True):
    """The master took an inverse offer back that was not answered."""

    stream_id: StreamId
    offer_id: OfferId


class StatusUpdate(Ours, frozen=True):
    """What Mesos says of one task.

    ``uuid`` is empty on answers that the master makes itself (reconciliation, launch errors,
    unreachable hosts); with a uuid the update is repeated until we acknowledge it.
    """

    stream_id: StreamId
    task_id: TaskId
    state: MesosTaskState
    host_id: HostId | None = None
    source: str = ""
    reason: str = ""
    message: str = ""
    uuid: str = ""
    observed_at_ms: int = 0
    """The time that Mesos wrote into it; data, never a clock."""
    is_healthy: bool | None = None
    container_ip: str = ""

    @property
    def is_reconciliation(self) -> bool:
        """Whether this only answers a question of ours about the task's state."""
        return self.reason == "REASON_RECONCILIATION"


class HostFailed(Ours, frozen=True):
    """Mesos removed a host (no executor named), or an executor ended."""

    stream_id: StreamId
    host_id: HostId | None = None
    executor_id: str = ""
    status: int | None = None
    """Raw wait status of an executor: exit code 7 is 1792."""


class StreamEnded(Ours, frozen=True):
    """The stream is over: closed by the master, an ERROR event, silence, or by ourselves."""

    stream_id: StreamId
    why: str
    is_fatal: bool = False
    """True where the framework id is burnt: the cell stops and pages."""


class Unrecognised(Ours, frozen=True):
    """An event or an enum value that this build does not know, kept as it came.

    Where it is a task's update (of an unknown state, or with a field of another kind), the task is
    named: the cell asks for it again, and Mesos holds back its later updates until we acknowledge.
    """

    stream_id: StreamId
    raw: str
    """The event's JSON, cut at 64 KiB."""
    task_id: TaskId | None = None
    host_id: HostId | None = None
    state: str = ""
    uuid: str = ""


MesosRecord = (
    Subscribed
    | OffersReceived
    | OfferRescinded
    | InverseOffersReceived
    | InverseOfferRescinded
    | StatusUpdate
    | HostFailed
    | StreamEnded
    | Unrecognised
)
"""All that the Mesos connector may write to topic ``mesos``."""
