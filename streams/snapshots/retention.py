"""Which snapshots are kept: many near now, fewer behind, and never none.

The one thing to know: time travel folds from the nearest snapshot below, so the newest are kept
all (one each 20,000 events makes ten million events 500 of them), and behind them one an hour for a
day, one a day for a month, and one a month without end. Times are the log's, never the store's.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from streams.snapshots.names import SnapshotName

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MONTH_MS: Final = 30 * DAY_MS


class Retention(msgspec.Struct, frozen=True):
    """How many are kept."""

    newest: int = 500
    hourly_ms: int = DAY_MS
    daily_ms: int = MONTH_MS


def to_drop(
    names: Iterable[SnapshotName], proven: SnapshotName, rules: Retention
) -> list[SnapshotName]:
    """The snapshots that nobody needs any more, oldest first.

    ``proven`` has just been read back and found good: without it nothing is dropped at all. The
    newest of each other generation is kept, for it is where a continued log came from.
    """
    by_generation: dict[str, list[SnapshotName]] = {}
    for each in names:
        by_generation.setdefault(each.generation, []).append(each)
    found: list[SnapshotName] = []
    for generation, there in sorted(by_generation.items()):
        ordered = sorted(there, key=lambda each: (each.next_offset, each.key))
        kept = _kept(ordered, ordered[-1].at_ms, rules)
        kept.add(proven.key)
        if generation == proven.generation and all(each.key != proven.key for each in ordered):
            continue  # The listing is older than the proof: it proves nothing of these.
        found += [each for each in ordered if each.key not in kept]
    return found


def _kept(ordered: Sequence[SnapshotName], now_ms: int, rules: Retention) -> set[str]:
    kept = {each.key for each in ordered[-rules.newest :]} | {ordered[-1].key}
    periods: set[tuple[int, int]] = set()
    for each in ordered:  # The oldest of a period stays: it does not wander as time goes on.
        age_ms = now_ms - each.at_ms
        length_ms = MONTH_MS
        if age_ms <= rules.hourly_ms:
            length_ms = HOUR_MS
        elif age_ms <= rules.daily_ms:
            length_ms = DAY_MS
        period = (length_ms, each.at_ms // length_ms)
        if period not in periods:
            periods.add(period)
            kept.add(each.key)
    return kept
