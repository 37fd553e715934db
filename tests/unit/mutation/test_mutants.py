"""Which mutants are drawn and counted, and between what the true share lies.

How: texts of a few lines, and Wilson's interval as it is printed in tables.
"""

import subprocess
import sys

import pytest

from tests.mutation.mutants import Mutant, chosen, wilson
from tests.mutation.report import package_of, score_line
from tests.mutation.rules import Reader
from tests.mutation.run import ROOT, Result

TEXT = '''\
"""A module."""


class Machine:
    """Of some use."""

    def apply(self, offers: int | None, names: list[str]) -> int:
        assert offers is not None, f"no {offers + 1}"
        if offers > 3 and self.limit(
            offers,
            7,
        ):
            log.warning("gone", left=offers - 1)
            pairs = zip(names, names, strict=True)
            return sum(each * 2 for each, _ in pairs)
        kind = cast("int", offers)
        match kind:
            case 5:
                return 6

        def inner() -> str:
            return "a host is gone"

        return inner() + "gone"
'''


def _why(needle: str, operator: str = "number", before: str = "", after: str = "") -> str:
    reader, lines = Reader(TEXT), TEXT.splitlines()
    number = next(index for index, line in enumerate(lines, 1) if needle in line)
    column = lines[number - 1].index(needle)
    place = reader.place(number, column, number, column + len(needle))
    return reader.why_not(place, operator, before or needle, after)


@pytest.mark.parametrize(
    ("needle", "operator", "rule"),
    [
        ("offers + 1", "swap_op", "assertion"),
        ("offers - 1", "swap_op", "logged"),
        ('"int"', "string", "type checker"),
        ('"a host is gone"', "string", "text for people"),
    ],
)
def test_words_for_people_and_for_the_checker_are_left_out(
    needle: str, operator: str, rule: str
) -> None:
    assert rule in _why(needle, operator)


@pytest.mark.parametrize(
    ("needle", "operator"),
    [
        ("offers is not None", "keywords"),
        ("offers > 3", "swap_op"),
        ("each * 2", "swap_op"),
        ('"gone"', "string"),
        ("6", "number"),
    ],
)
def test_what_a_program_does_is_counted(needle: str, operator: str) -> None:
    where = needle if needle != '"gone"' else 'inner() + "gone"'
    assert _why(where, operator, before=needle) == ""


@pytest.mark.parametrize("after", ["zip(names, names)", "zip(names, names, )"])
def test_whether_zip_is_strict_is_an_assertion(after: str) -> None:
    call = "zip(names, names, strict=True)"
    assert "strict" in _why(call, "arg_removal", after=after)
    assert _why(call, "arg_removal", after="zip(names, strict=True)") == ""


@pytest.mark.parametrize(
    ("needle", "function", "lines"),
    [
        ("7,", "Machine.apply", (9, 12)),
        ("each * 2", "Machine.apply", (15, 15)),
        ("5:", "Machine.apply", (18, 18)),
        ('"a host is gone"', "Machine.apply.<locals>.inner", (22, 22)),
    ],
)
def test_a_place_has_its_function_and_the_lines_of_its_statement(
    needle: str, function: str, lines: tuple[int, int]
) -> None:
    rows = TEXT.splitlines()
    number = next(index for index, line in enumerate(rows, 1) if needle in line)
    column = rows[number - 1].index(needle)
    place = Reader(TEXT).place(number, column, number, column + 1)
    assert (place.function, place.lines) == (function, lines)


def _mutants(path: str, count: int) -> list[Mutant]:
    return [
        Mutant(path, number, "number", number, 0, f"{number}", f"{number + 1}", "f", number, number)
        for number in range(count)
    ]


def test_a_choice_stays_when_other_files_change() -> None:
    one, other = _mutants("scheduler/a.py", 500), _mutants("scheduler/b.py", 500)
    before = [each for each in chosen([*one, *other], 100, 7) if each.path.endswith("a.py")]
    after = [each for each in chosen([*one, *other[:400]], 100, 7) if each.path.endswith("a.py")]
    assert set(before) <= set(after)
    assert chosen([*other, *one], 100, 7) == chosen([*one, *other], 100, 7)
    assert chosen(one, 100, 8) != chosen(one, 100, 7)


def test_mutants_of_the_same_words_are_drawn_one_by_one() -> None:
    twins = _mutants("scheduler/a.py", 1) * 3
    assert len(chosen(twins, 2, 1)) == 2
    assert len(chosen(twins, 9, 1)) == 3


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (85, 100, 0.7672, 0.9069)],
)
def test_the_interval_is_wilson_s(found: int, of: int, low: float, high: float) -> None:
    assert list(wilson(found, of)) == pytest.approx([low, high], abs=1e-4)


def test_without_a_sample_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_what_no_test_executes_counts_as_a_survivor() -> None:
    verdicts = ("killed", "timed out", "survived", "not covered")
    (mutant,) = _mutants("scheduler/queue/order.py", 1)
    results = [Result(mutant, verdict, 0, 0) for verdict in verdicts]
    assert score_line(results).startswith("2 of 4 killed: 50.0%")
    assert package_of("scheduler/queue/order.py") == "scheduler/queue"
    assert package_of("scheduler/machine.py") == "scheduler"


@pytest.mark.slow
def test_what_runs_the_tests_of_mutants_leaves_the_import_of_hypothesis_to_its_plugin() -> None:
    """Else pytest ends before the first test: it warns that it cannot rewrite what is there."""
    looking = "import sys, tests.mutation.baseline; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", looking], cwd=ROOT, check=False).returncode == 0
