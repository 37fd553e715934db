"""A task that writes, its host and its store, in one folder: what tests of task logs move about in.

The one thing to know: everything is real but the task, which is this process, and the network: the
files are files, the store is the directory store, and it fails when a test says so.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from connectors.mesos.sandbox import FileMissingError, HostGoneError, SandboxReader
from connectors.objects.directory import DirectoryStore
from connectors.ports import ObjectFacts, ObjectStore, StoreFailed
from connectors.tasklogs.archive import ArchivedLogs
from connectors.tasklogs.host_client import HostLogs, Place
from connectors.tasklogs.limits import Limits
from connectors.tasklogs.shipper import Kept, TaskFacts, TaskShipper
from connectors.tasklogs.stream import Piece as HostPiece
from connectors.web.cell import Piece, Sandbox
from scheduler.model.ids import TaskId
from streams.api.task_files import TaskFiles

JOB, TASK = "a", "a-worker-0-1"
T = TypeVar("T")


class ShakyStore:
    """A store in front of another one: fails before it does what is asked, or after it has."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.weather: Literal["good", "before", "after"] = "good"
        self.puts = 0

    @property
    def url(self) -> str:
        return self._store.url

    def _do(self, call: Callable[[], T]) -> T:
        if self.weather == "before":
            raise StoreFailed("the store answered 503")
        done = call()
        if self.weather == "after":
            raise StoreFailed("the store did not answer in time")
        return done

    def put_new(self, key: str, data: bytes) -> None:
        self.puts += 1
        self._do(lambda: self._store.put_new(key, data))

    def put_new_file(self, key: str, path: Path) -> None:
        self._do(lambda: self._store.put_new_file(key, path))

    def get(self, key: str) -> bytes:
        return self._do(lambda: self._store.get(key))

    def get_range(self, key: str, first: int, count: int) -> bytes:
        return self._do(lambda: self._store.get_range(key, first, count))

    def get_to_file(self, key: str, path: Path) -> None:
        self._do(lambda: self._store.get_to_file(key, path))

    def facts(self, prefix: str) -> Iterator[ObjectFacts]:
        return iter(self._do(lambda: list(self._store.facts(prefix))))

    def delete(self, key: str) -> None:
        self._do(lambda: self._store.delete(key))


class OneHost(HostLogs):
    """The host of the one task, asked without a network."""

    def __init__(self, world: "LogWorld") -> None:
        super().__init__(SandboxReader())
        self._world = world

    async def read(self, _: Place, name: str, offset: int | None, count: int) -> HostPiece:
        if self._world.is_host_gone:
            raise HostGoneError("the host is down")
        shipper = self._world.shipper
        piece = None if shipper.is_complete else shipper.read(name, offset, count)
        if piece is None:
            raise FileMissingError(f"no {name} here")
        return piece


class LogWorld:
    """One task on one host, and a reader who asks the API."""

    def __init__(self, folder: Path, limits: Limits, store: ObjectStore | None = None) -> None:
        self.now_ms = 1_000_000
        self.limits = limits
        self.store = ShakyStore(store or DirectoryStore(folder / "store"))
        self.sandbox = folder / "sandbox"
        self.sandbox.mkdir(parents=True)
        for name in ("stdout", "stderr"):
            (self.sandbox / name).touch()
        (self.sandbox / "logs").mkdir()
        facts = TaskFacts("main", JOB, TASK, "f", "run-1", "host1", str(self.sandbox))
        self.kept = msgspec.json.encode(Kept(facts))
        self.shipper = self._shipper()
        self.is_host_gone = False
        self.is_over = False
        self.archive = ArchivedLogs(self.store, lambda: self.now_ms)

    def _shipper(self) -> TaskShipper:
        return TaskShipper(msgspec.json.decode(self.kept, type=Kept), self._keep, self.limits)

    def _keep(self, state: bytes) -> None:
        self.kept = state

    def path(self, name: str) -> Path:
        outputs = ("stdout", "stderr")
        return self.sandbox / name if name in outputs else self.sandbox / "logs" / name

    def write(self, name: str, data: bytes) -> None:
        with self.path(name).open("ab") as file:
            file.write(data)

    def look(self) -> None:
        self.shipper.look(self.now_ms, is_ended=self.is_over)

    def ship(self) -> bool:
        """Whether the store took everything."""
        try:
            self.shipper.ship(self.store, self.now_ms, is_ended=self.is_over)
        except StoreFailed:
            return False
        return True

    def crash(self) -> None:
        """The agent is killed and started again: what is on disk is all it knows."""
        self.shipper.close()
        self.shipper = self._shipper()

    def end(self) -> None:
        """The task ends, and everything is shipped."""
        self.is_over = True
        self.store.weather = "good"
        self.look()
        assert self.ship()
        assert self.shipper.is_complete

    def read(
        self, name: str, offset: int | None, count: int = 1 << 16, *, after_ms: int = 3_000
    ) -> Piece:
        """One answer of the API; raises `LogUnavailable`. No listing is remembered for 3 s."""
        self.now_ms += after_ms

        async def ask() -> Piece:
            files = TaskFiles(OneHost(self), self.archive)
            sandbox = Sandbox("http://h", "f", TaskId(TASK), "main", JOB, self.is_over)
            return await files.read(sandbox, name, offset, count)

        return asyncio.run(ask())

    def read_all(self, name: str, offset: int = 0, count: int = 1 << 16) -> bytes:
        """All there is from there on."""
        found = b""
        while True:
            piece = self.read(name, offset, count)
            if not piece.data:
                return found
            found += piece.data
            offset = piece.following
