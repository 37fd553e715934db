"""Values as Java writes them: what patterns, parts and sticky samples look at."""

from typing import Any

import pytest

from projections.query.texts import text_of_value
from tests.unit.query.test_better import answered


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        (True, "true"),
        (10**20, "100000000000000000000"),
        (5.0, "5.0"),
        (-0.0, "-0.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (1e-7, "1.0E-7"),
        (-1.25e-9, "-1.25E-9"),
        (123456.789, "123456.789"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (12345678.5, "1.23456785E7"),
        (1e300, "1.0E300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ([], "[]"),
        (["a", None, 1.0], "[a, null, 1.0]"),
        ({"k": 1, "l": {}}, "{k=1, l={}}"),
    ],
)
def test_text_is_java_s(value: Any, text: str | None) -> None:
    assert text_of_value(value) == text


@pytest.mark.parametrize(
    ("where", "found"),
    [
        # As the engine of Mantis answers; a word is a string, and any other pattern sees text.
        ("v ==~ /5/", ["5"]),
        ("v ==~ /(5)/", ["5", 5]),
        ("v ==~ /5.*/", ["5", 5, 5.0]),
        ("v ==~ /t.ue/", [True]),
        ("v ==~ /true/", []),
        ("v ==~ /.*=.*/", [{"k": 1}]),
        ("v ==~ /.*\\[.*/", [["a"]]),
        ("v ==+ 'E'", [1e-7]),
        ("v ==+ 'null'", []),
    ],
)
def test_patterns_see_text(where: str, found: list[Any]) -> None:
    events = [{"v": each} for each in ("5", 5, 5.0, 1e-7, True, None, ["a"], {"k": 1})]
    assert [row["v"] for row in answered(f"select v where {where}", events)] == found
