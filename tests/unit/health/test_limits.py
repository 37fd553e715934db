"""What the folds of health keep is limited: who goes first, and what is found all the same.

How: limits are made small, and lines and samples at made-up times go through the folds.
"""

import pytest

from projections.health.host_series import ROUND_MS, HostSample, HostSeriesFold
from projections.health.judging import HealthFold
from projections.health.lines import BURST_LINES, LineScorer
from projections.health.peers import PeerWatch
from projections.health.rules import OddLines, RuleSet
from projections.health.templates import TemplateMiner
from projections.health.windows import Window
from tests.unit.health.test_judging import BAD, DISK, FAN, MINUTE, NOW, RULES, record, standings
from tests.unit.health.test_peers import rounds

# Lines and their templates.


def test_lines_whose_values_look_otherwise_have_one_template() -> None:
    miner = TemplateMiner()
    first = miner.template("took 12 ms")
    assert miner.template("took 1.5 ms") is first
    assert miner.masked_lines == 2
    assert [each.text for each in miner.templates] == ["took <*>"]


def test_behind_the_last_template_all_lines_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.health.templates.TEMPLATES_MAX", 3)
    miner = TemplateMiner()
    texts = ["disk failed", "fan is slow now", "all is well again here", "memory of it is bad"]
    assert [miner.template(each).text for each in texts] == [*texts[:2], "<*>", "<*>"]
    assert miner.template("disk failed").text == "disk failed"


def test_the_older_half_of_remembered_lines_is_masked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.health.templates.RECENT_LINES_MAX", 4)
    miner = TemplateMiner()
    lines = ["disk failed", "fan is slow", "cpu is far too hot", "power lost once", "net down"]
    found = [miner.template(each) for each in lines]
    assert miner.masked_lines == 5
    assert miner.template(lines[2]) is found[2]
    assert miner.masked_lines == 5
    assert miner.template(lines[0]) is found[0]
    assert miner.masked_lines == 6


def test_the_burst_of_the_host_that_wrote_longest_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.health.lines.HOSTS_MAX", 2)

    def score(host: str) -> float:
        return scorer.score("connection timed out", host, at_ms=1_000).score

    scorer = LineScorer()
    first = score("a")
    assert score("b") == first
    in_burst = [score("a") for _ in range(BURST_LINES - 1)][-1]
    assert in_burst > first
    score("c")
    assert score("a") == in_burst, "the last of the two before"
    assert score("b") == first, "begins anew"


# Counts of hosts.


def test_a_line_from_before_the_window_changes_no_sum() -> None:
    window = Window(1_000)
    assert window.add(10_000, 2) == 2
    assert window.add(9_100, 3) == 5
    assert window.add(9_099, 7) == 5
    assert window.total(10_000) == 5
    assert window.total(10_100) == 2


def test_a_host_that_is_well_makes_room_before_one_that_is_ill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.health.judging.HOSTS_MAX", 2)
    fold = HealthFold(RULES)
    assert standings(fold.take([record(*[BAD] * 4, host="ill")])) == [("ill", "sick")]
    fold.take([record(BAD, host="well", offset=1)])
    fold.take([record(BAD, host="new", offset=2)])
    assert list(fold.memory.hosts) == ["ill", "new"]
    fold.take([record(*[BAD] * 4, host="new", offset=3)])
    fold.take([record(BAD, host="last", offset=4)])
    assert list(fold.memory.hosts) == ["new", "last"], "of those that are ill the oldest"


def test_a_host_that_made_room_within_a_block_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.health.judging.HOSTS_MAX", 1)
    fold = HealthFold(RULES)
    block = [record("fan slow", host="a"), record("fan slow", host="b", offset=1)]
    (judged,) = fold.take(block)
    assert judged.standing == "suspect"
    assert list(fold.memory.hosts) == [judged.host_id]


def test_after_so_many_lines_all_who_are_ill_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.health.judging.LOOK_LINES", 3)
    fold = HealthFold(RULES)
    fold.take([record("fan slow")])
    assert fold.take([record("fine", at_ms=NOW + 30 * MINUTE, host="h2")]) == []
    assert standings(fold.take([record("fine", at_ms=NOW + 31 * MINUTE, host="h2")])) == [
        ("h1", "well")
    ]


def test_only_templates_that_no_host_has_written_before_are_new() -> None:
    fold = HealthFold(RuleSet((DISK, FAN), OddLines(alerts=0, new_alerts=0, warm_up_lines=1)))
    fold.take([record("all is well")])
    assert fold.appeared == []
    fold.take([record("all is well", "never seen this", "all is well", offset=1)])
    (new,) = fold.appeared
    assert new.template.text == "never seen this"
    assert (new.host_id, new.source, new.at_ms) == ("h1", "host-logs:0:1:1", NOW)
    fold.take([record("never seen this", offset=2)])
    assert fold.appeared == []


# Series of hosts.


def test_the_first_sample_says_what_time_it_is() -> None:
    fold = HostSeriesFold()
    fold.take([HostSample("h1", "g", NOW, {"load": 1.0})])
    assert (fold.refused, fold.hosts) == (0, 1)


def test_rounds_of_a_stop_of_ours_are_not_held_against_the_hosts() -> None:
    fold = HostSeriesFold()
    fold.take([HostSample("h1", "g", 5 * ROUND_MS, {"load": 1.0})])
    fold.passed(500 * ROUND_MS)
    assert fold.hosts == 1
    fold.take([HostSample("h1", "g", 500 * ROUND_MS + 1, {"load": 1.0})])
    assert (fold.hosts, fold.refused) == (1, 0)


def test_loads_that_differ_by_factors_are_compared_by_factors() -> None:
    doubling = {f"h{number}": 2.0**number for number in range(12)}
    said = rounds(PeerWatch(("load",)), doubling, 30)
    assert max(each.score for each in said.values()) < 0.5
    below_zero = {host: level - 1.0 for host, level in doubling.items()}
    said = rounds(PeerWatch(("load",)), below_zero, 30)
    assert said["h11"].score > 0.5, "what is not positive has no logarithm"
