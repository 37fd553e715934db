"""Lending by the policy: with an end, only work that will be done by then borrows."""

import pytest
from msgspec.structs import replace

from scheduler.model.policy import Policy
from scheduler.model.resources import Need
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from tests.support.cell import CellInMemory, batch, running_cell

RULES = PlacementRules(
    groups=(
        CapacityGroup("web", "Critical", guarantee=Amount(cpu_milli=8_000)),
        CapacityGroup("DEFAULT", "Flex"),
    )
)


def launched(lend_ms: int, *attributes: tuple[str, str]) -> int:
    """How many tasks of a job with these attributes start where all is guaranteed to others."""
    policy = Policy(placement=replace(RULES, lend_ms=lend_ms))
    cell: CellInMemory = running_cell(hosts=2, policy=policy)
    cell.submit(replace(batch(3, need=Need(500, 32)), attributes=attributes))
    return len(cell.launched())


@pytest.mark.parametrize(
    ("lend_ms", "attributes", "expected"),
    [
        (0, {}, 0),
        (0, {"flumina.opportunistic": "true"}, 3),
        (60_000, {"flumina.opportunistic": "true"}, 0),
        (60_000, {"flumina.opportunistic": "true", "flumina.runtimePredictionSec": "60"}, 3),
        (60_000, {"flumina.opportunistic": "true", "flumina.runtimePredictionSec": "61"}, 0),
    ],
    ids=["not asked", "until the owner comes", "unknown run time", "in time", "too long"],
)
def test_who_borrows(lend_ms: int, attributes: dict[str, str], expected: int) -> None:
    assert launched(lend_ms, *sorted(attributes.items())) == expected
