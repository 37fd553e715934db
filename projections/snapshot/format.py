"""The bytes of a snapshot: a header that people can read, and compressed blocks behind it.

The one thing to know: layout is magic, length of the header, header (JSON), checksum of all that,
then the body, of which the header has length and checksum. A body is blocks of zstd; in a block are
chunks of MessagePack, each of one section. Chunks are small, so that the thread that encodes gives
way to the fold beside it every millisecond or so.

A snapshot of another schema set is lifted by `UPCASTS` or refused; its bytes are never guessed.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import cramjam
import msgspec

from projections.snapshot.sections import STATE, Section, schema_set, sections
from scheduler.digest import Digest
from scheduler.kept import Kept
from scheduler.machine import FOLD_VERSION, Machine
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.state import State

FORMAT: Final = 1
MAGIC: Final = b"flumina snapshot\n"
HEADER_BYTES_MAX: Final = 1 << 20
CHUNK_ITEMS: Final = 256
BLOCK_BYTES: Final = 1 << 20
ZSTD_LEVEL: Final = 3
"""zstd's own default: of 100,000 tasks a tenth of the bytes, in a fraction of the encoding."""
_LENGTH: Final = struct.Struct(">I")
_BLOCK: Final = struct.Struct(">II")
_CHECK_BYTES: Final = 16

Raw = dict[str, Any]
Upcast = Callable[[Raw], Raw]
UPCASTS: Final[Mapping[str, Upcast]] = {}
"""From an earlier schema set to this build's, on plain values by section: a mapping as a list of
pairs, anything else as what it is. Empty while there is one."""


class BadSnapshot(Exception):
    """These bytes are no snapshot that this build may go on from; says why and what to do."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot says of itself, before anything of its state is read."""

    format: int
    fold_version: int
    schema_set: str
    cell: str
    cell_uuid: str
    generation: str
    next_offset: int
    """The first record that is not in it."""
    at_ms: int
    """The clock of the log there."""
    epoch: int
    watermarks: tuple[tuple[str, int, str, int], ...]
    """Topic, partition, generation and offset of each inbound partition's last folded record."""
    digest_version: int
    digest: str
    chain: str
    """The digest chain over all raw records before; empty where nobody kept one."""
    previous: str
    """The key of the snapshot before this one; empty for the first."""
    counts: dict[str, int]
    build: str
    """Which build of flumina took it."""
    body_bytes: int = 0
    body_check: str = ""


class Expected(msgspec.Struct, frozen=True):
    """What a snapshot must be of; an empty text expects nothing."""

    cell: str = ""
    cell_uuid: str = ""
    generation: str = ""


class Captured(msgspec.Struct, frozen=True):
    """A machine's copy with the header that it will have; nobody folds into it."""

    header: Header
    kept: Kept


class Encoded(msgspec.Struct, frozen=True):
    """A snapshot as bytes, and its header with the checksum of its body."""

    header: Header
    data: bytes


class Restored(msgspec.Struct, frozen=True):
    """A snapshot that was read: what it says of itself, and the machine that it is."""

    header: Header
    machine: Machine


def capture(machine: Machine, chain: str = "", previous: str = "", build: str = "") -> Captured:
    """A copy of the machine that can be encoded elsewhere; takes milliseconds.

    The digest is brought up to date here, which costs what was touched since the last mark.
    """
    state = machine.state
    header = Header(
        format=FORMAT,
        fold_version=state.fold_version,
        schema_set=schema_set(),
        cell=state.cell,
        cell_uuid=state.cell_uuid,
        generation=state.generation,
        next_offset=state.next_offset,
        at_ms=state.clock.now_ms,
        epoch=state.epoch,
        watermarks=tuple(
            (*lane, mark.generation, mark.offset) for lane, mark in sorted(state.watermarks.items())
        ),
        digest_version=Digest.version,
        digest=machine.digest.value(),
        chain=chain,
        previous=previous,
        counts=counts_of(state),
        build=build,
    )
    return Captured(header, machine.kept())


def counts_of(state: State) -> dict[str, int]:
    """How many there are of what people count first."""
    return {
        "jobs": len(state.jobs),
        "jobs_active": state.active_jobs,
        "tasks": len(state.tasks),
        "tasks_queued": state.queued_tasks,
        "tasks_on_hosts": sum(map(len, state.host_tasks.values())),
        "hosts": len(state.hosts),
        "offers": len(state.offers),
        "decisions": len(state.decisions),
        "orphans": len(state.orphans),
    }


def encode(captured: Captured) -> Encoded:
    """The bytes of a snapshot; of equal copies they are equal."""
    body, check = bytearray(), blake2b(digest_size=_CHECK_BYTES)
    for raw in _blocks(captured.kept):
        packed = bytes(cramjam.zstd.compress(raw, level=ZSTD_LEVEL))
        body += _BLOCK.pack(len(raw), len(packed))
        body += packed
    check.update(body)
    header = msgspec.structs.replace(
        captured.header, body_bytes=len(body), body_check=check.hexdigest()
    )
    text = msgspec.json.encode(header)
    before = MAGIC + _LENGTH.pack(len(text)) + text
    return Encoded(header, before + _check(before) + bytes(body))


def section_bytes(machine: Machine) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The bytes of each section as a snapshot taken now would hold them, in chunks."""
    return _sections(machine.kept())


def _sections(kept: Kept) -> Iterator[tuple[str, Iterator[bytes]]]:
    for name, section in sections().items():
        yield name, _chunks(section, _value(kept, name))


def _value(kept: Kept, name: str) -> Any:  # noqa: ANN401 - any field's value
    of_state = name.startswith(STATE)
    return getattr(kept.state, name.removeprefix(STATE)) if of_state else getattr(kept, name)


def _blocks(kept: Kept) -> Iterator[bytes]:
    block = bytearray()
    for _, chunks in _sections(kept):
        for chunk in chunks:
            block += _LENGTH.pack(len(chunk))
            block += chunk
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _chunks(section: Section, value: Any) -> Iterator[bytes]:  # noqa: ANN401 - any field's value
    if not section.is_mapping:
        yield msgspec.msgpack.encode((section.name, value))
        return
    items = iter(value.items())
    while some := list(islice(items, CHUNK_ITEMS)):
        yield msgspec.msgpack.encode((section.name, some))


def _check(data: bytes | memoryview) -> bytes:
    return blake2b(data, digest_size=_CHECK_BYTES).digest()


def read_header(data: bytes) -> tuple[Header, int]:
    """The header, and where the body begins; raises `BadSnapshot`.

    ``data`` may be the beginning of a snapshot only, of `HEADER_BYTES_MAX` or so.
    """
    if not data.startswith(MAGIC):
        raise BadSnapshot("it does not begin as a snapshot does: it is another file, or was cut")
    at = len(MAGIC) + _LENGTH.size
    if len(data) < at:
        raise BadSnapshot("it ends inside its header: it was cut")
    (length,) = _LENGTH.unpack(data[len(MAGIC) : at])
    begins = at + length + _CHECK_BYTES
    if length > HEADER_BYTES_MAX or len(data) < begins:
        raise BadSnapshot("it ends inside its header: it was cut, or a bit of the length is wrong")
    if _check(data[: at + length]) != data[at + length : begins]:
        raise BadSnapshot("the checksum of its header is wrong: bits were flipped")
    try:
        said = msgspec.json.decode(data[at : at + length])
        found = said.get("format")
        if found != FORMAT:
            raise BadSnapshot(
                f"it has format {found}, this build reads {FORMAT}; run the build that wrote it"
            )
        return msgspec.convert(said, Header), begins
    except (AttributeError, *BAD_BYTES) as error:
        raise BadSnapshot(f"its header is none of this build: {error}") from error


def check_header(header: Header, expected: Expected) -> None:
    """Return if this build may go on from such a snapshot; raises `BadSnapshot`."""
    for name in ("cell", "cell_uuid", "generation"):
        wanted, found = getattr(expected, name), getattr(header, name)
        if wanted and wanted != found:
            raise BadSnapshot(f"it is of {name} {found!r}, and {wanted!r} is wanted")
    if header.fold_version > FOLD_VERSION:
        raise BadSnapshot(
            f"it was folded by rules {header.fold_version}, this build knows {FOLD_VERSION}; run "
            "a newer build"
        )
    if header.schema_set != schema_set() and header.schema_set not in UPCASTS:
        raise BadSnapshot(
            f"its state has schema set {header.schema_set} (build {header.build or 'unknown'}), "
            f"this build reads {schema_set()}; the log is folded from further back instead"
        )


def decode(data: bytes, expected: Expected, *, is_proven: bool = True) -> Restored:
    """The machine that a snapshot is; raises `BadSnapshot` for anything that is not quite one.

    ``is_proven``: the state's digest is computed anew and compared. Without, checksums alone
    vouch for the bytes, which is enough for a look and not for going on.
    """
    header, kept = _read(data, expected)
    machine = Machine.restored(kept)
    _compare(header, machine)
    if is_proven and header.digest_version == Digest.version:
        digest = machine.digest.value()
        if digest != header.digest:
            raise BadSnapshot(f"its state has digest {digest} and claims {header.digest}")
    return Restored(header, machine)


def check_against(data: bytes, captured: Captured) -> None:
    """Return if these bytes are the very copy that they were made of; raises `BadSnapshot` else.

    Value by value and in order: so it says more than a digest would, which is of the same copy,
    and takes a third of the time.
    """
    found = _read(data, Expected())[1]
    for name, section in sections().items():
        ours, theirs = _value(captured.kept, name), _value(found, name)
        is_same = _are_alike(ours, theirs) if section.is_mapping else ours == theirs
        if not is_same:
            raise BadSnapshot(f"{name.removeprefix(STATE)} is not what was copied from the fold")


def _are_alike(ours: dict[Any, Any], theirs: dict[Any, Any]) -> bool:
    """Whether both hold the same in the same order; the fold beside it has its turns meanwhile."""
    if len(ours) != len(theirs):
        return False
    mine, others = iter(ours.items()), iter(theirs.items())
    while some := list(islice(mine, CHUNK_ITEMS)):
        if some != list(islice(others, CHUNK_ITEMS)):
            return False
    return True


def _read(data: bytes, expected: Expected) -> tuple[Header, Kept]:
    header, begins = read_header(data)
    check_header(header, expected)
    body = memoryview(data)[begins:]
    if len(body) != header.body_bytes:
        raise BadSnapshot(
            f"its body has {len(body)} bytes of {header.body_bytes}: half an upload, or cut"
        )
    if _check(body).hex() != header.body_check:
        raise BadSnapshot("the checksum of its body is wrong: bits were flipped")
    try:
        return header, _kept(body, header)
    except BadSnapshot:
        raise
    except Exception as error:
        raise BadSnapshot(
            f"its body cannot be read ({type(error).__name__}: {error}), though its checksum is "
            "right: the build that wrote it is at fault, or this one"
        ) from error


def _compare(header: Header, machine: Machine) -> None:
    """Return if the state is the one of its header, as far as a look can tell."""
    state = machine.state
    said = (header.cell, header.cell_uuid, header.generation, header.next_offset, header.at_ms)
    found = (
        *(state.cell, state.cell_uuid, state.generation),
        *(state.next_offset, state.clock.now_ms),
    )
    if said != found:
        raise BadSnapshot(f"its header says {said}, its state {found}")
    if header.counts != counts_of(state):
        raise BadSnapshot(f"its header counts {header.counts}, its state has {counts_of(state)}")


def _kept(body: memoryview, header: Header) -> Kept:
    lift = None if header.schema_set == schema_set() else UPCASTS[header.schema_set]
    values = _lifted(body, lift) if lift else _typed(body)
    missing = sections().keys() - values.keys()
    if missing:
        raise BadSnapshot(f"it lacks {', '.join(sorted(missing))}")
    state = State()
    for name, value in values.items():
        if name.startswith(STATE):
            setattr(state, name.removeprefix(STATE), value)
    beside = {name: each for name, each in values.items() if not name.startswith(STATE)}
    return Kept(state=state, **beside)


_split = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode


def _typed(body: memoryview) -> Raw:
    known = sections()
    values: Raw = {name: {} for name, each in known.items() if each.is_mapping}
    for chunk in _read_chunks(body):
        name, content = _split(chunk)
        section = known[name]
        value = section.decode(content)
        if section.is_mapping:
            values[name].update(value)
        else:
            values[name] = value
    return values


def _lifted(body: memoryview, lift: Upcast) -> Raw:
    raw: Raw = {}
    for chunk in _read_chunks(body):
        name, value = msgspec.msgpack.decode(chunk)
        if isinstance(raw.get(name), list):
            raw[name] += value
        else:
            raw[name] = value
    lifted, known = lift(raw), sections()
    values: Raw = {}
    for name, section in known.items():
        value = lifted.get(name, [] if section.is_mapping else None)
        values[name] = section.decode(msgspec.Raw(msgspec.msgpack.encode(value)))
        if section.is_mapping:
            values[name] = dict(values[name])
    return values


def _read_chunks(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        raw_bytes, packed_bytes = _BLOCK.unpack_from(body, at)
        at += _BLOCK.size
        packed = bytes(body[at : at + packed_bytes])
        raw = memoryview(bytes(cramjam.zstd.decompress(packed, output_len=raw_bytes)))
        at += packed_bytes
        inside = 0
        while inside < len(raw):
            (length,) = _LENGTH.unpack_from(raw, inside)
            inside += _LENGTH.size
            yield raw[inside : inside + length]
            inside += length
