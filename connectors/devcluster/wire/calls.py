"""From the bytes of a request to a checked scheduler call, refusing with Mesos' own sentences.

The one thing to know: what passes here is well formed, never yet valid. A call that is well formed
and makes no sense is answered 202 and by events, or by nothing.
"""

import base64
import binascii
import math
from typing import Any

import orjson

from connectors.devcluster.wire.schema import ENUMS, MESSAGES

Json = dict[str, Any]

_NUMBERS = ("int", "double")
# Call types whose sub-message must be there; REVIVE, SUPPRESS and TEARDOWN have none to demand.
_NEEDS_BODY = frozenset(
    {
        "ACCEPT",
        "ACCEPT_INVERSE_OFFERS",
        "ACKNOWLEDGE",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "DECLINE",
        "DECLINE_INVERSE_OFFERS",
        "KILL",
        "MESSAGE",
        "RECONCILE",
        "RECONCILE_OPERATIONS",
        "REQUEST",
        "SHUTDOWN",
        "SUBSCRIBE",
        "UPDATE_FRAMEWORK",
    }
)


class CallError(ValueError):
    """The request is not a scheduler call; the text is the body of the 400."""


class _Shape(ValueError):
    """A value does not have the kind that its field demands."""


def parse_call(body: bytes) -> Json:
    """The call in a JSON body, with nulls removed and numbers as numbers."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CallError(f"Failed to parse body into JSON: {error}") from error
    missing: list[str] = []
    try:
        if not isinstance(value, dict):
            raise _Shape("Expecting a JSON object")
        call = _message("Call", value, "", missing)
    except _Shape as error:
        raise CallError(f"Failed to convert JSON into Call protobuf: {error}") from error
    if missing:
        names = ", ".join(missing)
        raise CallError(
            f"Failed to convert JSON into Call protobuf: Missing required fields: {names}"
        )
    _validate(call)
    return call


def _validate(call: Json) -> None:
    """What Mesos checks of a converted call before it looks at the framework."""
    problem = _problem(call)
    if problem:
        raise CallError(f"Failed to validate scheduler::Call: {problem}")


def _problem(call: Json) -> str | None:
    kind = call.get("type")
    # 1.11.0 aborts on UNKNOWN; an emulation answers as if the type were missing, and lives.
    if kind is None or kind == "UNKNOWN":
        return "Expecting 'type' to be present"
    body = kind.lower()
    if kind != "SUBSCRIBE" and "framework_id" not in call:
        return "Expecting 'framework_id' to be present"
    if kind in _NEEDS_BODY and body not in call:
        return f"Expecting '{body}' to be present"
    if kind.startswith("ACKNOWLEDGE") and not is_uuid(call[body]["uuid"]):
        return "Not a valid UUID"
    if kind in ("SUBSCRIBE", "UPDATE_FRAMEWORK"):
        inner = call[body]["framework_info"].get("id")
        if inner != call.get("framework_id"):
            return f"'framework_id' differs from '{body}.framework_info.id'"
    return None


def is_uuid(text: str) -> bool:
    """Whether the base64 text is 16 bytes with a known UUID version, which is what Mesos asks."""
    raw = base64.b64decode(text)
    return len(raw) == 16 and 1 <= raw[6] >> 4 <= 5


def _message(kind: str, value: Json, path: str, missing: list[str]) -> Json:
    fields = MESSAGES[kind]
    result: Json = {}
    for name, item in value.items():
        if item is None:
            continue
        field = fields.get(name)
        if field is None:
            result[name] = item
            continue
        converted = _field(field, name, item, path, missing)
        if converted is not None:
            result[name] = converted
    missing += [path + n for n, field in fields.items() if field[-1] == "!" and n not in result]
    return result


def _field(field: str, name: str, value: object, path: str, missing: list[str]) -> object:
    kind = field.rstrip("!*%")
    if field[-1] == "*":
        items = value if isinstance(value, list) else [value]
        converted = (
            _value(kind, name, item, f"{path}{name}[{i}].", missing)
            for i, item in enumerate(items)
            if item is not None
        )
        return [item for item in converted if item is not None]
    if field[-1] == "%":
        if not isinstance(value, dict):
            raise _unexpected(name, value)
        return {
            k: _value(kind, name, v, f"{path}{name}.{k}.", missing)
            for k, v in value.items()
            if v is not None
        }
    return _value(kind, name, value, f"{path}{name}.", missing)


def _value(kind: str, name: str, value: object, path: str, missing: list[str]) -> object:
    if kind == "any":
        return value
    if kind in MESSAGES and isinstance(value, dict):
        return _message(kind, value, path, missing)
    if kind in ENUMS and isinstance(value, str):
        return _enum(kind, value)
    if kind in _NUMBERS:
        return _number(kind, name, value)
    if kind == "bool" and value in (True, False, "true", "false") and not _is_number(value):
        return value in (True, "true")
    if kind == "bytes" and isinstance(value, str):
        return _bytes(name, value)
    if kind == "string" and isinstance(value, str):
        return value
    raise _unexpected(name, value)


def _unexpected(name: str, value: object) -> _Shape:
    return _Shape(f"Not expecting {_name_of(value)} for field '{name}'")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _enum(kind: str, value: str) -> str | None:
    if value in ENUMS[kind]:
        return value
    if kind.startswith("enum!"):
        raise _Shape(f"Failed to find enum for '{value}'")
    return None


def _number(kind: str, name: str, value: object) -> int | float:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise _Shape(
                f"Failed to parse '{value}' as a JSON number for field '{name}': {error}"
            ) from error
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _unexpected(name, value)
    if not math.isfinite(value):
        raise _Shape(f"Not expecting an infinite number for field '{name}'")
    return int(value) if kind == "int" else float(value)


def _bytes(name: str, value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise _Shape(f"Failed to base64 decode bytes field '{name}': {error}") from error
    return value


def _name_of(value: object) -> str:
    match value:
        case bool():
            return "a JSON boolean"
        case int() | float():
            return "a JSON number"
        case str():
            return "a JSON string"
        case list():
            return "a JSON array"
        case _:
            return "a JSON object"
