"""The protocol keeps its promises under every fault drawn; without one of its rules it does not.

How: hypothesis plays faults against the model (`machine.py`); then each rule is switched off and a
violation must be found within a bounded number of examples. Examples are derandomized, so the same
code gives the same verdict. `PROTOCOL_EXAMPLES=5000` or `-m soak` looks further.
"""

from __future__ import annotations

import os
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.quick import PART, is_quick

from .machine import Season, machine_with
from .records import Rules, ViolationError
from .seasons import BACKED, SEASONS

EXAMPLES = int(os.environ.get("PROTOCOL_EXAMPLES", "200"))
"""Of the unbroken protocol in all weathers together; the quick tests play a part of them."""

EXAMPLES_OF_MUTANT_MAX = 3000
"""A violation is found long before; the bound only ends a test that will fail."""

STEPS = 12


def _play(rules: Rules, season: Season, examples: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        machine_with(rules, season),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            phases=phases or (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


def _without(names: tuple[str, ...]) -> Rules:
    return Rules(**dict.fromkeys(names, False))


def test_the_protocol_keeps_its_promises_in_all_weathers(request: pytest.FixtureRequest) -> None:
    count = EXAMPLES // PART if is_quick(request.config) else EXAMPLES
    _play(Rules(), Season(), count, Phase.generate, Phase.shrink)


@pytest.mark.soak
@pytest.mark.parametrize("names", SEASONS, ids="+".join)
def test_the_protocol_keeps_its_promises_in_each_season(names: tuple[str, ...]) -> None:
    _play(Rules(), SEASONS[names], max(EXAMPLES, 500), Phase.generate, Phase.shrink)


@pytest.mark.integration  # It walks thousands of states for each rule.
@pytest.mark.parametrize("names", SEASONS, ids="+".join)
def test_without_a_rule_a_promise_is_broken(names: tuple[str, ...]) -> None:
    with pytest.raises(ViolationError):
        _play(_without(names), SEASONS[names], EXAMPLES_OF_MUTANT_MAX)


@pytest.mark.soak
@pytest.mark.parametrize("names", BACKED, ids="+".join)
def test_a_rule_that_another_stands_behind_can_fail_alone(names: tuple[str, ...]) -> None:
    _play(_without(names), BACKED[names], max(EXAMPLES, 500), Phase.generate, Phase.shrink)


def test_every_rule_has_its_season() -> None:
    named = {name for names in (*SEASONS, *BACKED) for name in names}
    assert named == {rule.name for rule in fields(Rules)}
