"""`flumina test`: what is marked `soak` runs only where `-m` names it."""

import pytest

from streams.cli.run_tests import _without_soak


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["-m", "not soak"]),
        (["-x"], ["-m", "not soak", "-x"]),
        (["-m", "not integration", "-x"], ["-m", "(not integration) and not soak", "-x"]),
        (["-q", "-mintegration"], ["-q", "-m", "(integration) and not soak"]),
        (["-m", "soak"], ["-m", "soak"]),
        (["-m", "integration or soak"], ["-m", "integration or soak"]),
    ],
)
def test_soak_is_left_out_unless_it_is_named(words: list[str], expected: list[str]) -> None:
    assert _without_soak(words) == expected
