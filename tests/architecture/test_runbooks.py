"""Every delivered alert and every page has its runbook, and every command in one is one that is."""

import ast
import re
import shlex
from collections.abc import Iterator
from typing import get_args

import pytest

from scheduler.model.changes import PageKind
from streams.alerts.rule_file import rules_of
from streams.cli.main import with_pair
from tests.architecture.tree import ROOT, demand_none, parsed, place, python_files
from tests.support.parsed_commands import read_as_command

BOOKS = ROOT / "docs" / "runbooks"
INDEX = (BOOKS / "README.md").read_text("utf-8")
PARTS = ("## What it means", "## How to see it", "## What to do", "## It is over when")
# What stands for a number in a command.
NUMBERS = {"N", "FINDING", "OFFSET", "TASKS"}
INLINE = re.compile(r"`(flumina [^`]+)`")
FENCED = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_delivered_alert_has_a_runbook_and_names_it() -> None:
    rules = rules_of(None).rules
    assert len(rules) > 20
    demand_none([each.name for each in rules if each.runbook != f"docs/runbooks/{each.name}.md"])
    demand_none([each.name for each in rules if not (ROOT / each.runbook).exists()])


def test_every_kind_of_page_has_a_runbook() -> None:
    names = [f"page-{kind.replace(' ', '-')}.md" for kind in get_args(PageKind)]
    demand_none([name for name in names if not (BOOKS / name).exists()])


def test_every_runbook_is_complete_and_in_the_index() -> None:
    books = [each for each in BOOKS.glob("*.md") if each.name != "README.md"]
    demand_none([each.name for each in books if f"]({each.name})" not in INDEX])
    texts = {each.name: each.read_text("utf-8") for each in books}
    demand_none(
        [f"{name}: {part}" for name, text in texts.items() for part in PARTS if part not in text]
    )


def _paged_texts() -> Iterator[tuple[str, str]]:
    """What processes page by themselves: the words of each line with ``page=True``."""
    for path in python_files("streams", "connectors"):
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            is_page = any(each.arg == "page" for each in node.keywords)
            is_history = isinstance(node.func, ast.Attribute) and node.func.attr == "_page"
            first = node.args[0] if node.args else None
            if (is_page or is_history) and isinstance(first, ast.Constant):
                yield place(path, node.lineno), str(first.value)


@pytest.mark.integration  # It reads all of the code.
def test_every_page_of_a_process_is_in_a_runbook() -> None:
    found = dict(_paged_texts())
    assert len(found) > 15
    texts = INDEX + (BOOKS / "fold-halted.md").read_text("utf-8")
    demand_none([f"{where}: {text}" for where, text in found.items() if text not in texts])


def _calls() -> list[tuple[str, str]]:
    found = []
    for path in sorted(BOOKS.glob("*.md")):
        text = path.read_text("utf-8")
        fenced = [line for block in FENCED.findall(text) for line in block.splitlines()]
        found += [(path.stem, call) for call in [*fenced, *INLINE.findall(text)]]
    return found


@pytest.mark.parametrize(("book", "call"), _calls(), ids=[" ".join(each) for each in _calls()])
def test_every_command_of_a_runbook_exists(book: str, call: str) -> None:
    _, *words = shlex.split(call)
    read_as_command(with_pair(["1" if each in NUMBERS else each for each in words]), book)
