"""What running text says of commands is so, and each command and option is told somewhere.

Whole calls in blocks are parsed by `test_readme.py`. Here are the others: a call between backticks
in a sentence or a table names a command that exists and options that it has; and what the command
line offers stands in a document. Nothing is run.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup

from streams.cli.main import COMMANDS, app_for, with_pair
from tests.architecture.tree import files, place

BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(?:\./)?flumina ([^`\n]+)`")
WORD = re.compile(r"[\w-]+")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
# Of every command: help, and of those for a script the shell's own.
OF_ALL = {"--help", "--json", "--api", "--data-dir", "--cell", "--console"}
BEHIND_DASHES = re.compile(r" -- .*")


@cache
def _command(name: str) -> Any:
    group = typer.main.get_command(app_for([name]))
    assert isinstance(group, TyperGroup)
    return group.commands[name]


def _options(command: Any) -> set[str]:
    return {each for one in command.params for each in (*one.opts, *one.secondary_opts)}


def _fault(span: str) -> str:
    """Why no such call can be made; empty where it can."""
    words = with_pair(BEHIND_DASHES.sub("", span).split())
    if words[0].startswith("-"):
        return ""  # Of the command line itself: `flumina --version`.
    if not re.fullmatch(r"[a-z -]+", words[0]):
        return ""  # A name that stands for any: `flumina X`.
    if words[0] not in {each.name for each in COMMANDS}:
        return f"there is no command {words[0]!r}"
    command = _command(words[0])
    rest = words[1:]
    while isinstance(command, TyperGroup) and rest and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    if isinstance(command, TyperGroup):
        if rest and not re.fullmatch(r"[a-z]+", rest[0]):
            return ""  # Words for the command that it runs without a name: `policy NAME=VALUE`.
        if rest and not command.invoke_without_command:
            return f"there is no {rest[0]!r} among its commands"
    unknown = set(OPTION.findall(" ".join(rest))) - _options(command) - {"--help"}
    return f"it has no {', '.join(sorted(unknown))}" if unknown else ""


def test_calls_in_running_text_can_be_made() -> None:
    faults, count = [], 0
    for path in files(".md"):
        for span in SPAN.findall(BLOCK.sub("", path.read_text("utf-8"))):
            count += 1
            if fault := _fault(span):
                faults.append(f"{place(path)}: `flumina {span}`: {fault}")
    assert count > 300, "the pattern finds the calls no more"
    assert not faults, "\n".join(faults)


def test_a_call_that_cannot_be_made_is_found() -> None:
    assert _fault("slo --at -1h") == ""
    assert _fault("slo --on -1h") == "it has no --on"
    assert _fault("sloe") == "there is no command 'sloe'"
    assert _fault("simulate foults") in {"", "there is no 'foults' among its commands"}
    assert _fault("policy shew") == "there is no 'shew' among its commands"
    assert _fault("exec TASK -- ls --color") == ""


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(command, TyperGroup):
        for below, each in command.commands.items():
            yield from _leaves(f"{name} {below}", each)
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield name, command


def test_each_command_and_option_is_told_in_a_document() -> None:
    text = "\n".join(path.read_text("utf-8") for path in files(".md"))
    told = set(WORD.findall(text))
    missing = []
    for named in COMMANDS:
        for name, command in _leaves(named.name, _command(named.name)):
            if command.hidden:
                continue
            first, last = f"flumina {named.name}", name.removeprefix(named.name).split(" ")[-1]
            # A row of a table tells several: `flumina job enable|disable`.
            if not re.search(rf"{first}\b.*\b{last}\b" if last else rf"{first}\b", text):
                missing.append(f"flumina {name}")
            for option in command.params:
                names = {each for each in (*option.opts, *option.secondary_opts) if each[0] == "-"}
                if names and not names & (OF_ALL | told):
                    missing.append(f"flumina {name} {option.opts[0]}")
    assert not missing, "\n".join(missing)
