"""What tasks write into their sandboxes, as lines, while they run.

The one thing to know: a file is read by offset and never waited for; whoever drives this asks often
enough. A line comes when it is complete, when it is longer than `LINE_BYTES_MAX`, or when its task
has ended.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

LINE_BYTES_MAX: Final = 64 * 1024
READ_BYTES: Final = 256 * 1024

Channel = Literal["stdout", "stderr"]
CHANNELS: Final[tuple[Channel, ...]] = ("stdout", "stderr")


class TaskOutput:
    """Both files of one task."""

    def __init__(self, find: Callable[[], Path | None]) -> None:
        """``find`` gives the task's sandbox, once there is one."""
        self._find = find
        self._sandbox: Path | None = None
        self._offsets = dict.fromkeys(CHANNELS, 0)
        self._rests = dict.fromkeys(CHANNELS, b"")

    def lines(self, *, is_last: bool = False) -> Iterator[tuple[Channel, str]]:
        """The lines that are new; ``is_last``: nothing more will be written."""
        if self._sandbox is None:
            self._sandbox = self._find()
        if self._sandbox is None:
            return
        for channel in CHANNELS:
            while data := self._read(self._sandbox, channel):
                yield from self._split(channel, data)
            if is_last and (rest := self._rests[channel]):
                self._rests[channel] = b""
                yield channel, _text(rest)

    def _read(self, sandbox: Path, channel: Channel) -> bytes:
        try:
            with (sandbox / channel).open("rb") as file:
                file.seek(self._offsets[channel])
                data = file.read(READ_BYTES)
        except OSError:
            return b""  # A task may remove what it writes to; there is nothing more to show.
        self._offsets[channel] += len(data)
        return data

    def _split(self, channel: Channel, data: bytes) -> Iterator[tuple[Channel, str]]:
        *whole, rest = (self._rests[channel] + data).split(b"\n")
        while len(rest) > LINE_BYTES_MAX:
            whole.append(rest[:LINE_BYTES_MAX])
            rest = rest[LINE_BYTES_MAX:]
        self._rests[channel] = rest
        for line in whole:
            yield channel, _text(line)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").removesuffix("\r")
