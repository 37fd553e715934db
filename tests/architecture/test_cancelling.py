"""No process of ours waits for a task that it told to end only once.

aiokafka's clients swallow a cancellation that comes while they are being stopped, and who then
waits for the task waits for ever (seen in a query and in a history process): `end_all` and
`TaskGroup` of `connectors.cancelling` tell it again.
"""

import ast

import pytest

from tests.architecture.tree import ROOT, demand_none, python_files

pytestmark = pytest.mark.integration  # It reads all of the code.

WITHOUT_KAFKA = ("streams/simulation", "streams/load", "streams/local")
"""Worlds in memory, and commands that end with their process."""


def _attributes_called(function: ast.AST) -> set[str]:
    return {
        node.func.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def _waits_however_it_ends(function: ast.AST) -> bool:
    return any(
        isinstance(node, ast.keyword) and node.arg == "return_exceptions"
        for node in ast.walk(function)
    )


def test_who_cancels_and_waits_tells_again() -> None:
    found = []
    for path in python_files("streams"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(WITHOUT_KAFKA):
            continue
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.AsyncFunctionDef):
                continue
            if "cancel" in _attributes_called(function) and _waits_however_it_ends(function):
                found.append(f"{name}:{function.lineno} {function.name}: use end_all")
    demand_none(found)


def test_every_group_tells_its_tasks_again() -> None:
    found = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}: use that of connectors.cancelling"
        for package in ("streams", "connectors")
        for path in python_files(package)
        if path.name != "cancelling.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "TaskGroup"
    ]
    demand_none(found)
