"""One JSON line for each figure, with its peer in the same run, its target, and where it was made.

The one thing to know: absolute times of a shared machine lie, so every figure stands beside a
peer that was measured in the same run; the ratio is what can be compared between runs.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
IS_QUICK = "--quick" in sys.argv
"""Tiny sizes, to see that a benchmark runs; its figures mean nothing."""


def print_figure(  # noqa: PLR0917 - read as a sentence: what, how much, beside what, at least
    benchmark: str,
    figure: str,
    value: float,
    unit: str,
    peer: tuple[str, float] | None = None,
    target: float | None = None,
    samples: int = 1,
    **more: object,
) -> None:
    """Print one figure; ``target`` is what it must reach (below for times, above for rates)."""
    line: dict[str, Any] = {
        "benchmark": benchmark,
        "figure": figure,
        "value": round(value, 3),
        "unit": unit,
        "samples": samples,
    }
    if peer is not None:
        name, peer_value = peer
        line |= {"peer": name, "peer_value": round(peer_value, 3)}
        line["ratio"] = round(value / peer_value, 3) if peer_value else None
    if target is not None:
        is_rate = unit.endswith("/s")
        line |= {"target": target, "met": value >= target if is_rate else value <= target}
    line |= more
    line |= {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}",
        "is_quick": IS_QUICK,
    }
    print(json.dumps(line), flush=True)


def commit() -> str:
    """The commit that is measured, with a mark where the tree has changes; empty without git."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],  # noqa: S607 - the user's git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
