"""Runs a module in a process of its own that hashes strings by a given seed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def output_with_seed(seed: str, module: str, *words: str) -> bytes:
    """What ``python -m module words`` prints under this hash seed; fails where it fails."""
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": seed},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    ).stdout
