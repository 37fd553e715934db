"""`flumina test`: `soak` runs only where `-m` names it; a run of many tests is shared."""

import pytest

from streams.cli.run_tests import PROCESSES_MAX, _processes, _without_soak


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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], PROCESSES_MAX),
        (["-ra", "--durations=15", "-x"], PROCESSES_MAX),
        (["-m", "not integration", "-k", "log"], PROCESSES_MAX),
        (["-n", "4"], 1),
        (["-n0"], 1),
        (["--numprocesses=3"], 1),
        (["tests/unit"], 1),
        (["tests/unit/cli/test_run_tests.py::test_soak"], 1),
        (["--pdb"], 1),
        (["--collect-only", "-q"], 1),
    ],
)
def test_a_run_of_many_is_shared_unless_the_words_say_otherwise(
    words: list[str], expected: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(request.config.rootpath)
    assert _processes(words, cores=8) == expected
    assert _processes(words, cores=1) == 1


def test_there_are_more_processes_than_cores_for_some_wait() -> None:
    assert _processes(["-ra"], cores=2) == 4
    assert _processes(["-m", "not integration"], cores=2) == 3
