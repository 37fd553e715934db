"""Puts small ranges of quiet times together, so that years of them stay few files.

The one thing to know: the larger range is archived before the small ones are taken out, a while
later, so that whoever has listed them still finds them. Readers take the range that reaches
farthest; between the two steps every record is there twice, which harms nobody.
"""

from collections.abc import Sequence

import msgspec
import structlog

from connectors.archive.archive import Archive, NewRange
from connectors.archive.ranges import Manifest, Series, Span
from connectors.ports import StoreFailed
from streams.history.limits import HistoryLimits

logger = structlog.get_logger(__name__)

SMALL_PART = 4
"""A range is small below this part of the largest size."""


class Merged(msgspec.Struct, frozen=True):
    """What one look did: ranges that were put together, and such that were taken out."""

    together: int
    removed: int


def merge_small(archive: Archive, limits: HistoryLimits, now_ms: int, build: str) -> Merged:
    """Put every long enough row of small ranges together, and take replaced ones out.

    Raises what the store raises.
    """
    together = removed = 0
    for series in archive.series():
        manifests = list(archive.manifests(series))
        for run in small_runs(manifests, limits):
            archive.put(_together(archive, series, run, now_ms, build))
            together += len(run)
        for manifest in replaced(manifests, now_ms - limits.removed_after_ms):
            try:
                archive.remove(manifest)
            except StoreFailed as error:
                # A store may let us write and not delete: the range stays, and harms nobody.
                logger.info("a replaced range stays", range=manifest.file, why=str(error))
                break
            removed += 1
    return Merged(together, removed)


def small_runs(manifests: Sequence[Manifest], limits: HistoryLimits) -> list[list[Manifest]]:
    """Rows of small ranges, each beginning where the one before ends, that fit into one."""
    runs: list[list[Manifest]] = []
    run: list[Manifest] = []
    for manifest in without_replaced(manifests):
        if not _is_small(manifest, limits):
            runs.append(run)
            run = []
            continue
        size = sum(each.raw_bytes for each in run) + manifest.raw_bytes
        records = manifest.last_offset - (run[0] if run else manifest).first_offset + 1
        follows = not run or manifest.first_offset == run[-1].last_offset + 1
        is_full = size > limits.range_bytes_max or records > limits.range_records_max
        if not follows or is_full:
            runs.append(run)
            run = []
        run.append(manifest)
    runs.append(run)
    return [each for each in runs if len(each) >= limits.merge_ranges]


def _is_small(manifest: Manifest, limits: HistoryLimits) -> bool:
    records = manifest.last_offset - manifest.first_offset + 1
    return (
        manifest.raw_bytes * SMALL_PART < limits.range_bytes_max
        and records * SMALL_PART < limits.range_records_max
    )


def without_replaced(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Those that no other range has all offsets of."""
    inside = _inside([each.span for each in manifests], [each.span for each in manifests])
    return [each for each in manifests if each.span not in inside]


def replaced(manifests: Sequence[Manifest], made_before_ms: int) -> list[Manifest]:
    """Those that a larger range, made before this time, has all offsets of."""
    old = [each.span for each in manifests if each.made_at_ms < made_before_ms]
    inside = _inside([each.span for each in manifests], old)
    return [each for each in manifests if each.span in inside]


def _inside(spans: Sequence[Span], others: Sequence[Span]) -> frozenset[Span]:
    """The spans of which one of the others, and not the same, has all offsets."""
    # By first offset, the longer one first: who contains a span then comes before it.
    both = {*spans, *others}
    ordered = sorted(both, key=lambda each: (each.first_offset, -each.last_offset))
    is_other = frozenset(others)
    inside, reach = set(), -1
    for span in ordered:
        if span.last_offset <= reach:
            inside.add(span)
        elif span in is_other:
            reach = span.last_offset
    return frozenset(inside)


def _together(
    archive: Archive, series: Series, run: Sequence[Manifest], now_ms: int, build: str
) -> NewRange:
    # Their files are proven as they are read: what is damaged is not copied on.
    rows = [row for manifest in run for row in archive.rows(manifest)]
    return NewRange(
        series=series,
        span=Span(run[0].first_offset, run[-1].last_offset),
        rows=rows,
        at_ms_max=run[-1].at_ms_max,
        chain_before=run[0].chain_before,
        chain_after=run[-1].chain_after,
        made_at_ms=now_ms,
        build=build,
    )
