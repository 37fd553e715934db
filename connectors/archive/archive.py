"""The archive in a store: writes closed ranges, lists them, and gives their rows back.

The one thing to know: a range's file is written and read back first, and its manifest last, under
the condition that there is none of that name. So a half upload is no range, and of two who write
the same range the second one finds that it is there, and compares.
"""

import io
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from threading import Lock
from typing import Final

import msgspec

from connectors.archive.columns import (
    DamagedFile,
    Footer,
    RowFile,
    content_of,
    encode_rows,
    raw_bytes_of,
    typed_rows,
)
from connectors.archive.ranges import (
    MANIFEST_VERSION,
    ROOT,
    Manifest,
    Series,
    Span,
    series_of,
    span_of,
)
from connectors.archive.rows import Row
from connectors.ports import NoSuchObject, ObjectExists, ObjectStore
from scheduler.model.reading.bad_bytes import BAD_BYTES

FOOTERS_MAX: Final = 2_000
"""Some 20 KB each."""
LISTED_S: Final = 2.0
READ_BYTES: Final = 64 * 1024
"""Fetched at least: the file's own description at its end is smaller."""


class RangeDiffers(Exception):
    """A range of this name is archived already, with other rows: two logs go by one name."""


class DamagedRange(Exception):
    """An archived range cannot be read back as it was written; says which, and what to do."""


class NewRange(msgspec.Struct, frozen=True, kw_only=True):
    """A closed range that is to be archived; rows may be none where nothing followed from it."""

    series: Series
    span: Span
    rows: Sequence[Row]
    at_ms_max: int
    """The largest time of all rows up to here, those of earlier ranges included."""
    chain_before: str = ""
    chain_after: str = ""
    made_at_ms: int
    build: str


class Archive:
    """All archived ranges of one store. Calls block, and raise what the store raises."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._manifests: dict[tuple[str, Span], Manifest] = {}
        """Of ranges that were looked at: a manifest never changes."""
        self._footers: OrderedDict[str, Footer] = OrderedDict()
        self._listed: dict[str, tuple[float, list[Span]]] = {}
        self._lock = Lock()
        """Of the footers: threads ask at the same time."""

    def put(self, new: NewRange) -> Manifest:
        """The manifest of this range, which is archived when this returns.

        Raises `RangeDiffers` where another one of its name is there.
        """
        series, span = new.series, new.span
        data = encode_rows(series.kind, new.rows) if new.rows else b""
        digest = sha256(data).hexdigest() if data else ""
        file = f"{series.prefix}{span.name}-{digest[:16]}.parquet" if data else ""
        times = [each.at_ms for each in new.rows]
        manifest = Manifest(
            kind=series.kind,
            name=series.name,
            generation=series.generation,
            partition=series.partition,
            first_offset=span.first_offset,
            last_offset=span.last_offset,
            rows=len(new.rows),
            at_ms_min=min(times, default=0),
            at_ms_max=new.at_ms_max,
            raw_bytes=sum(raw_bytes_of(each) for each in new.rows),
            file=file,
            file_bytes=len(data),
            file_sha256=digest,
            content=content_of(new.rows),
            chain_before=new.chain_before,
            chain_after=new.chain_after,
            made_at_ms=new.made_at_ms,
            build=new.build,
        )
        if data:
            self._put_file(file, data)
        try:
            self.store.put_new(_manifest_key(series, span), msgspec.json.encode(manifest))
        except ObjectExists:
            there = self.manifest(series, span)
            if there.content != manifest.content:
                raise RangeDiffers(
                    f"{series} {span.first_offset} to {span.last_offset} is archived already, with "
                    f"other rows (made {there.made_at_ms} by {there.build}): two logs write under "
                    "one name. Give each installation a store of its own, or the cell another name"
                ) from None
            return there
        self._manifests[series.prefix, span] = manifest
        return manifest

    def _put_file(self, key: str, data: bytes) -> None:
        """Write a file whose name tells its bytes; one that is there from a half upload serves."""
        with suppress(ObjectExists):
            self.store.put_new(key, data)
        if self.store.get(key) != data:
            raise DamagedRange(
                f"{key} does not read back as it was written. The store damages what it keeps; "
                "look at its medium, and remove this object"
            )

    def series(self, prefix: str = f"{ROOT}/") -> list[Series]:
        """Every series that has a range, sorted; of keys that begin so."""
        found = {series_of(each.key) for each in self.store.facts(prefix)}
        return sorted(each for each in found if each is not None)

    def spans(self, series: Series) -> list[Span]:
        """The ranges of a series, sorted, as the store lists them now."""
        found = (span_of(each.key) for each in self.store.facts(series.prefix))
        spans = sorted(each for each in found if each is not None)
        self._listed[series.prefix] = (time.monotonic(), spans)
        return spans

    def spans_lately(self, series: Series) -> list[Span]:
        """The same by a listing that is a moment old at most: for questions in a row."""
        at_s, spans = self._listed.get(series.prefix, (float("-inf"), []))
        return spans if time.monotonic() - at_s < LISTED_S else self.spans(series)

    def manifest(self, series: Series, span: Span) -> Manifest:
        """The manifest of a range; raises `NoSuchObject` or `DamagedRange`."""
        known = self._manifests.get((series.prefix, span))
        if known is not None:
            return known
        key = _manifest_key(series, span)
        try:
            manifest = msgspec.json.decode(self.store.get(key), type=Manifest)
        except BAD_BYTES as error:
            raise DamagedRange(
                f"the manifest {key} cannot be read: {error}. It was damaged, or a newer build "
                "wrote it; run that one, or archive the range anew from Kafka"
            ) from error
        if manifest.version != MANIFEST_VERSION or manifest.span != span:
            raise DamagedRange(
                f"the manifest {key} has version {manifest.version} and offsets "
                f"{manifest.first_offset} to {manifest.last_offset}; this build knows version "
                f"{MANIFEST_VERSION}, and the name says {span.first_offset} to {span.last_offset}"
            )
        self._manifests[series.prefix, span] = manifest
        return manifest

    def manifests(self, series: Series) -> Iterator[Manifest]:
        """The manifests of a series, in the order of their offsets."""
        for span in self.spans(series):
            yield self.manifest(series, span)

    def rows(self, manifest: Manifest) -> list[Row]:
        """All rows of a range in the order of the log, proven; raises `DamagedRange`."""
        if not manifest.file:
            return []
        try:
            rows = typed_rows(manifest.kind, self._proven(manifest))
        except NoSuchObject as error:
            raise _damaged(manifest, "its file is gone") from error
        except DamagedFile as error:
            raise _damaged(manifest, str(error)) from error
        if len(rows) != manifest.rows:
            raise _damaged(manifest, f"it has {len(rows)} rows instead of {manifest.rows}")
        return rows

    def _proven(self, manifest: Manifest) -> bytes:
        data = self.store.get(manifest.file)
        if sha256(data).hexdigest() != manifest.file_sha256:
            raise _damaged(manifest, "its file's SHA-256 is another one")
        return data

    def open(self, manifest: Manifest) -> RowFile:
        """A range's file, fetched whole (some MiB), proven, and open.

        Raises `NoSuchObject` where the range was taken out since it was listed.
        """
        assert manifest.file, "a range without rows has no file"
        try:
            file = RowFile(manifest.kind, self._proven(manifest), self._footers.get(manifest.file))
        except DamagedFile as error:
            raise _damaged(manifest, str(error)) from error
        with self._lock:
            self._footers[manifest.file] = file.footer
            while len(self._footers) > FOOTERS_MAX:
                self._footers.popitem(last=False)
        return file

    def footer(self, manifest: Manifest) -> Footer:
        """What a range's file says of its row groups; mostly known without reading anything."""
        known = self._footers.get(manifest.file)
        return known or self.open(manifest).footer

    def remove(self, manifest: Manifest) -> None:
        """Take a range out, its manifest first: what is left of a cut is no range."""
        series = series_of(_manifest_key_of(manifest))
        assert series is not None
        self.store.delete(_manifest_key_of(manifest))
        if manifest.file:
            self.store.delete(manifest.file)
        self._manifests.pop((series.prefix, manifest.span), None)


def series_of_manifest(manifest: Manifest) -> Series:
    """The series that a range belongs to."""
    return Series(manifest.kind, manifest.name, manifest.generation, manifest.partition)


def _manifest_key(series: Series, span: Span) -> str:
    return f"{series.prefix}{span.name}.json"


def _manifest_key_of(manifest: Manifest) -> str:
    return _manifest_key(series_of_manifest(manifest), manifest.span)


def _damaged(manifest: Manifest, why: str) -> DamagedRange:
    return DamagedRange(
        f"{series_of_manifest(manifest)} {manifest.first_offset} to {manifest.last_offset} cannot "
        f"be read from {manifest.file}: {why}. While Kafka has these records, remove the range's "
        "two objects and it is archived anew; else restore them from a copy of the store"
    )


def stored_file(store: ObjectStore, manifest: Manifest) -> io.BufferedReader:
    """A range's file, of which only what is read is fetched; its pages prove themselves."""
    return io.BufferedReader(_StoredFile(store, manifest), READ_BYTES)


class _StoredFile(io.RawIOBase):
    """An object of a store as a file that can be read from anywhere."""

    def __init__(self, store: ObjectStore, manifest: Manifest) -> None:
        super().__init__()
        self._store = store
        self._manifest = manifest
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._position, self._manifest.file_bytes)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # io's own
        count = min(len(buffer), self._manifest.file_bytes - self._position)
        if count <= 0:
            return 0
        data = self._store.get_range(self._manifest.file, self._position, count)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
