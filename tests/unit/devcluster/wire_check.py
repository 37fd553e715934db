"""Whether a message that the development cluster sends is one that Mesos has.

The one thing to know: JSON would carry anything, and protobuf would silently leave out what the
table does not know; so what is sent in tests is checked field by field.
"""

from typing import Any

from connectors.devcluster.wire.convert import convert
from connectors.devcluster.wire.schema import schema

Json = dict[str, Any]


def check_message(name: str, value: Json) -> None:
    """Fail unless the value is a message of this name: known fields of the right kinds."""
    convert(name, value)
    assert unknown_fields(name, value) == []


def unknown_fields(name: str, value: Json, path: str = "") -> list[str]:
    """The paths of fields that the message does not have, and of fields that hold no value."""
    fields = schema().messages[name]
    unknown = []
    for key, item in value.items():
        here = f"{path}{key}"
        if key not in fields or item is None:
            unknown.append(here)
        elif fields[key].kind in schema().messages:
            many = item.values() if fields[key].label == "map" else item
            for inner in many if fields[key].label in ("repeated", "map") else [item]:
                unknown += unknown_fields(fields[key].kind, inner, f"{here}.")
    return unknown
