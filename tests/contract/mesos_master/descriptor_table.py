"""The table of mesos.v1, made anew from the descriptors inside a Mesos library.

The one thing to know: this is how ``connectors/devcluster/wire/mesos_v1.txt`` was made, and a test
makes it again. For another release: ``python -m tests.contract.mesos_master.descriptor_table
LIBRARY`` prints the lines below the file's head.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import DecodeError

PACKAGE = ".mesos.v1."
# Each is the folder and the name of a file in mesos/v1; the first one has no folder.
PARTS = (
    *("mesos", "scheduler", "executor", "allocator", "maintenance", "quota", "master", "agent"),
    "resource_provider",
)
DURATION = "google/protobuf/duration.proto"
# A file's own fields have numbers up to this (descriptor.proto, as of the library's protobuf 3.5).
_FIELD_MAX = 12


def descriptors(library: bytes, name: str) -> FileDescriptorProto:
    """The descriptor of the file of this name, which begins wherever its name is written."""
    found = [
        descriptor
        for match in re.finditer(re.escape(bytes([0x0A, len(name)]) + name.encode()), library)
        if (descriptor := _descriptor(library, match.start())) is not None
    ]
    return max(found, key=FileDescriptorProto.ByteSize)


def _descriptor(library: bytes, start: int) -> FileDescriptorProto | None:
    """The longest descriptor that begins here; what follows it in the library is anything."""
    for end in reversed(list(_ends(library, start))):
        try:
            return FileDescriptorProto.FromString(library[start:end])
        except DecodeError:
            continue
    return None


def _ends(library: bytes, at: int) -> Iterator[int]:
    """Where each of the fields ends that could belong to one file."""
    while True:
        tag, at = _varint(library, at)
        if not 1 <= tag >> 3 <= _FIELD_MAX or tag & 7 not in (0, 2):
            return
        value, at = _varint(library, at)
        if tag & 7 == 2:
            at += value
        if at > len(library):
            return
        yield at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128 or shift > 63:
            return value, at


def table(library: bytes) -> list[str]:
    """The lines of the table."""
    files = [descriptors(library, "mesos/v1/mesos.proto")]
    files += [descriptors(library, f"mesos/v1/{part}/{part}.proto") for part in PARTS[1:]]
    maps = {name: entry for file in files for name, entry in _maps(file)}
    lines = []
    for file in files:
        prefix = f".{file.package}.".removeprefix(PACKAGE)
        lines += [_enum(prefix, enum) for enum in file.enum_type]
        for message in file.message_type:
            lines += _message(prefix, message, maps)
    duration = descriptors(library, DURATION)
    return lines + _message("google.protobuf.", duration.message_type[0], maps)


def _maps(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    waiting = [(f".{file.package}.", message) for message in file.message_type]
    while waiting:
        prefix, message = waiting.pop()
        if message.options.map_entry:
            yield prefix + message.name, message
        waiting += [(f"{prefix}{message.name}.", inner) for inner in message.nested_type]


def _message(prefix: str, message: DescriptorProto, maps: dict[str, DescriptorProto]) -> list[str]:
    name = prefix + message.name
    lines = [_enum(f"{name}.", enum) for enum in message.enum_type]
    lines.append(f"message {name}")
    for field in message.field:
        label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
        kind = field
        if field.type_name in maps:
            key, kind = maps[field.type_name].field
            assert key.type == FieldDescriptorProto.TYPE_STRING
            label = "map"
        line = f" {field.number} {label} {field.name} {_kind(kind)}"
        if field.HasField("default_value"):
            line += f" default={field.default_value}"
        if field.HasField("oneof_index"):
            line += f" oneof={message.oneof_decl[field.oneof_index].name}"
        lines.append(line + (" deprecated" if field.options.deprecated else ""))
    for inner in message.nested_type:
        if not inner.options.map_entry:
            lines += _message(f"{name}.", inner, maps)
    return lines


def _kind(field: FieldDescriptorProto) -> str:
    if field.type_name:
        return str(field.type_name).removeprefix(PACKAGE).removeprefix(".")
    return str(FieldDescriptorProto.Type.Name(field.type)).removeprefix("TYPE_").lower()


def _enum(prefix: str, enum: EnumDescriptorProto) -> str:
    values = " ".join(f"{value.name}={value.number}" for value in enum.value)
    return f"enum {prefix}{enum.name} {values}"


if __name__ == "__main__":
    print("\n".join(table(Path(sys.argv[1]).read_bytes())))
