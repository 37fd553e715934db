"""The page of faults has all 45 rows, and the tests and drills that it names exist.

A row may leave what is not there yet only to the issue that is still open.
"""

import re

from streams.drills.catalogue import DRILLS
from tests.architecture.tree import ROOT, demand_none, functions_of, place, python_files

PAGE = ROOT / "docs" / "faults.md"
FAULTS = range(1, 46)
_ROW = re.compile(r"^\| (\d+) \|")
_NAMED = re.compile(r"`([a-z_0-9/]+\.py)::(\w+)`")
_DRILL = re.compile(r"`flumina drill ([a-z-]+)`")
_ISSUE = re.compile(r"\bissues? (\d+)")
OPEN = {"11"}
"""Issues that may still build what a row wants."""
_FAUST = re.compile(r"\b(?:Global|Set)?Table\(")


def _rows() -> list[tuple[int, str, str]]:
    """Number, what follows, and the tests' cell of each row."""
    found = []
    for line in PAGE.read_text("utf-8").splitlines():
        if (row := _ROW.match(line)) is not None:
            cells = [each.strip() for each in line.strip("| ").split(" | ")]
            assert len(cells) == 4, f"row {row[1]} has {len(cells)} cells"
            found.append((int(row[1]), cells[2], cells[3]))
    return found


def test_every_fault_has_its_row_once() -> None:
    assert sorted(number for number, _, _ in _rows()) == list(FAULTS)


def test_every_fault_is_shown_by_a_test_or_belongs_to_an_open_issue() -> None:
    demand_none(
        [
            f"row {number} names neither a test nor an issue"
            for number, _, shown in _rows()
            if not any(each.search(shown) for each in (_NAMED, _DRILL, _ISSUE))
        ]
    )


def test_no_fault_waits_for_an_issue_that_is_closed() -> None:
    demand_none(
        [
            f"row {number} leaves something to issue {issue}: name the test that shows it"
            for number, what, shown in _rows()
            for issue in _ISSUE.findall(f"{what} {shown}")
            if issue not in OPEN
        ]
    )


def test_nothing_is_kept_in_a_table_of_faust() -> None:
    """Its local files are what rows 18 and 41 would be about; views here are folds in memory."""
    demand_none(
        [
            place(path, number)
            for path in python_files("streams", "connectors", "projections", "scheduler")
            if "import faust" in (text := path.read_text("utf-8"))
            for number, line in enumerate(text.splitlines(), 1)
            if _FAUST.search(line)
        ]
    )


def test_every_test_that_a_fault_names_exists() -> None:
    demand_none(
        [
            f"row {number}: {name}::{function}"
            for number, _, shown in _rows()
            for name, function in _NAMED.findall(shown)
            if not (ROOT / "tests" / name).is_file()
            or not function.startswith("test_")
            or function not in functions_of(ROOT / "tests" / name)
        ]
    )


def test_every_drill_that_a_fault_names_exists() -> None:
    known = {each.name for each in DRILLS}
    demand_none(
        [
            f"row {number}: flumina drill {name}"
            for number, _, shown in _rows()
            for name in _DRILL.findall(shown)
            if name not in known
        ]
    )
