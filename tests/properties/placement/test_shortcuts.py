"""Ways that cost less give the answers of those that cost more.

The one thing to know: each shortcut is compared with the way that serves every request: refusals of
many hopeless classes at once, balanced steps whose hosts are brought up to date at the end, and
fitness of hosts that are all alike.
"""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement import balance_growing, scales, steps
from scheduler.placement.columns import Columns
from scheduler.placement.engine import Placement
from scheduler.placement.explain import Explainer, refusals
from scheduler.placement.host import HostView
from scheduler.placement.outcome import Outcome
from scheduler.placement.request import Request

AMOUNTS = st.tuples(st.integers(0, 8), st.integers(0, 8))
NEEDS = st.builds(Need, st.integers(0, 9), st.integers(0, 9))


def views_of(amounts: list[tuple[int, int]]) -> list[HostView]:
    whole = Resources(8, 8)
    return [
        HostView(
            HostId(f"h{number}"),
            free=Resources(*free),
            total=whole,
            attributes=(("zone", "ABC"[number % 3]),),
            quality_milli=1_000 - 100 * (number % 2 if len(amounts) > 4 else 0),
        )
        for number, free in enumerate(amounts)
    ]


@given(st.lists(AMOUNTS, min_size=1, max_size=12), st.lists(NEEDS, min_size=1, max_size=6))
def test_refusals_of_many_are_those_of_each(
    amounts: list[tuple[int, int]], needs: list[Need]
) -> None:
    placement = Placement(PlacementRules())
    placement.put_hosts(views_of(amounts))
    index = placement._index
    explainer = Explainer(index)
    for number, need in enumerate((needs[0], *needs)):
        prepared = placement._ready(Request(JobId(f"j{number}"), need))
        if not index.fits(prepared).any():
            assert explainer.hopeless(prepared) == refusals(index, prepared)


@given(
    st.lists(AMOUNTS, min_size=1, max_size=12),
    st.lists(st.tuples(NEEDS, st.integers(1, 9), st.booleans()), min_size=1, max_size=5),
)
def test_shortcuts_place_as_the_long_ways_do(
    amounts: list[tuple[int, int]], asked: list[tuple[Need, int, bool]]
) -> None:
    def outcomes() -> tuple[list[Outcome], list[HostView | None]]:
        placement = Placement(PlacementRules())
        placement.put_hosts(views_of(amounts))
        zones = Constraint("zoneBalance")
        found = []
        for number, (need, count, is_hard) in enumerate(asked):
            job_id = JobId(f"j{number % 2}")
            hard, soft = ((zones,), ()) if is_hard else ((), (zones,))
            request = Request(job_id, need, hard, soft)
            found.append(placement.place(request, count))
        return found, [placement.host(HostId(f"h{number}")) for number in range(len(amounts))]

    short = outcomes()
    with (
        patch.object(steps, "is_simple", lambda *_: False),
        patch.object(balance_growing, "is_simple", lambda *_: False),
        patch.object(scales, "FEW", 0),
        patch.object(Columns, "even", lambda _: None),
    ):
        assert outcomes() == short
