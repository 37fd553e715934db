"""What the console draws seldom: waits that began anew, hosts without facts, clocks that are wrong.

Waits are of a cell in memory and its notes; hosts are looked at in a state that says so.
"""

import pytest

from projections.glance.hosts import hosts_glance
from projections.glance.lines import LineCounting
from projections.glance.sizes import HostSizes
from projections.glance.waits import UNKNOWN_TIER, TierWaits, Waits
from projections.health.blocks import AHEAD_MS_MAX, BEHIND_MS_MAX, LineRecord
from projections.notes import JobBegan
from projections.travel.notes import Note, Noted, decoded_note
from scheduler.model.codec import decode_record
from scheduler.model.host_health import HeardVerdict, HostHealth
from scheduler.model.ids import HostId
from scheduler.model.mesos import HostFacts
from scheduler.model.resources import PortRange, Resources
from scheduler.state import State
from tests.support.cell import CellInMemory, batch, offer_of, running_cell
from tests.unit.projections.watched import watched_cell

HOST = HostId("host1")
VERDICT = HeardVerdict("lines", "suspect", 700, (), 1, 1, 9)


def notes_of(cell: CellInMemory) -> list[Note]:
    """All notes of the cell's log."""
    noted = Noted()
    return [
        each for at, data in enumerate(cell.log) for each in noted.take(at, decode_record(data))
    ]


def waits(rows: list[Note], after: State, before: State | None = None) -> dict[str, TierWaits]:
    """The waits that the notes tell, by tier; of tiers that have some."""
    gathered = Waits(before or State())
    gathered.take(rows)
    found = gathered.glance(after, 0, after.clock.now_ms)
    return {each.tier: each for each in found.tiers if each.launched}


# Waits.


def test_a_task_that_went_back_to_the_queue_waits_from_then() -> None:
    cell = running_cell(1)
    cell.submit(batch())
    cell.tick(5_000)
    cell.decide()
    cell.tick(2_000)
    cell.elect("cell-1")  # The launch had not left: its task is back in the queue.
    cell.subscribe()
    cell.offer("host1")
    cell.tick(3_000)
    assert cell.launched() == ["job-worker-0-1"]
    (flex,) = waits(notes_of(cell), cell.state).values()
    assert (flex.launched, flex.median_ms, flex.most_ms) == (2, 5_000, 5_000)
    assert sorted(each for each in flex.counts if each) == [1, 1]


def test_a_launch_of_which_the_wait_is_not_known_is_not_counted() -> None:
    cell = running_cell(1)
    cell.submit(batch())
    cell.launched()
    rows = [each for each in notes_of(cell) if b'"TaskBegan"' not in each.body]
    assert len(rows) < len(notes_of(cell))
    assert waits(rows, cell.state) == {}


def test_a_job_that_neither_end_knows_has_the_tier_that_it_began_with() -> None:
    cell = running_cell(1)
    cell.submit(batch())
    cell.launched()
    rows, other = notes_of(cell), running_cell(0).state
    other.clock = cell.state.clock
    assert set(waits(rows, other)) == {"Flex"}
    late = [each for each in rows if not isinstance(decoded_note(each), JobBegan)]
    assert set(waits(late, other)) == {UNKNOWN_TIER}
    assert set(waits(late, other, before=cell.state)) == {"Flex"}


# Hosts.


@pytest.mark.parametrize(
    ("health", "word"),
    [
        (HostHealth(), "well"),
        (HostHealth(verdicts=(VERDICT,)), "suspect"),
        (HostHealth(back_ms=5, verdicts=(VERDICT,)), "trial"),
        (HostHealth(is_spared=True, back_ms=5), "spared"),
        (HostHealth(away_since_ms=5, is_spared=True, losses=(3,)), "away"),
    ],
)
@pytest.mark.parametrize("is_offered", [True, False])
def test_a_host_has_the_gravest_word_of_its_health(
    health: HostHealth, word: str, is_offered: bool
) -> None:
    state = running_cell(1).state if is_offered else _offerless()
    state.health[HOST] = health
    found = hosts_glance(state)
    assert found.healths[found.health[0]] == word
    assert found.score_milli == (700 if health.verdicts else 0,)


def test_a_host_that_mesos_lost_is_lost_until_it_offers_again() -> None:
    lost = HostHealth(losses=(3,), is_spared=True, verdicts=(VERDICT,))
    for state, word in ((_offerless(), "lost"), (running_cell(1).state, "spared")):
        state.health[HOST] = lost
        found = hosts_glance(state)
        assert found.healths[found.health[0]] == word


def _offerless() -> State:
    cell = running_cell(1)
    cell.rescind(*cell.state.offers)
    assert not cell.state.host_offers
    return cell.state


def test_a_host_without_facts_is_shown_by_its_id_and_in_no_group() -> None:
    cell = running_cell(0)
    named = HostFacts("name", attributes=(("zone", "a"), ("group", "g")))
    for name, facts in (("bare", None), ("whole", named)):
        offer = offer_of(name, name, Resources(1_000, 64, 10, (PortRange(1, 2),)))
        cell.offers(type(offer)(offer.offer_id, offer.host_id, offer.resources, facts))
    found = hosts_glance(cell.state)
    assert found.id == ("bare", "whole")
    assert found.name == (cell.state.hostname(HostId("bare")), "name")
    assert [found.zones[each] for each in found.zone] == ["", "a"]


def test_sizes_of_hosts_that_the_fold_has_forgotten_go_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.glance.sizes.HOSTS_MAX", 2)
    cell = watched_cell(2)
    sizes = HostSizes(cell.view.state)
    cell.view.listeners.append(sizes.apply)
    before = dict(sizes.known)
    cell.rescind(*cell.state.offers)
    assert sizes.known == before == {"host1": (4_000, 8_192), "host2": (4_000, 8_192)}
    sizes.known[HostId("gone")] = (7, 7)
    cell.offer("host1", 8)
    assert sizes.known == {"host1": (8_000, 8_192), "host2": (4_000, 8_192)}


# Lines.


def test_a_line_of_a_wrong_clock_is_counted_when_it_was_received() -> None:
    counting = LineCounting(0, 10_000, 20_000)
    wrong = (15_000 + AHEAD_MS_MAX + 1, 15_000 - BEHIND_MS_MAX - 1)
    for at_ms in wrong:
        counting.take(LineRecord("h", ["ERROR bad"], [at_ms], "s:1", "lane", 15_000))
    (template,) = counting.glance().templates
    assert (template.lines, template.first_ms, template.source) == (2, 15_000, "s:1:0")


def test_lines_beside_the_range_and_the_stretch_before_it_are_not_counted() -> None:
    counting = LineCounting(5_000, 10_000, 20_000)
    times = [4_999, 5_000, 9_999, 10_000, 20_000, 20_001]
    counting.take(LineRecord("h", ["INFO ok"] * 6, times, "s:1", "lane", 15_000))
    found = counting.glance()
    assert (found.lines_before, found.lines) == (2, 2)
    assert (found.templates[0].first_ms, found.templates[0].source) == (10_000, "s:1:3")


def test_the_source_of_a_template_is_that_of_its_earliest_line() -> None:
    counting = LineCounting(0, 10_000, 20_000)
    counting.take(LineRecord("h", ["INFO x"] * 3, [12_000, 11_000, 13_000], "s:1", "l", 15_000))
    assert counting.glance().templates[0].source == "s:1:1"
