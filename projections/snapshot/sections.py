"""The sections of a snapshot: one for each field that a machine is kept by, found by its type.

The one thing to know: nobody lists the fields. A field that is added to the state is in the next
snapshot, and changes the schema set, so that no build reads a snapshot that lacks it.
"""

import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from scheduler.kept import BEGUN_ANEW, Kept
from scheduler.model.schemas import described
from scheduler.state import State

STATE: Final = "state."
"""What the name of a section of the state begins with."""


class Section(msgspec.Struct, frozen=True):
    """One field: its type, and how its values are read from their bytes."""

    name: str
    kind: Any
    is_mapping: bool
    """A dict is written item by item, in its own order, some hundred at a time."""
    decode: Callable[[msgspec.Raw], Any]


@cache
def sections() -> Mapping[str, Section]:
    """All sections by their names, in the order in which they are written."""
    kinds = typing.get_type_hints(State)
    found = [
        _section(STATE + each.name, kinds[each.name])
        for each in fields(State)
        if each.name not in BEGUN_ANEW
    ]
    kinds = typing.get_type_hints(Kept)
    beside = [each.name for each in fields(Kept) if each.name != "state"]
    found += [_section(name, kinds[name]) for name in beside]
    return {each.name: each for each in found}


def _section(name: str, kind: Any) -> Section:  # noqa: ANN401 - a type is any object
    is_mapping = typing.get_origin(kind) is dict
    read: Any = list[tuple[typing.get_args(kind)]] if is_mapping else kind  # type: ignore[misc]
    return Section(name, kind, is_mapping, msgspec.msgpack.Decoder(read).decode)


@cache
def schema_set() -> str:
    """The name of all shapes in a snapshot, by which a build knows whether it can read one."""
    lines = [f"{each.name}:{_shape(each.kind)}" for each in sections().values()]
    return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _shape(kind: Any) -> str:  # noqa: ANN401 - a type is any object
    if is_dataclass(kind):
        kinds = typing.get_type_hints(kind)
        inner = ";".join(f"{each.name}:{_shape(kinds[each.name])}" for each in fields(kind))
        return f"({inner})"
    if typing.get_origin(kind) is list:
        return f"[{_shape(typing.get_args(kind)[0])}...]"
    return described(kind)
