"""What tasks have written, through the hosts' own HTTP endpoints, as the API asks for it.

The one thing to know: finding a task's directory costs a host its whole ``/state``, so it is asked
once for a task and remembered; following a file then costs one small request a piece.
"""

from collections import OrderedDict
from typing import Final

from connectors.mesos.sandbox import (
    FileMissingError,
    HostGoneError,
    SandboxError,
    SandboxReader,
    TaskNeverRanError,
)
from connectors.web.cell import FileName, LogUnavailable, Piece, Sandbox

DIRECTORIES_MAX: Final = 10_000


class SandboxFiles:
    """Reads sandboxes; what `connectors.web.cell.TaskFiles` asks for. Close it when done."""

    def __init__(self, reader: SandboxReader) -> None:
        self._reader = reader
        self._directories: OrderedDict[Sandbox, str] = OrderedDict()

    async def read(
        self, sandbox: Sandbox, name: FileName, offset: int | None, length: int
    ) -> Piece:
        """Up to ``length`` bytes from ``offset``, or the last ones where it is None."""
        try:
            directory = await self._directory(sandbox)
            return await self._read(sandbox.host_url, directory, name, offset, length)
        except (TaskNeverRanError, FileMissingError) as error:
            self._directories.pop(sandbox, None)
            raise LogUnavailable("missing", str(error)) from error
        except HostGoneError as error:
            raise LogUnavailable("unreachable", str(error)) from error
        except SandboxError as error:
            raise LogUnavailable("broken", str(error)) from error

    async def _read(
        self, host_url: str, directory: str, name: FileName, offset: int | None, length: int
    ) -> Piece:
        if offset is None:
            size = await self._reader.size(host_url, directory, name)
            offset = max(0, size - length)
        piece = await self._reader.read(host_url, directory, name, offset, length)
        size = piece.next_offset
        if not piece.data and offset:
            # At the end, or beyond it because the file was cut: only its size tells which.
            size = await self._reader.size(host_url, directory, name)
        return Piece(piece.data, offset, size)

    async def _directory(self, sandbox: Sandbox) -> str:
        known = self._directories.get(sandbox)
        if known is None:
            known = await self._reader.directory(
                sandbox.host_url, sandbox.framework_id, sandbox.task_id
            )
            self._directories[sandbox] = known
            if len(self._directories) > DIRECTORIES_MAX:
                self._directories.popitem(last=False)
        return known

    async def close(self) -> None:
        """Give back every connection."""
        await self._reader.close()
