"""What Mesos sends, typed: just the fields that we read, each optional unless we cannot go on.

The one thing to know: these are foreign records, so unknown fields are ignored and missing ones
have a neutral value; a value of the wrong type fails its own event (or its own offer) only.
Field names are those of the v1 scheduler API of Apache Mesos 1.11.0.
"""

from typing import Annotated, Any, Final

import msgspec

_INT64_MAX: Final = 2**63 - 1

Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""A resource's scalar; 1e12 is beyond any host and still exact in thousandths."""
Bound = Annotated[int, msgspec.Meta(ge=0, le=_INT64_MAX)]
WaitStatus = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class Text(msgspec.Struct, frozen=True):
    """An id or a text, in Mesos' wrapping ``{"value": ...}``."""

    value: str = ""


class Scalar(msgspec.Struct, frozen=True):
    """A resource's amount."""

    value: Amount = 0.0


class Number(msgspec.Struct, frozen=True):
    """An attribute's number, which may be any."""

    value: float = 0.0


class Range(msgspec.Struct, frozen=True):
    """From ``begin`` to ``end``, both inside."""

    begin: Bound = 0
    end: Bound = 0


class Ranges(msgspec.Struct, frozen=True):
    """Several ranges."""

    range: list[Range] = []


class Words(msgspec.Struct, frozen=True):
    """A set of words."""

    item: list[str] = []


class Attribute(msgspec.Struct, frozen=True):
    """One of a host's attributes; which of the values is set depends on ``type``."""

    name: str
    type: str = "TEXT"
    text: Text | None = None
    scalar: Number | None = None
    ranges: Ranges | None = None
    set: Words | None = None


class Address(msgspec.Struct, frozen=True):
    """Where a host answers HTTP."""

    hostname: str = ""
    ip: str = ""
    port: int = 0


class Url(msgspec.Struct, frozen=True):
    """The address of a host's HTTP endpoint."""

    scheme: str = "http"
    address: Address = Address()


class Resource(msgspec.Struct, frozen=True):
    """A part of an offer; loosely typed is what we only echo, or what forbids its use."""

    name: str
    type: str = "SCALAR"
    scalar: Scalar | None = None
    ranges: Ranges | None = None
    role: str = "*"
    reservation: dict[str, Any] | None = None
    reservations: list[dict[str, Any]] | None = None
    allocation_info: dict[str, Any] | None = None
    disk: object = None
    revocable: object = None
    shared: object = None
    provider_id: object = None


class Nanoseconds(msgspec.Struct, frozen=True):
    """A time or a duration."""

    nanoseconds: Annotated[int, msgspec.Meta(ge=-_INT64_MAX, le=_INT64_MAX)] = 0


class Unavailability(msgspec.Struct, frozen=True):
    """When an operator will take the host away, and for how long (absent: for good)."""

    start: Nanoseconds
    duration: Nanoseconds | None = None


class Named(msgspec.Struct, frozen=True):
    """A region or a zone."""

    name: str = ""


class FaultDomain(msgspec.Struct, frozen=True):
    """Where the host stands."""

    region: Named | None = None
    zone: Named | None = None


class Domain(msgspec.Struct, frozen=True):
    """What the host's agent was told of its place."""

    fault_domain: FaultDomain | None = None


class WireOffer(msgspec.Struct, frozen=True):
    """Resources of one host on offer."""

    id: Text
    agent_id: Text
    hostname: str = ""
    url: Url | None = None
    resources: list[Resource] = []
    attributes: list[Attribute] | None = None
    unavailability: Unavailability | None = None
    domain: Domain | None = None


class IpAddress(msgspec.Struct, frozen=True):
    """One address of a container."""

    ip_address: str = ""


class NetworkInfo(msgspec.Struct, frozen=True):
    """One network of a container."""

    ip_addresses: list[IpAddress] | None = None


class ContainerStatus(msgspec.Struct, frozen=True):
    """What the agent knows of a task's container."""

    network_infos: list[NetworkInfo] | None = None


class TaskStatus(msgspec.Struct, frozen=True):
    """What Mesos says of a task. ``reason`` absent is something else than reason 0."""

    task_id: Text
    state: str
    agent_id: Text | None = None
    source: str | None = None
    reason: str | None = None
    message: str | None = None
    uuid: str | None = None
    timestamp: float | None = None
    healthy: bool | None = None
    container_status: ContainerStatus | None = None


class SubscribedEvent(msgspec.Struct, frozen=True):
    """The stream is open."""

    framework_id: Text
    heartbeat_interval_seconds: float | None = None


class OffersEvent(msgspec.Struct, frozen=True):
    """Offers, each decoded on its own so that a strange one does not hide the others."""

    offers: list[msgspec.Raw] = []


class WireInverseOffer(msgspec.Struct, frozen=True):
    """An operator wants a host back, from some time on."""

    id: Text
    agent_id: Text
    unavailability: Unavailability


class InverseOffersEvent(msgspec.Struct, frozen=True):
    """Inverse offers, each decoded on its own."""

    inverse_offers: list[msgspec.Raw] = []


class RescindInverseEvent(msgspec.Struct, frozen=True):
    """An inverse offer is taken back."""

    inverse_offer_id: Text


class RescindEvent(msgspec.Struct, frozen=True):
    """An offer is taken back."""

    offer_id: Text


class UpdateEvent(msgspec.Struct, frozen=True):
    """A task's state."""

    status: TaskStatus


class FailureEvent(msgspec.Struct, frozen=True):
    """A host was removed, or an executor ended."""

    agent_id: Text | None = None
    executor_id: Text | None = None
    status: WaitStatus | None = None


class ErrorEvent(msgspec.Struct, frozen=True):
    """The stream is over."""

    message: str = ""


class Event(msgspec.Struct, frozen=True):
    """Any event; the field named like the type, in lower case, holds what it says."""

    type: str = ""
    subscribed: SubscribedEvent | None = None
    offers: OffersEvent | None = None
    rescind: RescindEvent | None = None
    inverse_offers: InverseOffersEvent | None = None
    rescind_inverse_offer: RescindInverseEvent | None = None
    update: UpdateEvent | None = None
    failure: FailureEvent | None = None
    error: ErrorEvent | None = None


class LooseEvent(msgspec.Struct, frozen=True):
    """An event that did not fit: its type and its update, whatever they are."""

    type: object = None
    update: object = None


EVENTS: Final = msgspec.json.Decoder(Event)
LOOSE_EVENTS: Final = msgspec.json.Decoder(LooseEvent)
OFFERS: Final = msgspec.json.Decoder(WireOffer)
INVERSE_OFFERS: Final = msgspec.json.Decoder(WireInverseOffer)
