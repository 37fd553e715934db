"""Who has waited too long goes first, and room is kept until it fits (fenzo.md, F8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.queue.kept import changes_after_ms, is_reserving
from scheduler.queue.outcome import RoundLimits
from tests.support.queueing import SmallCell, ask, group, hosts, refused, rules

AGING_MS = 60_000
AGED = rules(aging_ms=AGING_MS)


def _placed_at_ms(aging_ms: int) -> int | None:
    """When a task of 8 cpu is placed on the one host, while small tasks follow each other."""
    cell = SmallCell(hosts(1), rules(aging_ms=aging_ms))
    cell.wait(ask("small"), 8)
    cell.round()
    cell.wait(ask("large", cpu=8), 1)
    for now_ms in range(10_000, 300_000, 10_000):
        cell.end(cell.tasks_of("small")[0])
        cell.wait(ask("small"), 1, since_ms=now_ms)
        cell.round(now_ms)
        if "large" in cell.counts():
            return now_ms
    return None


def test_a_task_as_large_as_the_host_is_placed_though_small_ones_keep_coming() -> None:
    # From 60 s on nothing else is placed there; one of the eight small tasks ends every 10 s.
    assert _placed_at_ms(AGING_MS) == 130_000


def test_without_aging_it_would_wait_for_ever() -> None:
    assert _placed_at_ms(0) is None


def _full() -> SmallCell:
    cell = SmallCell(hosts(2), rules(group("web", "Critical"), aging_ms=AGING_MS))
    cell.wait(ask("early"), 8)
    cell.round()
    cell.wait(ask("more"), 5)
    cell.round()  # 8 tasks on one host, 5 on the other.
    cell.wait(ask("large", cpu=8), 1)
    return cell


def test_the_host_with_the_smallest_shortfall_is_reserved_and_it_is_said() -> None:
    cell = _full()
    assert cell.round(AGING_MS - 1).reservations == ()
    outcome = cell.round(AGING_MS)
    (reservation,) = outcome.reservations
    nearest = {choice.host_id for r, choice, _ in cell.running.values() if r.job_id == "more"}
    assert set(reservation.host_ids) == nearest
    assert reservation.words == (
        "waiting for 60000 ms, longer than 60000: nobody of its claim or a lower one is placed on "
        f"{reservation.host_ids[0]} until it is"
    )
    assert refused(outcome)["large"][0] == "reservation"


def test_nobody_of_the_same_tier_is_placed_there() -> None:
    cell = _full()
    cell.wait(ask("small"), 3, since_ms=AGING_MS)
    outcome = cell.round(AGING_MS)
    assert "small" not in cell.counts()
    assert "small" in refused(outcome)


def test_a_higher_tier_is_placed_there_all_the_same() -> None:
    cell = _full()
    cell.wait(ask("web", tier="Critical", group="web"), 3, since_ms=AGING_MS)
    cell.round(AGING_MS)
    assert cell.counts()["web"] == 3


def test_a_reservation_is_released_when_its_class_waits_no_more() -> None:
    cell = _full()
    cell.round(AGING_MS)
    cell.queue.set_waiting(ask("large", cpu=8), 0, 0, (0, 0))
    cell.wait(ask("small"), 3, since_ms=AGING_MS)
    cell.round(AGING_MS + 1)
    assert cell.counts()["small"] == 3


@pytest.mark.parametrize(
    ("number_of_hosts", "most", "reserved"), [(2, 8, 1), (8, 8, 2), (16, 8, 4), (16, 3, 3)]
)
def test_no_more_hosts_are_reserved_than_may_be(
    number_of_hosts: int, most: int, reserved: int
) -> None:
    """A quarter of the cell, and as many as the round may, the oldest class first."""
    cell = SmallCell(hosts(number_of_hosts), AGED)
    cell.wait(ask("small"), 8 * number_of_hosts)
    cell.round()
    for number in range(6):
        cell.wait(ask(f"large{number}", cpu=8), 1)
    outcome = cell.round(AGING_MS, RoundLimits(reservations_max=most))
    kept = [host_id for each in outcome.reservations for host_id in each.host_ids]
    assert len(kept) == len(set(kept)) == reserved
    jobs = [each.request.job_id for each in outcome.reservations]
    assert jobs == [f"large{number}" for number in range(reserved)]


def test_no_host_is_reserved_for_what_fits_on_none_however_empty() -> None:
    cell = SmallCell(hosts(1), AGED)
    cell.wait(ask("giant", cpu=9), 1)
    assert cell.round(AGING_MS).reservations == ()


def test_an_overdue_class_gets_one_task_before_the_fair_order() -> None:
    cell = SmallCell(hosts(1), rules(group("a"), group("b"), aging_ms=AGING_MS))
    cell.wait(ask("running", group="b"), 4)
    cell.round()
    # b has used its half and more; a is behind, but one of b's classes has waited too long.
    cell.wait(ask("old", group="b"), 10, since_ms=0)
    cell.wait(ask("new", group="a"), 10, since_ms=AGING_MS)
    outcome = cell.round(AGING_MS, RoundLimits(launches_max=3))
    assert [each.request.job_id for each in outcome.placed] == ["old", "new", "new"]


def test_the_round_says_when_the_next_class_becomes_overdue() -> None:
    cell = _full()
    assert cell.round(1_000).again_at_ms == AGING_MS
    # It keeps its host until it has waited three times as long, and then lets others on.
    assert cell.round(AGING_MS).again_at_ms == 3 * AGING_MS


def test_who_keeps_hosts_lets_others_on_for_as_long() -> None:
    keeping = [periods for periods in range(1, 33) if is_reserving(10 * periods, 10)]
    assert keeping == [1, 2, 4, 5, 8, 9, 10, 11, *range(16, 24), 32]


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_the_next_change_is_told_exactly(waited_ms: int, aging_ms: int) -> None:
    change_ms = changes_after_ms(waited_ms, aging_ms)
    assert change_ms > waited_ms
    now = is_reserving(waited_ms, aging_ms)
    assert is_reserving(change_ms - 1, aging_ms) == now
    assert is_reserving(change_ms, aging_ms) != now


def test_a_gang_larger_than_the_cell_does_not_keep_it_for_ever() -> None:
    cell = SmallCell(hosts(1), AGED)
    cell.wait(ask("ring", cpu=3, gang="ring"), 5)
    cell.wait(ask("small"), 1, since_ms=1_000_000)
    cell.round(AGING_MS)
    assert cell.counts() == {}
    cell.round(3 * AGING_MS)
    assert cell.counts() == {"small": 1}
