"""What tasks have written, from their hosts and from the store, joined without a seam.

The one thing to know: both are asked by the same byte offsets. The host comes first while the task
runs, for it has the newest bytes; where it says that it has given bytes back, the store has them;
where it is gone, the store has all but the last moments. A task whose output is complete in the
store is read there alone.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from msgspec.structs import replace

from connectors.mesos.sandbox import (
    FileMissingError,
    HostGoneError,
    SandboxError,
    TaskNeverRanError,
)
from connectors.ports import NoSuchObject, StoreFailed
from connectors.tasklogs.archive import ArchivedLogs, BrokenPart
from connectors.tasklogs.host_client import HostLogs, Place
from connectors.tasklogs.index import FileIndex, RunIndex
from connectors.tasklogs.layout import NOT_FOUND, OUTPUTS, dropped_text
from connectors.tasklogs.stream import Piece as HostPiece
from connectors.web.cell import FileName, LogUnavailable, Piece, Sandbox
from streams.clock import elapsed_s

HOST_GONE_S: Final = 5.0
"""A host that did not answer is not asked again for so long while the store has what is wanted."""
T = TypeVar("T")


class TaskFiles:
    """Reads what tasks have written; what `connectors.web.cell.TaskFiles` asks for."""

    def __init__(self, hosts: HostLogs, archive: ArchivedLogs | None) -> None:
        self._hosts = hosts
        self._archive = archive
        self._gone_until_s: dict[str, float] = {}

    async def read(
        self, sandbox: Sandbox, name: FileName, offset: int | None, length: int
    ) -> Piece:
        """Up to ``length`` bytes from ``offset``, or the last ones where it is None."""
        run = await self._run(sandbox) if sandbox.is_over else None
        if run is not None and run.is_complete:
            return await self._from_store(sandbox, run, name, offset, length)
        try:
            piece = await self._from_host(sandbox, name, offset, length)
        except LogUnavailable as fault:
            run = await self._listed(sandbox, name, fault)
            if run is None or name not in run.files:
                raise
            kept = await self._from_store(sandbox, run, name, offset, length)
            return kept if run.is_complete else _noted(kept, str(fault))
        if piece.kind != "below":
            return _shown(piece)
        return await self._given_back(sandbox, name, piece, length)

    async def offset_at(self, sandbox: Sandbox, name: FileName, at_ms: int) -> int:
        """Where the part begins in which that instant lies, as far as the store knows parts."""
        run = await self._run(sandbox)
        index = None if run is None else run.files.get(name)
        return 0 if index is None else index.offset_at(at_ms)

    async def close(self) -> None:
        """Give back every connection."""
        await self._hosts.close()

    # The host

    async def _from_host(
        self, sandbox: Sandbox, name: FileName, offset: int | None, length: int
    ) -> HostPiece:
        if not sandbox.host_url:
            raise LogUnavailable("missing", "the log does not know where its host answers HTTP")
        if self._gone_until_s.get(sandbox.host_url, 0.0) > elapsed_s() and self._archive:
            run = await self._run(sandbox)
            if run is not None and name in run.files:
                raise LogUnavailable("unreachable", f"{sandbox.host_url} did not answer just now")
        place = Place(sandbox.host_url, sandbox.framework_id, sandbox.task_id)
        try:
            piece = await self._hosts.read(place, name, offset, length)
        except (TaskNeverRanError, FileMissingError) as error:
            raise LogUnavailable("missing", str(error)) from error
        except HostGoneError as error:
            self._note_gone(sandbox.host_url)
            raise LogUnavailable("unreachable", str(error)) from error
        except SandboxError as error:
            raise LogUnavailable("broken", str(error)) from error
        self._gone_until_s.pop(sandbox.host_url, None)
        return piece

    def _note_gone(self, host_url: str) -> None:
        now_s = elapsed_s()
        # Hosts come and go: what has passed is of no use, and would be there for good.
        lately = {url: until_s for url, until_s in self._gone_until_s.items() if until_s > now_s}
        self._gone_until_s = {**lately, host_url: now_s + HOST_GONE_S}

    # The store

    async def _run(self, sandbox: Sandbox, *, is_new: bool = False) -> RunIndex | None:
        archive = self._archive
        if archive is None:
            return None
        return await self._asked(
            lambda: archive.run(sandbox.cell, sandbox.job_id, sandbox.task_id, is_new=is_new)
        )

    async def _listed(
        self, sandbox: Sandbox, name: FileName, fault: LogUnavailable
    ) -> RunIndex | None:
        """What the store has where the host does not answer.

        It may have shipped the last of it a moment ago, so a listing from before that is only
        enough where it has the file of a task that runs on.
        """
        if fault.kind != "missing":
            run = await self._run(sandbox)
            if run is not None and name in run.files and not sandbox.is_over:
                return run
        return await self._run(sandbox, is_new=True)

    async def _asked(self, ask: Callable[[], T]) -> T:
        """The store's answer, waited for in a thread."""
        try:
            return await asyncio.to_thread(ask)
        except StoreFailed as error:
            raise LogUnavailable("unreachable", f"the store of task logs: {error}") from error
        except BrokenPart as error:
            raise LogUnavailable("broken", f"the store of task logs: {error}") from error

    async def _given_back(
        self, sandbox: Sandbox, name: FileName, asked: HostPiece, length: int
    ) -> Piece:
        """What the host had and gave back once the store had it."""
        run = await self._run(sandbox)
        index = None if run is None else run.files.get(name)
        if index is None or index.holding(asked.offset) is None:
            run = await self._run(sandbox, is_new=True)
            index = None if run is None else run.files.get(name)
        if index is not None and index.holding(asked.offset) is not None:
            piece = await self._stored(sandbox, index, name, asked.offset, length)
            return _shown(piece, asked.size)
        # Between what the store has and what the host has: the nearer of both is where it goes on.
        above = None if index is None else index.next_begin(asked.offset)
        ends = asked.next_offset if above is None else min(above, asked.next_offset)
        return _shown(HostPiece("dropped", asked.offset, ends, asked.size, why=NOT_FOUND))

    async def _from_store(
        self,
        sandbox: Sandbox,
        run: RunIndex,
        name: FileName,
        offset: int | None,
        length: int,
    ) -> Piece:
        # Of what nobody wrote to there is no part.
        index = run.files.get(name, FileIndex("") if name in OUTPUTS else None)
        if index is None:
            names = ", ".join(sorted(run.files)) or "none"
            raise LogUnavailable("missing", f"the task wrote no file of that name; its: {names}")
        if offset is None:
            offset = max(0, index.end - length)
        return _shown(await self._stored(sandbox, index, name, offset, length), index.end)

    async def _stored(
        self, sandbox: Sandbox, index: FileIndex, name: FileName, offset: int, length: int
    ) -> HostPiece:
        archive = self._archive
        assert archive is not None
        asked = index
        for _ in range(2):
            try:
                return await self._asked(partial(archive.read, asked, offset, length))
            except NoSuchObject:
                # Dropped, or expired, since it was listed.
                run = await self._run(sandbox, is_new=True)
                asked = FileIndex("") if run is None else run.files.get(name, FileIndex(""))
        raise LogUnavailable("unreachable", "the store drops these bytes at this moment; ask again")


def _noted(piece: Piece, fault: str) -> Piece:
    """The piece with a word for whoever reads on in vain."""
    note = (
        f"the host cannot be asked ({fault}); the store has the first {piece.size} bytes, what "
        "was written after them is not shown"
    )
    return replace(piece, note=note)


def _shown(piece: HostPiece, size: int | None = None) -> Piece:
    """The piece as it is answered; a range that is kept nowhere becomes a line that says so."""
    size = piece.size if size is None else max(size, piece.size)
    if piece.kind == "dropped":
        text = dropped_text(piece.offset, piece.next_offset, piece.why)
        return Piece(text, piece.offset, size, piece.next_offset)
    return Piece(piece.data, piece.offset, size)
