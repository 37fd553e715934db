"""The form of every file: its width, its length, its docstring; what a package file may hold."""

import ast
import re

import pytest

from tests.architecture.tree import (
    PACKAGES,
    ROOT,
    demand_none,
    files,
    parsed,
    place,
    python_files,
    statements,
)

pytestmark = pytest.mark.integration  # It reads all of the code.

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
# The reason for an exception stands on its line, and may go beyond; ruff sees it so as well.
PRAGMA = re.compile(r"  # (noqa|type: ignore|fmt: skip)\b.*$")
SCRIPTS = [ROOT / "flumina", ROOT / ".ci" / "run"]


def test_no_line_is_wider_than_100_columns() -> None:
    wide = [
        place(path, number)
        for path in [*python_files(), *files(".toml", ".js", ".css", ".sh"), *SCRIPTS]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if len(PRAGMA.sub("", line)) > COLUMNS_MAX and "# noqa: E501" not in line
    ]
    demand_none(wide)


def test_no_file_is_longer_than_600_lines() -> None:
    sources = [*python_files(), *files(".js", ".css")]
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in sources}
    long = [f"{place(path)}: {n} lines" for path, n in lengths.items() if n > FILE_LINES_MAX]
    demand_none(long)


def test_no_function_is_longer_than_70_lines() -> None:
    long = [
        f"{place(path, node.lineno)} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in python_files()
        for node in statements(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    demand_none(long)


def test_every_module_says_what_it_is_for() -> None:
    silent = [place(path) for path in python_files() if not ast.get_docstring(parsed(path))]
    demand_none(silent)


def test_a_package_file_holds_its_docstring_and_nothing_else() -> None:
    fuller = [
        place(path)
        for path in python_files(*PACKAGES)
        if path.name == "__init__.py" and len(parsed(path).body) != 1
    ]
    demand_none(fuller)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_modules_is_a_package(package: str) -> None:
    folders = {path.parent for path in python_files(package)}
    demand_none([place(each) for each in folders if not (each / "__init__.py").exists()])
