"""What the book of alerts and the watch keep, how much of it, and for how long."""

import pytest

from projections.alerts.book import RESOLVED_MS, SILENCES_MAX, AlertBook
from projections.alerts.measures import NO_LABELS, OfProcess, Sample
from projections.alerts.watch import PAGE_MS, PAGES_MAX, Watch
from projections.slo.book import SloBook
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced
from scheduler.model.changes import CellPaged
from scheduler.model.ids import JobId
from scheduler.model.sla import SlaStanding
from scheduler.state import State
from tests.support.alerting import rules_of

AT_MS = 1_700_000_000_000
HOUR = 3_600_000
MINUTE = 60_000
RULES = rules_of("name: queue, measure: tasks_queued, above: 2, clear: 1, for: 20s").rules


def sample(after_ms: int, value: int) -> Sample:
    """So many tasks wait, so long after the beginning."""
    return Sample(AT_MS + after_ms, 0, {"tasks_queued": {NO_LABELS: value}})


def fired() -> AlertBook:
    """A book whose alert fires."""
    book = AlertBook()
    for after_ms in (0, 20_000):
        book.evaluate(RULES, sample(after_ms, 3))
    assert book.alerts["queue"].state == "firing"
    return book


def test_the_oldest_silence_goes_when_there_are_too_many_and_a_new_word_is_young() -> None:
    book = AlertBook()
    names = [f"s{number}" for number in range(SILENCES_MAX)]
    for name in [*names, "s0"]:
        book.heard(AlertsSilenced(name, (("rule", "x"),), 60, "ada", "upgrade"), AT_MS)
    assert len(book.silences) == SILENCES_MAX
    book.heard(AlertsSilenced("more", (("rule", "x"),), 60, "ada", "upgrade"), AT_MS)
    assert list(book.silences) == [*names[2:], "s0", "more"]
    assert book.silences["more"].until_ms == AT_MS + 60_000


def test_only_what_fires_is_acknowledged_and_what_is_no_word_of_alerts_changes_nothing() -> None:
    book = AlertBook()
    book.evaluate(RULES, sample(0, 3))
    word = AlertAcknowledged("queue", "ada", "I look")
    book.heard(word, AT_MS + 5)
    book.heard(AlertAcknowledged("other", "ada", "I look"), AT_MS + 5)
    assert book.alerts["queue"].acknowledged_by == ""
    book = fired()
    before = book.kept()
    book.heard("something else", AT_MS)
    assert book.kept() == before
    book.heard(word, AT_MS + 7)
    alert = book.alerts["queue"]
    assert (alert.acknowledged_by, alert.acknowledged_ms) == ("ada", AT_MS + 7)
    assert alert.acknowledged_why == "I look"


def test_what_is_over_is_remembered_for_a_day_and_a_beginning_for_an_hour() -> None:
    book = fired()
    book.evaluate(RULES, sample(30_000, 0))
    (over,) = book.resolved
    assert (over.state, over.resolved_ms) == ("resolved", AT_MS + 30_000)
    assert list(book.kept().begins) == ["queue"]
    book.evaluate(RULES, sample(20_000 + HOUR, 0))
    assert list(book.kept().begins) == ["queue"]
    book.evaluate(RULES, sample(20_001 + HOUR, 0))
    assert book.kept().begins == {}
    book.evaluate(RULES, sample(30_000 + RESOLVED_MS, 0))
    assert list(book.resolved) == [over]
    book.evaluate(RULES, sample(30_001 + RESOLVED_MS, 0))
    assert not book.resolved


def pages(watch: Watch) -> list[str]:
    """What the watch remembers pages about."""
    return [each.about for each in watch.kept().pages]


def test_pages_are_remembered_for_a_while_and_only_so_many() -> None:
    watch = Watch()
    watch.paged(CellPaged("Safe", "too many lost", "safe", "first"), AT_MS)
    watch.paged(CellPaged("Safe", "too many lost", "safe", "second"), AT_MS + 1)
    watch.paged(CellPaged("Safe", "again", "safe", "first"), AT_MS + PAGE_MS + 1)
    assert pages(watch) == ["second", "first"]
    assert watch.kept().pages[-1].text == "Safe. again"
    watch.paged(CellPaged("Safe", "more", "safe", "third"), AT_MS + PAGE_MS + 2)
    assert pages(watch) == ["first", "third"]
    for number in range(PAGES_MAX):
        watch.paged(CellPaged("Safe", "more", "safe", f"p{number}"), AT_MS + PAGE_MS + 3)
    assert pages(watch) == [f"p{number}" for number in range(PAGES_MAX)]


@pytest.mark.parametrize(
    ("minute", "lag_ms"),
    [(10, 700), (11, 700), (12, 300), (13, 300), (14, 0)],
)
def test_the_oldest_record_counts_for_its_minute_and_the_next(minute: int, lag_ms: int) -> None:
    watch = Watch()
    watch.copied("jobs", 10 * MINUTE, 700)
    watch.copied("jobs", 10 * MINUTE + 1, 200)
    if minute >= 12:
        watch.copied("jobs", 12 * MINUTE, 300)
    found = watch.sample(State(), SloBook(), minute * MINUTE, OfProcess())
    assert found.values["consumer_lag"] == {(("topic", "jobs"),): lag_ms}


def test_a_minute_after_another_still_shows_the_older_age() -> None:
    watch = Watch()
    watch.copied("jobs", 10 * MINUTE, 700)
    watch.copied("jobs", 11 * MINUTE, 100)
    found = watch.sample(State(), SloBook(), 11 * MINUTE, OfProcess())
    assert found.values["consumer_lag"] == {(("topic", "jobs"),): 700}


@pytest.mark.parametrize(
    ("standing", "late"),
    [
        (SlaStanding(), 0),
        (SlaStanding(completion="atRisk"), 1),
        (SlaStanding(completion="missed"), 1),
        (SlaStanding(late_waiting=2), 1),
    ],
)
def test_a_job_is_late_by_its_completion_or_by_tasks_that_wait(
    standing: SlaStanding, late: int
) -> None:
    state = State()
    state.slas[JobId("job")] = standing
    found = Watch().sample(state, SloBook(), AT_MS, OfProcess())
    assert found.values["jobs_late"] == {NO_LABELS: late}
