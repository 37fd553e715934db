"""A process ends at the point that a test has named, at the time that it has named, or never."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cell.points import VARIABLE

PASS_THREE = """
from streams.cell.points import reached

for number in range(3):
    reached("call-sent", "AcceptOffers")
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("named", "passed"),
    [
        ("call-sent:AcceptOffers", 0),
        ("call-sent:AcceptOffers:1", 0),
        ("call-sent:AcceptOffers:3", 2),
        ("call-sent:AcceptOffers:4", 3),
        ("call-sent:KillCall", 3),
        ("effect-started:AcceptOffers", 3),
        ("", 3),
    ],
)
def test_it_ends_by_sigkill_exactly_there(named: str, passed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PASS_THREE],
        env=os.environ | {VARIABLE: named, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(number) for number in range(passed)]
    assert done.returncode == (0 if passed == 3 else -signal.SIGKILL)
