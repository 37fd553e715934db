"""Resources of the development cluster: parsing, arithmetic, containment, and Mesos' text form.

The one thing to know: scalars are whole thousandths. Mesos rounds every scalar to three decimals
and computes in fixed point, so 0.1 + 0.2 is 0.3 here and a sum over a day never drifts.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Range = tuple[int, int]

# Mesos' own rule: three decimals of precision for scalars.
MILLI = 1000
# Mesos' --min_allocatable_resources: less than this is not worth an offer.
MIN_OFFER_CPUS_MILLI = 10
MIN_OFFER_MEM_MILLI = 32 * MILLI


class ResourceError(ValueError):
    """Resources that cannot be read; the text is a sentence for the person who wrote them."""


def to_milli(value: float) -> int:
    """The scalar in whole thousandths, rounded half away from zero as Mesos does."""
    return math.floor(abs(value) * MILLI + 0.5) * (1 if value >= 0 else -1)


def scalar_text(milli: int) -> str:
    """The scalar as Mesos prints it: no trailing zeros."""
    sign = "-" if milli < 0 else ""
    whole, rest = divmod(abs(milli), MILLI)
    return f"{sign}{whole}" + (f".{rest:03d}".rstrip("0") if rest else "")


def coalesced(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers as sorted, disjoint, non-adjacent ranges."""
    result: list[Range] = []
    for begin, end in sorted(ranges):
        if result and begin <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return tuple(result)


def without(ranges: Iterable[Range], taken: Iterable[Range]) -> tuple[Range, ...]:
    """What is left of the ranges when the taken ones are cut out."""
    left = list(ranges)
    for cut_begin, cut_end in taken:
        rest: list[Range] = []
        for begin, end in left:
            if cut_end < begin or end < cut_begin:
                rest.append((begin, end))
                continue
            if begin < cut_begin:
                rest.append((begin, cut_begin - 1))
            if cut_end < end:
                rest.append((cut_end + 1, end))
        left = rest
    return coalesced(left)


def _covers(outer: tuple[Range, ...], inner: tuple[Range, ...]) -> bool:
    return not without(inner, outer)


@dataclass(frozen=True)
class Resources:
    """An amount of unreserved resources; zero amounts are not kept, so equality is by value."""

    scalars: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.scalars or self.ranges or self.sets)

    def __add__(self, other: "Resources") -> "Resources":
        scalars = dict(self.scalars)
        for name, amount in other.scalars.items():
            scalars[name] = scalars.get(name, 0) + amount
        ranges = dict(self.ranges)
        for name, pieces in other.ranges.items():
            ranges[name] = coalesced((*ranges.get(name, ()), *pieces))
        sets = dict(self.sets)
        for name, items in other.sets.items():
            sets[name] = sets.get(name, frozenset()) | items
        return _tidy(scalars, ranges, sets)

    def __sub__(self, other: "Resources") -> "Resources":
        assert self.contains(other), f"{self} does not contain {other}"
        scalars = dict(self.scalars)
        for name, amount in other.scalars.items():
            scalars[name] -= amount
        ranges = dict(self.ranges)
        for name, pieces in other.ranges.items():
            ranges[name] = without(ranges[name], pieces)
        sets = dict(self.sets)
        for name, items in other.sets.items():
            sets[name] = sets[name] - items
        return _tidy(scalars, ranges, sets)

    def contains(self, other: "Resources") -> bool:
        """Whether the other amount can be taken out of this one."""
        return (
            all(self.scalars.get(n, 0) >= amount for n, amount in other.scalars.items())
            and all(_covers(self.ranges.get(n, ()), pieces) for n, pieces in other.ranges.items())
            and all(items <= self.sets.get(n, frozenset()) for n, items in other.sets.items())
        )

    def is_offerable(self) -> bool:
        """Whether there is enough to make an offer of, by Mesos' default thresholds."""
        return (
            self.scalars.get("cpus", 0) >= MIN_OFFER_CPUS_MILLI
            or self.scalars.get("mem", 0) >= MIN_OFFER_MEM_MILLI
        )

    def text(self, allocated_to: str | None = None) -> str:
        """The amount as Mesos prints it in its messages."""
        note = f"(allocated: {allocated_to})" if allocated_to is not None else ""
        parts = [f"{name}{note}:{scalar_text(milli)}" for name, milli in self.scalars.items()]
        parts += [f"{name}{note}:{ranges_text(pieces)}" for name, pieces in self.ranges.items()]
        parts += [
            f"{name}{note}:{{{', '.join(sorted(items))}}}" for name, items in self.sets.items()
        ]
        return "; ".join(parts) if parts else "{}"

    def to_json(self, allocated_to: str | None = None) -> list[Json]:
        """The amount as a list of Mesos v1 ``Resource`` messages."""
        result: list[Json] = [
            {"name": n, "type": "SCALAR", "scalar": {"value": milli / MILLI}, "role": "*"}
            for n, milli in self.scalars.items()
        ]
        for name, pieces in self.ranges.items():
            span = [{"begin": begin, "end": end} for begin, end in pieces]
            result.append({"name": name, "type": "RANGES", "ranges": {"range": span}, "role": "*"})
        for name, items in self.sets.items():
            value = {"item": sorted(items)}
            result.append({"name": name, "type": "SET", "set": value, "role": "*"})
        if allocated_to is not None:
            for resource in result:
                resource["allocation_info"] = {"role": allocated_to}
        return result

    def summary(self) -> Json:
        """The amount in the short form of Mesos' state endpoints."""
        result: Json = {n: self.scalars.get(n, 0) / MILLI for n in ("disk", "mem", "gpus", "cpus")}
        result.update((n, milli / MILLI) for n, milli in self.scalars.items() if n not in result)
        result.update((n, ranges_text(pieces)) for n, pieces in self.ranges.items())
        result.update((n, f"{{{', '.join(sorted(i))}}}") for n, i in self.sets.items())
        return result


NOTHING = Resources()


def _tidy(
    scalars: dict[str, int],
    ranges: dict[str, tuple[Range, ...]],
    sets: dict[str, frozenset[str]],
) -> Resources:
    return Resources(
        {n: amount for n, amount in scalars.items() if amount},
        {n: pieces for n, pieces in ranges.items() if pieces},
        {n: items for n, items in sets.items() if items},
    )


def ranges_text(pieces: tuple[Range, ...]) -> str:
    """Ranges as Mesos prints them, for example ``[31000-31999]``."""
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in pieces) + "]"


def total(amounts: Iterable[Resources]) -> Resources:
    """The sum of all amounts."""
    result = NOTHING
    for amount in amounts:
        result = result + amount
    return result


def from_json(resources: list[Json]) -> Resources:
    """The amount that a list of Mesos v1 ``Resource`` messages asks for.

    Raises ``ResourceError`` with Mesos' own sentence where Mesos refuses the message. What this
    cluster does not have (reservations, revocable, persistent or shared resources) is added under
    a name that no agent offers, so that it is refused as "more than available", as Mesos would.
    """
    result = NOTHING
    for resource in resources:
        result = result + _one(resource)
    return result


def _one(resource: Json) -> Resources:
    name = resource["name"] + _speciality(resource)
    match resource["type"]:
        case "SCALAR":
            if "scalar" not in resource:
                raise ResourceError(_invalid(resource, "0", "Invalid scalar resource"))
            value = resource["scalar"]["value"]
            milli = to_milli(value)
            # Exactly 0 passes and counts for nothing; what rounds to 0 is refused (observed).
            if milli < 0 or (milli == 0 and value != 0):
                text = scalar_text(milli)
                raise ResourceError(_invalid(resource, text, "Invalid scalar resource: value <= 0"))
            return _tidy({name: milli}, {}, {})
        case "RANGES":
            if "ranges" not in resource:
                raise ResourceError(_invalid(resource, "[]", "Invalid ranges resource"))
            pieces = [(r["begin"], r["end"]) for r in resource["ranges"].get("range", [])]
            for begin, end in pieces:
                if begin > end:
                    text = ranges_text(tuple(pieces))
                    why = "Invalid ranges resource: begin > end"
                    raise ResourceError(_invalid(resource, text, why))
            return _tidy({}, {name: coalesced(pieces)}, {})
        case "SET":
            if "set" not in resource:
                raise ResourceError(_invalid(resource, "{}", "Invalid set resource"))
            return _tidy({}, {}, {name: frozenset(resource["set"].get("item", []))})
        case other:
            raise ResourceError(_invalid(resource, "", f"Unsupported resource type {other}"))


def _invalid(resource: Json, value: str, why: str) -> str:
    return f"Resource '{resource['name']}:{value}' is invalid: {why}"


def _speciality(resource: Json) -> str:
    """What sets a resource apart from plain, unreserved ones; empty for plain ones."""
    role = resource.get("role", "*")
    notes = [f"(reservations: [(STATIC,{role})])"] if role != "*" else []
    if reservations := resource.get("reservations"):
        inner = ",".join(f"({r.get('type', 'UNKNOWN')},{r.get('role')})" for r in reservations)
        notes.append(f"(reservations: [{inner}])")
    notes += [f"({kind})" for kind in ("disk", "revocable", "shared") if kind in resource]
    return "".join(notes)


_ITEM = re.compile(r"^\s*([A-Za-z_][\w.-]*)\s*:\s*(.+?)\s*$", re.DOTALL)
_RANGE = re.compile(r"^\s*(\d{1,19})\s*-\s*(\d{1,19})\s*$")


def parse_resources(text: str) -> Resources:
    """The amount written as ``cpus:4;mem:8192;disk:10000;ports:[31000-31999]``."""
    result = NOTHING
    for name, value in _items(text, "resources"):
        if value.startswith("["):
            result = result + _tidy({}, {name: coalesced(_parse_ranges(value))}, {})
        elif value.startswith("{"):
            items = frozenset(i.strip() for i in value.strip("{}").split(",") if i.strip())
            result = result + _tidy({}, {}, {name: items})
        else:
            result = result + _tidy({name: _parse_scalar(name, value)}, {}, {})
    return result


def parse_attributes(text: str) -> list[Json]:
    """The attributes written as ``zone:z1;rack:7`` as Mesos v1 ``Attribute`` messages."""
    result: list[Json] = []
    for name, value in _items(text, "attributes"):
        if value.startswith("["):
            span = [{"begin": begin, "end": end} for begin, end in _parse_ranges(value)]
            result.append({"name": name, "type": "RANGES", "ranges": {"range": span}})
            continue
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            result.append({"name": name, "type": "SCALAR", "scalar": {"value": number}})
        else:
            result.append({"name": name, "type": "TEXT", "text": {"value": value}})
    return result


def _items(text: str, what: str) -> list[tuple[str, str]]:
    result = []
    for item in filter(str.strip, re.split(r"[;\n]", text)):
        match = _ITEM.match(item)
        if match is None:
            raise ResourceError(
                f"the {what} contain {item.strip()!r}, which is not of the form name:value; "
                "write for example cpus:4;mem:8192;ports:[31000-31999] or zone:z1;rack:7"
            )
        result.append((match[1], match[2]))
    return result


def _parse_ranges(value: str) -> list[Range]:
    pieces = []
    for piece in filter(str.strip, value.strip("[]").split(",")):
        match = _RANGE.match(piece)
        if match is None or int(match[1]) > int(match[2]):
            raise ResourceError(
                f"{value!r} is not a list of ranges; write [31000-31999, 8000-8080]"
            )
        pieces.append((int(match[1]), int(match[2])))
    return pieces


def _parse_scalar(name: str, value: str) -> int:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ResourceError(f"{name}:{value} is not a positive number; write for example {name}:4")
    return to_milli(number)
