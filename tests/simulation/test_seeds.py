"""No seed breaks a promise: I1 to I8, over six hours in which processes, Kafka and hosts fail.

A hundred seeds (the quick tests have one), and all seeds and scripts that once failed; the soak
runs ten thousand and writes a report. A failure names its seed: `flumina simulate faults --seed N
--shrink FILE` makes it short.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.simulation.batch import run_seed, run_seeds
from streams.simulation.run import run_script
from streams.simulation.script import decode_script
from tests.support.quick import is_quick

HOURS = 6.0
EVENTS_MIN = 2_000
FAILED = Path(__file__).parent / "failed_seeds.txt"
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.json"))
"""Shrunk runs that once failed; they stay the same when what a seed draws changes."""
REPORTS = Path(__file__).parents[2] / "docs" / "reports"


def failed_seeds() -> list[int]:
    """The seeds of the file, without its comments."""
    lines = FAILED.read_text("utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


# Ten seeds are six to ten seconds' work of a processor: the quick tests have one.
QUICK_SEEDS = 1
TENS = [
    pytest.param(first, marks=pytest.mark.integration if first else ())
    for first in range(0, 100, 10)
]


@pytest.mark.parametrize("first", TENS)
def test_ten_seeds_keep_every_promise(first: int, request: pytest.FixtureRequest) -> None:
    count = QUICK_SEEDS if is_quick(request.config) else 10
    for seed in range(first, first + count):
        outcome, _ = run_seed(seed, HOURS)
        assert not outcome.violations, f"seed {seed}: {outcome.violations}"
        assert outcome.events >= EVENTS_MIN, f"seed {seed} is too quiet: {outcome.events} events"
        assert outcome.launches


@pytest.mark.slow
def test_what_once_failed_keeps_every_promise() -> None:
    for seed in failed_seeds():
        outcome, _ = run_seed(seed, HOURS)
        assert not outcome.violations, f"seed {seed}: {outcome.violations}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_that_once_failed_keeps_every_promise(path: Path) -> None:
    outcome = run_script(decode_script(path.read_bytes()))
    assert not outcome.violations, outcome.violations


@pytest.mark.soak
def test_ten_thousand_seeds_keep_every_promise() -> None:
    seeds, begun_s = range(10_000, 20_000), time.monotonic()
    events, spent_s, elections, starts = 0, 0.0, 0, 0
    failed: list[str] = []
    for outcome, took_s in run_seeds(seeds, HOURS, workers=2):
        events += outcome.events
        spent_s += took_s
        elections += outcome.elections
        starts += outcome.starts
        if outcome.violations:
            failed.append(f"- seed {outcome.seed}: {outcome.violations[0]}")
    today = datetime.now(UTC).date().isoformat()
    lines = [
        f"# Simulation of {today}",
        "",
        "`pytest -m soak tests/simulation`: a whole cell, seeds 10,000 to 19,999.",
        "",
        "| what | figure |",
        "| --- | --- |",
        f"| seeds | {len(seeds):,} |",
        f"| simulated hours | {len(seeds) * HOURS:,.0f} |",
        f"| events | {events:,} |",
        f"| elections | {elections:,} |",
        f"| starts of cell processes | {starts:,} |",
        f"| processor seconds | {spent_s:,.0f} ({spent_s / len(seeds):.2f} a seed) |",
        f"| minutes on two workers | {(time.monotonic() - begun_s) / 60:.0f} |",
        f"| seeds that broke a promise | {len(failed)} |",
        "",
        *failed,
    ]
    (REPORTS / f"{today}-simulation.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    assert not failed, failed
