"""What Fenzo does and what it gets wrong, row by row: see `fenzo_table.txt` beside this file.

Each row gives hosts, tasks and rules in a few words and says what must come of them; every choice
is also checked against a slow copy of the hosts (`tests.support.placement_rows`). What is shown by
other tests stands in `fenzo_features.txt`, and each of those tests must exist.
"""

import ast
from pathlib import Path

import pytest

from tests.support.placement_rows import Row, Table, rows

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ROWS = rows(HERE / "fenzo_table.txt")
REFERENCE = ROOT.parent / "shared" / "reference" / "fenzo.md"
NOT_HERE = "not here: "


def features() -> list[tuple[str, str]]:
    """Each feature and where it is shown."""
    lines = (HERE / "fenzo_features.txt").read_text("utf-8").splitlines()
    pairs = [line.split("|") for line in lines if "|" in line and not line.startswith("feature ")]
    return [(name.strip(), where.strip()) for name, where in pairs]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    table = Table(row)
    for step in row.steps:
        table.run(step)


@pytest.mark.parametrize(("name", "where"), features())
def test_a_feature_is_shown_where_it_says(name: str, where: str) -> None:
    if where.startswith(NOT_HERE):
        assert where.removeprefix(NOT_HERE)
    elif where == "table":
        assert any(row.feature == name for row in ROWS), f"no row is about {name}"
    else:
        path, _, test = where.partition("::")
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert any(isinstance(each, ast.FunctionDef) and each.name == test for each in tree.body)


def test_each_row_is_about_a_feature() -> None:
    assert {row.feature for row in ROWS} <= {name for name, _ in features()}


def test_no_feature_of_the_reference_is_forgotten() -> None:
    if not REFERENCE.is_file():
        pytest.skip("the reference of what Fenzo does is not beside this checkout")
    known = {name.partition(":")[0] for name, _ in features()}
    for name in _named_in(REFERENCE.read_text("utf-8")):
        assert name in known, f"{name} stands in the reference and in no row here"


def _named_in(text: str) -> list[str]:
    """Names of the rows of its tables of features and faults."""
    named = []
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line
        if not line.startswith("| ") or not section.startswith(("## 1.", "## 3.")):
            continue
        name = line.split("|")[1].strip()
        if name and name not in {"area", "#", "---"}:
            named.append(name)
    return named
