"""The allow-list: which scripts there are, what each runs, and which arguments it takes.

The one thing to know: arguments are compared whole with the words listed, and no shell sees them on
this side. A runbook can therefore choose, and never compose.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

SCRIPTS_MAX: Final = 200
WORDS_MAX: Final = 64
FILE_BYTES_MAX: Final = 64 * 1024
BRACKETS_MAX: Final = 2 * SCRIPTS_MAX
"""Lists and maps in brackets; for thousands within one another ruamel takes seconds."""
_NAME: Final = re.compile(r"[a-z0-9](?:[a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?")


class NotAllowed(ValueError):
    """A script that is not on the list, or an argument that it does not take."""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: a program with its first arguments, and the words that may follow."""

    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    """Each argument of a runbook must be one of these."""


class AllowList:
    """Scripts by name."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.scripts = dict(scripts)

    def command(self, name: str, arguments: tuple[str, ...]) -> list[str]:
        """Program and arguments; raises `NotAllowed`, saying what is."""
        script = self.scripts.get(name)
        if script is None:
            known = ", ".join(sorted(self.scripts)) or "none"
            raise NotAllowed(f"script {name} is not on the allow-list; known are {known}")
        for each in arguments:
            if each not in script.arguments:
                known = ", ".join(script.arguments) or "none"
                raise NotAllowed(f"script {name} takes no argument {each}; allowed are {known}")
        return [*script.command, *arguments]


def read_allow_list(path: Path) -> AllowList:
    """The list that a YAML file holds; raises ValueError, naming file and entry."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        text = data.decode()
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"{path} is longer than {FILE_BYTES_MAX} bytes")
        if max(map(text.count, ("[", "{"))) > BRACKETS_MAX:
            raise ValueError(f"{path} has more than {BRACKETS_MAX} lists; name fewer scripts")
        raw = YAML(typ="safe").load(text)
    except (OSError, UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as YAML: {error}") from error
    entries = raw.get("scripts") if isinstance(raw, dict) else None
    if not isinstance(entries, dict) or set(raw) != {"scripts"}:
        raise ValueError(f"{path} must hold one field, scripts, with an entry for each script")
    if len(entries) > SCRIPTS_MAX:
        raise ValueError(f"{path} has {len(entries)} scripts; at most {SCRIPTS_MAX} are taken")
    return AllowList({name: _entry(path, name, entry) for name, entry in entries.items()})


def _entry(path: Path, name: Any, raw: Any) -> Script:  # noqa: ANN401 - as YAML has it
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{path}: {name!r} is no name of a script; one looks like restart-runtime")
    try:
        script = msgspec.convert(raw, Script)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path}: scripts.{name}: {error}") from error
    words = (*script.command, *script.arguments)
    if not script.command or len(words) > WORDS_MAX or any("\0" in each for each in words):
        raise ValueError(f"{path}: scripts.{name}.command must be a program and its arguments")
    return script
