"""The score of the Numenta Anomaly Benchmark, standard profile, and the series it is counted on.

The one thing to know: the protocol is that of ``shared/data/README.md``, written anew; the data is
read from where it lies and is no part of the project.
"""

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp
from pathlib import Path

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "nab"
HIT, MISS, FALSE = 1.0, 1.0, 0.11
UNSCORED_SHARE, UNSCORED_MAX = 0.15, 750


@dataclass(frozen=True)
class Labelled:
    """A series, and the first and last row of each window in which something was wrong."""

    name: str
    at_s: list[float]
    values: list[float]
    windows: list[tuple[int, int]]


def shape(y: float) -> float:
    """The scaled sigmoid: near 1 at the beginning of a window, 0 at its end, -1 long after it."""
    return 2.0 / (1.0 + exp(min(5.0 * y, 500.0))) - 1.0


def alarms_worth(alarms: Iterable[int], rows: int, windows: Sequence[tuple[int, int]]) -> float:
    """What the alarms of one series are worth together."""
    best: dict[int, float] = {}
    total = 0.0
    for row in alarms:
        if row < min(int(UNSCORED_SHARE * rows), UNSCORED_MAX):
            continue
        inside = next((at for at, (a, b) in enumerate(windows) if a <= row <= b), None)
        if inside is not None:
            first, last = windows[inside]
            worth = HIT * shape(-(last - row + 1) / (last - first + 1)) / shape(-1.0)
            best[inside] = max(best.get(inside, -1.0), worth)
            continue
        before = [(a, b) for a, b in windows if b < row]
        if not before:
            total -= FALSE
            continue
        first, last = before[-1]
        y = (row - last) / max(last - first, 1)
        total += -FALSE if y > 3.0 else FALSE * shape(y)
    return total + sum(best.get(at, -MISS) for at in range(len(windows)))


def score(worth: float, windows: int) -> float:
    """Sums of worth on the scale where no alarm at all is 0 and all windows at once are 100."""
    null = -MISS * windows
    return 100.0 * (worth - null) / (windows * HIT - null)


def labelled() -> list[Labelled]:
    """The series of the data, in the order of their names."""
    found = json.loads((DATA / "labels" / "combined_windows.json").read_text())
    return [_read(name, found[name]) for name in sorted(found)]


def _read(name: str, windows: list[list[str]]) -> Labelled:
    with gzip.open(DATA / f"{name}.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["timestamp"] + "+00:00") for row in rows]
    spans = []
    for first, last in windows:
        begin, end = (datetime.fromisoformat(each + "+00:00") for each in (first, last))
        inside = [at for at, time in enumerate(times) if begin <= time <= end]
        spans.append((inside[0], inside[-1]))
    values = [float(row["value"]) for row in rows]
    return Labelled(name, [each.timestamp() for each in times], values, spans)
