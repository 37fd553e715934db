"""A failing script becomes short: only the deeds that are needed for the same failure stay."""

import pytest
from msgspec.structs import replace

from streams.simulation.drawing import drawn_script
from streams.simulation.script import Deed, Script
from streams.simulation.shrinking import shrunk
from streams.simulation.witness import Violation
from streams.simulation.world import Outcome

NEEDED = (Deed(17.0, "crash", 1), Deed(4_000.0, "fail-over-master", for_s=30.0))


def broken_by_both(script: Script) -> Outcome:
    """The outcome of a cell that loses a job when both deeds are done, and else keeps it."""
    violations: tuple[Violation, ...] = ()
    if set(NEEDED) <= set(script.deeds):
        violations = (Violation("I2", 5_000.0, "a job is gone"),)
    return Outcome(script.seed, len(script.deeds), "", "", violations)


def test_only_what_is_needed_stays() -> None:
    script = drawn_script(3, 6.0)
    deeds = sorted((*script.deeds, *NEEDED), key=lambda deed: deed.at_s)
    short = shrunk(replace(script, deeds=tuple(deeds)), broken_by_both)
    assert short.deeds == NEEDED
    assert (short.seed, short.hours, short.hosts) == (script.seed, script.hours, script.hosts)


def test_another_failure_does_not_count() -> None:
    def broken_otherwise(script: Script) -> Outcome:
        outcome = broken_by_both(script)
        if outcome.violations:
            return outcome
        return replace(outcome, violations=(Violation("I8", 1.0, "something else"),))

    script = replace(drawn_script(3, 6.0), deeds=NEEDED)
    assert shrunk(script, broken_otherwise).deeds == NEEDED


def test_a_script_that_breaks_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="breaks no promise"):
        shrunk(drawn_script(3, 6.0), broken_by_both)
