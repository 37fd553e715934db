"""For any hosts, rules and requests: the index of hosts answers as the slow way does.

Hosts come, change, close and go, tasks are placed and put back, in any order. A copy of the hosts
that knows neither columns nor caches (`tests.support.naive_hosts`) checks every single choice, and
the index that was kept all the time is compared with one made anew from that copy.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from scheduler.model.rules import PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.host import HostView
from scheduler.placement.outcome import Choice, Outcome
from scheduler.placement.request import Request
from tests.support.any_hosts import (
    HOSTS,
    calm_hosts,
    calm_requests,
    calm_rules,
    hosts,
    requests,
    rules,
    some_hosts,
)
from tests.support.naive_hosts import NaiveHosts, port_set, replace
from tests.support.naive_placer import NaivePlacer, with_selectors

Step = tuple[Any, ...]
ON_A_BUSY_MACHINE = settings(deadline=None)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), requests(), st.integers(1, 6)),
        st.tuples(st.just("place"), requests(), st.integers(1, 6)),
        st.tuples(st.just("put"), hosts()),
        st.tuples(st.just("remove"), st.sampled_from(HOSTS)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("close"), st.sampled_from(HOSTS)),
        st.tuples(st.just("advance"), st.integers(1, 2_000)),
    ),
    max_size=10,
)

CALM_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), calm_requests(), st.integers(1, 6)),
        st.tuples(st.just("place"), calm_requests(), st.integers(1, 6)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("remove"), st.sampled_from(HOSTS)),
        st.tuples(st.just("close"), st.sampled_from(HOSTS)),
    ),
    min_size=1,
    max_size=8,
)


class Kept:
    """An index that is kept from step to step, and the truth beside it."""

    def __init__(self, views: list[HostView], rules: PlacementRules) -> None:
        self.rules = rules
        self.index = Placement(rules)
        self.index.put_hosts(views)
        self.truth = NaiveHosts(views)
        self.undo: Callable[[], None] | None = None

    def step(self, step: Step) -> None:
        """Do one thing to both."""
        match step:
            case ("place", wanted, count):
                self.place(wanted, count)
            case ("put", view):
                self.put(view)
            case ("close", host_id) if host_id in self.truth.views:
                view = self.truth.views[host_id]
                self.put(replace(view, is_schedulable=not view.is_schedulable))
            case ("remove", host_id) if host_id in self.truth.views:
                self.undo = None
                self.truth.remove(host_id)
                self.index.remove_host(host_id)
            case ("undo",) if self.undo is not None:
                self.undo()
                self.undo = None
            case ("advance", later_ms):
                self.truth.now_ms += later_ms
                self.index.advance(self.truth.now_ms)
            case _:
                pass  # About a host that is not there, or nothing to undo.

    def put(self, view: HostView) -> None:
        self.undo = None
        self.truth.put([view])
        self.index.put_hosts([view])

    def place(self, wanted: Request, count: int) -> Outcome:
        """Place, and check each choice against the truth as it stood then."""
        was_hopeless = self.index.is_hopeless(wanted)
        before = dict(self.truth.views)
        outcome = self.index.place(wanted, count)
        for choice in outcome.choices:
            self.check(wanted, choice)
            self.truth.launch(wanted, choice)
        assert len(outcome.choices) + outcome.left == count
        assert not (was_hopeless and outcome.choices)
        if outcome.left:
            self.check_refusal(wanted, outcome)

        def undo() -> None:
            self.index.put_back(wanted, outcome.choices)
            self.truth.views = before

        self.undo = undo
        return outcome

    def check(self, wanted: Request, choice: Choice) -> None:
        """Assert that the task may go there, and that nobody else has what it gets."""
        view = self.truth.views[choice.host_id]
        whole = with_selectors(wanted, self.rules)
        broken = self.truth.broken(choice.host_id, whole, self.rules)
        assert not broken, (broken, wanted, view)
        need = wanted.need
        assert len(set(choice.ports)) == need.ports
        assert set(choice.ports) <= port_set(view.free.ports)
        assert len(set(choice.gpus)) == (need.gpus or (1 if need.gpu_milli else 0))
        for number in choice.gpus:
            device = view.gpus[number]
            assert device.free_milli >= (need.gpu_milli or device.total_milli)
        if need.addresses and view.interfaces:
            interface = view.interfaces[choice.interface]
            assert interface.used < interface.addresses
            assert interface.security_groups in (None, wanted.security_groups)
        else:
            assert choice.interface == -1

    def check_refusal(self, wanted: Request, outcome: Outcome) -> None:
        """Assert that who waits fits nowhere, and that every host is counted once."""
        whole = with_selectors(wanted, self.rules)
        for host_id in self.truth.views:
            assert self.truth.broken(host_id, whole, self.rules), (host_id, wanted)
        offered = [each for each in self.truth.views.values() if each.is_offered]
        assert sum(each.hosts for each in outcome.refused) == len(offered), outcome.refused
        assert outcome.wake
        for each in outcome.refused:
            assert each.hosts > 0 or not offered, "who refuses nobody is not named"
            assert each.nearest is None or each.nearest in self.truth.views
        assert len({each.rule for each in outcome.refused}) == len(outcome.refused)

    def anew(self) -> Placement:
        """An index made from the truth alone."""
        made = Placement(self.rules)
        made.put_hosts([self.truth.views[host_id] for host_id in sorted(self.truth.views)])
        made.advance(self.truth.now_ms)
        return made


@ON_A_BUSY_MACHINE
@given(some_hosts(), rules(), STEPS)
def test_nothing_is_over_allocated_and_no_hard_rule_broken(
    views: list[HostView], of_cell: PlacementRules, steps: list[Step]
) -> None:
    kept = Kept(views, of_cell)
    for step in steps:
        kept.step(step)


WILD = st.tuples(some_hosts(1), rules())
CALM = st.tuples(calm_hosts(), calm_rules())
ASKED = st.lists(st.tuples(requests(), st.integers(1, 5)), max_size=4)
ASKED_CALMLY = st.lists(st.tuples(calm_requests(), st.integers(1, 6)), min_size=1, max_size=4)


@ON_A_BUSY_MACHINE
@given(WILD, STEPS, st.lists(requests(), min_size=1, max_size=3))
def test_the_kept_index_equals_one_made_anew(
    world: tuple[list[HostView], PlacementRules], steps: list[Step], asked: list[Request]
) -> None:
    kept = Kept(*world)
    for step in steps:
        kept.step(step)
        _compare(kept, asked)


@ON_A_BUSY_MACHINE
@given(CALM, CALM_STEPS, st.lists(calm_requests(), min_size=1, max_size=3))
def test_the_kept_index_equals_one_made_anew_where_constraints_decide(
    world: tuple[list[HostView], PlacementRules], steps: list[Step], asked: list[Request]
) -> None:
    kept = Kept(*world)
    for step in steps:
        kept.step(step)
        _compare(kept, asked)


def _compare(kept: Kept, asked: list[Request]) -> None:
    """Ask both for hosts; what is asked leaves no trace."""
    for wanted in asked:
        anew = kept.anew()
        mine, theirs = kept.index.place(wanted, 2), anew.place(wanted, 2)
        assert mine == theirs
        kept.index.put_back(wanted, mine.choices)
        anew.put_back(wanted, theirs.choices)
        assert kept.index.totals() == anew.totals()
        event(f"placed {len(mine.choices)}")


@ON_A_BUSY_MACHINE
@given(WILD, ASKED)
def test_each_task_gets_the_host_that_the_slow_way_gives_it(
    world: tuple[list[HostView], PlacementRules], asked: list[tuple[Request, int]]
) -> None:
    _follow(*world, asked)


@ON_A_BUSY_MACHINE
@given(CALM, ASKED_CALMLY)
def test_each_task_gets_that_host_where_constraints_decide(
    world: tuple[list[HostView], PlacementRules], asked: list[tuple[Request, int]]
) -> None:
    _follow(*world, asked)


def _follow(
    views: list[HostView], of_cell: PlacementRules, asked: list[tuple[Request, int]]
) -> None:
    """Compare each choice with the best host by the slow way, at its own moment."""
    index, truth = Placement(of_cell), NaiveHosts(views)
    index.put_hosts(views)
    placer = NaivePlacer(truth, of_cell)
    for wanted, count in asked:
        for choice in index.place(wanted, count).choices:
            standings = placer.standings(wanted)
            best = max(standings.values())
            mine = standings[choice.host_id]
            if wanted.soft or of_cell.selectors:
                # Soft points are rounded one by one: a point of each weight is within bounds.
                assert mine[0] == best[0]
                assert mine[1] >= best[1] - 10 * (len(wanted.soft) + 1), (choice, standings)
            elif placer.is_any_good_enough(wanted):
                # Which of several good ones is taken is only said where nothing is balanced.
                assert mine[:2] == best[:2], (choice, standings)
            else:
                assert mine == best, (choice, standings)
            truth.launch(wanted, choice)


@ON_A_BUSY_MACHINE
@given(WILD, requests(), st.integers(1, 8), st.integers(0, 7))
def test_many_at_once_are_as_many_one_by_one(
    world: tuple[list[HostView], PlacementRules], wanted: Request, count: int, first: int
) -> None:
    _split(*world, wanted, count, first)


@ON_A_BUSY_MACHINE
@given(CALM, calm_requests(), st.integers(1, 12), st.integers(0, 11))
def test_many_at_once_are_as_many_one_by_one_where_constraints_decide(
    world: tuple[list[HostView], PlacementRules], wanted: Request, count: int, first: int
) -> None:
    _split(*world, wanted, count, first)


def _split(
    views: list[HostView], of_cell: PlacementRules, wanted: Request, count: int, first: int
) -> None:
    """Place in two parts, and one by one on hosts that came in another order."""
    at_once, one_by_one = Placement(of_cell), Placement(of_cell)
    at_once.put_hosts(views)
    one_by_one.put_hosts(list(reversed(views)))
    parts = [min(first, count), count - min(first, count)]
    choices = [each for part in parts if part for each in at_once.place(wanted, part).choices]
    singles = [each for _ in range(count) for each in one_by_one.place(wanted, 1).choices]
    assert choices == singles
