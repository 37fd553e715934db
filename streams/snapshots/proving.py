"""Restore tests: a snapshot must be what the one before it and the records between make.

The one thing to know: both are compared section by section, to the byte: the derived indexes, the
deadlines and the order of every dict as well. A digest alone would not see those.
"""

import asyncio
import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal

import msgspec
import structlog
from aiokafka.errors import KafkaError

from connectors.ports import NoSuchObject, StoreFailed
from projections.snapshot.format import BadSnapshot, counts_of, section_bytes
from scheduler.machine import Machine
from streams.history.reading import LogHole
from streams.snapshots.loading import Bases, CannotFold, followed_to
from streams.snapshots.metrics import SnapshotMetrics
from streams.snapshots.names import SnapshotName
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import Page, page_to_log

logger = structlog.get_logger(__name__)

INTERVAL_S: Final = 6 * 3_600.0
"""Folding 50,000 events and reading two snapshots is a few seconds of a processor each time."""
Outcome = Literal["equal", "different", "impossible"]


class Proof(msgspec.Struct, frozen=True):
    """How a restore test ended."""

    outcome: Outcome
    key: str
    origin: str
    """Where its fold began; empty for the log's beginning."""
    next_offset: int
    records_folded: int
    why: str = ""
    """What differs, or what stood in the way."""
    counts: dict[str, int] = {}
    seconds: float = 0.0


class RestoreTest:
    """Tests the newest snapshot of a cell now and then."""

    def __init__(
        self,
        bases: Bases,
        *,
        interval_s: float = INTERVAL_S,
        metrics: SnapshotMetrics | None = None,
        page: Page = page_to_log,
    ) -> None:
        self.bases = bases
        self.shelf: Shelf = bases.shelf
        self.last: Proof | None = None
        self._interval_s = interval_s
        self._metrics = metrics
        self._page = page

    async def run(self) -> None:
        """Test at intervals until cancelled; what stands in the way is told and tried again."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.once()
            except (StoreFailed, KafkaError, OSError) as error:
                logger.warning("the restore test could not be made", why=str(error))

    async def once(self) -> Proof | None:
        """Test the newest snapshot of the log as it is now; None where there is none yet."""
        bounds = await self.bases.reader.bounds()
        names = await asyncio.to_thread(self.shelf.names, bounds.generation)
        if not bounds.generation or not names:
            return None
        proof = await self.of(names[-1])
        self.last = proof
        self._say(proof)
        return proof

    async def of(self, name: SnapshotName) -> Proof:
        """Fold from the snapshot before this one to this one, and compare."""
        began_s = time.perf_counter()
        try:
            restored = await asyncio.to_thread(self.shelf.load, name)
            # Not itself: the fold begins at a snapshot that lacks its last record at least.
            bases = await self.bases.of(name.generation)
            base = await bases.at_or_below(name.next_offset - 1)
            follower = await followed_to(bases, name.next_offset, base)
        except BadSnapshot as bad:
            return self._proof("different", name, why=f"it cannot be restored: {bad}")
        except (CannotFold, LogHole, NoSuchObject) as error:
            return self._proof("impossible", name, why=str(error))
        different = await asyncio.to_thread(differences, follower.machine, restored.machine)
        chain = restored.header.chain
        if chain and follower.chain.hex != chain:
            different["chain"] = "the log's records are not those that it was folded from"
        proof = self._proof(
            "different" if different else "equal",
            name,
            why="; ".join(f"{what}: {how}" for what, how in different.items()),
        )
        return msgspec.structs.replace(
            proof,
            origin=base.origin,
            records_folded=name.next_offset - base.wanted_offset,
            counts=counts_of(follower.machine.state),
            seconds=time.perf_counter() - began_s,
        )

    def _proof(self, outcome: Outcome, name: SnapshotName, why: str) -> Proof:
        return Proof(outcome, name.key, "", name.next_offset, records_folded=0, why=why)

    def _say(self, proof: Proof) -> None:
        if self._metrics is not None:
            self._metrics.restore_tests.labels(self.shelf.cell, proof.outcome).inc()
            if proof.outcome == "equal":
                self._metrics.restored_at_seconds.labels(self.shelf.cell).set_to_current_time()
        if proof.outcome == "equal":
            logger.info("restore test passed", **msgspec.structs.asdict(proof))
            return
        self._page(
            "restore-test-failed",
            f"The snapshot {proof.key} of cell {self.shelf.cell} is not what the log makes of the "
            f"one before it ({proof.why}). A restart could go on from a wrong state: run "
            "`flumina snapshots verify --all`, remove the wrong one, and keep the log.",
        )


def differences(folded: Machine, restored: Machine) -> dict[str, str]:
    """What differs between two machines at one offset, by section; empty where nothing does."""
    found = {}
    if folded.digest.value() != restored.digest.value():
        found["digest"] = f"{folded.digest.value()} folded, {restored.digest.value()} restored"
    ours, theirs = _checks(folded), _checks(restored)
    for name in ours:
        if ours[name] != theirs[name]:
            found[name] = "not the same bytes"
    return found


def _checks(machine: Machine) -> Mapping[str, bytes]:
    return {
        name: blake2b(b"".join(chunks), digest_size=16).digest()
        for name, chunks in section_bytes(machine)
    }
