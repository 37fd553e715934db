"""The prober's log says which checks fail, once, and when they are good again."""

from typing import Literal

from structlog.testing import capture_logs

from scheduler.model.health import Probe
from streams.prober.failing import Failing

State = Literal["good", "bad", "unknown"]


def told(failing: Failing, **states: State) -> list[tuple[str, str, str]]:
    """What is logged of a round: level, check and event."""
    probes = [Probe(name, state, f"{name} hangs") for name, state in states.items()]
    with capture_logs() as lines:
        failing.note("h1", "host-1", probes)
    assert all(each["host"] == "host-1" for each in lines)
    return [(each["log_level"], each["check"], each["event"]) for each in lines]


def test_a_check_is_told_when_it_begins_to_fail_and_when_it_ends() -> None:
    failing = Failing()
    assert told(failing, disk="good", agent="good") == []
    assert told(failing, disk="bad", agent="good") == [("warning", "disk", "a check fails")]
    assert told(failing, disk="bad", agent="good") == []
    assert told(failing, disk="unknown", agent="bad") == [("warning", "agent", "a check fails")]
    assert told(failing, disk="good", agent="bad") == [("info", "disk", "a check is good again")]


def test_a_host_that_is_gone_is_looked_at_with_fresh_eyes() -> None:
    failing = Failing()
    assert told(failing, disk="bad")
    failing.forget_others(["h2"])
    assert told(failing, disk="bad") == [("warning", "disk", "a check fails")]
