"""The file of an incident: what it holds, and how it is read without trusting it.

The one thing to know: a bundle is a zip of members that are listed with size and checksum in
``manifest.json``. Slices of topics are zstd frames of records, each with its offset, time, key and
value; nothing in a bundle is executed or unpacked to disk.
"""

import zipfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from struct import Struct
from struct import error as struct_error
from typing import Final
from zlib import error as zlib_error

import cramjam
import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.errors import OperatorError

FORMAT: Final = 1
MEMBER_BYTES_MAX: Final = 2 * 1024**3
"""Of one member, unpacked; a bundle of a day of a million events has a tenth of that."""
MANIFEST: Final = "manifest.json"
SNAPSHOT: Final = "snapshot.bin"
CELL_LOG: Final = "cell.zst"
SKIPPED: Final = b"skipped"
"""The key of a record of the cell log that an operator had left out: the fold passes over it."""
_RECORD: Final = Struct("<qqii")
"""Offset, time in milliseconds, bytes of the key (-1: none), bytes of the value (-1: none)."""
_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Of records together in one frame, before they are compressed."""
_FRAME: Final = Struct("<II")
FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one frame, unpacked: a writer ends a frame at 4 MiB, and no record has more than some MiB."""
SLICE_DAMAGE: Final = (ValueError, struct_error, cramjam.DecompressionError)
"""What reading a slice's frames raises where they are damaged."""
_ZIP_DAMAGE: Final = (
    *(OSError, KeyError, EOFError, ValueError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, zlib_error, struct_error, *BAD_BYTES),
)
"""What `zipfile` and our decoder raise for bytes that are no bundle. RuntimeError: a member that is
encrypted; NotImplementedError, one of its kinds: a packing or version that nobody knows."""


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """One member: its name, how large it is, and its checksum."""

    name: str
    bytes_total: int
    sha256: str
    records: int = 0
    unpacked_bytes: int = 0


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a bundle is of."""

    format: int
    build: str
    cell: str
    cell_uuid: str
    generation: str
    first_offset: int
    end_offset: int
    first_at_ms: int
    end_at_ms: int
    is_masked: bool
    """Values of environment variables are masked; checkpoints and digests are of the masked state.
    """
    digest: str
    """Of the state at the end, as the bundle's own records make it."""
    original_digest: str
    """Of the state at the end in the installation; the same where nothing was masked."""
    checkpoints_proven: int
    """Checkpoints of the original records that were proven while the bundle was made."""
    members: tuple[Member, ...] = ()
    missing: tuple[str, ...] = ()
    """What could not be put in, and why."""


class SliceRecord(msgspec.Struct, frozen=True):
    """One record of a slice."""

    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None


class BundleBad(OperatorError):
    """The file is no bundle, or is damaged."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be used: {why}.",
            "It is no bundle of flumina, was cut off on its way, or is of a newer release.",
            "Copy it again, or make it anew with `flumina bundle`.",
        )


def packed(records: Iterable[SliceRecord]) -> tuple[bytes, int, int]:
    """The records as frames; with their number, and the bytes of the frames unpacked."""
    out, frame = bytearray(), bytearray()
    count = total = 0
    for each in records:
        key, value = each.key, each.value
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value))
        frame += _RECORD.pack(each.offset, each.at_ms, *sizes)
        frame += key or b""
        frame += value or b""
        count += 1
        if len(frame) >= _FRAME_BYTES:
            total += len(frame)
            out += _framed(frame)
            frame = bytearray()
    if frame:
        total += len(frame)
        out += _framed(frame)
    return bytes(out), count, total


def _framed(frame: bytearray) -> bytes:
    data = bytes(cramjam.zstd.compress(bytes(frame)))
    return _FRAME.pack(len(frame), len(data)) + data


def unpacked(data: bytes) -> Iterator[SliceRecord]:
    """The records of frames; raises one of `SLICE_DAMAGE` where they are damaged."""
    position = total = 0
    while position < len(data):
        raw_bytes, packed_bytes = _FRAME.unpack_from(data, position)
        position += _FRAME.size
        if raw_bytes > FRAME_BYTES_MAX:
            raise ValueError(f"a frame says that it unpacks to {raw_bytes} bytes")
        total += raw_bytes
        if total > MEMBER_BYTES_MAX:
            raise ValueError(f"it unpacks to more than {MEMBER_BYTES_MAX} bytes")
        # The buffer is given, so a frame that would unpack to more than it says fails.
        frame = bytearray(raw_bytes)
        filled = cramjam.zstd.decompress_into(data[position : position + packed_bytes], frame)
        if filled != raw_bytes:
            raise ValueError("a frame is shorter than it says")
        position += packed_bytes
        yield from _records(bytes(frame))


def _records(frame: bytes) -> Iterator[SliceRecord]:
    at = 0
    while at < len(frame):
        offset, at_ms, key_bytes, value_bytes = _RECORD.unpack_from(frame, at)
        at += _RECORD.size
        key = None if key_bytes < 0 else frame[at : at + key_bytes]
        at += max(0, key_bytes)
        value = None if value_bytes < 0 else frame[at : at + value_bytes]
        at += max(0, value_bytes)
        if at > len(frame):
            raise ValueError("a record reaches beyond its frame")
        yield SliceRecord(offset, at_ms, key, value)


class BundleWriter:
    """Writes the members of one bundle, and the manifest last."""

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)
        self._members: list[Member] = []

    def add(self, name: str, data: bytes, records: int = 0, unpacked_bytes: int = 0) -> None:
        """Write a member."""
        self._file.writestr(name, data)
        checksum = sha256(data).hexdigest()
        self._members.append(Member(name, len(data), checksum, records, unpacked_bytes))

    def close(self, manifest: Manifest) -> Manifest:
        """Write the manifest with the list of members; it."""
        whole = msgspec.structs.replace(manifest, members=tuple(self._members))
        text = msgspec.json.format(msgspec.json.encode(whole), indent=2)
        self._file.writestr(MANIFEST, text)
        self._file.close()
        return whole

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()


class BundleFile:
    """A bundle that is read; every member is checked against the manifest."""

    def __init__(self, path: Path) -> None:
        """Raises `BundleBad`."""
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except _ZIP_DAMAGE as error:
            raise BundleBad(path, str(error)) from error
        try:
            self.manifest = self._read_manifest()
        except BundleBad:
            self._file.close()
            raise
        self._members = {each.name: each for each in self.manifest.members}

    def _read_manifest(self) -> Manifest:
        try:
            found = msgspec.json.decode(self._read(MANIFEST), type=Manifest)
        except _ZIP_DAMAGE as error:
            raise BundleBad(self.path, str(error)) from error
        if found.format != FORMAT:
            raise BundleBad(self.path, f"its format is {found.format}, this build has {FORMAT}")
        return found

    def _read(self, name: str) -> bytes:
        info = self._file.getinfo(name)
        # Ours are stored as they are, so a member is never longer than the file: no bomb.
        is_stored = (
            info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size
        )
        if info.file_size > MEMBER_BYTES_MAX or not is_stored:
            how = "" if is_stored else ", packed, which no member of ours is"
            raise BundleBad(self.path, f"{name} has {info.file_size} bytes{how}")
        return self._file.read(name)

    def names(self) -> list[str]:
        """The members, as the manifest lists them."""
        return list(self._members)

    def member(self, name: str) -> bytes:
        """A member's bytes; raises `BundleBad` where they are not what the manifest says."""
        known = self._members.get(name)
        if known is None:
            raise BundleBad(self.path, f"it has no {name}")
        try:
            data = self._read(name)
        except _ZIP_DAMAGE as error:
            raise BundleBad(self.path, str(error)) from error
        if sha256(data).hexdigest() != known.sha256:
            raise BundleBad(self.path, f"{name} is not what was put in: its checksum differs")
        return data

    def slice(self, name: str) -> Iterator[SliceRecord]:
        """The records of a slice; raises `BundleBad`."""
        data = self.member(name)
        try:
            yield from unpacked(data)
        except SLICE_DAMAGE as error:
            raise BundleBad(self.path, f"{name} cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
