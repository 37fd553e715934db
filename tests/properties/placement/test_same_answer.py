"""The same hosts and the same queue have the same answer, whatever Python's hash seed is.

Random queues are placed by two processes that hash strings differently; all that they answer,
reasons and refusals included, must be equal byte by byte.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_two_hash_seeds_give_the_same_bytes() -> None:
    one, other = _answers("1"), _answers("4242")
    assert one == other
    assert b'"host_id"' in one
    assert b'"refused"' in one


def _answers(hash_seed: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.place_any", "17"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return done.stdout
