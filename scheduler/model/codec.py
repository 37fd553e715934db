"""Records of the cell log and of our own inbound topics, as bytes and back.

The one thing to know: nothing is guessed. Bytes that are not exactly a record of a published
version raise `Undecodable`, which halts the fold at that offset. Older versions are lifted by
upcasters on the raw form, before any type is applied; each has a golden record as its test.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
import msgspec.inspect
import msgspec.structs

from scheduler.model.changes import Change
from scheduler.model.events import CellRecord
from scheduler.model.fleet import FleetReport
from scheduler.model.health import VerdictBody
from scheduler.model.inbound import PartitionBegan
from scheduler.model.mesos import MesosRecord
from scheduler.model.reading.bad_bytes import BAD_BYTES

RECORD_VERSION: Final = 1
"""The schema set that this build writes; `scheduler.model.schemas` has the hash of every one."""

RECORD_BYTES_MAX: Final = 512 * 1024
RECORD_EVENTS_MAX: Final = 1_000

Raw = dict[str, Any]
Upcaster = Callable[[Raw], Raw]

UPCASTERS: Final[Mapping[int, Upcaster]] = {}
"""From version n to n + 1, on the raw form. Empty while there is one version."""


DOWNCASTERS: Final[Mapping[int, Upcaster]] = {}
"""From version n + 1 to n, on the raw form: how this build writes while a reader lives that knows
only n. A release that raises the version brings one; the release after the next takes it out."""


class Undecodable(ValueError):
    """Bytes of our own log that this build cannot read; says why and what to do."""


_ENCODER: Final = msgspec.json.Encoder()
_RECORD: Final = msgspec.json.Decoder(CellRecord)
Body = TypeVar("Body")
_MESOS: Final[msgspec.json.Decoder[MesosRecord | PartitionBegan]] = msgspec.json.Decoder(
    MesosRecord | PartitionBegan
)
_HOSTS: Final[msgspec.json.Decoder[FleetReport | PartitionBegan]] = msgspec.json.Decoder(
    FleetReport | PartitionBegan
)
_VERDICT: Final[msgspec.json.Decoder[VerdictBody | PartitionBegan]] = msgspec.json.Decoder(
    VerdictBody | PartitionBegan
)
_CHANGE: Final[msgspec.json.Decoder[Change]] = msgspec.json.Decoder(Change)


def encode_record(record: CellRecord, version: int = RECORD_VERSION) -> bytes:
    """The record's bytes as they stand in the cell log, in this version, not below the lowest."""
    data = _ENCODER.encode(record)
    if version == RECORD_VERSION:
        return data
    raw = msgspec.json.decode(data)
    for lower in range(RECORD_VERSION - 1, version - 1, -1):
        raw = DOWNCASTERS[lower](raw)
        raw["version"] = lower
    return _ENCODER.encode(raw)


def lowest_written() -> int:
    """The lowest version of records that this build can write."""
    lowest = RECORD_VERSION
    while lowest - 1 in DOWNCASTERS:
        lowest -= 1
    return lowest


def decode_record(
    data: bytes, upcasters: Mapping[int, Upcaster] = UPCASTERS, version: int = RECORD_VERSION
) -> CellRecord:
    """The record that ``data`` holds, lifted to the current version.

    Raises `Undecodable` for anything else: no JSON, an unknown event, field or version.
    """
    try:
        record = _RECORD.decode(data)
        if record.version == version:
            return _with_events(record)
    except BAD_BYTES as error:
        failure: Exception | None = error
    else:
        failure = None
    return _lifted(data, upcasters, version, failure)


def _lifted(
    data: bytes,
    upcasters: Mapping[int, Upcaster],
    version: int,
    failure: Exception | None,
) -> CellRecord:
    try:
        raw = msgspec.json.decode(data)
    except BAD_BYTES as error:
        raise Undecodable(f"the record is no JSON ({error})") from error
    found = raw.get("version") if isinstance(raw, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise Undecodable("the record has no integer field 'version'; it is not a cell record")
    if found == version and failure is not None:
        raise Undecodable(
            f"a record of version {found} does not fit its schema: {failure}; if a newer build "
            "wrote it, run that build, or a newer one"
        )
    if found > version:
        raise Undecodable(
            f"the record has version {found}, this build knows versions up to {version}; "
            "run the build that wrote it, or a newer one"
        )
    while found < version:
        lift = upcasters.get(found)
        if lift is None:
            raise Undecodable(f"this build has no upcaster from version {found} to {found + 1}")
        raw = lift(raw)
        found += 1
        raw["version"] = found
    try:
        return _with_events(msgspec.convert(raw, CellRecord))
    except BAD_BYTES as error:
        raise Undecodable(f"after its upcasters the record does not fit: {error}") from error


def _with_events(record: CellRecord) -> CellRecord:
    if not record.events:
        raise Undecodable("the record holds no event; a writer of ours never writes one like it")
    return record


def _of_topic(topic: str, decoder: msgspec.json.Decoder[Body], data: bytes) -> Body:
    """What the bytes of one of our own inbound topics say; raises `Undecodable`."""
    try:
        return decoder.decode(data)
    except BAD_BYTES as error:
        raise Undecodable(f"a record of topic {topic} does not fit its schema: {error}") from error


def encode_mesos(record: MesosRecord | PartitionBegan) -> bytes:
    """The bytes of a record of topic ``mesos``."""
    return _ENCODER.encode(record)


def decode_mesos(data: bytes) -> MesosRecord | PartitionBegan:
    """The record of topic ``mesos`` that ``data`` holds; raises `Undecodable`."""
    return _of_topic("mesos", _MESOS, data)


def encode_hosts(record: FleetReport) -> bytes:
    """The bytes of a record of topic ``hosts``."""
    return _ENCODER.encode(record)


def decode_hosts(data: bytes) -> FleetReport | PartitionBegan:
    """The record of topic ``hosts`` that ``data`` holds; raises `Undecodable`."""
    return _of_topic("hosts", _HOSTS, data)


def encode_verdict(record: VerdictBody) -> bytes:
    """The bytes of a record of topic ``verdicts``."""
    return _ENCODER.encode(record)


def decode_verdict(data: bytes) -> VerdictBody | PartitionBegan:
    """The record of topic ``verdicts`` that ``data`` holds; raises `Undecodable`."""
    return _of_topic("verdicts", _VERDICT, data)


def encode_change(change: Change) -> bytes:
    """The bytes of a record of topic ``job-events``."""
    return _ENCODER.encode(change)


def decode_change(data: bytes) -> Change:
    """The change that a record of topic ``job-events`` holds; raises `Undecodable`."""
    try:
        return _CHANGE.decode(data)
    except BAD_BYTES as error:
        raise Undecodable(f"a record of topic job-events does not fit: {error}") from error


def encode_value(value: object) -> bytes:
    """Canonical bytes of any value of the vocabulary: what digests are made from.

    Equal values have equal bytes. The log's own encoding leaves out a field only where it *is*
    the default object, so there two equal values may differ; here every field is written.
    """
    return _ENCODER.encode(_plain(value))


def encode_entity(kind: str, key: object, value: object) -> bytes:
    """The same bytes as ``encode_value((kind, key, value))``, for a key of texts and numbers."""
    plain = value if type(value) in _ATOMS else _plain(value)
    return _ENCODER.encode((kind, key, plain))


def _plain(value: object) -> object:
    kind = type(value)
    if kind in _ATOMS:
        return value
    deep = _DEEP.get(kind)
    if deep is None and isinstance(value, msgspec.Struct):
        _DEEP[kind] = deep = _deep_fields(type(value))
    if deep is not None:
        plain = [kind.__name__, *_astuple(value)]
        for index in deep:  # What is an atom is not worth the call, here and below.
            each = plain[index]
            if type(each) not in _ATOMS:
                plain[index] = _plain(each)
        return plain
    if isinstance(value, tuple | list):
        return [each if type(each) in _ATOMS else _plain(each) for each in value]
    if isinstance(value, dict):
        return [[_plain(key), _plain(each)] for key, each in sorted(value.items())]
    return value


_astuple: Final[Callable[[Any], tuple[Any, ...]]] = msgspec.structs.astuple
_ATOMS: Final = frozenset((str, int, bool, type(None)))
_FLAT: Final = (
    msgspec.inspect.StrType,
    msgspec.inspect.IntType,
    msgspec.inspect.BoolType,
    msgspec.inspect.NoneType,
    msgspec.inspect.LiteralType,
)
_DEEP: Final[dict[type, tuple[int, ...]]] = {}
"""Of each class met so far: which of its fields may hold more than texts and numbers."""


def _deep_fields(kind: type[msgspec.Struct]) -> tuple[int, ...]:
    """The places of the fields that `_plain` has to look into, behind the class's name."""
    return tuple(
        index
        for index, each in enumerate(msgspec.structs.fields(kind), start=1)
        if not _is_flat(msgspec.inspect.type_info(each.type))
    )


def _is_flat(kind: msgspec.inspect.Type) -> bool:
    """Whether values of this type are written alike by both encodings: texts, numbers, tuples."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return all(_is_flat(each) for each in kind.types)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return _is_flat(kind.item_type)
    if isinstance(kind, msgspec.inspect.TupleType):
        return all(_is_flat(each) for each in kind.item_types)
    return isinstance(kind, _FLAT)


def digest_of(data: bytes) -> str:
    """The digest by which halts, skips and rejections name bytes: BLAKE2b, 16 bytes, hex."""
    return blake2b(data, digest_size=16).hexdigest()
