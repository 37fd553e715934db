"""The four ways of docs/architecture.md lead through code that is there: functions, imports, wires.

A box names a file and a function of it. An arrow without words joins two modules of which one
imports the other (or one module's own functions); an arrow with words is a wire, and a topic among
them is one of the table of topics.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.kafka.topics import TOPICS
from tests.architecture.tree import ROOT, demand_none, imported_names, parsed

pytestmark = pytest.mark.integration  # It reads all of the code.

PAGE = ROOT / "docs" / "architecture.md"
WAYS = 4
_DIAGRAM = re.compile(r"```mermaid\nflowchart TD\n(.*?)```", re.DOTALL)
_BOX = re.compile(r'(\w+)(?:\["([\w/.]+):([\w.]+)"\])?')
_ARROW = re.compile(r'^  (\w+(?:\["[^"]+"\])?) (?:-- "([^"]+)" )?--> (\w+(?:\["[^"]+"\])?)$')


class Box(NamedTuple):
    """A function of a file."""

    file: str
    name: str


class Arrow(NamedTuple):
    """From box to box; a wire has words."""

    begin: Box
    words: str
    end: Box


@cache
def _ways() -> list[list[Arrow]]:
    return [list(_arrows(each)) for each in _DIAGRAM.findall(PAGE.read_text("utf-8"))]


def _arrows(diagram: str) -> Iterator[Arrow]:
    boxes: dict[str, Box] = {}
    for line in diagram.splitlines():
        found = _ARROW.match(line)
        assert found is not None, f"no arrow: {line}"
        yield Arrow(_box(boxes, found[1]), found[2] or "", _box(boxes, found[3]))


def _box(boxes: dict[str, Box], text: str) -> Box:
    found = _BOX.fullmatch(text)
    assert found is not None, text
    if found[2] is not None:
        assert found[1] not in boxes, f"{found[1]} is told twice"
        boxes[found[1]] = Box(found[2], found[3])
    return boxes[found[1]]


def test_there_are_four_ways_of_boxes() -> None:
    assert [len(way) > 10 for way in _ways()] == [True] * WAYS


def test_every_box_is_a_function_or_class_that_is_there() -> None:
    boxes = {box for way in _ways() for arrow in way for box in (arrow.begin, arrow.end)}
    demand_none([f"{box.file}:{box.name}" for box in sorted(boxes) if not _is_there(box)])


def _is_there(box: Box) -> bool:
    path = ROOT / box.file
    if not path.is_file():
        return False
    if path.suffix == ".js":
        text = path.read_text("utf-8")
        return re.search(rf"\b(function|class) {box.name}\b", text) is not None
    within: list[ast.stmt] = parsed(path).body
    for name in box.name.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = next((e for e in within if isinstance(e, kinds) and e.name == name), None)
        if found is None:
            return False
        within = found.body
    return True


def test_every_arrow_without_words_joins_modules_that_import() -> None:
    demand_none(
        [
            f"{arrow.begin.file} --> {arrow.end.file}"
            for way in _ways()
            for arrow in way
            if not arrow.words and not _are_joined(arrow.begin.file, arrow.end.file)
        ]
    )


def _are_joined(left: str, right: str) -> bool:
    return left == right or right in _imports(left) or left in _imports(right)


@cache
def _imports(file: str) -> frozenset[str]:
    """The files that a file imports."""
    path = ROOT / file
    if path.suffix == ".js":
        named = re.findall(r'from "([^"]+)"', path.read_text("utf-8"))
        inside = ((path.parent / each).resolve() for each in named)
        return frozenset(str(each.relative_to(ROOT)) for each in inside)
    return frozenset(_file_of(name) for name, _ in imported_names(path))


def _file_of(module: str) -> str:
    """The file of a module, or of the module that a name is imported from."""
    for parts in (module.split("."), module.split(".")[:-1]):
        path = Path(*parts).with_suffix(".py") if parts else Path()
        if (ROOT / path).is_file():
            return str(path)
    return module


def test_every_topic_of_a_wire_is_one_of_the_table() -> None:
    known = {each.name for each in TOPICS}
    named = {
        arrow.words.removeprefix("topic ")
        for way in _ways()
        for arrow in way
        if arrow.words.startswith("topic ")
    }
    assert named <= known, named - known
    assert {"jobs", "mesos", "host-logs", "cell"} <= named
