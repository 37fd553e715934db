"""What a policy may name, and how its simple fields are called in the document.

The one thing to know: the document's names follow from the fields' own. A unit in a field's name
becomes a unit in the text: ``quality_window_ms`` is ``quality_window: 5 min``. So a number that is
added to the policy is in the document without a line of its own.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.model.reading.fields import Fields
from scheduler.model.rules_document.quantities import (
    DURATION,
    MEMORY,
    QUANTITY_MAX,
    quantity_text,
    read_quantity,
    thousandths_number,
)

WEIGHT_MAX: Final = 1_000_000
"""Only ratios of weights count; a million to one is no different from one alone."""
NAME_BYTES_MAX: Final = 255
REASON_BYTES_MAX: Final = 1_000
PROFILES_MAX: Final = 64
TIERS_MAX: Final = 16
GROUPS_MAX: Final = 5_000
SELECTORS_MAX: Final = 1_000
INSTANCE_GROUPS_MAX: Final = 1_000
PLUGINS_MAX: Final = 64
ZONES_MAX: Final = 64
VALUES_MAX: Final = 1_000
"""Entries of one list of names."""
RULES_BYTES_MAX: Final = 400 * 1024
"""Of all rules as one event; a record of the cell log takes 512 KiB, its envelope included."""
DEFAULT_GROUP: Final = "DEFAULT"

Value = int | str | bool | float


def document_name(field: str) -> str:
    """The name in the document of a field with a unit: ``offer_hold_ms`` is ``offer_hold``."""
    parts = field.removesuffix("_attribute").split("_")
    return "_".join(part for part in parts if part not in _UNITS)


def read_simple(fields: Fields, field: str, default: int | bool) -> int | bool:
    """One number or truth of the document, in the log's own unit."""
    name, parts = document_name(field), field.split("_")
    if isinstance(default, bool):
        return fields.truth(name, default)
    if "ms" in parts:
        return read_quantity(fields, name, DURATION, default)
    if "mib" in parts:
        return read_quantity(fields, name, MEMORY, default)
    if "milli" in parts:
        if not fields.has(name):
            fields.raw(name)
            return default
        return fields.thousandths(name, 0, _MILLI_MAX.get(field, QUANTITY_MAX))
    return fields.whole(name, 0, QUANTITY_MAX, default=default)


def written_simple(field: str, value: int | bool) -> Value:
    """The value of the document for a field of the policy."""
    parts = field.split("_")
    if isinstance(value, bool):
        return value
    if "ms" in parts:
        return quantity_text(value, DURATION)
    if "mib" in parts:
        return quantity_text(value, MEMORY)
    if "milli" in parts:
        return thousandths_number(value)
    return value


def simple_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Fields of a struct that are one whole number or truth, in their order."""
    return tuple(each.name for each in msgspec.structs.fields(kind) if each.type in {int, bool})


_UNITS: Final = frozenset(("ms", "mib", "milli"))
_MILLI_MAX: Final[Mapping[str, int]] = {"quality_least_milli": 1_000}
