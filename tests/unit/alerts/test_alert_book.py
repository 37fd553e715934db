"""When an alert waits, fires, is told, is silent, flaps and is over.

How: a cell in memory whose waiting tasks are the measure; its log is folded beside it.
"""

import msgspec
import pytest

from projections.alerts.book import AlertBook, AlertState
from projections.alerts.measures import NO_LABELS, Labels, OfProcess, Sample, Series
from projections.alerts.rules import RuleBook
from projections.alerts.whole import KeptWhole
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from tests.support.alerting import Watched, rules_of
from tests.support.cell import CellInMemory, batch, running_cell

AT_MS = 1_700_000_000_000
QUEUE = "name: queue, measure: tasks_queued, above: 2, clear: 1, for: 20s"


def state_of(watched: Watched, key: str = "queue") -> AlertState | None:
    found = watched.catch_up().book.alerts.get(key)
    return None if found is None else found.state


def full_cell() -> CellInMemory:
    """A cell whose hosts are full."""
    cell = running_cell(hosts=1, cpus=1)
    cell.run(batch(2), "first")
    return cell


def seconds(cell: CellInMemory, count: int) -> None:
    cell.tick(1_000, count)


def test_it_waits_fires_and_is_over_each_told_once() -> None:
    cell = full_cell()
    watched = Watched(cell, rules_of(QUEUE))
    cell.submit(batch(3), "more")
    seconds(cell, 10)
    assert state_of(watched) == "pending"
    assert watched.told() == []
    seconds(cell, 20)
    assert state_of(watched) == "firing"
    seconds(cell, 60)
    (fired,) = watched.told()
    assert (fired.state, fired.value, fired.rule) == ("firing", "3", "queue")
    cell.kill_job("more")
    seconds(cell, 10)
    assert state_of(watched) is None
    assert [each.state for each in watched.told()] == ["firing", "resolved"]
    assert [each.key for each in watched.alerting.book.resolved] == ["queue"]


def test_what_is_over_before_its_time_is_told_to_nobody() -> None:
    cell = full_cell()
    watched = Watched(cell, rules_of(QUEUE))
    cell.submit(batch(3), "more")
    seconds(cell, 12)
    cell.kill_job("more")
    seconds(cell, 60)
    assert watched.told() == []
    assert not watched.alerting.book.resolved


def test_between_both_thresholds_it_goes_on() -> None:
    book, rules = AlertBook(), rules_of(QUEUE).rules
    told = [3] * 6 + [2] * 20 + [1]
    for number, value in enumerate(told):
        book.evaluate(rules, sample(number, value))
        is_firing = "queue" in book.alerts and book.alerts["queue"].state == "firing"
        assert is_firing == (4 <= number < len(told) - 1), number
    assert [each.state for each in book.notices] == ["firing", "resolved"]


def sample(
    number: int, value: int, measure: str = "tasks_queued", labels: Labels = NO_LABELS
) -> Sample:
    return Sample(AT_MS + number * 5_000, number, {measure: {labels: value}})


def test_it_is_told_again_until_somebody_looks() -> None:
    book = AlertBook()
    rules = rules_of("name: queue, measure: tasks_queued, above: 0, repeat: 1m").rules
    for number in range(25):
        book.evaluate(rules, sample(number, 1))
    assert [each.number for each in book.notices] == [1, 2, 3]
    book.heard(AlertAcknowledged("queue", "ada", "I look"), AT_MS)
    for number in range(25, 100):
        book.evaluate(rules, sample(number, 1))
    assert len(book.notices) == 3
    assert book.alerts["queue"].acknowledged_by == "ada"
    book.evaluate(rules, sample(100, 0))
    book.evaluate(rules, sample(101, 1))
    over, next_one = list(book.notices)[-2:]
    assert over.state == "resolved", "that it is over is told all the same"
    assert next_one.state == "firing", "and the next one is another"
    assert len({each.id for each in book.notices}) == len(book.notices)


def test_a_silence_keeps_it_quiet_until_it_ends() -> None:
    cell = full_cell()
    watched = Watched(cell, rules_of(QUEUE))
    cell.copy("commands", AlertsSilenced("up", (("rule", "queue"),), 60, "ada", "upgrade"))
    cell.submit(batch(3), "more")
    seconds(cell, 40)
    assert state_of(watched) == "firing"
    assert watched.alerting.book.alerts["queue"].silenced_by == "up"
    assert watched.told() == []
    seconds(cell, 40)
    assert [each.state for each in watched.told()] == ["firing"]
    assert not watched.alerting.book.silences


def test_a_silence_of_something_else_keeps_nothing_quiet() -> None:
    cell = full_cell()
    watched = Watched(cell, rules_of(QUEUE))
    cell.copy("commands", AlertsSilenced("a", (("rule", "other"),), 600, "ada", "x"))
    cell.copy("commands", AlertsSilenced("b", (("severity", "page"),), 600, "ada", "x"))
    cell.copy("commands", AlertsSilenced("c", (("rule", "queue"),), 600, "ada", "x"))
    cell.copy("commands", AlertsUnsilenced("c", "ada", "x"))
    cell.submit(batch(3), "more")
    seconds(cell, 40)
    assert len(watched.told()) == 1


def test_what_was_silent_all_the_time_is_told_neither_as_over() -> None:
    book, rules = AlertBook(), rules_of("name: queue, measure: tasks_queued, above: 0").rules
    book.heard(AlertsSilenced("s", (("rule", "queue"),), 600, "ada", "x"), AT_MS)
    for number, value in enumerate([1, 1, 0]):
        book.evaluate(rules, sample(number, value))
    assert not book.notices


def test_flapping_is_told_a_few_times_and_then_held() -> None:
    book, rules = AlertBook(), rules_of("name: queue, measure: tasks_queued, above: 0").rules
    for number in range(120):
        book.evaluate(rules, sample(number, number % 2))
    assert len(book.notices) == 7, "four times on, three times over"
    assert book.alerts["queue"].is_flapping
    for number in range(120, 120 + 16 * 12):
        book.evaluate(rules, sample(number, 0))
    assert "queue" not in book.alerts
    assert book.notices[-1].state == "resolved"


def test_rules_that_group_make_one_alert_of_many_series() -> None:
    line = "name: lag, measure: consumer_lag, above: 10s"
    values: Series = {
        (("topic", each),): lag for each, lag in (("a", 11_000), ("b", 20_000), ("c", 0))
    }
    found = Sample(AT_MS, 1, {"consumer_lag": values})
    apart, together = AlertBook(), AlertBook()
    apart.evaluate(rules_of(line).rules, found)
    assert sorted(apart.alerts) == ["lag{topic=a}", "lag{topic=b}"]
    together.evaluate(rules_of(f"{line}, groupBy: []").rules, found)
    (alert,) = together.alerts.values()
    assert (alert.key, alert.value, alert.members) == ("lag", 20_000, 2)
    only = AlertBook()
    only.evaluate(rules_of(f"{line}, where: {{topic: b}}").rules, found)
    assert list(only.alerts) == ["lag{topic=b}"]


def test_an_alert_whose_series_or_rule_is_gone_is_over() -> None:
    book, rules = AlertBook(), rules_of("name: lag, measure: consumer_lag, above: 10s").rules
    book.evaluate(rules, sample(0, 20_000, "consumer_lag", (("topic", "a"),)))
    book.evaluate(rules, Sample(AT_MS + 5_000, 1, {}))
    assert [each.state for each in book.notices] == ["firing", "resolved"]
    book.evaluate(rules, sample(2, 20_000, "consumer_lag", (("topic", "a"),)))
    book.evaluate((), sample(3, 20_000, "consumer_lag", (("topic", "a"),)))
    assert not book.alerts
    assert book.notices[-1].summary == "its rule is no more"


def test_below_is_the_mirror_of_above() -> None:
    line = "name: gone, measure: slo_budget_left, below: 0%, clear: 5%"
    labels: Labels = (("name", ""), ("scope", "cell"), ("slo", "crashing"))
    book, rules = AlertBook(), rules_of(line).rules
    for number, value in enumerate([0, -1, 10_000, 40_000, 50_000]):
        book.evaluate(rules, sample(number, value, "slo_budget_left", labels))
        assert bool(book.alerts) == (number in {1, 2, 3}), number


def test_alerts_are_bounded() -> None:
    values: Series = {(("topic", str(each)),): 20_000 for each in range(1_500)}
    book = AlertBook()
    book.evaluate(
        rules_of("name: lag, measure: consumer_lag, above: 10s").rules,
        Sample(AT_MS, 1, {"consumer_lag": values}),
    )
    assert len(book.alerts) == 1_000
    assert book.dropped == 500
    assert len(book.notices) == 500


def test_kept_and_restored_tells_nothing_twice() -> None:
    cell = full_cell()
    watched = Watched(cell, rules_of(QUEUE))
    cell.submit(batch(3), "more")
    seconds(cell, 40)
    assert len(watched.told()) == 1
    data = msgspec.msgpack.encode(watched.catch_up().kept())
    again = Watched(cell, rules_of(QUEUE), msgspec.msgpack.decode(data, type=KeptWhole))
    seconds(cell, 30)
    assert again.told() == watched.told()
    cell.kill_job("more")
    seconds(cell, 10)
    assert [each.id for each in again.told()] == [each.id for each in watched.told()]


def test_two_folds_of_one_log_name_the_same_notices() -> None:
    cell = full_cell()
    live, late = Watched(cell, rules_of(QUEUE)), Watched(cell, rules_of(QUEUE))
    cell.submit(batch(3), "more")
    for _ in range(40):
        seconds(cell, 1)
        live.catch_up()
    assert live.told() == late.told() != []


def test_a_silent_log_is_alerted_by_wall_time_and_over_with_the_next_record() -> None:
    cell = running_cell()
    watched = Watched(cell, rules_of("name: nobody, measure: leader_silent, above: 30s"))
    seconds(cell, 10)
    watched.look(9_000)
    watched.look(25_000)
    assert watched.told() == []
    watched.look(36_000)
    assert [each.state for each in watched.told()] == ["firing"]
    cell.tick(50_000)
    seconds(cell, 10)
    assert [each.state for each in watched.told()] == ["firing", "resolved"]


def test_the_process_own_measures_are_looked_at() -> None:
    cell = running_cell()
    watched = Watched(cell, rules_of("name: halted, measure: fold_halted, above: 0"))
    watched.look(0, fold_halted=1)
    seconds(cell, 6)
    assert state_of(watched, "halted") == "firing"


def test_what_a_process_paged_of_itself_is_an_alert_with_its_reason() -> None:
    cell = running_cell()
    watched = Watched(cell, rules_of("name: paged-too, measure: process_pages, above: 0"))
    labels = (("about", "archive-behind"), ("process", "history"))
    name = ("process_pages", labels)
    watched.look(0, OfProcess({"process_pages": {labels: 2}}, {name: "the disk is full"}))
    seconds(cell, 6)
    (alert,) = watched.catch_up().book.alerts.values()
    assert (alert.state, alert.labels, alert.note) == ("firing", labels, "the disk is full")
    watched.look(0, OfProcess({"process_pages": {}}))
    seconds(cell, 6)
    assert not watched.catch_up().book.alerts


@pytest.mark.parametrize("history_ms", [0, AT_MS * 2])
def test_of_long_ago_nothing_is_alerted(history_ms: int) -> None:
    cell = full_cell()
    cell.submit(batch(3), "more")
    seconds(cell, 40)
    watched = Watched(cell, rules_of(QUEUE), sampled_from_ms=history_ms)
    assert bool(watched.told()) == (history_ms == 0)
    assert watched.alerting.slo.next_offset == len(cell.log)


def test_other_rules_hold_from_the_next_look_on() -> None:
    cell = full_cell()
    watched = Watched(cell, RuleBook())
    cell.submit(batch(3), "more")
    seconds(cell, 40)
    assert state_of(watched) is None
    watched.alerting.use(rules_of(QUEUE))
    seconds(cell, 40)
    assert state_of(watched) == "firing"


def test_what_was_kept_of_another_cell_is_forgotten() -> None:
    cell = full_cell()
    watched = Watched(cell, rules_of(QUEUE))
    cell.submit(batch(3), "more")
    seconds(cell, 40)
    kept = msgspec.structs.replace(watched.catch_up().kept(), cell_uuid="of another")
    again = Watched(running_cell(), rules_of(QUEUE), kept)
    assert again.told() == []
    assert not again.alerting.book.alerts
    assert not again.alerting.slo.starts.tasks
