"""Each rule of Titus that the page names has a test that exists, or the issue that builds it."""

import re
from pathlib import Path

from tests.architecture.tree import ROOT, demand_none, functions_of

PAGE = ROOT / "docs" / "titus.md"
SECTIONS = {
    "State machines": 10,
    "Jobs": 30,
    "Validation and defaults": 15,
    "Placement": 11,
    "Fleet": 6,
    "Eviction and relocation": 11,
    "Around it": 7,
}
"""How many rows each has at least: none disappears without a word."""
_NAMED = re.compile(r"`((?:[a-z_]+/)*[a-z_0-9]+\.py)::(\w+)`")
_ISSUE = re.compile(r"^issue [0-9]+$")


def _rows() -> list[tuple[int, str, str]]:
    """Line, section and the last cell of each row."""
    found, section = [], ""
    for number, line in enumerate(PAGE.read_text("utf-8").splitlines(), start=1):
        if line.startswith("## "):
            section = line[3:]
        cells = [each.strip() for each in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] not in {"Titus", "---"}:
            found.append((number, section, cells[-1] if len(cells) == 3 else ""))
    return found


def test_no_row_is_missing_and_each_says_what_shows_it() -> None:
    rows = _rows()
    for section, least in SECTIONS.items():
        assert sum(each == section for _, each, _ in rows) >= least, section
    demand_none(
        [
            f"line {number}: names neither a test nor the issue that builds it"
            for number, _, shown in rows
            if not _NAMED.search(shown) and not _ISSUE.match(shown)
        ]
    )


def test_every_test_that_is_named_exists() -> None:
    demand_none(
        [
            f"line {number}: tests/{path}::{name} does not exist"
            for number, _, shown in _rows()
            for path, name in _NAMED.findall(shown)
            if not _has(ROOT / "tests" / path, name)
        ]
    )


def _has(path: Path, name: str) -> bool:
    """Whether the file has such a test; hypothesis' machines are tests by assignment."""
    if not path.exists():
        return False
    if name in functions_of(path):
        return True
    return f"\n{name} = " in path.read_text("utf-8")
