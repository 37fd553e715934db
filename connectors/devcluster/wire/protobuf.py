"""Messages of the table as protobuf bytes, by Google's library; their other form is JSON-like.

The one thing to know: the classes are made from the table at first use. In a dict a message's
bytes are base64 text and its enums are words, as Mesos writes them in JSON.
"""

import base64
import functools
import math
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from google.protobuf.descriptor import FieldDescriptor

from connectors.devcluster.wire.convert import MESSAGES_MAX, convert, first_missing_fields
from connectors.devcluster.wire.schema import SCALARS, Field, oneofs, schema
from connectors.devcluster.words import Json

_PACKAGE = "v1"
_LABELS = {"optional": 1, "required": 2, "repeated": 3, "map": 3}
NOT_UTF8 = "a string is not UTF-8"


class ProtobufError(ValueError):
    """The bytes are not this message."""


def decode(name: str, data: bytes) -> Json:
    """The message in the bytes; an unknown field or a value that no enum has counts as absent."""
    try:
        parsed = _class(name).FromString(data)
        value = _Reader().read(parsed)
    except message.DecodeError as error:
        # The library's sentence names our class first, which says nothing to the peer.
        raise ProtobufError(str(error).rpartition(": ")[2]) from error
    except UnicodeDecodeError as error:
        # Only of the keys of a map; any other such string it gives as bytes.
        raise ProtobufError(NOT_UTF8) from error
    if not parsed.IsInitialized():
        missing = ", ".join(first_missing_fields(name, value))
        raise ProtobufError(f"Missing required fields: {missing}")
    return value


def encode(name: str, value: Json) -> bytes:
    """The bytes of a message; what the table does not know is left out."""
    made = _class(name)
    try:
        built = made(**_with_raw_bytes(name, value))
    except (ValueError, TypeError):
        # Something unknown or written otherwise is in it; the slow way finds and drops it.
        built = made(**_with_raw_bytes(name, convert(name, value)))
    return bytes(built.SerializeToString())


class _Reader:
    """Reads one parsed message into a dict, and counts what it unfolds to."""

    def __init__(self) -> None:
        self._left = MESSAGES_MAX

    def read(self, parsed: message.Message) -> Json:
        """The fields that are set, by their names."""
        self._left -= 1
        if self._left < 0:
            raise ProtobufError(f"it unfolds to more than {MESSAGES_MAX} messages")
        result: Json = {}
        for descriptor, value in parsed.ListFields():
            name, shape, of_value = _how_to_read(descriptor)
            one = of_value or self.read
            if shape == "one":
                result[name] = one(value)
            elif shape == "many":
                result[name] = [one(v) for v in value]
            else:
                entries = {_utf8(k): one(v) for k, v in value.items()}
                # The library keeps them in no order; the same bytes shall give the same dict.
                result[name] = dict(sorted(entries.items()))
        return result


@functools.cache
def _how_to_read(descriptor: FieldDescriptor) -> tuple[str, str, Callable[[Any], Any] | None]:
    """The field's name, whether it is one, many or a map, and how a value of it is read.

    A value that has nothing to be read by is a message.
    """
    name, shape, of_values = descriptor.name, "one", descriptor
    if descriptor.is_repeated:
        shape = "many"
        inner = descriptor.message_type
        if inner is not None and inner.GetOptions().map_entry:
            shape, of_values = "map", inner.fields_by_name["value"]
    match of_values.type:
        case FieldDescriptor.TYPE_MESSAGE:
            return name, shape, None
        case FieldDescriptor.TYPE_ENUM:
            words = {v.number: v.name for v in of_values.enum_type.values}
            return name, shape, words.__getitem__
        case FieldDescriptor.TYPE_BYTES:
            return name, shape, _base64
        case FieldDescriptor.TYPE_DOUBLE:
            return name, shape, functools.partial(_finite, name)
        case FieldDescriptor.TYPE_STRING:
            return name, shape, _utf8
        case FieldDescriptor.TYPE_BOOL:
            return name, shape, bool
        case _:
            return name, shape, int


def _utf8(value: object) -> str:
    """The text; where it is no UTF-8 the library gives the bytes instead."""
    if not isinstance(value, str):
        raise ProtobufError(NOT_UTF8)
    return value


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _finite(name: str, value: float) -> float:
    if math.isfinite(value):
        return value
    raise ProtobufError(f"not expecting an infinite number for field '{name}'")


def _with_raw_bytes(name: str, value: Json) -> Json:
    """The dict with bytes instead of base64; the same dict when there are none in it."""
    result = value
    for field in _ways_to_bytes()[name]:
        if field.name in value:
            before = value[field.name]
            after = _raw(field, before)
            if after is not before:
                if result is value:
                    result = dict(value)
                result[field.name] = after
    return result


def _raw(field: Field, value: object) -> object:
    if isinstance(value, list):
        parts = [_raw_one(field.kind, v) for v in value]
        is_changed = any(a is not b for a, b in zip(parts, value, strict=True))
        return parts if is_changed else value
    if field.label == "map" and isinstance(value, dict):
        return {k: _raw_one(field.kind, v) for k, v in value.items()}
    return _raw_one(field.kind, value)


def _raw_one(kind: str, value: object) -> object:
    if isinstance(value, str):
        return base64.b64decode(value)
    if isinstance(value, dict):
        return _with_raw_bytes(kind, value)
    return value


@functools.cache
def _ways_to_bytes() -> dict[str, tuple[Field, ...]]:
    """Of each message the fields in or below which there can be bytes."""
    messages = schema().messages
    with_bytes = {"bytes"}
    while True:
        ways = {
            name: tuple(f for f in fields.values() if f.kind in with_bytes)
            for name, fields in messages.items()
        }
        found = with_bytes | {name for name, fields in ways.items() if fields}
        if found == with_bytes:
            return ways
        with_bytes = found


@functools.cache
def _class(name: str) -> type[message.Message]:
    """The library's class for a message."""
    made: type[message.Message] = message_factory.GetMessageClass(
        _pool().FindMessageTypeByName(f"{_PACKAGE}.{_flat(name)}")
    )
    return made


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """All messages of the table, in a pool of their own: others may have Mesos' names too."""
    table = schema()
    file = descriptor_pb2.FileDescriptorProto(name="v1.proto", package=_PACKAGE, syntax="proto2")
    for name, words in table.enums.items():
        # The words of an enum share a name space with it, so each has a message around it.
        enum = file.message_type.add(name=_flat(name)).enum_type.add(name="Word")
        for word, number in words.items():
            enum.value.add(name=word, number=number)
    for name, fields in table.messages.items():
        made = file.message_type.add(name=_flat(name))
        groups = list(oneofs(fields))
        for group in groups:
            made.oneof_decl.add(name=group)
        for field in fields.values():
            added = _add_field(made, field)
            if field.oneof is not None:
                added.oneof_index = groups.index(field.oneof)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_field(
    made: descriptor_pb2.DescriptorProto, field: Field
) -> descriptor_pb2.FieldDescriptorProto:
    added = made.field.add(name=field.name, number=field.number)
    if field.label == "map":
        entry = made.nested_type.add(
            name="".join(w.capitalize() for w in field.name.split("_")) + "Entry"
        )
        entry.options.map_entry = True
        _set_kind(entry.field.add(name="key", number=1), "string")
        _set_kind(entry.field.add(name="value", number=2), field.kind)
        added.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        added.type_name = f".{_PACKAGE}.{made.name}.{entry.name}"
    else:
        _set_kind(added, field.kind)
    added.label = _LABELS[field.label]
    return added


def _set_kind(made: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    made.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    types = descriptor_pb2.FieldDescriptorProto.Type
    if kind in SCALARS:
        made.type = types.Value(f"TYPE_{kind.upper()}")
    elif kind in schema().enums:
        made.type = descriptor_pb2.FieldDescriptorProto.TYPE_ENUM
        made.type_name = f".{_PACKAGE}.{_flat(kind)}.Word"
    else:
        made.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        made.type_name = f".{_PACKAGE}.{_flat(kind)}"


def _flat(name: str) -> str:
    return name.replace(".", "_")
