"""Every benchmark runs and prints whole lines; the figures of tiny sizes are not looked at."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli.command_bench import BENCHMARKS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FIELDS = {"benchmark", "figure", "value", "unit", "samples", "at", "commit", "machine"}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_prints_a_line_for_each_figure(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmark.{name}", "--quick"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=240,
    )
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert figures
    for figure in figures:
        assert figure.keys() >= FIELDS
        assert figure["benchmark"] == name
        # A hop begins where the one before it was seen; of two at once either may be seen first.
        # What hardly works, and only for a moment, may round to nothing.
        assert figure["value"] >= 0 or figure["figure"].startswith("hop: ")
        assert figure["is_quick"] is True
    assert any("ratio" in figure for figure in figures), "nothing stands beside a peer"
