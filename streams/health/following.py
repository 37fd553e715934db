"""A log file followed as `tail -F` does, but so that a restart goes on where it stopped.

The one thing to know: a file is its device and inode, and not its name. What was renamed is read to
its end before the file that has its name now; what was cut to nothing is read from its beginning.
Only whole lines are taken, so an offset always stands at the beginning of one.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

CHUNK_BYTES: Final = 256 * 1024
LINE_BYTES_MAX: Final = 16 * 1024
"""What a longer line has behind these is left out."""
BEHIND_BYTES_MAX: Final = 256 * 1024 * 1024
"""Who is so far behind leaves out what is between, and says how much: new lines matter more."""
QUIET_TAKES: Final = 4
"""A renamed file is left when nothing came so often: its writer may notice late that it is."""
SIBLINGS_MAX: Final = 100
"""Files whose inode is looked at, to find a renamed one again."""


class Mark(msgspec.Struct, frozen=True):
    """Where a file was read to."""

    device: int
    inode: int
    offset: int


class Taken(NamedTuple):
    """Lines that were read, where that ends, and how many bytes were left out before them."""

    lines: list[str]
    mark: Mark | None
    skipped_bytes: int


class FollowedFile:
    """One path; `take` reads on, and what was taken counts once `mark` is written down."""

    def __init__(self, path: Path, mark: Mark | None, *, is_from_start: bool) -> None:
        self.path = path
        self.mark = mark
        self.finished: Mark | None = None
        """Where the file was left that had this name before."""
        self._file: int | None = None
        self._quiet = 0
        self._is_from_start = is_from_start

    def take(self, lines_max: int) -> Taken:
        """The next whole lines, at most so many; none where there is nothing new."""
        if self._file is None and not self._open():
            return Taken([], self.mark, 0)
        assert self._file is not None
        assert self.mark is not None
        status = os.fstat(self._file)
        skipped = 0
        if status.st_size < self.mark.offset:
            self.mark = Mark(self.mark.device, self.mark.inode, 0)
        elif status.st_size - self.mark.offset > BEHIND_BYTES_MAX:
            target = status.st_size - BEHIND_BYTES_MAX // 2
            skipped = target - self.mark.offset
            self.mark = Mark(self.mark.device, self.mark.inode, target)
        is_over = self._quiet >= QUIET_TAKES and self._is_another_by_name()
        lines, offset = _lines_at(self._file, self.mark.offset, lines_max, is_last=is_over)
        self._quiet = 0 if lines else self._quiet + 1
        if lines:
            self.mark = Mark(self.mark.device, self.mark.inode, offset)
        elif is_over:
            # Everything of the renamed file was read; its name belongs to a new one.
            self.close()
            self._is_from_start, self.finished, self.mark = True, self.mark, None
            return self.take(lines_max) if self._open() else Taken([], None, skipped)
        return Taken(lines, self.mark, skipped)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing new came for a while."""
        return self._quiet >= QUIET_TAKES

    def close(self) -> None:
        """Give the file back; twice is once."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> bool:
        """Open the file that was read last, if it is still there, else the one of this name."""
        place = self.path
        if self.mark is not None:
            place = _where_is(self.mark, self.path) or self.path
        try:
            file = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False  # Not made yet, between two of its lives, or not ours to read.
        status = os.fstat(file)
        known = self.mark
        if known is None or (known.device, known.inode) != (status.st_dev, status.st_ino):
            begins = 0 if self._is_from_start or known is not None else status.st_size
            self.mark = Mark(status.st_dev, status.st_ino, begins)
        self._file, self._quiet = file, 0
        return True

    def _is_another_by_name(self) -> bool:
        """Whether the path names another file than the one that is open."""
        assert self.mark is not None
        try:
            status = self.path.stat()
        except OSError:
            return False  # Renamed, and nothing new yet: its writer may still have it open.
        return (status.st_dev, status.st_ino) != (self.mark.device, self.mark.inode)


def _where_is(mark: Mark, path: Path) -> Path | None:
    """The path under which the file is that was read last: its own, or that of a rotated one."""
    siblings: Sequence[Path] = ()
    with suppress(OSError):
        siblings = sorted(path.parent.glob(f"{path.name}*"))[:SIBLINGS_MAX]
    for each in siblings:
        with suppress(OSError):
            status = each.stat()
            if (status.st_dev, status.st_ino) == (mark.device, mark.inode):
                return each
    return None


def _lines_at(file: int, offset: int, lines_max: int, *, is_last: bool) -> tuple[list[str], int]:
    """Whole lines from an offset on, and where they end; the last one may lack its line feed."""
    data = os.pread(file, CHUNK_BYTES, offset)
    end = data.rfind(b"\n") + 1
    if end == 0 and (len(data) == CHUNK_BYTES or (is_last and data)):
        end = len(data)  # A line longer than a chunk is cut; the last of a file may be unfinished.
    parts = data[:end].split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    taken = parts[:lines_max]
    if len(taken) < len(parts):
        end = sum(len(each) + 1 for each in taken)
    lines = [each[:LINE_BYTES_MAX].rstrip(b"\r").decode("utf-8", "replace") for each in taken]
    return lines, offset + end
