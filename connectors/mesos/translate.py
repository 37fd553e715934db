"""From Mesos' events to our records: pure, one event at a time.

The one thing to know: nothing foreign raises here except a record that is no JSON at all. What
this build does not know (an event's type, a task's state, a field of the wrong kind) becomes
``Unrecognised`` with its text, so that it stands in the log and harms nobody.
"""

import json
import math
from collections.abc import Iterator
from typing import Final, get_args

import msgspec

from connectors.mesos import wire
from connectors.mesos.limitation import with_limitation
from connectors.mesos.reserved import Part, usable
from scheduler.model.ids import HostId, OfferId, StreamId, TaskId
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    MesosRecord,
    MesosTaskState,
    Offer,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
    Unrecognised,
)

RAW_BYTES_MAX: Final = 64 * 1024
MESSAGE_CHARACTERS_MAX: Final = 4096
WORD_CHARACTERS_MAX: Final = 8192
"""Of any id or word of Mesos'. Together they stay below what a Kafka record may hold (1 MiB)."""
ID_CHARACTERS_MAX: Final = 255
"""Of an id in a list: Mesos itself allows a file's name."""
INVERSE_OFFERS_MAX: Final = 1_000
"""Of one record: with ids of that length half a MiB."""
NANOSECONDS_IN_MS: Final = 1_000_000
OFFER_JSON_BYTES_MAX: Final = 512 * 1024
"""Of one offer; attributes and port ranges of a real host come to some kilobytes."""
OFFERS_JSON_BYTES_MAX: Final = 256 * 1024
"""Of the offers of one ``OffersReceived``; Mesos' JSON is longer than ours, and a Kafka record
may be 1 MiB. The offers of 7,000 hosts come in one event of about 9 MB."""

HEARTBEAT_MS: Final = 15_000
"""Mesos' own interval, where the master names none that makes sense."""
HEARTBEAT_MS_MAX: Final = 300_000
OBSERVED_S_MAX: Final = 1e11
"""About the year 5138; a timestamp beyond is a mistake, and counts as absent."""

BURNT_ID: Final = "Framework has been removed"
"""What a master of 1.11.0 says to an id that was torn down or was away for longer than
``failover_timeout``; it never takes that id again, until the master itself is replaced."""

_TASK_STATES: Final[dict[str, MesosTaskState]] = {each: each for each in get_args(MesosTaskState)}


class MalformedRecordError(ValueError):
    """A record of the stream is no JSON object; the stream cannot be trusted any more."""


class StreamIdentity(msgspec.Struct, frozen=True):
    """Which stream events are heard on."""

    stream_id: StreamId
    epoch: int
    master: str
    """``host:port`` of the master at its other end."""


class Heard(msgspec.Struct, frozen=True):
    """What one event says: records in order, none for a heartbeat."""

    records: tuple[MesosRecord, ...]
    reserved: tuple[tuple[OfferId, tuple[Part, ...]], ...] = ()
    """The offers that hold reserved resources, and which."""


def heard(raw: bytes, stream: StreamIdentity) -> Heard:
    """What the event ``raw`` says on ``stream``. Raises MalformedRecordError if it is no JSON."""
    try:
        event = _decoded(raw)
    except (msgspec.ValidationError, RecursionError):
        return Heard((_unrecognised(raw, stream),))
    if event.type == "HEARTBEAT":
        return Heard(())
    if event.type == "OFFERS" and event.offers is not None:
        return _offers(event.offers.offers, stream)
    if event.type == "INVERSE_OFFERS" and event.inverse_offers is not None:
        return Heard(tuple(_inverse_offers(event.inverse_offers.inverse_offers, stream)))
    record = _single(event, stream)
    if record is None or not _is_bounded(record):
        record = _unrecognised(raw, stream)
    return Heard((record,))


def _decoded(raw: bytes) -> wire.Event:
    """The event; ValidationError where it does not fit, MalformedRecordError if it is no JSON."""
    try:
        return wire.EVENTS.decode(raw)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        # Mesos copies a task's texts as they are, and a task may write what is no UTF-8.
        try:
            return wire.EVENTS.decode(_mended(raw))
        except ValueError as again:
            if isinstance(again, msgspec.ValidationError):
                raise
            raise MalformedRecordError(_malformed(raw, fault)) from again


def _mended(raw: bytes) -> bytes:
    """The record as strict JSON, where it is JSON by looser rules; ValueError where it is none.

    What is no text becomes "?" or U+FFFD, NaN and Infinity become null: one strange value must not
    cost the stream, for it would come again on the next one.
    """
    loose = json.loads(
        raw.decode("utf-8", errors="replace"), parse_constant=_finite, parse_float=_finite
    )
    text = json.dumps(loose, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace")


def _finite(text: str) -> float | None:
    """The number, or None where it is none or beyond what a float holds."""
    number = float(text)
    return number if math.isfinite(number) else None


def _is_bounded(record: MesosRecord) -> bool:
    """Whether no word of the record is longer than a record should carry."""
    words = (each for each in msgspec.structs.astuple(record) if isinstance(each, str))
    return all(len(each) <= WORD_CHARACTERS_MAX for each in words)


def _malformed(raw: bytes, fault: Exception) -> str:
    """The sentence for a record that is no JSON."""
    return f"a record of {len(raw)} bytes is no JSON ({fault}); it begins with {raw[:80]!r}"


def _single(event: wire.Event, stream: StreamIdentity) -> MesosRecord | None:
    """The one record of any event but OFFERS, or None if we do not know the event."""
    if event.type == "UPDATE" and event.update is not None:
        return _status_update(event.update.status, stream)
    if event.type == "RESCIND" and event.rescind is not None:
        return OfferRescinded(stream.stream_id, OfferId(event.rescind.offer_id.value))
    if event.type == "RESCIND_INVERSE_OFFER" and event.rescind_inverse_offer is not None:
        offer_id = OfferId(event.rescind_inverse_offer.inverse_offer_id.value)
        # Without an id it says nothing that could be done; it is kept like what is not known.
        return InverseOfferRescinded(stream.stream_id, offer_id) if offer_id else None
    if event.type == "FAILURE" and event.failure is not None:
        return _failure(event.failure, stream)
    if event.type == "SUBSCRIBED" and event.subscribed is not None:
        return _subscribed(event.subscribed, stream)
    if event.type == "ERROR":
        said = event.error.message if event.error is not None else ""
        return StreamEnded(
            stream.stream_id,
            why=f"the master ended the stream: {_cut(said) or 'it gave no reason'}",
            is_fatal=said.strip().startswith(BURNT_ID),
        )
    return None


def _subscribed(event: wire.SubscribedEvent, stream: StreamIdentity) -> Subscribed:
    """The record of an open stream."""
    seconds = event.heartbeat_interval_seconds or 0.0
    return Subscribed(
        stream.stream_id,
        event.framework_id.value,
        stream.epoch,
        round(seconds * 1000) if 0.001 <= seconds <= HEARTBEAT_MS_MAX / 1000 else HEARTBEAT_MS,
        stream.master,
    )


def _status_update(status: wire.TaskStatus, stream: StreamIdentity) -> StatusUpdate | None:
    """The record of a task's state, or None if the state is unknown to us."""
    state = _TASK_STATES.get(status.state)
    if state is None or not status.task_id.value:
        return None
    return StatusUpdate(
        stream.stream_id,
        TaskId(status.task_id.value),
        state,
        host_id=HostId(status.agent_id.value) if status.agent_id is not None else None,
        source=status.source or "",
        reason=status.reason or "",
        message=_cut(with_limitation(status.reason or "", status.message or "")),
        uuid=status.uuid or "",
        observed_at_ms=_milliseconds(status.timestamp),
        is_healthy=status.healthy,
        container_ip=_container_ip(status.container_status),
    )


def _milliseconds(seconds: float | None) -> int:
    """Mesos' time in whole milliseconds; 0 where it is absent or absurd."""
    if seconds is None or not 0 < seconds < OBSERVED_S_MAX:
        return 0
    return round(seconds * 1000)


def _container_ip(status: wire.ContainerStatus | None) -> str:
    """The first address of the container, or empty."""
    networks = (status.network_infos if status is not None else None) or []
    addresses = [each for network in networks for each in network.ip_addresses or []]
    return addresses[0].ip_address if addresses else ""


def _failure(event: wire.FailureEvent, stream: StreamIdentity) -> HostFailed:
    """The record of a removed host or an ended executor."""
    return HostFailed(
        stream.stream_id,
        host_id=HostId(event.agent_id.value) if event.agent_id is not None else None,
        executor_id=event.executor_id.value if event.executor_id is not None else "",
        status=event.status,
    )


def _offers(raws: list[msgspec.Raw], stream: StreamIdentity) -> Heard:
    """The offers in bounded records; one that does not fit is told apart from the others."""
    records: list[MesosRecord] = []
    reserved: list[tuple[OfferId, tuple[Part, ...]]] = []
    batch: list[Offer] = []
    batch_bytes = 0
    for raw in raws:
        size = len(bytes(raw))
        if size > OFFER_JSON_BYTES_MAX:
            records.append(_unrecognised(bytes(raw), stream))
            continue
        if batch and batch_bytes + size > OFFERS_JSON_BYTES_MAX:
            records.append(OffersReceived(stream.stream_id, tuple(batch)))
            batch, batch_bytes = [], 0
        try:
            offer, parts = _offer(_decoded_offer(bytes(raw)))
        except (ValueError, RecursionError):
            records.append(_unrecognised(bytes(raw), stream))
            continue
        batch.append(offer)
        batch_bytes += size
        if parts:
            reserved.append((offer.offer_id, parts))
    if batch:
        records.append(OffersReceived(stream.stream_id, tuple(batch)))
    return Heard(tuple(records), tuple(reserved))


def _inverse_offers(raws: list[msgspec.Raw], stream: StreamIdentity) -> Iterator[MesosRecord]:
    """The inverse offers in bounded records; one that does not fit costs only itself."""
    found: list[InverseOffer] = []
    for raw in raws:
        try:
            said = wire.INVERSE_OFFERS.decode(bytes(raw))
            offer = _inverse_offer(said)
        except (ValueError, RecursionError):
            yield _unrecognised(bytes(raw), stream)
            continue
        found.append(offer)
    for begin in range(0, len(found), INVERSE_OFFERS_MAX):
        some = tuple(found[begin : begin + INVERSE_OFFERS_MAX])
        yield InverseOffersReceived(stream.stream_id, some)


def _inverse_offer(said: wire.WireInverseOffer) -> InverseOffer:
    """The inverse offer in our words; ValueError where an id is none."""
    words = (said.id.value, said.agent_id.value)
    if not all(0 < len(each) <= ID_CHARACTERS_MAX for each in words):
        raise ValueError("an inverse offer without an id, or of a host without one")
    start, duration = said.unavailability.start, said.unavailability.duration
    return InverseOffer(
        OfferId(said.id.value),
        HostId(said.agent_id.value),
        from_ms=max(0, int(_whole_ms(start))),
        for_ms=None if duration is None else max(0, int(_whole_ms(duration))),
    )


def _decoded_offer(raw: bytes) -> wire.WireOffer:
    """The offer; ValueError where it does not fit."""
    try:
        return wire.OFFERS.decode(raw)
    except msgspec.ValidationError:
        raise
    except ValueError:
        return wire.OFFERS.decode(_mended(raw))


def _offer(offer: wire.WireOffer) -> tuple[Offer, tuple[Part, ...]]:
    """The offer in our words, and its reserved parts."""
    resources, parts = usable(offer.resources)
    named = [(each.name, _attribute(each)) for each in offer.attributes or []]
    attributes = sorted([*named, *_told_by_master(offer)])
    facts = HostFacts(offer.hostname, _url(offer.url), tuple(attributes))
    return Offer(OfferId(offer.id.value), HostId(offer.agent_id.value), resources, facts), parts


def _told_by_master(offer: wire.WireOffer) -> Iterator[tuple[str, str]]:
    """What Mesos says of the host beside its attributes, named so that none of theirs is hidden."""
    domain = offer.domain.fault_domain if offer.domain is not None else None
    if domain is not None and domain.region is not None:
        yield "mesos.region", domain.region.name
    if domain is not None and domain.zone is not None:
        yield "mesos.zone", domain.zone.name
    if offer.unavailability is not None:
        start, duration = offer.unavailability.start, offer.unavailability.duration
        yield "mesos.unavailable_from_ms", _whole_ms(start)
        if duration is not None:
            yield "mesos.unavailable_for_ms", _whole_ms(duration)


def _whole_ms(time: wire.Nanoseconds) -> str:
    """The nearest whole milliseconds: a master counts in doubles, and misses by nanoseconds."""
    return str((time.nanoseconds + NANOSECONDS_IN_MS // 2) // NANOSECONDS_IN_MS)


def _url(url: wire.Url | None) -> str:
    """The host's address for HTTP, or empty. The ip where there is one: it needs no resolver."""
    if url is None or not 0 < url.address.port <= 65535:
        return ""
    address = url.address.ip if url.address.ip not in {"", "0.0.0.0", "::"} else ""  # noqa: S104 - compared, not bound
    host = address or url.address.hostname
    if not host:
        return ""
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{url.address.port}"


def _attribute(attribute: wire.Attribute) -> str:
    """The value as text, as Mesos' own agents take it on the command line."""
    if attribute.scalar is not None:
        # Mesos keeps three decimals; 7.0 is written 7.
        return f"{attribute.scalar.value:.3f}".rstrip("0").rstrip(".")
    if attribute.ranges is not None:
        return f"[{','.join(f'{each.begin}-{each.end}' for each in attribute.ranges.range)}]"
    if attribute.set is not None:
        return f"{{{','.join(attribute.set.item)}}}"
    return attribute.text.value if attribute.text is not None else ""


def _unrecognised(raw: bytes, stream: StreamIdentity) -> Unrecognised:
    """The record for what this build does not know; it names the task where it is an update."""
    text = raw[:RAW_BYTES_MAX].decode("utf-8", errors="replace")
    status = _status_within(raw)
    task_id = _word(status, "task_id", "value")
    if not task_id:
        return Unrecognised(stream.stream_id, text)
    host_id = _word(status, "agent_id", "value")
    return Unrecognised(
        stream.stream_id,
        text,
        TaskId(task_id),
        HostId(host_id) if host_id else None,
        state=_word(status, "state"),
        uuid=_word(status, "uuid"),
    )


def _status_within(raw: bytes) -> object:
    """The status in an UPDATE of any shape, or None."""
    try:
        event = wire.LOOSE_EVENTS.decode(raw)
    except (ValueError, RecursionError):
        try:
            event = wire.LOOSE_EVENTS.decode(_mended(raw))
        except (ValueError, RecursionError):
            return None
    return _at(event.update, "status") if event.type == "UPDATE" else None


def _at(value: object, *path: str) -> object:
    """What stands at a path of names, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _word(value: object, *path: str) -> str:
    """The text at a path of names, or empty where there is none of bearable length."""
    found = _at(value, *path)
    return found if isinstance(found, str) and len(found) <= WORD_CHARACTERS_MAX else ""


def _cut(text: str) -> str:
    """``text``, or its beginning with a mark where it is longer than a record should carry."""
    if len(text) <= MESSAGE_CHARACTERS_MAX:
        return text
    return f"{text[:MESSAGE_CHARACTERS_MAX]}… ({len(text)} characters in all)"
