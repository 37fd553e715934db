"""How long tasks waited for a host, and how many were launched, by tier, from notes of the log.

The one thing to know: a wait goes from when a task could be placed (queued, its retry's delay over,
or back in the queue) to the launch that the fold accepted. Quantiles are of the waits themselves;
the histogram beside them only draws them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from projections.notes import JobBegan, TaskBegan, TaskEntered
from projections.travel.notes import Note, decoded_note
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import Queued
from scheduler.placement.requests_of_jobs import group_of
from scheduler.state import State

EDGES_MS: Final = (
    *(0, 10, 25, 50, 100, 250, 500),
    *(1_000, 2_500, 5_000, 10_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000),
)
"""Where each bar of the histogram begins; the last has no end."""
BUCKETS_MAX: Final = 240
"""Points of the series: one for each two to four pixels of a chart."""
WIDTHS_MS: Final = (
    *(1_000, 2_000, 5_000, 10_000, 15_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000),
    *(3_600_000, 7_200_000, 14_400_000, 43_200_000, 86_400_000),
)
UNKNOWN_TIER: Final = ""
"""Of a job that neither end of the range knows, and that did not begin in it."""
_TOLD: Final = (b'"TaskBegan"', b'"JobBegan"', b'"requeued"', b'"launch proposed"')
"""Only notes with one of these words are decoded."""


class TierWaits(msgspec.Struct, frozen=True, rename="camel"):
    """The waits of one tier that ended within the range."""

    tier: str
    launched: int
    counts: tuple[int, ...]
    """Of each bar of the histogram."""
    median_ms: int
    p90_ms: int
    p99_ms: int
    most_ms: int
    launches: tuple[int, ...]
    """Of each bucket of time."""


class WaitsGlance(msgspec.Struct, frozen=True, rename="camel"):
    """Waits and launches of a range of the log."""

    from_ms: int
    to_ms: int
    bucket_ms: int
    first_bucket_ms: int
    edges_ms: tuple[int, ...]
    tiers: tuple[TierWaits, ...]


class Waits:
    """Gathers the waits while notes of a range go by."""

    def __init__(self, before: State) -> None:
        """``before``: the state where the range begins."""
        self._ready_ms: dict[TaskId, int] = {}
        self._groups: dict[JobId, str] = {}
        self._waits: dict[JobId, list[tuple[int, int]]] = {}
        self._before = before
        for task_ids in before.queue.values():
            for task_id in task_ids:
                waiting = before.tasks[task_id].state
                assert isinstance(waiting, Queued), f"{task_id} is queued and {waiting}"
                self._ready_ms[task_id] = max(waiting.since_ms, waiting.ready_at_ms)

    def take(self, notes: Iterable[Note]) -> None:
        """Take notes in the order of the log."""
        for row in notes:
            if any(word in row.body for word in _TOLD):
                self._take(row)

    def _take(self, row: Note) -> None:
        match note := decoded_note(row):
            case JobBegan():
                if note.job is not None:
                    self._groups[note.job_id] = note.job.spec.capacity_group
            case TaskBegan():
                self._ready_ms[note.task_id] = max(row.at_ms, note.ready_at_ms)
            case TaskEntered() if note.entry.what == "requeued":
                self._ready_ms[note.task_id] = row.at_ms
            case TaskEntered() if note.entry.what == "launch proposed":
                ready_ms = self._ready_ms.pop(note.task_id, None)
                if ready_ms is not None:
                    wait = (row.at_ms, max(0, row.at_ms - ready_ms))
                    self._waits.setdefault(note.job_id, []).append(wait)
            case _:
                pass

    def glance(self, after: State, from_ms: int, to_ms: int) -> WaitsGlance:
        """What was gathered; tiers are those of the policy at the end of the range."""
        rules = after.policy.placement
        by_tier: dict[str, list[tuple[int, int]]] = {each.name: [] for each in rules.tiers}
        for job_id, waits in self._waits.items():
            name = self._group(job_id, after)
            tier = UNKNOWN_TIER if name is None else group_of(name, rules).tier
            by_tier.setdefault(tier, []).extend(waits)
        bucket_ms = bucket_width_ms(from_ms, to_ms)
        first_ms = from_ms // bucket_ms * bucket_ms
        buckets = max(1, (to_ms - first_ms) // bucket_ms + 1)
        return WaitsGlance(
            from_ms=from_ms,
            to_ms=to_ms,
            bucket_ms=bucket_ms,
            first_bucket_ms=first_ms,
            edges_ms=EDGES_MS,
            tiers=tuple(
                _tier(tier, waits, (first_ms, bucket_ms, buckets))
                for tier, waits in by_tier.items()
            ),
        )

    def _group(self, job_id: JobId, after: State) -> str | None:
        job = after.jobs.get(job_id) or self._before.jobs.get(job_id)
        return job.spec.capacity_group if job else self._groups.get(job_id)


def bucket_width_ms(from_ms: int, to_ms: int) -> int:
    """The narrowest round width by which the range has at most `BUCKETS_MAX` buckets."""
    span_ms = max(0, to_ms - from_ms)
    for width in WIDTHS_MS:
        if span_ms // width + 2 <= BUCKETS_MAX:
            return width
    return (span_ms // (BUCKETS_MAX - 2) // WIDTHS_MS[-1] + 1) * WIDTHS_MS[-1]


def _tier(tier: str, waits: Sequence[tuple[int, int]], buckets: tuple[int, int, int]) -> TierWaits:
    first_ms, bucket_ms, count = buckets
    spans = sorted(wait_ms for _, wait_ms in waits)
    counts, launches = [0] * len(EDGES_MS), [0] * count
    for at_ms, wait_ms in waits:
        counts[bisect_right(EDGES_MS, wait_ms) - 1] += 1
        launches[min(count - 1, max(0, (at_ms - first_ms) // bucket_ms))] += 1
    return TierWaits(
        tier=tier,
        launched=len(spans),
        counts=tuple(counts),
        median_ms=quantile(spans, 50),
        p90_ms=quantile(spans, 90),
        p99_ms=quantile(spans, 99),
        most_ms=spans[-1] if spans else 0,
        launches=tuple(launches),
    )


def quantile(ordered: Sequence[int], per_cent: int) -> int:
    """The value that so many of a hundred are below, as `flumina replay` counts; 0 of none."""
    return ordered[per_cent * len(ordered) // 100] if ordered else 0
