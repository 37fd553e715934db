"""The shape of every v1 message and enum of Mesos 1.11.0, read from the table beside this module.

The one thing to know: names are those of Mesos without ``mesos.v1.``, so ``scheduler.Call``,
``TaskInfo``, ``master.Response.GetTasks``. How the table was made is said in its first lines.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

LABELS = frozenset({"optional", "required", "repeated", "map"})
SCALARS = frozenset({"string", "bytes", "bool", "double", "int32", "int64", "uint32", "uint64"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message; of a map, ``kind`` is that of its values (its keys are strings).

    Of the fields with the same ``oneof`` a message has at most one.
    """

    name: str
    number: int
    label: str
    kind: str
    default: str | None
    oneof: str | None
    is_deprecated: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """All messages with their fields, in Mesos' order, and all enums with their numbers."""

    messages: Mapping[str, Mapping[str, Field]]
    enums: Mapping[str, Mapping[str, int]]


@functools.cache
def schema() -> Schema:
    """The whole table; read once, which takes about 4 ms."""
    messages: dict[str, dict[str, Field]] = {}
    enums: dict[str, dict[str, int]] = {}
    fields: dict[str, Field] = {}
    text = files(__package__).joinpath("mesos_v1.txt").read_text("ascii")
    for line in text.splitlines():
        match line.split():
            case ["#", *_] | ["#"]:
                continue
            case ["enum", name, *values]:
                pairs = (value.split("=") for value in values)
                enums[name] = {word: int(number) for word, number in pairs}
            case ["message", name]:
                fields = messages[name] = {}
            case words:
                field = _field(words)
                fields[field.name] = field
    return Schema(messages, enums)


def _field(words: list[str]) -> Field:
    number, label, name, kind, *more = words
    assert label in LABELS, words
    said = dict(word.split("=", 1) for word in more if "=" in word)
    is_deprecated = "deprecated" in more
    return Field(
        name, int(number), label, kind, said.get("default"), said.get("oneof"), is_deprecated
    )


def oneofs(fields: Mapping[str, Field]) -> dict[str, list[str]]:
    """The names of the fields that exclude each other, by the name of what they are one of."""
    groups: dict[str, list[str]] = {}
    for field in fields.values():
        if field.oneof is not None:
            groups.setdefault(field.oneof, []).append(field.name)
    return groups
