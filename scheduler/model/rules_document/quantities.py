"""Amounts with their units, as people write them: ``5 min``, ``64 GiB``, ``10 Gbit/s``, ``12.5``.

The one thing to know: digits are counted, never rounded. A text is read without any float, and what
does not come out as a whole number of the log's own unit (ms, MiB, Mbit/s) is a fault. A bare
number has no unit and is refused, except 0.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from scheduler.model.reading.faults import shown, shown_text
from scheduler.model.reading.fields import Fields

QUANTITY_MAX: Final = 10**15
"""In the log's unit; every number stays exact in any reader of JSON, doubles included."""
_TEXT: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?([A-Za-z/]{0,8})", re.ASCII)


class Scale(NamedTuple):
    """Units of one quantity, smallest first; the first is the log's own unless a part of it."""

    name: str
    units: Mapping[str, int]
    """How many parts of the smallest unit each is."""
    parts: int
    """How many parts make one of the log's own unit."""
    example: str


DURATION: Final = Scale(
    "a duration",
    {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000},
    1,
    "5 min",
)
MEMORY: Final = Scale(
    "an amount of memory",
    {"KiB": 1, "MiB": 1 << 10, "GiB": 1 << 20, "TiB": 1 << 30, "PiB": 1 << 40},
    1 << 10,
    "64 GiB",
)
BANDWIDTH: Final = Scale(
    "a bandwidth", {"kbit/s": 1, "Mbit/s": 1_000, "Gbit/s": 1_000_000}, 1_000, "10 Gbit/s"
)


def read_quantity(fields: Fields, name: str, scale: Scale, default: int | None = None) -> int:
    """The field's quantity in the log's own unit; ``default`` where it is left out."""
    value = fields.raw(name)
    if value is None:
        if default is None:
            fields.fault(name, "is missing", f"give {scale.name} such as {scale.example}")
        return default or 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value == 0:
            return 0
        hint = f"write {shown(value)} with one of {', '.join(scale.units)}"
        fields.fault(name, f"is {shown(value)}, which has no unit", hint)
        return 0
    if not isinstance(value, str):
        text = f"is {shown(value)}; {scale.name} is needed"
        fields.fault(name, text, f"such as {scale.example}")
        return 0
    found = quantity_of(value, scale)
    if isinstance(found, int):
        return found
    fields.fault(name, *found)
    return 0


def quantity_of(text: str, scale: Scale) -> int | tuple[str, str]:
    """``text`` in the log's own unit, or what is wrong with it and what to do."""
    match = _TEXT.fullmatch(text.strip())
    known = ", ".join(scale.units)
    if match is None:
        return f"is {shown_text(text)}; {scale.name} is needed", f"such as {scale.example}"
    whole, decimals, unit = match[1], match[2] or "", match[3]
    by_lower = {each.lower(): each for each in scale.units}
    if unit not in scale.units:
        if not unit and not int(whole + decimals):
            return 0
        near = by_lower.get(unit.lower())
        hint = f"did you mean {near!r}?" if near else f"units here: {known}"
        what = f"has the unit {shown_text(unit)}, unknown here" if unit else "has no unit"
        return f"is {shown_text(text)}, which {what}", hint
    shift: int = 10 ** len(decimals)
    total, rest = divmod(int(whole + decimals) * scale.units[unit], shift * scale.parts)
    smallest = next(each for each, parts in scale.units.items() if parts == scale.parts)
    if rest:
        return (
            f"is {shown_text(text)}, which is no whole number of {smallest}",
            f"give {total} {smallest} or {total + 1} {smallest}",
        )
    if total > QUANTITY_MAX:
        return f"is {shown_text(text)}, which is too large", f"at most {QUANTITY_MAX} {smallest}"
    return total


def quantity_text(value: int, scale: Scale) -> str:
    """``value`` of the log's own unit in the largest unit that writes it as a whole number."""
    if value == 0:
        return "0"
    amount = value * scale.parts
    unit, size = next(
        (unit, size) for unit, size in reversed([*scale.units.items()]) if amount % size == 0
    )
    return f"{amount // size} {unit}"


def thousandths_number(value: int) -> int | float:
    """Thousandths as the number that people write: 12500 is 12.5."""
    whole, rest = divmod(value, 1_000)
    return whole if rest == 0 else value / 1_000
