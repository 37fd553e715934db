"""A store of objects in a directory: each object is a file, each word of a key a folder.

The one thing to know: a file is written beside the objects, flushed to the disk, and then linked
to its name, which fails where the name exists. So no reader meets half an object, and of two
writers one is told that the other was first.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from connectors.objects.keys import checked_key, checked_prefix, checked_range, failed_by_system
from connectors.ports import NoSuchObject, ObjectExists, ObjectFacts

WRITING_FOLDER: Final = "~writing"
"""Of files that are being written. No key has a "~", so it is no object's folder."""
ABANDONED_S: Final = 86_400
"""A file that is being written for a day is the rest of a process that ended."""
COPY_BYTES: Final = 1 << 20


class DirectoryStore:
    """Objects as files below one directory, which is made when the first one is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._has_swept = False

    @property
    def url(self) -> str:
        """How people name this store."""
        return self._directory.as_uri()

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not exist yet; raises `ObjectExists` else."""
        path = self._path(key)
        with self._failing(f"Writing {key}"), self._new_file() as (file, written):
            file.write(data)
            self._publish(file, written, path, key)

    def put_new_file(self, key: str, path: Path) -> None:
        """The same with a file's content."""
        target = self._path(key)
        writing = self._failing(f"Writing {key}")
        with path.open("rb") as source, writing, self._new_file() as (file, written):
            while block := source.read(COPY_BYTES):
                file.write(block)
            self._publish(file, written, target, key)

    def get(self, key: str) -> bytes:
        """The object's bytes; raises `NoSuchObject`."""
        with self._opened(key) as file:
            return file.read()

    def get_range(self, key: str, first: int, count: int) -> bytes:
        """At most ``count`` bytes from byte ``first`` on; raises `NoSuchObject`."""
        checked_range(first, count)
        with self._opened(key) as file:
            file.seek(first)
            return file.read(count)

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the object's bytes into this file, whole or not at all; raises `NoSuchObject`."""
        with self._opened(key) as source, whole_file(path) as target:
            while block := source.read(COPY_BYTES):
                target.write(block)

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        """All objects whose key begins so, in the order of their keys."""
        checked_prefix(prefix)
        folder, _, _ = prefix.rpartition("/")
        with self._failing(f"Listing {prefix}"):
            found = list(self._walk(folder, prefix))
        return iter(sorted(found, key=lambda each: each.key))

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        path = self._path(key)
        with self._failing(f"Removing {key}"):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            _flush_folder(path.parent)

    def _path(self, key: str) -> Path:
        return self._directory.joinpath(*checked_key(key).split("/"))

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectFacts]:
        try:
            entries = list(os.scandir(self._directory / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                is_wanted = f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/")
                if is_wanted and entry.name != WRITING_FOLDER:
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                try:
                    is_there = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # Removed since the folder was read.
                yield ObjectFacts(key, is_there.st_size, is_there.st_mtime_ns // 1_000_000)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        with self._failing(f"Reading {key}"):
            try:
                file = path.open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise NoSuchObject(key) from error
            with file:
                yield file

    @contextmanager
    def _new_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        folder = self._directory / WRITING_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        if not self._has_swept:
            _sweep(folder)
            self._has_swept = True
        written = folder / uuid.uuid4().hex
        try:
            with written.open("xb") as file:
                yield file, written
        finally:
            written.unlink(missing_ok=True)

    def _publish(self, file: BinaryIO, written: Path, path: Path, key: str) -> None:
        file.flush()
        os.fsync(file.fileno())
        _make_folders(path.parent, self._directory)
        try:
            os.link(written, path)
        except FileExistsError as error:
            raise ObjectExists(key) from error
        _flush_folder(path.parent)

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise  # Said already, in words of ours.
            raise failed_by_system(doing, self.url, error) from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that stands under this name only when it was written to its end, and is on disk."""
    part = path.with_name(f"{path.name}~{uuid.uuid4().hex}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _make_folders(folder: Path, top: Path) -> None:
    """Make the folder; that it and those above it exist is on the disk before we go on."""
    if folder.is_dir():
        return
    if folder != top:
        _make_folders(folder.parent, top)
    folder.mkdir(exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sweep(folder: Path) -> None:
    before = time.time() - ABANDONED_S
    for entry in list(os.scandir(folder)):
        try:
            if entry.stat().st_mtime < before:
                Path(entry.path).unlink()
        except FileNotFoundError:
            continue  # Another process swept it, or has just finished it.
