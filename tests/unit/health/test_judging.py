"""Hosts judged by their lines: thresholds in event time, hysteresis, wrong clocks, new rules.

How: records at made-up times through the fold, and what it says of hosts.
"""

from itertools import pairwise

import msgspec
import pytest

from projections.health.blocks import BEHIND_MS_MAX, LineRecord
from projections.health.judging import CLOCK_LINES, REPEAT_MS, HealthFold, Memory
from projections.health.rules import OddLines, Rule, RuleSet
from scheduler.model.health import EVIDENCE_MAX, HostJudged

NOW = 1_800_000_000_000
MINUTE = 60_000
TEN_YEARS = 10 * 365 * 24 * 60 * MINUTE
DISK = Rule("disk", "I/O error", "sick", threshold=4, window_ms=10 * MINUTE)
FAN = Rule("fan", "fan slow", "suspect", threshold=1, window_ms=10 * MINUTE)
RULES = RuleSet((DISK, FAN), OddLines(alerts=0, new_alerts=0))
BAD = "Buffer I/O error on dev sda"


def record(
    *lines: str,
    at_ms: int | list[int] = NOW,
    host: str = "h1",
    offset: int = 0,
    received_at_ms: int | None = None,
) -> LineRecord:
    times = at_ms if isinstance(at_ms, list) else [at_ms]
    received = max(times) if received_at_ms is None else received_at_ms
    return LineRecord(host, lines, times, f"host-logs:0:{offset}", "0", received)


def standings(verdicts: list[HostJudged]) -> list[tuple[str, str]]:
    return [(each.host_id, each.standing) for each in verdicts]


def test_a_rule_speaks_from_its_threshold_on_and_shows_its_lines() -> None:
    fold = HealthFold(RULES)
    assert fold.take([record("fine", BAD, BAD, offset=7)]) == []
    (verdict,) = fold.take([record(BAD, "fine", BAD, at_ms=NOW + MINUTE, offset=8)])
    assert (verdict.host_id, verdict.detector, verdict.standing) == ("h1", "lines", "sick")
    assert verdict.score_milli == 500
    assert [each.source for each in verdict.evidence] == [
        *("host-logs:0:7:2", "host-logs:0:8:0", "host-logs:0:8:2")
    ]
    assert verdict.evidence[0].text == f"disk: {BAD}"
    assert verdict.evidence[0].count == 4
    # Nothing new, nothing said.
    assert fold.take([record("fine", at_ms=NOW + 2 * MINUTE)]) == []


def test_a_block_may_span_more_than_a_window() -> None:
    """As after an outage: what was so at some time is told, even if it is over by then."""
    fold = HealthFold(RULES)
    later = [record("fine", at_ms=NOW + n * MINUTE, host="h2") for n in range(0, 60, 5)]
    assert standings(fold.take([record(*[BAD] * 4), *later])) == [("h1", "sick")]
    assert standings(fold.passed(["0"], NOW)) == [("h1", "well")]


def test_hosts_are_counted_apart_whatever_block_they_come_in() -> None:
    fold = HealthFold(RULES)
    mixed = [record(BAD, host=f"h{number % 3}", offset=number) for number in range(11)]
    assert standings(fold.take(mixed)) == [("h0", "sick"), ("h1", "sick")]


def test_what_has_left_the_window_counts_no_more() -> None:
    fold = HealthFold(RULES)
    fold.take([record(BAD, BAD, BAD)])
    assert fold.take([record(BAD, at_ms=NOW + 11 * MINUTE)]) == []


def test_a_host_is_well_again_below_half_and_does_not_flicker() -> None:
    fold = HealthFold(RULES)
    fold.take([record(BAD, BAD)])
    assert standings(fold.take([record(BAD, BAD, at_ms=NOW + 5 * MINUTE)])) == [("h1", "sick")]
    # Two of four have left the window: below the threshold, not below its half.
    assert fold.passed(["0"], NOW + 12 * MINUTE) == []
    (well,) = fold.passed(["0"], NOW + 16 * MINUTE)
    assert (well.standing, well.score_milli, well.evidence) == ("well", 0, ())
    assert fold.passed(["0"], NOW + 30 * MINUTE) == []
    assert not fold.memory.hosts


def test_who_goes_on_writing_bad_lines_is_told_again_for_a_cell_forgets_verdicts() -> None:
    fold = HealthFold(RULES)
    fold.take([record(*[BAD] * 8)])  # As sure as can be.
    told = []
    for minute in range(1, 120):
        told += fold.take([record(BAD, at_ms=NOW + minute * MINUTE, offset=minute)])
    assert {each.standing for each in told} == {"sick"}
    times = [NOW, *(each.observed_at_ms for each in told)]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= REPEAT_MS
    assert max(gaps) <= 2 * REPEAT_MS


def test_old_lines_say_nothing_again_so_that_a_released_host_stays_released() -> None:
    fold = HealthFold(RULES)
    fold.take([record(*[BAD] * 8)])
    told = [fold.passed(["0"], NOW + minute * MINUTE) for minute in range(1, 9)]
    assert told == [[]] * 8
    assert standings(fold.take([record(BAD, at_ms=NOW + 9 * MINUTE)])) == [("h1", "sick")]


def test_a_suspect_host_is_told_again_less_often() -> None:
    fold = HealthFold(RULES)
    fold.take([record("fan slow", "fan slow")])
    told = []
    for minute in range(1, 61):
        told += fold.take([record("fan slow", "fan slow", at_ms=NOW + minute * MINUTE)])
    assert {each.standing for each in told} == {"suspect"}
    assert 4 <= len(told) <= 6


def test_a_surer_verdict_is_told_again_but_not_at_once() -> None:
    fold = HealthFold(RULES)
    fold.take([record(*[BAD] * 4)])
    assert fold.take([record(BAD, at_ms=NOW + 1)]) == []
    (surer,) = fold.take([record(BAD, at_ms=NOW + REPEAT_MS)])
    assert surer.score_milli == 750


def test_the_worse_of_two_rules_counts() -> None:
    fold = HealthFold(RULES)
    assert standings(fold.take([record("fan slow")])) == [("h1", "suspect")]
    assert standings(fold.take([record(*[BAD] * 4)])) == [("h1", "sick")]


@pytest.mark.parametrize("years", [TEN_YEARS, -TEN_YEARS])
def test_a_line_of_another_decade_is_quarantined_and_moves_no_watermark(years: int) -> None:
    fold = HealthFold(RULES)
    fold.take([record("fine")])
    far = NOW + years
    assert fold.take([record(*[BAD] * 9, at_ms=far, received_at_ms=NOW)]) == []
    mixed = record(BAD, BAD, BAD, at_ms=[NOW, far, NOW], received_at_ms=NOW)
    assert fold.take([mixed]) == []
    assert fold.memory.totals.quarantined == 10
    assert fold.memory.watermarks == {"0": NOW}
    # The others go on as if nothing had been: two of the mixed ones count.
    assert standings(fold.take([record(BAD, BAD)])) == [("h1", "sick")]


def test_a_host_whose_clock_is_wrong_for_long_is_suspect_for_that() -> None:
    fold = HealthFold(RULES)
    lines = ["fine"] * CLOCK_LINES
    (verdict,) = fold.take([record(*lines, at_ms=NOW - TEN_YEARS, received_at_ms=NOW)])
    assert verdict.standing == "suspect"
    assert verdict.evidence[0].kind == "clock"
    assert standings(fold.passed(["0"], NOW + 20 * MINUTE)) == [("h1", "well")]


def test_a_late_line_counts_where_it_belongs() -> None:
    fold = HealthFold(RULES)
    fold.take([record(BAD, BAD, BAD, at_ms=NOW)])
    fold.take([record("fine", at_ms=NOW + 8 * MINUTE)])
    late = record(BAD, at_ms=NOW + MINUTE, received_at_ms=NOW + 8 * MINUTE)
    assert standings(fold.take([late])) == [("h1", "sick")]
    very_late = record(
        *[BAD] * 9, at_ms=NOW - BEHIND_MS_MAX + MINUTE, host="h2", received_at_ms=NOW
    )
    assert fold.take([very_late]) == []


def test_new_rules_count_at_once_and_old_counts_go_on() -> None:
    fold = HealthFold(RULES)
    fold.take([record(BAD, BAD, BAD)])
    heat = Rule("heat", "too hot", "suspect", window_ms=MINUTE)
    fold.set_rules(RuleSet((DISK, heat), RULES.odd_lines))
    assert standings(fold.take([record("too hot", host="h2")])) == [("h2", "suspect")]
    assert standings(fold.take([record(BAD)])) == [("h1", "sick")]
    # A rule that is gone speaks no more.
    fold.set_rules(RuleSet((heat,), RULES.odd_lines))
    assert standings(fold.passed(["0"], NOW)) == [("h1", "well")]


def test_lines_that_sound_bad_make_a_host_suspect_and_never_sick() -> None:
    fold = HealthFold(RuleSet((), OddLines(alerts=3, new_alerts=0)))
    bad = "ERROR: request failed"
    assert standings(fold.take([record(*[bad] * 50)])) == [("h1", "suspect")]


def test_new_lines_that_sound_bad_make_a_host_suspect() -> None:
    fold = HealthFold(RuleSet((), OddLines(alerts=0, new_alerts=2, warm_up_lines=10)))
    fold.take([record(*["ERROR: this one is known"] * 10)])
    found = fold.take([record("ERROR: axle broken", "all is new here", "FATAL: wheel lost")])
    assert standings(found) == [("h1", "suspect")]
    assert [each.template.text for each in fold.appeared] == [
        *("ERROR: axle broken", "all is new here", "FATAL: wheel lost")
    ]
    assert fold.take([record("ERROR: axle broken", host="h2")]) == []
    assert fold.appeared == []


def test_what_is_kept_goes_on_as_if_nothing_had_been() -> None:
    records = [record(BAD, "ERROR: x failed", at_ms=NOW + n, offset=n) for n in range(9)]
    whole = HealthFold(RULES)
    expected = [each for one in records for each in whole.take([one])]
    found, memory = [], Memory()
    for one in records:
        fold = HealthFold(RULES, memory)
        found += fold.take([one])
        memory = msgspec.msgpack.decode(msgspec.msgpack.encode(fold.kept()), type=Memory)
    assert found == expected
    assert len(found) == 1


def test_lines_with_line_feeds_are_one_line() -> None:
    fold = HealthFold(RULES)
    (verdict,) = fold.take([record(*["trace\nBuffer I/O error"] * 4, "fine")])
    assert verdict.evidence[0].text == "disk: trace Buffer I/O error"


@pytest.mark.slow
def test_evidence_is_bounded() -> None:
    rules = tuple(Rule(f"r{n}", "x", "suspect") for n in range(20))
    (verdict,) = HealthFold(RuleSet(rules)).take([record(*["x" * 2_000] * 9)])
    assert len(verdict.evidence) == EVIDENCE_MAX
    assert max(len(each.text) for each in verdict.evidence) <= 400
