"""The files that a task writes, as the host has them: found, read and freed without trust.

The one thing to know: a file is known by what it is (device and inode), not by what it is called.
A task that renames its log and begins another goes on in the same stream; its bytes are opened
once, without following links, and read through that descriptor, so nobody can change what is read
by changing a name. Shipped bytes are freed by punching a hole into the file: its size, and so every
offset, stays as it is, and nothing is lost between copying and cutting, as it would be if it were
cut.
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from connectors.tasklogs.layout import OUTPUTS, NameRefused, checked_name, encoded
from connectors.tasklogs.limits import BLOCK_BYTES

LOG_FOLDER: Final = "logs"
"""Of the sandbox; Titus' ``/logs``."""
DEPTH_MAX: Final = 3
ENTRIES_MAX: Final = 1_000
"""Of the log folder in one look; a task that makes a million files is not looked at for hours."""

_KEEP_SIZE_PUNCH_HOLE: Final = 0x01 | 0x02
_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Entry(msgspec.Struct, frozen=True):
    """A plain file that a task has, by the name it has now."""

    name: str
    identity: tuple[int, int]
    size: int


class Found(msgspec.Struct, frozen=True):
    """An open file of a task."""

    name: str
    descriptor: int
    device: int
    inode: int

    @property
    def identity(self) -> tuple[int, int]:
        """What the file is, whatever it is called."""
        return (self.device, self.inode)


class Folder:
    """A sandbox that was opened once; close it when done."""

    def __init__(self, sandbox: Path) -> None:
        self._root = os.open(sandbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.refused: set[str] = set()
        """Names that are no plain files, or cannot be kept."""

    def close(self) -> None:
        """Give back the directory."""
        os.close(self._root)

    def files(self, known: set[tuple[int, int]]) -> Iterator[Entry]:
        """The plain files there are now; those that are ``known`` need no check."""
        for output in OUTPUTS:
            if (found := self._look(self._root, output, output, known)) is not None:
                yield found
        left = [ENTRIES_MAX]
        folders = [(LOG_FOLDER, "")]
        while folders:
            folder, prefix = folders.pop()
            yield from self._in_folder(folder, prefix, known, left, folders)

    def _in_folder(
        self,
        folder: str,
        prefix: str,
        known: set[tuple[int, int]],
        left: list[int],
        folders: list[tuple[str, str]],
    ) -> Iterator[Entry]:
        """The plain files of one folder; the folders in it are added to ``folders``."""
        with self._opened_folder(folder.split("/")) as descriptor:
            if descriptor is None:
                return  # There is none, or it is a link, which is not followed.
            with os.scandir(descriptor) as entries:
                some = sorted(_at_most(entries, left), key=lambda each: each.name)
            for entry in some:
                name = f"{prefix}{entry.name}"
                if not entry.is_dir(follow_symlinks=False):
                    if (found := self._look(descriptor, entry.name, name, known)) is not None:
                        yield found
                elif name.count("/") + 1 < DEPTH_MAX:
                    folders.append((f"{folder}/{entry.name}", f"{name}/"))
                else:
                    self.refused.add(name)

    @contextlib.contextmanager
    def _opened_folder(self, words: Sequence[str]) -> Iterator[int | None]:
        """A folder below the sandbox, opened step by step and without following a link."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = [self._root]
        try:
            for word in words:
                opened.append(os.open(word, flags, dir_fd=opened[-1]))
            here: int | None = opened[-1]
        except OSError:
            here = None
        try:
            yield here
        finally:
            for each in opened[1:]:
                os.close(each)

    def _look(
        self, folder: int, entry: str, name: str, known: set[tuple[int, int]]
    ) -> Entry | None:
        try:
            facts = os.stat(entry, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None
        found = Entry(name, (facts.st_dev, facts.st_ino), facts.st_size)
        if found.identity in known or (_is_plain(facts) and _is_name(name)):
            return found
        self.refused.add(name)
        return None

    def open(self, name: str, identity: tuple[int, int]) -> Found | None:
        """The file, opened; None if it is another one by now, or no plain one."""
        *folders, entry = [name] if name in OUTPUTS else [LOG_FOLDER, *name.split("/")]
        with self._opened_folder(folders) as folder:
            if folder is None:
                return None
            try:
                descriptor = _opened(entry, folder)
            except OSError:
                return None
        facts = os.fstat(descriptor)
        if not _is_plain(facts) or (facts.st_dev, facts.st_ino) != identity:
            os.close(descriptor)
            return None
        return Found(name, descriptor, facts.st_dev, facts.st_ino)


def _opened(entry: str, folder: int) -> int:
    """For writing where we may, which is what freeing needs; never a link, never waiting."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(entry, os.O_RDWR | flags, dir_fd=folder)
    except PermissionError:
        return os.open(entry, os.O_RDONLY | flags, dir_fd=folder)


def _is_plain(facts: os.stat_result) -> bool:
    # Another name of the same file may be anybody's file; it is not ours to read or to free.
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink <= 1


def _is_name(name: str) -> bool:
    try:
        encoded(checked_name(name))
    except NameRefused:
        return False
    return True


def _at_most(entries: Iterator[os.DirEntry[str]], left: list[int]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        if left[0] <= 0:
            return
        left[0] -= 1
        yield entry


def size_of(descriptor: int) -> int:
    """How long the file is."""
    return os.fstat(descriptor).st_size


def read_at(descriptor: int, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes from there; fewer only at the file's end."""
    pieces = []
    while count > 0:
        piece = os.pread(descriptor, count, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        count -= len(piece)
    return b"".join(pieces)


def free(descriptor: int, begin: int, end: int) -> bool:
    """Whether the blocks of this range were given back; their bytes read as zeros then.

    The file keeps its size. False where the file system, or our rights, do not allow it.
    """
    begin = -(-begin // BLOCK_BYTES) * BLOCK_BYTES
    end = end // BLOCK_BYTES * BLOCK_BYTES
    if begin >= end:
        return True
    if _libc.fallocate(descriptor, _KEEP_SIZE_PUNCH_HOLE, begin, end - begin) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EOPNOTSUPP, errno.EBADF, errno.EPERM, errno.ENOSYS, errno.ENODEV}:
        return False
    why = os.strerror(number)
    raise OSError(number, f"cannot free {end - begin} bytes of a task's file: {why}")
