"""The books of all objectives: each record of the log is read once, and counted good or bad.

The one thing to know: it is pure and counts in the log's own time, so that two processes that fold
the same log have the same books, and a restart goes on from what was kept (`Kept`). What stands in
a record that was not folded here is not counted, and `gaps` says so.
"""

from typing import Final

import msgspec

from projections.slo.buckets import Buckets
from projections.slo.objectives import MINUTE_MS, PERIOD_MS, Objectives, ScopeKind, SloName
from projections.slo.starts import OnItsWay, Starts
from scheduler.model.changes import TaskChanged
from scheduler.model.events import Copied
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import SYSTEM_ERRORS
from scheduler.state import State

SLOT_MS: Final = 10_000
"""Each so often it is asked whether the cell was led: a request that nobody had to send."""
SCOPES_MAX: Final = 100
"""Of each kind; of more, those in which something happened longest ago are forgotten."""
FAILED: Final = frozenset(("failed", "invalidRequest", "runtimeLimitExceeded"))
"""Ends by the task's own fault: they are no crashes, and are told beside them."""
_CRASHED: Final = frozenset(SYSTEM_ERRORS)

Scope = tuple[ScopeKind, str]
CELL: Final[Scope] = ("cell", "")


class Kept(msgspec.Struct, frozen=True):
    """All that a book has to remember to go on in another process."""

    generation: str = ""
    next_offset: int = 0
    slot: int = 0
    is_slot_good: bool = False
    since_ms: int = 0
    gaps: int = 0
    scopes: tuple[tuple[ScopeKind, str, dict[SloName, Buckets]], ...] = ()
    tasks: dict[TaskId, OnItsWay] = {}


class SloBook:
    """Counts for every scope, one record after the other."""

    def __init__(self, kept: Kept | None = None, objectives: Objectives | None = None) -> None:
        found = kept or Kept()
        self.objectives = objectives or Objectives()
        self.generation, self.next_offset = found.generation, found.next_offset
        self.since_ms, self.gaps = found.since_ms, found.gaps
        self.now_ms = 0
        self.starts = Starts(dict(found.tasks))
        self.scopes: dict[Scope, dict[SloName, Buckets]] = {
            (kind, name): dict(buckets) for kind, name, buckets in found.scopes
        }
        self._slot, self._is_slot_good = found.slot, found.is_slot_good
        self._minute = 0
        self._unsettled: dict[
            tuple[JobId | None, SloName], tuple[tuple[Scope, ...], int, int, int]
        ] = {}
        """Counts of this minute, by job."""

    def kept(self) -> Kept:
        """What another process needs to go on from here."""
        self.settle()
        return Kept(
            self.generation,
            self.next_offset,
            self._slot,
            self._is_slot_good,
            self.since_ms,
            self.gaps,
            tuple((kind, name, dict(each)) for (kind, name), each in self.scopes.items()),
            dict(self.starts.tasks),
        )

    def begin(self, state: State, offset: int) -> bool:
        """Whether the record of this offset, which the state has just folded, is to be counted."""
        if state.generation != self.generation:
            if self.generation:
                self.next_offset = 0  # The cell goes on in another log.
            self.generation = state.generation
        if offset < self.next_offset:
            return False
        if offset > self.next_offset:
            # Begun behind the log's beginning, or behind what was kept.
            self.gaps += self.next_offset > 0
            self.starts.begin_late(state)
        self.next_offset = offset + 1
        return True

    def led(self, state: State) -> None:
        """Count that a leader wrote at this instant."""
        now_ms = state.clock.now_ms
        if now_ms // SLOT_MS != self._slot or not self._is_slot_good:
            self.pass_time(now_ms, is_led=True)
        self.now_ms = max(self.now_ms, now_ms)

    def requested(self, state: State, event: Copied, at_ms: int) -> None:
        """Count a request of topic ``jobs`` that was taken: in time, or too late."""
        job_id = getattr(event.body, "job_id", None)
        waited_ms = at_ms - event.observed_at_ms if event.observed_at_ms else 0
        is_late = waited_ms > self.objectives.availability.within_ms
        self._count(state, job_id, "availability", (1, int(is_late), 0))

    def task_changed(self, state: State, change: TaskChanged) -> None:
        """Count a start and an end; all else only moves a task on."""
        start = self.starts.fold(state, change, state.clock.now_ms)
        if start is not None and not start.is_late:
            is_late = start.start_ms > self.objectives.start_latency.within_ms
            self._count(state, start.job_id, "start-latency", (1, int(is_late), 0))
        if change.state == "Finished":
            is_crash = change.reason in _CRASHED
            counts = (1, int(is_crash), int(change.reason in FAILED))
            self._count(state, change.job_id, "crashing", counts)

    def count_late(self, state: State) -> None:
        """Count tasks that have waited too long by now, each once."""
        within_ms, now_ms = self.objectives.start_latency.within_ms, state.clock.now_ms
        if self.starts.is_any_late(now_ms, within_ms):
            for late in self.starts.newly_late(now_ms, within_ms):
                self._count(state, late.job_id, "start-latency", (1, 1, 0))

    def pass_time(self, now_ms: int, *, is_led: bool = False) -> None:
        """Count the time until now; without ``is_led`` nobody has led since the last record."""
        self.now_ms = max(self.now_ms, now_ms)
        slot = now_ms // SLOT_MS
        if not self._slot:
            self._slot, self.since_ms = slot, now_ms
        if slot > self._slot:
            first = max(self._slot, slot - PERIOD_MS // SLOT_MS)
            for each in range(first, slot):
                is_good = self._is_slot_good and each == self._slot
                buckets = self._buckets(CELL, "availability")
                buckets.add(each * SLOT_MS, 1, 0 if is_good else 1)
            self._slot, self._is_slot_good = slot, False
        if is_led and slot == self._slot:
            self._is_slot_good = True

    def _count(
        self, state: State, job_id: JobId | None, name: SloName, counts: tuple[int, int, int]
    ) -> None:
        """Add it to what is put into the buckets once a minute: an event costs one addition."""
        minute = state.clock.now_ms // MINUTE_MS
        if minute != self._minute:
            self.settle()
            self._minute = minute
        known = self._unsettled.get((job_id, name))
        if known is None:
            self._unsettled[job_id, name] = (_scopes_of(state, job_id), *counts)
            return
        scopes, total, bad, other = known
        total, bad, other = total + counts[0], bad + counts[1], other + counts[2]
        self._unsettled[job_id, name] = scopes, total, bad, other

    def settle(self) -> None:
        """Put everything that was counted into its buckets; whoever looks does so first."""
        at_ms = self._minute * MINUTE_MS
        for (_, name), (scopes, *counts) in self._unsettled.items():
            for scope in (CELL, *scopes):
                self._buckets(scope, name).add(at_ms, *counts)
        self._unsettled.clear()

    def _buckets(self, scope: Scope, name: SloName) -> Buckets:
        known = self.scopes.pop(scope, None)
        if known is None:
            known = {}
            of_kind = [each for each in self.scopes if each[0] == scope[0]]
            if len(of_kind) >= SCOPES_MAX:
                del self.scopes[of_kind[0]]
        self.scopes[scope] = known  # Last: it is forgotten last.
        return known.setdefault(name, Buckets({}, {}))


def _scopes_of(state: State, job_id: JobId | None) -> tuple[Scope, ...]:
    """Whose job it is; nothing where the cell does not know it."""
    job = state.jobs.get(job_id) if job_id is not None else None
    if job is None:
        return ()
    spec = job.spec
    return (
        ("owner", spec.owner_email),
        ("application", spec.application_name),
        ("capacity_group", spec.capacity_group),
    )
