"""From parsed JSON to a message of the table: known fields only, each of its kind, no nulls.

The one thing to know: it converts as Mesos' own JSON reader does, which is generous. Numbers and
booleans may be written as strings, one value may stand for a list of one, base64 may lack its
padding, an unknown field or an unknown word of an optional enum counts as absent, and so does an
empty list. What fails is converted once more, slowly, to find the words that Mesos would use.
"""

import base64
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from connectors.devcluster.wire.schema import Field, Schema, oneofs, schema
from connectors.devcluster.words import Json

# A converter answers None when the value counts as absent.
Convert = Callable[[Any], Any]

_BITS = {"int32": (32, True), "uint32": (32, False), "int64": (64, True), "uint64": (64, False)}
# What a body may unfold to: a message of two bytes takes a hundred in memory, so the size of a
# body alone bounds little. The largest sensible call, 10,000 tasks, has half as many.
MESSAGES_MAX = 1_000_000
# Nobody reads more of what is missing than this.
MISSING_MAX = 1000
# A container within a container, and so on; Google's library reads no more levels either.
DEPTH_MAX = 100
_TOO_DEEP = "The message is nested too deeply"
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\s]")


class ShapeError(ValueError):
    """A value does not have the kind that its field demands."""


class _Incomplete(ValueError):
    """A required field is missing; which, the slow way finds out."""


class Plan:
    """How one message is converted; its fields are filled in once all plans exist."""

    __slots__ = ("fields", "oneofs", "required")

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields: dict[str, Convert] = {}
        self.required = frozenset(f.name for f in fields.values() if f.label == "required")
        self.oneofs = [sorted(names) for names in oneofs(fields).values()]

    def convert(self, value: Json) -> Json:
        """The message, or an exception that says only that it is none."""
        fields = self.fields
        result = {}
        for name, item in value.items():
            if item is not None and name in fields:
                converted = fields[name](item)
                if converted is not None:
                    result[name] = converted
        if not self.required <= result.keys():
            raise _Incomplete
        if self.oneofs:
            self.choose(result)
        return result

    def choose(self, result: Json) -> None:
        """Leave one of what excludes each other; the last one by its name, as Mesos does."""
        for names in self.oneofs:
            for name in [n for n in names if n in result][:-1]:
                del result[name]


class _Patient(Plan):
    """A plan in Mesos' order (by name), for which a missing field is no reason to stop."""

    __slots__ = ()

    def convert(self, value: Json) -> Json:
        result = {}
        for name, item in sorted(value.items()):
            if item is not None and name in self.fields:
                converted = self.fields[name](item)
                if converted is not None:
                    result[name] = converted
        self.choose(result)
        return result


def convert(name: str, value: object) -> Json:
    """The JSON value as the message of this name; ``ShapeError`` says why it is none."""
    if not isinstance(value, dict):
        raise ShapeError("Expecting a JSON object")
    try:
        try:
            return _plans(Plan)[name].convert(value)
        except (ShapeError, _Incomplete):
            result = _plans(_Patient)[name].convert(value)
            missing = first_missing_fields(name, result)
    except RecursionError:
        raise ShapeError(_TOO_DEEP) from None
    if missing:
        raise ShapeError(f"Missing required fields: {', '.join(missing)}")
    return result


def first_missing_fields(name: str, value: Json) -> list[str]:
    """The paths of required fields that are not there, in the order in which Mesos names them."""
    return list(itertools.islice(_missing_fields(name, value, ""), MISSING_MAX))


def _missing_fields(name: str, value: Json, path: str) -> Iterator[str]:
    fields = schema().messages[name]
    for field in fields.values():
        if field.label == "required" and field.name not in value:
            yield path + field.name
    for field in sorted(fields.values(), key=lambda f: f.number):
        if field.kind not in schema().messages or field.name not in value:
            continue
        item, inner = value[field.name], path + field.name
        match field.label:
            case "repeated":
                for i, one in enumerate(item):
                    yield from _missing_fields(field.kind, one, f"{inner}[{i}].")
            case "map":
                for i, (_, one) in enumerate(sorted(item.items())):
                    yield from _missing_fields(field.kind, one, f"{inner}[{i}].value.")
            case _:
                yield from _missing_fields(field.kind, item, f"{inner}.")


@functools.cache
def _plans(kind: type[Plan]) -> dict[str, Plan]:
    """The plans of all messages, which refer to each other."""
    table = schema()
    plans = {name: kind(fields) for name, fields in table.messages.items()}
    for name, fields in table.messages.items():
        for field in fields.values():
            plans[name].fields[field.name] = _of_field(field, table, plans)
    return plans


def _of_field(field: Field, table: Schema, plans: dict[str, Plan]) -> Convert:
    name = "value" if field.label == "map" else field.name
    if field.kind in plans:
        same = table.messages[field.kind].get(field.name)
        is_in_itself = same is not None and same.kind == field.kind
        one = _message(name, plans[field.kind], field.name if is_in_itself else "")
    elif field.kind in table.enums:
        one = _enum(name, frozenset(table.enums[field.kind]), field.label == "required")
    elif field.kind in _BITS:
        one = _integer(name, *_BITS[field.kind])
    else:
        one = {"string": _string, "bool": _bool, "double": _double, "bytes": _bytes}[field.kind](
            name
        )
    match field.label:
        case "repeated":
            return _repeated(one)
        case "map":
            return _map(field.name, one)
        case _:
            return one


def _unexpected(name: str, value: object) -> ShapeError:
    match value:
        case bool():
            what = "a JSON boolean"
        case int() | float():
            what = "a JSON number"
        case str():
            what = "a JSON string"
        case list():
            what = "a JSON array"
        case _:
            what = "a JSON object"
    return ShapeError(f"Not expecting {what} for field '{name}'")


def _repeated(one: Convert) -> Convert:
    def convert(value: object) -> list[Any] | None:
        result: list[Any] = []
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, list):
                result += convert(item) or ()
            elif item is not None and (converted := one(item)) is not None:
                result.append(converted)
        return result or None

    return convert


def _map(name: str, one: Convert) -> Convert:
    def convert(value: object) -> Json | None:
        result = {}
        for entries in value if isinstance(value, list) else (value,):
            if not isinstance(entries, dict):
                raise _unexpected(name, entries)
            for key, item in entries.items():
                if item is not None and (converted := one(item)) is not None:
                    result[key] = converted
        return result or None

    return convert


def _message(name: str, plan: Plan, way_down: str) -> Convert:
    """``way_down`` is the field by which the message may contain itself, if it may."""

    def convert(value: object) -> Json:
        inner, depth = value, 0
        while way_down and isinstance(inner, dict):
            inner, depth = inner.get(way_down), depth + 1
            if depth > DEPTH_MAX:
                raise ShapeError(_TOO_DEEP)
        if isinstance(value, dict):
            return plan.convert(value)
        raise _unexpected(name, value)

    return convert


def _enum(name: str, words: frozenset[str], is_required: bool) -> Convert:
    def convert(value: object) -> str | None:
        if isinstance(value, str):
            if value in words:
                return value
            if is_required:
                raise ShapeError(f"Failed to find enum for '{value}'")
            return None
        raise _unexpected(name, value)

    return convert


def _string(name: str) -> Convert:
    def convert(value: object) -> str:
        if isinstance(value, str):
            return value
        raise _unexpected(name, value)

    return convert


def _bool(name: str) -> Convert:
    def convert(value: object) -> bool:
        if isinstance(value, str):
            value = _written(value, "boolean", name)
        if isinstance(value, bool):
            return value
        raise _unexpected(name, value)

    return convert


def _double(name: str) -> Convert:
    def convert(value: object) -> float:
        if type(value) is float:
            return value
        if value == "Infinity":
            # How a limit of a task says that there is none; bare numbers cannot be infinite.
            return math.inf
        return float(_number(value, name))

    return convert


def _integer(name: str, bits: int, is_signed: bool) -> Convert:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)

    def convert(value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        number = int(_number(value, name))
        # In Mesos these are C++'s casts, which wrap; beyond 64 bits their result is undefined.
        if not -(1 << 63) <= number < 1 << 64 or (bits == 64 and is_signed and number > high):
            raise ShapeError(f"Not expecting a number beyond 64 bits for field '{name}'")
        wrapped = number & ((1 << bits) - 1)
        return wrapped - (1 << bits) if wrapped > high else wrapped

    return convert


def _number(value: object, name: str) -> int | float:
    if isinstance(value, str):
        value = _written(value, "number", name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _unexpected(name, value)
    if not math.isfinite(value):
        raise ShapeError(f"Not expecting an infinite number for field '{name}'")
    return value


def _written(text: str, kind: str, name: str) -> bool | int | float:
    """The number or boolean that a string holds."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = str(error)
    else:
        if isinstance(value, bool):
            if kind == "boolean":
                return value
        elif isinstance(value, int | float) and kind == "number":
            if text == text.rstrip():
                return value
            # Observed: space before a number is taken, space behind one is not.
            problem = "Parsed JSON included non-whitespace trailing characters: "
            raise _unreadable(text, kind, name, problem)
        problem = "Unexpected JSON type parsed"
    raise _unreadable(text, kind, name, problem)


def _unreadable(text: str, kind: str, name: str, problem: str) -> ShapeError:
    return ShapeError(f"Failed to parse '{text}' as a JSON {kind} for field '{name}': {problem}")


def _bytes(name: str) -> Convert:
    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise _unexpected(name, value)
        if found := _NO_BASE64.search(value):
            raise ShapeError(
                f"Failed to base64 decode bytes field '{name}': Invalid character '{found[0]}'"
            )
        # As Mesos: white space does not count, and what follows the padding neither.
        text = "".join(value.split()).partition("=")[0]
        text = text[: -1 if len(text) % 4 == 1 else None]
        raw = base64.b64decode(text + "=" * (-len(text) % 4))
        return base64.b64encode(raw).decode()

    return convert
