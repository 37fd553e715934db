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
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
IS_QUICK = "--quick" in sys.argv
"""Tiny sizes, to see that a benchmark runs; its figures mean nothing."""


MORE_IS_BETTER = ("/s", "times", "of it", "tasks placed")
"""Units that end so are rates and the like; of all others less is better."""


class Peer(NamedTuple):
    """What the figure stands beside: the same unit, measured in the same run."""

    name: str
    value: float


def print_figure(
    benchmark: str,
    figure: str,
    value: float,
    unit: str,
    *,
    samples: int,
    peer: Peer | None = None,
    target: float | None = None,
    **more: object,
) -> None:
    """Print one figure; ``target`` is what it must reach, from below where more is better."""
    met = None
    if target is not None:
        met = value >= target if unit.endswith(MORE_IS_BETTER) else value <= target
    line = {
        "benchmark": benchmark,
        "figure": figure,
        "value": round(value, 3),
        "unit": unit,
        "peer": peer.name if peer else None,
        "peer_value": round(peer.value, 3) if peer else None,
        "ratio": round(value / peer.value, 3) if peer and peer.value else None,
        "samples": samples,
        "target": target,
        "met": met,
        **more,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
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


def machine() -> str:
    """What was measured on, and how busy it was: a load above its cores makes figures worse."""
    load = os.getloadavg()[0]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {sys.version.split()[0]}"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
