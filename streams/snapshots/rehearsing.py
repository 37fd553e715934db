"""Rehearses a deployment: this build goes on from another's newest snapshot and log, on its own.

The one thing to know: nothing is written and nobody is spoken to. This build, the candidate, folds
from the snapshot before the newest one to the newest one, and must have counted what production
counted there; then it folds the rest of the log, decides once, and throws the answer away. Where
records or snapshots of an earlier build are lifted by upcasters, they are lifted here first.
"""

import asyncio
import time
from collections import Counter
from typing import Literal

import msgspec

from connectors.ports import NoSuchObject
from projections.snapshot.format import BadSnapshot, Expected, Header, check_header, counts_of
from scheduler.machine import Machine
from scheduler.model.proposals import KillTask, PreemptTask
from streams.cell.follower import Base, Follower
from streams.history.reading import LogHole
from streams.snapshots.loading import Bases, CannotFold, followed_to
from streams.snapshots.names import SnapshotName

Verdict = Literal["passed", "failed"]


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at: what it is, whether it is as it must be, and how it was."""

    what: str
    is_good: bool
    found: str


class Rehearsal(msgspec.Struct, frozen=True):
    """What a candidate build made of production's snapshot and log."""

    verdict: Verdict
    cell: str
    """The cell that the candidate is meant for."""
    from_cell: str
    generation: str
    snapshot: str
    production_build: str
    candidate_build: str
    checks: tuple[Check, ...]
    counts: dict[str, int]
    """At the end of the log, by the candidate."""
    records_folded: int
    seconds: float


class Rehearsing:
    """One rehearsal of one cell of production, under this build."""

    def __init__(self, bases: Bases, cell: str, build: str) -> None:
        self._bases = bases
        self._shelf = bases.shelf
        self._cell = cell
        self._build = build
        self._checks: list[Check] = []

    async def run(self) -> Rehearsal:
        """Fold, compare, and say how it was; raises `CannotFold` where there is no snapshot."""
        began_s = time.perf_counter()
        bounds = await self._bases.reader.bounds()
        names = await asyncio.to_thread(self._shelf.names, bounds.generation)
        if not bounds.generation or not names:
            raise CannotFold(
                f"There is no snapshot of cell {self._shelf.cell}, generation "
                f"{bounds.generation or '(none)'}, in {self._shelf.store.url}"
            )
        newest, machine, records = names[-1], Machine(), 0
        header = await self._header(newest)
        try:
            is_read = await self._reads(newest, header)
            base = await self._bases.at_or_below(newest.next_offset - 1)
            follower = await followed_to(self._bases, newest.next_offset, base)
            self._compare(header, follower)
            records = bounds.end_offset - base.wanted_offset
            follower = await self._to_the_end(follower, bounds.end_offset, is_read=is_read)
            machine = follower.machine
            self._decide(machine)
        except (CannotFold, LogHole) as error:
            self._note("the log is folded", str(error), is_good=False)
        return Rehearsal(
            verdict="passed" if all(each.is_good for each in self._checks) else "failed",
            cell=self._cell,
            from_cell=self._shelf.cell,
            generation=bounds.generation,
            snapshot=newest.key,
            production_build=header.build if header else "",
            candidate_build=self._build,
            checks=tuple(self._checks),
            counts=counts_of(machine.state),
            records_folded=records,
            seconds=round(time.perf_counter() - began_s, 3),
        )

    def _note(self, what: str, found: str, *, is_good: bool) -> None:
        self._checks.append(Check(what, is_good, found))

    async def _header(self, name: SnapshotName) -> Header | None:
        """What production said of its newest snapshot, also where this build cannot read it."""
        try:
            return await asyncio.to_thread(self._shelf.header, name)
        except (BadSnapshot, NoSuchObject) as error:
            self._note("the newest snapshot's header", str(error), is_good=False)
            return None

    async def _reads(self, name: SnapshotName, header: Header | None) -> bool:
        """Whether this build restores the newest snapshot; if not, a restart folds more of the log.

        Another schema set is no failure: the log is there, and what it makes is compared below.
        """
        try:
            if header is not None:
                check_header(header, Expected(self._shelf.cell, generation=name.generation))
        except BadSnapshot as bad:
            self._note("the newest snapshot is read", f"not by this build: {bad}", is_good=True)
            return False
        try:
            restored = await asyncio.to_thread(self._shelf.load, name)
        except (BadSnapshot, NoSuchObject) as error:
            self._note("the newest snapshot is read", str(error), is_good=False)
            return False
        found = f"{restored.header.next_offset} records, digest {restored.header.digest}"
        self._note("the newest snapshot is read", found, is_good=True)
        return True

    def _compare(self, header: Header | None, follower: Follower) -> None:
        """Counts and digest where production took its newest snapshot, ours against its."""
        if header is None:
            return
        machine = follower.machine
        ours = counts_of(machine.state)
        wrong = [
            f"{name} {header.counts.get(name)} there, {count} here"
            for name, count in ours.items()
            if header.counts.get(name) != count
        ]
        self._note("counts", "; ".join(wrong) or _counted(ours), is_good=not wrong)
        if header.digest_version == machine.digest.version:
            digest = machine.digest.value()
            found = f"{header.digest} there, {digest} here"
            self._note("digest", found, is_good=digest == header.digest)
        else:
            found = f"version {header.digest_version} there, {machine.digest.version} here"
            self._note("digest", f"not comparable: {found}", is_good=True)
        if header.chain:
            found = f"{header.chain} there, {follower.chain.hex} here"
            self._note("the log's bytes", found, is_good=header.chain == follower.chain.hex)

    async def _to_the_end(self, follower: Follower, end: int, *, is_read: bool) -> Follower:
        """Fold the tail; from the newest snapshot as well, where it can be read, and alike."""
        here = Base(follower.fold, follower.wanted_offset, follower.chain.hex)
        whole = await followed_to(self._bases, end, here)
        if is_read:
            tail = await followed_to(self._bases, end)
            ours, theirs = whole.machine.digest.value(), tail.machine.digest.value()
            found = f"{ours} from the older, {theirs} from the newest snapshot"
            self._note("both snapshots lead to one state", found, is_good=ours == theirs)
        self._note("the log is folded to its end", f"{end} records", is_good=True)
        return whole

    def _decide(self, machine: Machine) -> None:
        """What the candidate would do first; nobody does it."""
        try:
            decided = machine.decide()
        except Exception as error:  # noqa: BLE001 - whatever it is, it would stop the candidate
            self._note("the first decision", f"{type(error).__name__}: {error}", is_good=False)
            return
        kinds = Counter(type(each).__name__ for each in decided)
        inferred = sum(isinstance(each, KillTask) and each.is_inferred for each in decided)
        inferred += sum(isinstance(each, PreemptTask) for each in decided)
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
        allowed = machine.state.policy.orphans_max
        self._note("the first decision", found, is_good=inferred <= allowed)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
