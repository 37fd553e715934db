"""The short way to a message in JSON: taken when nothing needs to be converted, else not at all.

The one thing to know: what this reads, ``convert`` reads to the same message; of everything that
``convert`` would change, drop or refuse - a null, an empty list, a number as a string, an unknown
word, a field that is missing - it says only that it is not plain. A test compares the two.
"""

import functools
from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal, Required, TypedDict

import msgspec

from connectors.devcluster.wire.schema import Field, oneofs, schema
from connectors.devcluster.words import Json

# Base64 that is written in the one way in which ``convert`` writes it.
_BYTES = r"\A(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?\Z"
_SCALARS: dict[str, Any] = {
    "string": str,
    "bytes": Annotated[str, msgspec.Meta(pattern=_BYTES)],
    "bool": bool,
    "double": float,
    "int32": Annotated[int, msgspec.Meta(ge=-(1 << 31), lt=1 << 31)],
    "uint32": Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)],
    "int64": Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)],
    "uint64": Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)],
}
# Of a field for which the long way must be gone; an empty list never holds an item.
_NEVER = Annotated[list[None], msgspec.Meta(min_length=1, max_length=1)]


def plain(name: str, body: bytes) -> Json | None:
    """The message of this name in a body that is known to be JSON; None when it is not plain."""
    try:
        value: Json = _decoder(name).decode(body)
    except (ValueError, RecursionError):
        return None
    return value


@functools.cache
def _decoder(name: str) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(_Types().of(name))


class _Types:
    """Messages as types of plain dicts; where a message contains itself, no further."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def of(self, name: str) -> Any:  # noqa: ANN401 - a type
        """The type of the plain messages of this name."""
        if name not in self._known:
            self._known[name] = _NEVER
            self._known[name] = self._made(name, schema().messages[name])
        return self._known[name]

    def _made(self, name: str, fields: Mapping[str, Field]) -> Any:  # noqa: ANN401 - a type
        if oneofs(fields):
            return _NEVER
        kinds = {field.name: self._field(field) for field in fields.values()}
        # Its fields are known only now, and that a type checker cannot follow.
        return TypedDict(name.replace(".", ""), kinds, total=False)  # type: ignore[operator]

    def _field(self, field: Field) -> Any:  # noqa: ANN401 - a type
        table = schema()
        if field.kind in table.messages:
            one = self.of(field.kind)
        elif field.kind in table.enums:
            one = Literal[tuple(table.enums[field.kind])]
        else:
            one = _SCALARS[field.kind]
        match field.label:
            case "required":
                return Required[one]
            case "repeated":
                return Annotated[GenericAlias(list, (one,)), msgspec.Meta(min_length=1)]
            case "map":
                return Annotated[GenericAlias(dict, (str, one)), msgspec.Meta(min_length=1)]
            case _:
                return one
