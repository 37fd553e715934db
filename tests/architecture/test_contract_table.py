"""The table of the Mesos contract names tests that exist, on the clusters where they really run."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.architecture.tree import ROOT, demand_none, functions_of, parsed

TABLE = ROOT / "docs" / "mesos-contract.md"
MASTER = ROOT / "tests" / "contract" / "mesos_master"
WHERE = ("both", "dev", "real", "endpoint", "unit", "—")
_NAMED = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)::(\w+)`")


def _rows() -> list[tuple[int, str, str]]:
    """Line, where, and the tests' cell of each rule."""
    found = []
    for number, line in enumerate(TABLE.read_text("utf-8").splitlines(), start=1):
        cells = [each.strip() for each in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[1] not in {"on", "---"}:
            found.append((number, cells[1], cells[2]))
    return found


def _file(name: str) -> Path:
    """The file that a row names: beside the master's tests, or below ``tests/``."""
    return MASTER / name if "/" not in name else ROOT / "tests" / name


def test_every_rule_says_where_it_is_tested() -> None:
    rows = _rows()
    assert len(rows) > 100
    demand_none(
        [
            f"line {number}: {where!r} is none of {WHERE}, or no test is named"
            for number, where, shown in rows
            if where not in WHERE or (where != "—") != bool(_NAMED.search(shown))
        ]
    )


def test_every_test_that_the_table_names_exists() -> None:
    demand_none(
        [
            f"line {number}: {name}::{function}"
            for number, _, shown in _rows()
            for name, function in _NAMED.findall(shown)
            if not _file(name).is_file() or function not in functions_of(_file(name))
        ]
    )


@cache
def _leaves_out_the_real_one(path: Path) -> frozenset[str]:
    """The tests of a file that skip on the real Mesos, by themselves or by their fixture."""
    return frozenset(
        each.name
        for each in parsed(path).body
        if isinstance(each, ast.FunctionDef)
        and (
            any(argument.arg.startswith("dev") for argument in each.args.args)
            or any(
                isinstance(inner, ast.If)
                and ast.unparse(inner.test) == "is_real"
                and "pytest.skip(" in ast.unparse(inner.body[0])
                for inner in each.body
            )
        )
    )


def test_only_what_runs_on_both_is_said_to() -> None:
    """``test_dev_*`` runs on the dev cluster alone; a scripted endpoint is no cluster."""
    apart = ("test_dev_", "mesos_weather", "unit/", "properties/")
    demand_none(
        [
            f"line {number}: {name}::{function} does not run on both"
            for number, where, shown in _rows()
            for name, function in _NAMED.findall(shown)
            if where == "both"
            and (
                any(each in name for each in apart)
                or function in _leaves_out_the_real_one(_file(name))
            )
        ]
    )


def test_no_file_of_the_contract_is_unknown_to_the_table() -> None:
    text = TABLE.read_text("utf-8")
    folders = [MASTER, MASTER.parent / "mesos_weather"]
    unknown = [
        path.name
        for folder in folders
        for path in sorted(folder.glob("test_*.py"))
        if f"{path.name}::" not in text
    ]
    demand_none(unknown)
