"""What a task has written, asked of its host: our own agents first, Mesos' endpoints else.

The one thing to know: an agent that ships logs answers by the stream's offsets, whatever the task
did to its files. Any other host is read through Mesos' ``/files/read``, whose offsets are those of
the file itself: exact for stdout and stderr that nobody rotates.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, TypeVar

import aiohttp
import msgspec

from connectors.mesos.sandbox import (
    FileMissingError,
    SandboxError,
    SandboxReader,
    TaskNeverRanError,
    ask_host,
)
from connectors.tasklogs.layout import OUTPUTS
from connectors.tasklogs.source import LOG_FOLDER
from connectors.tasklogs.stream import Piece
from scheduler.model.ids import TaskId

PATH: Final = "/flumina/task-log"
KIND_HEADER: Final = "X-Flumina-Piece"
OFFSET_HEADER: Final = "X-Flumina-Log-Offset"
NEXT_HEADER: Final = "X-Flumina-Log-Next-Offset"
SIZE_HEADER: Final = "X-Flumina-Log-Size"
WHY_HEADER: Final = "X-Flumina-Why"
UNKNOWN: Final = "unknown"
"""`KIND_HEADER` of a 404 by an agent that ships logs, but not this one (any more)."""
BYTES_MAX: Final = 64 * 1024
REMEMBERED_MAX: Final = 10_000
PLAIN_HOST_S: Final = 60.0
"""A host that does not know our path is asked again after so long: it may have been replaced."""
K = TypeVar("K")
V = TypeVar("V")
_KINDS: Final = frozenset({"bytes", "dropped", "below"})


class Place(msgspec.Struct, frozen=True):
    """The task on its host."""

    host_url: str
    framework_id: str
    task_id: TaskId


class HostLogs:
    """Reads the outputs of tasks from their hosts; close it when done."""

    def __init__(self, reader: SandboxReader, timeout_s: float = 10.0) -> None:
        self._reader = reader
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None
        self._directories: OrderedDict[Place, str] = OrderedDict()
        self._plain: OrderedDict[str, float] = OrderedDict()

    async def read(self, place: Place, name: str, offset: int | None, count: int) -> Piece:
        """A piece of the file from ``offset``, or its last bytes where it is None.

        Raises what `SandboxReader` raises.
        """
        if self._plain.get(place.host_url, 0.0) < time.monotonic():
            found = await self._ask_agent(place, name, offset, min(count, BYTES_MAX))
            if found is not None:
                return found
        try:
            directory = await self._directory(place)
            return await self._read_plain(place.host_url, directory, name, offset, count)
        except (TaskNeverRanError, FileMissingError):
            self._directories.pop(place, None)
            raise

    async def _ask_agent(
        self, place: Place, name: str, offset: int | None, count: int
    ) -> Piece | None:
        """The agent's answer, or None where it has none of its own to give."""
        asked = {
            "framework_id": place.framework_id,
            "task_id": str(place.task_id),
            "file": name,
            "length": str(count),
        }
        if offset is not None:
            asked["offset"] = str(offset)
        url = f"{place.host_url}{PATH}"
        answer, data = await ask_host(self._session(), url, asked, BYTES_MAX, self._timeout_s)
        headers, status = answer.headers, answer.status
        kind = headers.get(KIND_HEADER, "")
        if status == 200 and kind in _KINDS:
            return _piece(kind, headers, data, url)
        if kind == UNKNOWN:
            # Its files may have holes where it gave bytes back: they are not read as plain ones.
            raise FileMissingError(
                f"{url} has no {name} of task {place.task_id}: it was not written yet, or it is "
                "complete in the store"
            )
        self._plain[place.host_url] = time.monotonic() + PLAIN_HOST_S
        _forget_oldest(self._plain)
        return None

    async def _read_plain(
        self, host_url: str, directory: str, name: str, offset: int | None, count: int
    ) -> Piece:
        path = name if name in OUTPUTS else f"{LOG_FOLDER}/{name}"
        if offset is None:
            offset = max(0, await self._reader.size(host_url, directory, path) - count)
        piece = await self._reader.read(host_url, directory, path, offset, count)
        size = piece.next_offset
        if not piece.data and offset:
            # At the end, or beyond it because the file was cut: only its size tells which.
            size = await self._reader.size(host_url, directory, path)
        return Piece("bytes", offset, piece.next_offset, size, piece.data)

    async def _directory(self, place: Place) -> str:
        """The task's directory; finding it costs a host its whole ``/state``, so it is kept."""
        known = self._directories.get(place)
        if known is None:
            known = await self._reader.directory(place.host_url, place.framework_id, place.task_id)
            self._directories[place] = known
            _forget_oldest(self._directories)
        return known

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return self._http

    async def close(self) -> None:
        """Give back every connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()
        await self._reader.close()


def _piece(kind: str, headers: Mapping[str, str], data: bytes, url: str) -> Piece:
    texts = [headers.get(name, "") for name in (OFFSET_HEADER, NEXT_HEADER, SIZE_HEADER)]
    if not all(each.isascii() and each.isdigit() and len(each) <= 18 for each in texts):
        raise SandboxError(f"{url} answered without saying which bytes these are")
    offset, next_offset, size = map(int, texts)
    if kind == "bytes":
        if next_offset - offset != len(data):
            raise SandboxError(f"{url} broke off in the middle of an answer; try again")
        return Piece("bytes", offset, next_offset, size, data)
    why = headers.get(WHY_HEADER, "")
    return Piece("dropped" if kind == "dropped" else "below", offset, next_offset, size, b"", why)


def _forget_oldest(known: OrderedDict[K, V]) -> None:
    if len(known) > REMEMBERED_MAX:
        known.popitem(last=False)
