"""Scores of lines: causal, in [0, 1], and good enough on lines that operators labelled."""

import pytest

from projections.health.lines import BURST_LINES, NEW_LINES, LineScorer
from projections.health.severity import ALERT_SCORE, level_within, severity
from tests.support.loghub import rows


@pytest.mark.parametrize(
    ("template", "level"),
    [
        ("data storage stopped", "FATAL"),
        ("disk failed", "error"),
        ("kernel panic - not syncing", ""),
        ("connection refused", ""),
        ("uncorrectable memory error", "INFO"),
    ],
)
def test_lines_that_sound_bad(template: str, level: str) -> None:
    assert severity(template, level) >= ALERT_SCORE


@pytest.mark.parametrize(
    ("template", "level"),
    [
        ("generating core.<*>", "INFO"),
        ("<*> errors corrected", "INFO"),
        ("auxiliary processor.........<*>", "FATAL"),  # A field of a dump.
        ("data address: <*>", "FATAL"),
        ("lr:<*> cr:<*> xer:<*>", "FATAL"),
        ("Invalid user <*> from <*>", ""),  # Who asked was wrong.
        ("session closed", ""),
    ],
)
def test_lines_that_do_not(template: str, level: str) -> None:
    assert severity(template, level) < ALERT_SCORE


def test_a_level_is_found_in_the_line() -> None:
    assert level_within("2026-01-01 10:00:00 ERROR [main] x") == "ERROR"
    assert level_within("[Sun Dec 04] [error] mod_jk") == "error"
    assert not level_within("an error was seen")


def test_newness_and_bursts_raise_a_score_a_little() -> None:
    scorer = LineScorer()
    for _ in range(NEW_LINES):
        scorer.score("all is well", "h")
    assert scorer.score("this retry is slow", "h").is_new
    burst = [
        scorer.score("connection timed out", "h", at_ms=number * 1_000).score
        for number in range(BURST_LINES)
    ]
    last = burst[-1]
    assert 0.0 <= burst[0] < last <= 1.0
    # Another host, or much later: no burst.
    assert scorer.score("connection timed out", "other", at_ms=9_000).score < last
    assert scorer.score("connection timed out", "h", at_ms=9_000_000).score < last
    assert not scorer.score("never seen and harmless", "h").is_alert


def test_alerts_of_a_supercomputer() -> None:
    """F1 on the first thousand lines of BGL; to beat: 0.61, of those with level FATAL."""
    lines = rows("BGL")
    is_alert = [each["Label"] != "-" for each in lines]

    def scores(given: list[dict[str, str]]) -> list[float]:
        scorer = LineScorer()
        return [
            scorer.score(
                each["Content"], each["Node"], each["Level"], int(each["Timestamp"]) * 1_000
            ).score
            for each in given
        ]

    found = scores(lines)
    told = [each >= ALERT_SCORE for each in found]
    right = sum(a and b for a, b in zip(told, is_alert, strict=True))
    f1 = 2 * right / (sum(told) + sum(is_alert))
    assert f1 > 0.85
    # What comes later changes nothing.
    assert scores(lines[:300]) == found[:300]
