"""The same queue has the same answers, byte by byte, in processes that hash strings differently."""

import pytest

from tests.support.hash_seeds import output_with_seed
from tests.support.queue_any import answers


@pytest.mark.integration  # It starts processes.
def test_two_hash_seeds_give_the_same_bytes() -> None:
    one, other = (output_with_seed(seed, "tests.support.queue_any", "1") for seed in ("1", "4242"))
    assert one == other
    assert one.count(b"\n") > 1


def test_the_day_has_all_that_can_differ() -> None:
    found = answers(1)
    assert any(each.preemptions for each in found)
    assert any(each.reservations for each in found)
    assert any(each.held for each in found)
    rules = {rule.rule for each in found for one in each.refused for rule in one.outcome.refused}
    assert "gang" in rules
