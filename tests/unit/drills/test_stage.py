"""A drill's verdict is true: a promise that was not kept, or not looked at, makes it fail."""

import io

import pytest
from rich.console import Console

from streams.cli.demo_screen import Screen
from streams.drills import stage as stages
from streams.drills.promises import RESTORE_S_MAX, RESTORED, Promise, Report, Seen
from streams.drills.stage import DrillOver, Stage

FIRST = Promise("first", "the first thing happens")
SECOND = Promise("second", "the second thing happens")


def _stage() -> Stage:
    return Stage("a-drill", (FIRST, SECOND), Screen(Console(file=io.StringIO(), width=200)))


def _kept(report: Report) -> dict[str, bool]:
    return {each.key: each.is_kept for each in report.verdicts}


def test_every_promise_kept_is_a_good_drill() -> None:
    stage = _stage()
    stage.hurt("something was broken")
    stage.until("first", lambda: Seen(is_so=True, text="it did"))
    stage.saw("second", Seen(is_so=True, text="so did it"))
    stage.restored()
    report = stage.report()
    assert report.is_good
    assert _kept(report) == {"first": True, "second": True, RESTORED: True}
    assert report.time_to_restore_s is not None
    assert report.time_to_restore_s < RESTORE_S_MAX


def test_a_promise_that_nobody_looked_at_is_broken() -> None:
    stage = _stage()
    stage.hurt("something was broken")
    stage.saw("first", Seen(is_so=True, text="it did"))
    stage.restored()
    report = stage.report()
    assert not report.is_good
    assert _kept(report) == {"first": True, RESTORED: True, "second": False}


def test_a_drill_that_never_restores_is_broken() -> None:
    stage = _stage()
    stage.hurt("something was broken")
    for key in ("first", "second"):
        stage.saw(key, Seen(is_so=True, text="it did"))
    report = stage.report()
    assert not report.is_good
    assert report.time_to_restore_s is None


def test_a_look_that_says_no_is_told_and_the_drill_goes_on() -> None:
    stage = _stage()
    stage.hurt("something was broken")
    stage.saw("first", Seen(is_so=False, text="it did not"))
    stage.saw("second", Seen(is_so=True, text="it did"))
    stage.restored()
    report = stage.report()
    assert not report.is_good
    assert report.verdicts[0].saw == "it did not"


def test_waiting_in_vain_ends_the_drill_and_breaks_the_promise() -> None:
    stage = _stage()
    looks = iter(range(1_000))
    with pytest.raises(DrillOver, match="the first thing happens"):
        stage.until("first", lambda: Seen(is_so=False, text=f"look {next(looks)}"), within_s=0.0)
    assert next(looks) == 1  # It looked once: a deadline that is over is no reason not to look.
    assert _kept(stage.report("it ended"))["first"] is False


def test_waiting_looks_until_it_is_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "POLL_S", 0.0)
    stage = _stage()
    answers = iter((False, False, True))
    stage.until("first", lambda: Seen(next(answers), "a look"))
    assert next(answers, None) is None


def test_a_promise_is_judged_once() -> None:
    stage = _stage()
    stage.saw("first", Seen(is_so=False, text="it did not"))
    with pytest.raises(AssertionError, match="judged before"):
        stage.saw("first", Seen(is_so=True, text="it did after all"))
