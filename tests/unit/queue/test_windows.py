"""Opportunistic work borrows what is held back, by windows if there are any; its owner comes."""

from scheduler.placement.windows import Window
from tests.support.queueing import SmallCell, ask, group, held, hosts, rules

OWNED = rules(group("web", "Critical", cpu=6))
SPARE = ask("spare", lent=True, runtime_ms=60_000)


def _window(cpu: int, until_ms: int) -> Window:
    return Window("Critical", (1_000 * cpu, 65_536, 0, 0, 0), until_ms)


def test_without_windows_all_that_is_held_back_is_lent() -> None:
    cell = SmallCell(hosts(1), OWNED)
    cell.wait(SPARE, 10)
    cell.round()
    assert cell.counts() == {"spare": 8}


def test_beyond_what_nobody_is_guaranteed_only_a_window_lends() -> None:
    cell = SmallCell(hosts(1), OWNED)
    cell.wait(SPARE, 10)
    outcome = cell.round(windows=[_window(3, until_ms=100_000)])
    # 2 cpus belong to nobody, and 3 are lent.
    assert cell.counts() == {"spare": 5}
    assert held(outcome) == {"spare": "window"}
    assert outcome.windows == (Window("Critical", (0, 60_416 + 2_048, 0, 0, 0), 100_000),)


def test_a_window_that_ends_before_the_task_lends_nothing() -> None:
    cell = SmallCell(hosts(1), OWNED)
    cell.wait(SPARE, 10)
    outcome = cell.round(now_ms=50_000, windows=[_window(3, until_ms=100_000)])
    assert cell.counts() == {"spare": 2}
    assert outcome.held[0].words == (
        "all that is free is held back for guarantees; "
        "tier Critical: it would run 10000 ms beyond the window's end"
    )


def test_no_window_at_all() -> None:
    cell = SmallCell(hosts(1), OWNED)
    cell.wait(SPARE, 10)
    outcome = cell.round(windows=[])
    assert cell.counts() == {"spare": 2}
    assert outcome.held[0].words.endswith("no capacity is lent now")


def test_lent_capacity_comes_back_when_its_owner_comes() -> None:
    cell = SmallCell(hosts(1), OWNED)
    cell.wait(SPARE, 8)
    cell.round()
    cell.wait(ask("web", cpu=3, tier="Critical", group="web"), 1)
    outcome = cell.round(now_ms=1_000)
    assert len(cell.preempted) == 3
    cell.end_preempted()
    cell.round(now_ms=1_100)
    assert cell.counts() == {"spare": 5, "web": 1}
    assert outcome.troughs is not None


def test_lent_capacity_does_not_count_twice_against_best_effort_work() -> None:
    cell = SmallCell(hosts(2), OWNED)
    cell.wait(SPARE, 6)
    cell.round()
    # Six of sixteen cpus are lent and could be back at once: the other ten are anybody's.
    cell.wait(ask("batch"), 12)
    cell.round()
    assert cell.counts() == {"spare": 6, "batch": 10}
