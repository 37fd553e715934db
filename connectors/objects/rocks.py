"""A store of objects in one local RocksDB, for a single computer that wants one folder and no S3.

The one thing to know: RocksDB belongs to one process at a time, and flumina is several. So each
call takes a lock on a file beside the database (shared to read, alone to write), opens the
database, does its work and closes it again. That costs some milliseconds a call, which objects of
this size do not notice.

An object is a head and blocks of a mebibyte. The head is written last, together with nothing that
could fail: an object whose writer died has blocks and no head, and is not there; its blocks are
removed by the next writer.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import msgspec
from rocksdict import AccessType, Options, Rdict, WriteBatch, WriteOptions

from connectors.objects.directory import whole_file
from connectors.objects.keys import (
    checked_key,
    checked_prefix,
    checked_range,
    failed,
    failed_by_system,
)
from connectors.ports import NoSuchObject, ObjectExists, ObjectFacts

BLOCK_BYTES: Final = 1 << 20
LOCK_S_MAX: Final = 60.0
LOCK_POLL_S: Final = 0.005
_HEAD: Final = b"h/"
_BLOCK: Final = b"b/"
_BEGUN: Final = b"w/"


class Head(msgspec.Struct, frozen=True):
    """What is written of an object when all of its blocks are."""

    blocks_id: str
    bytes_total: int
    written_at_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode


class RocksStore:
    """Objects in one RocksDB below one directory, made when the first one is written."""

    def __init__(self, directory: Path, lock_s_max: float = LOCK_S_MAX) -> None:
        self._directory = directory.absolute()
        self._lock_s_max = lock_s_max

    @property
    def url(self) -> str:
        """How people name this store."""
        return f"rocksdict://{self._directory}"

    def put_new(self, key: str, data: bytes) -> None:
        """Write an object that must not exist yet; raises `ObjectExists` else."""
        blocks = (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))
        self._put(checked_key(key), blocks)

    def put_new_file(self, key: str, path: Path) -> None:
        """The same with a file's content, which may be larger than memory."""
        with path.open("rb") as source:
            self._put(checked_key(key), iter(lambda: source.read(BLOCK_BYTES), b""))

    def get(self, key: str) -> bytes:
        """The object's bytes; raises `NoSuchObject`."""
        with self._to_read(key) as (database, head):
            return b"".join(_blocks(database, head, 0, head.bytes_total))

    def get_range(self, key: str, first: int, count: int) -> bytes:
        """At most ``count`` bytes from byte ``first`` on; raises `NoSuchObject`."""
        checked_range(first, count)
        with self._to_read(key) as (database, head):
            end = min(first + count, head.bytes_total)
            return b"".join(_blocks(database, head, first, end))

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the object's bytes into this file, whole or not at all; raises `NoSuchObject`."""
        with self._to_read(key) as (database, head), whole_file(path) as target:
            for block in _blocks(database, head, 0, head.bytes_total):
                target.write(block)

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        """All objects whose key begins so, in the order of their keys."""
        begins = _HEAD + checked_prefix(prefix).encode()
        with self._opened(f"Listing {prefix}", is_writing=False) as database:
            if database is None:
                return iter(())
            found = [
                ObjectFacts(key[len(_HEAD) :].decode(), head.bytes_total, head.written_at_ms)
                for key, value in _items(database, begins)
                for head in (_decode(value),)
            ]
        return iter(found)

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        name = _HEAD + checked_key(key).encode()
        with self._opened(f"Removing {key}", is_writing=True) as database:
            assert database is not None
            head = _head(database, name)
            if head is None:
                return
            batch = WriteBatch(raw_mode=True)
            batch.delete(name)
            _remove_blocks(database, batch, head.blocks_id)
            database.write(batch, _durable())

    def _put(self, key: str, blocks: Iterable[bytes]) -> None:
        name = _HEAD + key.encode()
        with self._opened(f"Writing {key}", is_writing=True) as database:
            assert database is not None
            if _head(database, name) is not None:
                raise ObjectExists(key)
            _sweep(database)
            blocks_id, total = uuid.uuid4().hex, 0
            database.put(_BEGUN + blocks_id.encode(), b"", _durable())
            for number, block in enumerate(blocks):
                database.put(_block_name(blocks_id, number), block)
                total += len(block)
            head = Head(blocks_id, total, time.time_ns() // 1_000_000)
            batch = WriteBatch(raw_mode=True)
            batch.put(name, _encode(head))
            batch.delete(_BEGUN + blocks_id.encode())
            # RocksDB's log is one file in order: once the head is on the disk, its blocks are.
            database.write(batch, _durable())

    @contextmanager
    def _to_read(self, key: str) -> Iterator[tuple[Rdict, Head]]:
        name = _HEAD + checked_key(key).encode()
        with self._opened(f"Reading {key}", is_writing=False) as database:
            head = None if database is None else _head(database, name)
            if database is None or head is None:
                raise NoSuchObject(key)
            yield database, head

    @contextmanager
    def _opened(self, doing: str, *, is_writing: bool) -> Iterator[Rdict | None]:
        """The database, locked; None where there is none to read."""
        try:
            if is_writing:
                self._directory.mkdir(parents=True, exist_ok=True)
            elif not (self._directory / "db" / "CURRENT").exists():
                yield None
                return
            with self._locked(doing, is_writing=is_writing):
                database = self._database(doing, is_writing=is_writing)
                try:
                    yield database
                except Exception as error:
                    # RocksDB has one exception for everything, of the plainest class.
                    if type(error) is Exception:
                        raise self._failed(doing, error) from error
                    raise
                finally:
                    database.close()
        except OSError as error:
            if error.errno is None:
                raise  # Said already, in words of ours.
            raise failed_by_system(doing, self.url, error) from error

    def _database(self, doing: str, *, is_writing: bool) -> Rdict:
        options = Options(raw_mode=True)
        options.create_if_missing(is_writing)
        # Each opening begins a log of RocksDB's own; by default a thousand of them are kept.
        options.set_keep_log_file_num(2)
        access = AccessType.read_write() if is_writing else AccessType.read_only()
        try:
            return Rdict(str(self._directory / "db"), options, access_type=access)
        except Exception as error:
            raise self._failed(doing, error) from error

    def _failed(self, doing: str, error: Exception) -> OSError:
        return failed(
            f"{doing} in {self.url} failed: {error}",
            "The disk is full or faulty, or the database is damaged",
            "Free some space; where it is damaged, copy what can be read into another store and "
            "set FLUMINA_STORE to that",
        )

    @contextmanager
    def _locked(self, doing: str, *, is_writing: bool) -> Iterator[None]:
        mode = fcntl.LOCK_EX if is_writing else fcntl.LOCK_SH
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            give_up = time.monotonic() + self._lock_s_max
            while True:
                try:
                    fcntl.flock(lock, mode | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > give_up:
                        raise failed(
                            f"{doing} in {self.url} waited {self._lock_s_max:.0f} s for its lock",
                            "Another process reads or writes there and does not end",
                            f"Find it (`fuser {self._directory / 'lock'}`), or use a directory or "
                            "S3, which serve many at once",
                        ) from error
                    time.sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(lock)  # Which also gives the lock back.


def _durable() -> WriteOptions:
    options = WriteOptions()
    options.sync = True
    return options


def _head(database: Rdict, name: bytes) -> Head | None:
    value = cast("bytes | None", database.get(name))
    return None if value is None else _decode(value)


def _block_name(blocks_id: str, number: int) -> bytes:
    return _BLOCK + f"{blocks_id}/{number:08d}".encode()


def _blocks(database: Rdict, head: Head, first: int, end: int) -> Iterator[bytes]:
    at = first
    while at < end:
        number, inside = divmod(at, BLOCK_BYTES)
        block = cast("bytes | None", database.get(_block_name(head.blocks_id, number)))
        wanted = min(BLOCK_BYTES, head.bytes_total - number * BLOCK_BYTES)
        if block is None or len(block) != wanted:
            raise failed(
                f"Block {number} of an object is missing or cut",
                "The database is damaged",
                "Use an older object, and copy what can be read into another store",
            )
        taken = block[inside : inside + end - at]
        yield taken
        at += len(taken)


def _items(database: Rdict, begins: bytes) -> Iterator[tuple[bytes, bytes]]:
    for key, value in database.items(from_key=begins):
        name = cast("bytes", key)
        if not name.startswith(begins):
            return
        yield name, cast("bytes", value)


def _remove_blocks(database: Rdict, batch: WriteBatch, blocks_id: str) -> None:
    for name, _ in _items(database, _BLOCK + f"{blocks_id}/".encode()):
        batch.delete(name)


def _sweep(database: Rdict) -> None:
    """Remove the blocks of writers that died: we hold the lock, so no other writer is at work."""
    for name, _ in list(_items(database, _BEGUN)):
        batch = WriteBatch(raw_mode=True)
        _remove_blocks(database, batch, name[len(_BEGUN) :].decode())
        batch.delete(name)
        database.write(batch, _durable())
