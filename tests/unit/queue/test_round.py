"""One round: who goes first, what is held and by which rule, and that nobody waits in silence.

Each case says groups, what waits, and what must run after the round; hosts are of 8 cpu.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from scheduler.model.rules import CapacityGroup, Guards
from scheduler.placement.request import Request
from scheduler.queue.outcome import RoundLimits
from scheduler.rounds.placing import place_round
from tests.support.queueing import SmallCell, ask, group, held, hosts, refused, rules


class Case(NamedTuple):
    name: str
    groups: tuple[CapacityGroup, ...]
    waiting: tuple[tuple[Request, int], ...]
    runs: dict[str, int]
    held: Mapping[str, str] = MappingProxyType({})
    hosts: int = 2
    launches_max: int = 1_000


WEB = ask("web", tier="Critical", group="web")
CASES = (
    Case(
        "tiers in order",
        (group("web", "Critical"),),
        ((ask("batch"), 16), (WEB, 10)),
        {"web": 10, "batch": 6},
    ),
    Case(
        "equal shares for equal weights",
        (group("a"), group("b")),
        ((ask("first", group="a"), 100), (ask("second", group="b"), 100)),
        {"first": 8, "second": 8},
    ),
    Case(
        "shares by weight",
        (group("a", weight=3), group("b")),
        ((ask("first", group="a"), 100), (ask("second", group="b"), 100)),
        {"first": 12, "second": 4},
    ),
    Case(
        "the dominant share counts: half the tasks where each takes twice as much",
        (group("a"), group("b")),
        ((ask("large", cpu=2, group="a"), 100), (ask("small", group="b"), 100)),
        {"large": 4, "small": 8},
    ),
    Case(
        "first come, first served inside a group",
        (),
        ((ask("early"), 10), (ask("late"), 10)),
        {"early": 10, "late": 6},
    ),
    Case(
        "one that fits on no host does not block those behind it",
        (),
        ((ask("giant", cpu=9), 1), (ask("late"), 4)),
        {"late": 4},
    ),
    Case(
        "what is guaranteed to a group and idle is held back from others",
        (group("web", "Critical", cpu=6),),
        ((ask("batch"), 16),),
        {"batch": 10},
        {"batch": "guarantee"},
    ),
    Case(
        "its owner has it",
        (group("web", "Critical", cpu=6),),
        ((ask("batch"), 16), (WEB, 6)),
        {"batch": 10, "web": 6},
    ),
    Case(
        "the guarantee of a lower tier is held back from best effort of a higher one",
        (group("web", "Critical"), group("etl", cpu=4)),
        ((WEB, 16),),
        {"web": 12},
        {"web": "guarantee"},
    ),
    Case(
        "a guarantee comes before the weight of others",
        (group("a", cpu=12), group("b", weight=100)),
        ((ask("first", group="a"), 16), (ask("second", group="b"), 16)),
        {"first": 12, "second": 4},
    ),
    Case(
        "a limit is a cap, however idle the cell is",
        (group("a", limit=5),),
        ((ask("first", group="a"), 8), (ask("second"), 4)),
        {"first": 5, "second": 4},
        {"first": "group limit"},
    ),
    Case(
        "a parent's limit caps its children together",
        (group("p", limit=6), group("a", parent="p"), group("b", parent="p")),
        ((ask("first", group="a"), 8), (ask("second", group="b"), 8)),
        {"first": 3, "second": 3},
        {"first": "group limit", "second": "group limit"},
    ),
    Case(
        "teams share their group's part, and not the tier's",
        (group("p"), group("a", parent="p"), group("b", parent="p"), group("q")),
        ((ask("a", group="a"), 50), (ask("b", group="b"), 50), (ask("q", group="q"), 50)),
        {"a": 4, "b": 4, "q": 8},
    ),
    Case(
        "a team may use what its group is guaranteed",
        (group("p", cpu=12), group("a", parent="p"), group("q", weight=100)),
        ((ask("q", group="q"), 16), (ask("a", group="a"), 16)),
        {"q": 4, "a": 12},
    ),
    Case(
        "what a team is guaranteed is held back from its sister",
        (group("p", cpu=12), group("a", cpu=5, parent="p"), group("b", parent="p")),
        ((ask("b", group="b"), 16),),
        {"b": 11},
        {"b": "guarantee"},
    ),
    Case(
        "a group that nobody listed counts as DEFAULT",
        (),
        ((ask("stranger", group="unheard"), 2), (ask("known"), 2)),
        {"stranger": 2, "known": 2},
    ),
    Case(
        "a round places no more than it may, and says so",
        (),
        ((ask("one"), 4), (ask("two"), 4)),
        {"one": 4, "two": 1},
        {"two": "round limit"},
        launches_max=5,
    ),
    Case(
        "opportunistic work uses what is held back, and stands behind everybody else",
        (group("web", "Critical", cpu=6),),
        ((ask("spare", lent=True), 20), (ask("batch"), 16)),
        {"batch": 10, "spare": 6},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_runs_after_a_round(case: Case) -> None:
    cell = SmallCell(hosts(case.hosts), rules(*case.groups))
    for request, count in case.waiting:
        cell.wait(request, count)
    limits = RoundLimits(launches_max=case.launches_max)
    outcome = cell.round(limits=limits)
    assert cell.counts() == case.runs
    assert held(outcome) == dict(case.held)
    # Never silent: whoever waits on stands in one of both lists.
    # As things are when the round is over, hosts come last: they say no where no rule does.
    waiting = {str(each.request.job_id) for each in cell.queue}
    assert waiting == set(held(outcome)) | set(refused(outcome))
    assert outcome.unexplained == 0


def test_a_held_class_names_the_numbers() -> None:
    cell = SmallCell(hosts(2), rules(group("web", "Critical", cpu=6), group("a", limit=5)))
    cell.wait(ask("batch"), 16)
    cell.wait(ask("capped", group="a"), 8)
    by_job = {str(each.request.job_id): each for each in cell.round().held}
    assert by_job["capped"].words == ("group a may use 5 cpus and uses 5; a task needs 1")
    assert by_job["batch"].words == (
        "of 6 cpus free, 6 are held back for the guarantees of other groups; a task needs 1"
    )
    assert (by_job["capped"].scales_up, by_job["batch"].scales_up) == (False, True)
    assert (by_job["capped"].count, by_job["batch"].count) == (3, 11)


def test_a_job_launches_no_faster_than_its_rate() -> None:
    guarded = rules(guards=Guards(launches_per_job_per_minute=5))
    cell = SmallCell(hosts(2), guarded)
    cell.wait(ask("fast"), 8, rate=2)
    outcome = cell.round(now_ms=1_000)
    assert cell.counts() == {"fast": 3}
    assert held(outcome) == {"fast": "launch rate"}
    assert outcome.held[0].words == "5 of 5 launches of the job in a minute are used"
    # Time alone lets more through: the round says when to ask again.
    assert outcome.again_at_ms == 13_000


def test_what_is_explained_is_bounded_and_the_rest_is_counted() -> None:
    cell = SmallCell(hosts(1), rules())
    for number in range(5):
        cell.wait(ask(f"giant{number}", cpu=9 + number), 1)
    outcome = cell.round(limits=RoundLimits(explanations_max=2))
    assert len(outcome.refused) == 2
    assert outcome.unexplained == 3


def test_the_round_says_which_capacity_nobody_uses() -> None:
    cell = SmallCell(hosts(2), rules(group("web", "Critical", cpu=6), group("etl", cpu=2)))
    cell.wait(ask("web", tier="Critical", group="web"), 2)
    cell.wait(ask("spare", lent=True), 3)
    troughs = cell.round().troughs
    assert troughs is not None
    assert troughs.total[0] == 16_000
    assert troughs.allocated[0] == 5_000
    assert troughs.opportunistic[0] == 3_000
    assert troughs.guaranteed[0] == 8_000
    assert troughs.not_allocated[0] == 6_000
    assert troughs.not_used is None


def test_the_same_state_is_explained_in_the_same_words() -> None:
    """What an earlier round has found hopeless changes no word of a later one."""
    cell = SmallCell(hosts(1), rules())
    cell.wait(ask("early", cpu=3), 1)
    cell.wait(ask("large", cpu=6, memory_gib=40), 1)
    cell.wait(ask("late", cpu=1, memory_gib=30), 1)
    first = cell.round()
    second = cell.round()
    assert first.refused == second.refused
    assert [each.request.job_id for each in first.refused] == ["large"]


def test_where_there_is_room_for_all_the_largest_go_first_and_fewer_hosts_are_used() -> None:
    cell = SmallCell(hosts(3), rules())
    for job, cpu in (("a", 3), ("b", 3), ("c", 5), ("d", 5)):
        cell.wait(ask(job, cpu=cpu), 1)
    cell.round()
    assert len({choice.host_id for _, choice, _ in cell.running.values()}) == 2


def test_where_there_is_not_it_is_first_come_first_served() -> None:
    cell = SmallCell(hosts(1), rules())
    for job, cpu in (("a", 3), ("b", 3), ("c", 5)):
        cell.wait(ask(job, cpu=cpu), 1)
    cell.round()
    assert cell.counts() == {"a": 1, "b": 1}


def test_a_class_that_was_told_already_is_not_explained_again() -> None:
    cell = SmallCell(hosts(1), rules())
    cell.wait(ask("told", cpu=9), 1)
    cell.wait(ask("news", cpu=9), 1)
    outcome = place_round(
        cell.placement,
        cell.queue,
        cell.usage,
        cell.rules,
        0,
        is_told=lambda request, count: (request.job_id, count) == ("told", 1),
    )
    assert [each.request.job_id for each in outcome.refused] == ["news"]
    assert outcome.unexplained == 0
