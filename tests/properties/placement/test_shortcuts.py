"""Ways that cost less give the answers of those that cost more.

The one thing to know: each shortcut is compared with the way that serves every request: refusals of
many hopeless classes at once, balanced steps whose hosts are brought up to date at the end,
balances on hosts that are all alike, fitness of such hosts, single tasks for which the fullest of
them is the best, and whole runs of them.
"""

from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement import balance, balance_growing, engine, scales, steps
from scheduler.placement.balance_even import fill_even
from scheduler.placement.columns import Array, Columns
from scheduler.placement.engine import Placement
from scheduler.placement.explain import Explainer, refusals
from scheduler.placement.hopeless import Entry
from scheduler.placement.host import HostView
from scheduler.placement.index import Index
from scheduler.placement.outcome import Outcome
from scheduler.placement.plain import NOWHERE, PlainTasks, Scores
from scheduler.placement.prepared import Prepared
from scheduler.placement.request import Request
from scheduler.placement.search import Found
from scheduler.placement.singles import Singles

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
            entry = Entry(prepared.request, prepared, 0)
            assert explainer.hopeless(entry) == refusals(index, prepared)


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


# Totals that divide nothing evenly, so that hosts as full as each other differ by a point at times.
WHOLE = Resources(7_919, 32_771)
FILLS = st.tuples(st.integers(0, 7_919), st.integers(-9, 32_771))
SINGLES = st.tuples(st.integers(0, 4_000), st.integers(0, 16_000), st.booleans(), st.integers(1, 2))


def alike(fills: list[tuple[int, int]], odd: int) -> list[HostView]:
    return [
        HostView(
            HostId(f"h{number}"),
            free=Resources(*free),
            total=WHOLE,
            attributes=(("zone", "ABC"[number % 3]),),
            is_last_choice=number == odd,
            is_schedulable=number != odd + 2,
            quality_milli=900,
        )
        for number, free in enumerate(fills)
    ]


@given(
    st.lists(FILLS, min_size=1, max_size=12),
    st.integers(-9, 9),
    st.lists(SINGLES, min_size=1, max_size=12),
)
def test_single_tasks_go_where_the_long_way_puts_them(
    fills: list[tuple[int, int]], odd: int, asked: list[tuple[int, int, bool, int]]
) -> None:
    def outcomes() -> tuple[list[Outcome], list[HostView | None]]:
        placement = Placement(PlacementRules())
        placement.put_hosts(alike(fills, odd))
        only = Constraint("hostAttributeIn", attribute="zone", values=("A", "C"))
        found = []
        for number, (cpu_milli, memory_mib, is_bound, count) in enumerate(asked):
            hard = (only,) if is_bound else ()
            request = Request(JobId(f"j{number % 3}"), Need(cpu_milli, memory_mib), hard)
            found.append(placement.place(request, count, explain=number % 2 == 0))
        return found, [placement.host(HostId(f"h{number}")) for number in range(len(fills))]

    short = outcomes()
    with (
        patch.object(PlainTasks, "place", lambda *_: None),
        patch.object(Columns, "even", lambda _: None),
    ):
        assert outcomes() == short


def test_the_way_of_single_tasks_is_gone() -> None:
    placement = Placement(PlacementRules())
    placement.put_hosts(alike([(7_919, 32_771), (5_000, 20_000), (4_000, 9_000)], -9))
    answers: list[Outcome | None] = []
    place = PlainTasks.place

    def noted(self: PlainTasks, request: Request, manner: Prepared) -> Outcome | None:
        answers.append(place(self, request, manner))
        return answers[-1]

    with patch.object(PlainTasks, "place", noted):
        for cpu_milli in (2_000, 9_000):
            placement.place(Request(JobId("j"), Need(cpu_milli, 100)), 1)
    assert answers[0] is not None
    assert [each.host_id for each in answers[0].choices] == ["h2"]
    assert answers[1] is NOWHERE


@given(
    st.lists(FILLS, min_size=1, max_size=12),
    st.integers(-9, 9),
    st.lists(SINGLES, min_size=1, max_size=24),
    st.integers(1, 30),
    st.booleans(),
)
def test_a_run_of_single_tasks_goes_where_each_would_go(
    fills: list[tuple[int, int]],
    odd: int,
    asked: list[tuple[int, int, bool, int]],
    most: int,
    is_all: bool,
) -> None:
    # Twice as many hosts as the tasks can reach, so that some of the empty ones are left out.
    fills = [*fills, *[(7_919, 32_771)] * 60]
    only = Constraint("hostAttributeIn", attribute="zone", values=("A", "C"))
    requests = [
        (
            Request(
                JobId(f"j{number % 3}"),
                Need(cpu_milli, memory_mib),
                (only,) if is_bound and number % 5 == 0 else (),
                is_service=most % 2 == 0,
            ),
            count if number % 4 == 0 else 1,
        )
        for number, (cpu_milli, memory_mib, is_bound, count) in enumerate(asked)
    ]

    def outcomes(run_min: int) -> list[object]:
        placement = Placement(PlacementRules())
        placement.put_hosts(alike(fills, odd))
        with patch.object(engine, "_RUN_MIN", run_min):
            first = placement.place_each(requests, most, is_all=is_all)
            again = placement.place_each(requests, most, is_all=is_all)
        refused = [placement.refusals(request) for request, _ in requests]
        known = [placement.is_hopeless(request) for request, _ in requests]
        return [
            first,
            again,
            refused,
            known,
            [placement.host(HostId(f"h{number}")) for number in range(len(fills))],
        ]

    assert outcomes(1) == outcomes(1_000)


@given(
    st.lists(FILLS, min_size=1, max_size=12),
    st.integers(-9, 9),
    st.lists(
        st.tuples(st.integers(0, 3_000), st.integers(0, 12_000), st.integers(1, 20)),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 3),
)
def test_balanced_tasks_on_hosts_alike_go_where_the_long_way_puts_them(
    fills: list[tuple[int, int]], odd: int, sizes: list[tuple[int, int, int]], manner: int
) -> None:
    zones = (Constraint("zoneBalance"),)
    hard, soft = ((zones, ()), ((), zones), (zones, zones), ((), zones))[manner]

    def outcomes() -> tuple[list[Outcome], list[HostView | None]]:
        placement = Placement(PlacementRules())
        placement.put_hosts(alike(fills, odd))
        found = []
        # Each size comes again for another job: then the keys of its shape are kept.
        for number, (cpu_milli, memory_mib, count) in enumerate((*sizes, *sizes, *sizes)):
            request = Request(
                JobId(f"j{number % 4}"),
                Need(cpu_milli, memory_mib),
                hard,
                soft,
                is_service=manner == 1,
            )
            found.append(placement.place(request, count, explain=number % 2 == 0))
            if number % 5 == 4:
                placement.put_back(request, found[-1].choices[::2])
        return found, [placement.host(HostId(f"h{number}")) for number in range(len(fills))]

    short = outcomes()
    with (
        patch.object(balance, "fill_even", lambda *_: None),
        patch.object(steps, "is_simple", lambda *_: False),
        patch.object(balance_growing, "is_simple", lambda *_: False),
        patch.object(scales, "FEW", 0),
        patch.object(Columns, "even", lambda _: None),
    ):
        assert outcomes() == short


def test_the_way_of_balanced_tasks_is_gone() -> None:
    placement = Placement(PlacementRules())
    placement.put_hosts(alike([(7_919, 32_771), (5_000, 20_000), (4_000, 9_000)], -9))
    answers: list[Found | None] = []

    def noted(index: Index, prepared: Prepared, keys: Array, *more: Any) -> Found | None:
        answers.append(fill_even(index, prepared, keys, *more))
        return answers[-1]

    request = Request(JobId("j"), Need(2_000, 4_000), soft=(Constraint("zoneBalance"),))
    with patch.object(balance, "fill_even", noted):
        outcome = placement.place(request, 5)
    # One in each zone, the fullest host first; then by room.
    assert [each.host_id for each in outcome.choices] == ["h2", "h1", "h0", "h2", "h1"]
    assert outcome.reason is not None
    assert answers[0] is not None
    first, second = answers[0]
    assert first is not None
    assert second is not None
    assert (first.host_id, second.host_id) == ("h2", outcome.reason.runner_up)


def test_a_host_that_nobody_asked_about_has_its_tasks_when_somebody_does() -> None:
    placement = Placement(PlacementRules())
    placement.put_hosts(alike([(7_919, 32_771)] * 3, -9))
    job, zones = JobId("j"), (Constraint("zoneBalance"),)
    request = Request(job, Need(1_000, 2_000), soft=zones, is_service=True)
    placement.place(request, 6)
    columns = placement._index.columns
    assert [slot.is_filled for slot in columns.slots if slot is not None] == [False] * 3
    view = placement.host(HostId("h1"))
    assert view is not None
    assert (view.free.cpu_milli, view.free.memory_mib) == (5_919, 28_771)
    assert (view.tasks_of_job, view.services, view.launching) == (((job, 2),), 2, 2)
    # A row that is given to another host begins without tasks.
    placement.remove_host(HostId("h0"))
    placement.put_hosts([msgspec.structs.replace(alike([(7_919, 32_771)], -9)[0], host_id="h9")])
    view = placement.host(HostId("h9"))
    assert view is not None
    assert (view.tasks_of_job, view.services, view.free.cpu_milli) == ((), 0, 7_919)


def test_the_way_of_runs_is_gone() -> None:
    placement = Placement(PlacementRules())
    placement.put_hosts(alike([(7_919, 32_771), (5_000, 20_000), (4_000, 9_000)], -9))
    runs: list[list[Outcome]] = []
    place = Singles.place

    def noted(self: Singles, scores: Scores, *, is_all: bool) -> list[Outcome]:
        runs.append(place(self, scores, is_all=is_all))
        return runs[-1]

    asked = [(Request(JobId(f"j{at}"), Need(2_000 + at, 100)), 1) for at in range(8)]
    with patch.object(Singles, "place", noted):
        outcomes = placement.place_each(asked, 100)
    assert runs == [outcomes]
    placed = [[each.host_id for each in outcome.choices] for outcome in outcomes]
    # The fullest first; of what fits nowhere any more this is known.
    assert placed == [["h2"], ["h1"], ["h1"], ["h0"], ["h0"], ["h0"], [], []]
    assert [placement.is_hopeless(request) for request, _ in asked] == [False] * 6 + [True] * 2
