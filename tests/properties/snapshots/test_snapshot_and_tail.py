"""A snapshot and the tail of its log are the fold from zero: to the byte, and in what is decided.

Days come from `AnyDay`; snapshots are taken at any of their records, written, read, and folded on.
What is compared is everything that a snapshot holds, so also the deadlines, the marks, and the
order of every dict, because that order may decide what is proposed first.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.golden.first_day import LOG
from tests.properties.core.test_long_days import lived
from tests.support.any_day import AnyDay
from tests.support.hash_seeds import output_with_seed
from tests.support.snapshot_and_tail import check_snapshots

FIRST_DAY = LOG.read_bytes().splitlines()


class RestoredDay(AnyDay):
    """Any day, of which snapshots are taken whenever hypothesis likes."""

    def __init__(self) -> None:
        super().__init__()
        self.taken_at: set[int] = {1, 4}

    @rule(back=st.integers(0, 3))
    def take_a_snapshot(self, back: int) -> None:
        """Here, or a few records back."""
        self.taken_at.add(max(0, len(self.cell.log) - back))

    def teardown(self) -> None:
        """At the end of the day."""
        points = sorted(self.taken_at)
        # A day has many points, and each is folded to the end: eight of them, the last included.
        check_snapshots(self.cell.log, points[-8:])


RestoredDay.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRestoredDay = RestoredDay.TestCase


@pytest.mark.parametrize("seed", [1, 5, 9])
def test_a_long_day_from_snapshots_all_along_it(seed: int) -> None:
    log = lived(seed).cell.log
    check_snapshots(log, range(seed, len(log), len(log) // 12))


def test_the_golden_day_from_snapshots_all_along_it() -> None:
    check_snapshots(FIRST_DAY, range(0, len(FIRST_DAY), len(FIRST_DAY) // 20))


@pytest.mark.integration  # It starts processes.
def test_a_snapshot_of_one_hash_seed_goes_on_the_same_under_another(tmp_path: Path) -> None:
    module, begins = "tests.support.snapshot_and_tail", str(len(FIRST_DAY) // 2)
    snapshot = str(tmp_path / "snapshot")
    folded = output_with_seed("1", module, str(LOG), snapshot, begins)
    taken = (tmp_path / "snapshot").read_bytes()
    restored = output_with_seed("2", module, str(LOG), snapshot, begins)
    assert restored == folded

    output_with_seed("3", module, str(LOG), str(tmp_path / "other"), begins)
    assert (tmp_path / "other").read_bytes() == taken
