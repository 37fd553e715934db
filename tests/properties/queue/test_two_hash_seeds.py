"""The same queue has the same answers, byte by byte, in processes that hash strings differently."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.queue_any import answers

ROOT = Path(__file__).parents[3]


def test_two_hash_seeds_give_the_same_bytes() -> None:
    one, other = _answers("1"), _answers("4242")
    assert one == other
    assert one.count(b"\n") > 1


def test_the_day_has_all_that_can_differ() -> None:
    found = answers(1)
    assert any(each.preemptions for each in found)
    assert any(each.reservations for each in found)
    assert any(each.held for each in found)
    rules = {rule.rule for each in found for one in each.refused for rule in one.outcome.refused}
    assert "gang" in rules


def _answers(hash_seed: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.queue_any", "1"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return done.stdout
