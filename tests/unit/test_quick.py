"""What the quick tests leave to the whole run: whole folders, and most examples of properties."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.support.quick import (
    EXAMPLES_MIN,
    MARKED,
    is_left_out,
    is_quick,
    leave_out_what_is_slow,
    take_fewer_examples,
)

TESTS = Path(__file__).parents[1]
drawn: list[int] = []


@settings(max_examples=40, deadline=None, database=None)
@given(st.integers())
def test_draws(number: int) -> None:
    drawn.append(number)


class Machine(RuleBasedStateMachine):
    """One that does next to nothing."""

    @rule()
    def step(self) -> None:
        """Do nothing."""


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=12, stateful_step_count=2, deadline=None)


def test_properties_draw_a_part(request: pytest.FixtureRequest) -> None:
    found = [each for each in request.session.items if each.path == Path(__file__)]
    of_names = {each.name: each for each in found}
    if not {"test_draws", "runTest"} <= of_names.keys():
        pytest.skip("needs the other tests of this file")
    if not is_quick(request.config):
        take_fewer_examples([of_names["test_draws"], of_names["runTest"]])
    drawn.clear()
    test_draws()
    assert EXAMPLES_MIN <= len(drawn) <= 10
    assert TestMachine.settings.max_examples == EXAMPLES_MIN


@pytest.mark.parametrize(
    ("words", "is_it"),
    [
        ("not integration", True),
        ("(not integration) and not soak", True),
        ("not soak", False),
        ("", False),
        ("integration", False),
    ],
)
def test_only_who_leaves_integration_out_is_in_a_hurry(
    words: str, is_it: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request.config.option, "markexpr", words)
    assert is_quick(request.config) is is_it


def test_no_folder_that_is_left_out_has_a_quick_test() -> None:
    folders = [each for each in TESTS.iterdir() if is_left_out(each)]
    assert len(folders) == 2
    for folder in folders:
        for path in folder.rglob("test_*.py"):
            assert MARKED.search(path.read_text("utf-8")), (
                f"{path} needs: pytestmark = pytest.mark.integration"
            )


def test_what_is_slow_is_left_to_the_whole_run(request: pytest.FixtureRequest) -> None:
    leave_out_what_is_slow([request.node])
    assert request.node.get_closest_marker("integration") is None
    request.node.add_marker(pytest.mark.slow)
    leave_out_what_is_slow([request.node])
    assert request.node.get_closest_marker("integration") is not None
