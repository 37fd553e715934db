"""What the store has of a task's output, read by byte offsets.

The one thing to know: a listing tells which bytes there are, and is remembered for a moment; what
it promised may have been dropped since, so it is asked again before anything is called missing.
Calls block; coroutines make them in a thread.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from connectors.ports import ObjectStore
from connectors.tasklogs.index import FileIndex, RunIndex, run_of
from connectors.tasklogs.layout import NOT_FOUND, OVER_QUOTA, Part, task_prefix
from connectors.tasklogs.stream import Piece

INDEX_MS_MAX: Final = 2_000
"""A listing is believed for so long, unless it says that nothing follows."""
INDEXES_MAX: Final = 1_000
PARTS_MAX: Final = 16
"""Unpacked parts that are kept, a MiB each: a reader takes one in many pieces."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class BrokenPart(Exception):
    """An object is not what its name says; somebody has changed it."""


class ArchivedLogs:
    """Reads task logs from a store; may be shared by threads."""

    def __init__(self, store: ObjectStore, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._indexes: OrderedDict[str, tuple[int, RunIndex | None]] = OrderedDict()
        self._parts: OrderedDict[str, bytes] = OrderedDict()

    @property
    def url(self) -> str:
        """How people name the store."""
        return self._store.url

    def run(self, cell: str, job_id: str, task_id: str, *, is_new: bool = False) -> RunIndex | None:
        """What the store has of the task's newest run. Raises `StoreFailed`."""
        prefix = task_prefix(cell, job_id, task_id)
        with self._lock:
            asked_at_ms, known = self._indexes.get(prefix, (0, None))
        is_old = self._now_ms() - asked_at_ms > INDEX_MS_MAX
        if not is_new and ((known is not None and known.is_complete) or not is_old):
            return known
        known = run_of(prefix, self._store.facts(prefix))
        with self._lock:
            self._indexes[prefix] = (self._now_ms(), known)
            self._indexes.move_to_end(prefix)
            if len(self._indexes) > INDEXES_MAX:
                self._indexes.popitem(last=False)
        return known

    def read(self, index: FileIndex, offset: int, count: int) -> Piece:
        """Up to ``count`` bytes from there on; none beyond the store's end.

        Raises `StoreFailed`, `BrokenPart`, and `NoSuchObject` where the listing is too old.
        """
        part = index.holding(offset)
        if part is None:
            following = index.next_begin(offset)
            if following is None:
                return Piece("bytes", offset, offset, index.end)
            return Piece("dropped", offset, following, index.end, why=NOT_FOUND)
        if part.kind == "dropped":
            return Piece("dropped", offset, part.end, index.end, why=self._why(index, part))
        data = self._unpacked(index.prefix + part.word, part)
        some = data[offset - part.begin : offset - part.begin + count]
        return Piece("bytes", offset, offset + len(some), index.end, some)

    def _why(self, index: FileIndex, part: Part) -> str:
        text = self._store.get(index.prefix + part.word).decode("utf-8", "replace")
        return text.partition("are missing here: ")[2].strip("]\n ") or OVER_QUOTA

    def _unpacked(self, key: str, part: Part) -> bytes:
        with self._lock:
            if (known := self._parts.get(key)) is not None:
                self._parts.move_to_end(key)
                return known
        data = unpacked(self._store.get(key), part)
        with self._lock:
            self._parts[key] = data
            if len(self._parts) > PARTS_MAX:
                self._parts.popitem(last=False)
        return data


def unpacked(packed: bytes, part: Part) -> bytes:
    """The bytes of a part; raises `BrokenPart` where they are not as many as its name says."""
    count = part.end - part.begin
    reading = zlib.decompressobj(_GZIP)
    try:
        # One more than there may be: whatever was put there is never unpacked as a whole.
        data = reading.decompress(packed, count + 1)
    except zlib.error as error:
        raise BrokenPart(f"{part.word} cannot be unpacked: {error}") from error
    if len(data) != count:
        raise BrokenPart(f"{part.word} does not hold the {count} bytes that its name says")
    return data
