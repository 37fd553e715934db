"""Job specs, kept where another fault domain finds them, with heartbeats that say how fresh.

The one thing to know: it reads cells and writes to a store; no cell reads or waits for it. While it
is down cells work on, and what it kept only grows old, which its heartbeat says.

Under ``federation/REGION/CELL/`` stand one object for each active job, named by its id and version,
and heartbeats named by their time, of which the newest counts.
"""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
import structlog

from connectors.federation.cells import Answer, Ask, Cells, Silent
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.ports import NoSuchObject, ObjectExists, ObjectStore, StoreFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES

logger = structlog.get_logger(__name__)

ROOT: Final = "federation"
INTERVAL_S: Final = 10.0
PAGE_SIZE: Final = 500
HEARTBEATS_KEPT: Final = 3
OLD_MS: Final = 60_000
"""A heartbeat older than six intervals: the replica is behind."""
NO_REGION: Final = "region"


class Replica(msgspec.Struct, frozen=True, rename="camel"):
    """One job as it was when it was kept."""

    job_id: str
    cell: str
    descriptor: dict[str, Any]
    kept_at_ms: int


class Heartbeat(msgspec.Struct, frozen=True, rename="camel"):
    """What one round has kept of a cell."""

    cell: str
    region: str
    at_ms: int
    jobs: int


Kept = TypeVar("Kept", Replica, Heartbeat)


class Unread(Exception):
    """A cell's jobs could not be read, and why."""


def prefix_of(cell: FederatedCell) -> str:
    """Where a cell's replicas stand in a store."""
    return f"{ROOT}/{cell.region or NO_REGION}/{cell.name}/"


class Replicator:
    """Keeps the jobs of the cells of this side in one store."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        cells: Cells,
        store: ObjectStore,
        now_ms: Callable[[], int],
    ) -> None:
        self._configuration = configuration
        self._cells = cells
        self._store = store
        self._now_ms = now_ms
        self._kept: dict[str, dict[str, str]] = {}
        """By cell: the key of each job's object."""

    async def run(self, interval_s: float = INTERVAL_S) -> None:
        """Keep everything up to date until cancelled."""
        while True:
            for cell in self._configuration().cells:
                try:
                    await self.one_round(cell)
                except (Unread, StoreFailed) as error:
                    logger.warning("jobs were not replicated", cell=cell.name, why=str(error))
            await asyncio.sleep(interval_s)

    async def one_round(self, cell: FederatedCell) -> Heartbeat:
        """Keep what has changed of one cell; raises `Unread` or `StoreFailed`."""
        jobs = await active_jobs(self._cells, cell, self._configuration().timeout_ms / 1_000)
        beat = Heartbeat(cell.name, cell.region, self._now_ms(), len(jobs))
        await asyncio.to_thread(self._keep, cell, jobs, beat)
        return beat

    def _keep(self, cell: FederatedCell, jobs: Mapping[str, Any], beat: Heartbeat) -> None:
        prefix = prefix_of(cell)
        if cell.name not in self._kept:
            self._kept[cell.name] = {
                each.key.removeprefix(f"{prefix}jobs/").rpartition("/")[0]: each.key
                for each in self._store.facts(f"{prefix}jobs/")
            }
        kept = self._kept[cell.name]
        for job_id, job in jobs.items():
            replica = Replica(job_id, cell.name, job["jobDescriptor"], beat.at_ms)
            data = msgspec.json.encode(replica.descriptor)
            key = f"{prefix}jobs/{job_id}/{blake2b(data, digest_size=16).hexdigest()}.json"
            before = kept.get(job_id)
            if before == key:
                continue
            _put(self._store, key, msgspec.json.encode(replica))
            kept[job_id] = key
            if before is not None:
                self._store.delete(before)
        for job_id in sorted(kept.keys() - jobs.keys()):
            self._store.delete(kept.pop(job_id))
        # Behind what it speaks of: who reads it finds at least so much.
        _put(self._store, f"{prefix}heartbeats/{beat.at_ms:015}.json", msgspec.json.encode(beat))
        beats = [each.key for each in self._store.facts(f"{prefix}heartbeats/")]
        for key in beats[:-HEARTBEATS_KEPT]:
            self._store.delete(key)


def _put(store: ObjectStore, key: str, data: bytes) -> None:
    try:
        store.put_new(key, data)
    except ObjectExists:
        return  # Kept by another process of ours, or by this one before it was killed.


async def active_jobs(cells: Cells, cell: FederatedCell, timeout_s: float) -> dict[str, Any]:
    """All active jobs of a cell by id, as its API shows them; raises `Unread`."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        query = (("pageSize", str(PAGE_SIZE)), *((("cursor", cursor),) if cursor else ()))
        answer = await cells.ask(cell, Ask("GET", "/api/v3/jobs", query), timeout_s)
        if isinstance(answer, Silent):
            raise Unread(answer.why)
        page = _page(answer)
        for job in page["items"]:
            if job.get("status", {}).get("state") == "Accepted":
                found[str(job["id"])] = job
        if not page["pagination"]["hasMore"]:
            return found
        cursor = page["pagination"]["cursor"]


def _page(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise Unread(f"answered {answer.status}")
    try:
        page: dict[str, Any] = msgspec.json.decode(answer.body, type=dict[str, Any])
    except BAD_BYTES as error:
        raise Unread(f"answered with no page: {error}") from error
    return page


def replicas(store: ObjectStore, cell: FederatedCell) -> dict[str, Replica]:
    """What a store has of a cell's jobs, by id; raises `StoreFailed`."""
    found: dict[str, Replica] = {}
    for each in list(store.facts(f"{prefix_of(cell)}jobs/")):
        replica = _read(store, each.key, Replica)
        if replica is None:
            continue
        before = found.get(replica.job_id)
        if before is None or before.kept_at_ms < replica.kept_at_ms:
            found[replica.job_id] = replica
    return found


def last_heartbeat(store: ObjectStore, cell: FederatedCell) -> Heartbeat | None:
    """The newest heartbeat of a cell in a store; None where there never was one."""
    keys = [each.key for each in store.facts(f"{prefix_of(cell)}heartbeats/")]
    for key in reversed(keys):
        found = _read(store, key, Heartbeat)
        if found is not None:
            return found
    return None


def _read(store: ObjectStore, key: str, kind: type[Kept]) -> Kept | None:
    """An object of the store; None where it is gone, or is none that we can read."""
    try:
        return msgspec.json.decode(store.get(key), type=kind)
    except NoSuchObject:
        return None  # A newer one took its place while we were reading.
    except BAD_BYTES as error:
        # One damaged object may not hide the jobs of a whole cell.
        logger.warning("a kept object is passed over", key=key, why=str(error))
        return None
