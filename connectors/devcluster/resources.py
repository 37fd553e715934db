"""Resources of the development cluster: parsing, arithmetic, containment, and Mesos' text form.

The one thing to know: scalars are whole thousandths. Mesos rounds every scalar to three decimals
and computes in fixed point, so 0.1 + 0.2 is 0.3 here and a sum over a day never drifts.
What is reserved, a volume or shared is counted under a key of its own (``speciality.py``).
"""

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec
import orjson

from connectors.devcluster.speciality import MARK, key_of, post_format, same_but_for_path, special
from connectors.devcluster.words import Json

Range = tuple[int, int]

# Mesos' own rule: three decimals of precision for scalars.
MILLI = 1000
# Mesos' --min_allocatable_resources: less than this is not worth an offer.
MIN_OFFER_CPUS_MILLI = 10
MIN_OFFER_MEM_MILLI = 32 * MILLI


# Mesos counts in 64 bits; a limit may be infinite.
_MILLI_MAX = float(1 << 62)


class ResourceError(ValueError):
    """Resources that cannot be read; the text is a sentence for the person who wrote them."""


def to_milli(value: float) -> int:
    """The scalar in whole thousandths, rounded half away from zero as Mesos does."""
    milli = math.floor(min(abs(value) * MILLI + 0.5, _MILLI_MAX))
    return milli if value >= 0 else -milli


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


# The forms in which Mesos writes a resource: as a framework without RESERVATION_REFINEMENT knows
# it (``role``, ``reservation``), as one with it does (``reservations``), and as the state endpoints
# and agents do (both).
PLAIN, REFINED, BOTH = "plain", "refined", "both"


class Resources(msgspec.Struct, frozen=True):
    """An amount of resources by their keys; zero amounts are not kept, so equality is by value."""

    scalars: Mapping[str, int] = msgspec.field(default_factory=dict)
    ranges: Mapping[str, tuple[Range, ...]] = msgspec.field(default_factory=dict)
    sets: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.scalars or self.ranges or self.sets)

    def __add__(self, other: "Resources") -> "Resources":
        scalars = dict(self.scalars)
        for name, amount in other.scalars.items():
            if MARK in name and special(name).is_shared:
                # However many use it, it is there once.
                scalars[name] = amount
            else:
                scalars[name] = scalars.get(name, 0) + amount
        if not other.ranges and not other.sets:
            # Most amounts are scalars alone.
            return Resources(scalars, self.ranges, self.sets)
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
            if not (MARK in name and special(name).is_shared):
                scalars[name] -= amount
                if not scalars[name]:
                    del scalars[name]
        if not other.ranges and not other.sets:
            return Resources(scalars, self.ranges, self.sets)
        ranges = dict(self.ranges)
        for name, pieces in other.ranges.items():
            ranges[name] = without(ranges[name], pieces)
        sets = dict(self.sets)
        for name, items in other.sets.items():
            sets[name] = sets[name] - items
        return _tidy(scalars, ranges, sets)

    def contains(self, other: "Resources") -> bool:
        """Whether the other amount can be taken out of this one."""
        own = self.scalars
        for name, amount in other.scalars.items():
            if not _holds(own.get(name, 0), name, amount):
                return False
        if not other.ranges and not other.sets:
            return True
        return all(
            _covers(self.ranges.get(n, ()), pieces) for n, pieces in other.ranges.items()
        ) and all(items <= self.sets.get(n, frozenset()) for n, items in other.sets.items())

    def is_offerable(self) -> bool:
        """Whether there is enough to make an offer of, by Mesos' default thresholds."""
        amounts = self.quantities
        return (
            amounts.get("cpus", 0) >= MIN_OFFER_CPUS_MILLI
            or amounts.get("mem", 0) >= MIN_OFFER_MEM_MILLI
        )

    @property
    def is_plain(self) -> bool:
        """Whether nothing in it is reserved, a volume, revocable or shared."""
        for kind in (self.scalars, self.ranges, self.sets):
            for key in kind:
                if MARK in key:
                    return False
        return True

    @property
    def quantities(self) -> Mapping[str, int]:
        """The scalars by their names alone, whatever sets them apart."""
        for key in self.scalars:
            if MARK in key:
                return self._by_name()
        return self.scalars

    def _by_name(self) -> Mapping[str, int]:
        amounts: dict[str, int] = {}
        for key, amount in self.scalars.items():
            name = special(key).name
            amounts[name] = amounts.get(name, 0) + amount
        return amounts

    def only(self, is_wanted: Callable[[str], bool]) -> "Resources":
        """The part whose keys are wanted."""
        return Resources(
            {key: amount for key, amount in self.scalars.items() if is_wanted(key)},
            {key: pieces for key, pieces in self.ranges.items() if is_wanted(key)},
            {key: items for key, items in self.sets.items() if is_wanted(key)},
        )

    def aligned_to(self, other: "Resources") -> "Resources":
        """The same amount, its volumes under the keys that they have in the other one."""
        if self.is_plain:
            return self
        known = {same_but_for_path(key): key for key in other.scalars if MARK in key}
        renamed = {known.get(same_but_for_path(k), k): amount for k, amount in self.scalars.items()}
        return Resources(renamed, self.ranges, self.sets)

    def converted(self, consumed: "Resources", into: "Resources") -> "Resources":
        """The amount after an operation that turned some of it into something else."""
        gone = {key for key in consumed.scalars if MARK in key and special(key).is_shared}
        return (self - consumed).only(lambda key: key not in gone) + into

    def keys(self) -> set[str]:
        """The keys of all that is in it."""
        return {*self.scalars, *self.ranges, *self.sets}

    def allocatable_to(self, role: str) -> "Resources":
        """The part that a role may have: what is unreserved, or reserved to it or above it."""
        if self.is_plain:
            return self
        return self.only(lambda key: MARK not in key or special(key).is_for(role))

    def unreserved(self) -> "Resources":
        """The part that is reserved to nobody."""
        return self.only(lambda key: special(key).role == "*")

    def reserved(self) -> dict[str, "Resources"]:
        """The reserved parts, by the role that each is reserved to in the end."""
        roles = sorted({special(key).role for key in self.keys()} - {"*"})
        return {role: self.only(_is_reserved_to(role)) for role in roles}

    def text(self, allocated_to: str | None = None) -> str:
        """The amount as Mesos prints it in its messages."""
        note = f"(allocated: {allocated_to})" if allocated_to is not None else ""
        parts = [f"{_label(key, note)}:{scalar_text(m)}" for key, m in self.scalars.items()]
        parts += [f"{_label(key, note)}:{ranges_text(p)}" for key, p in self.ranges.items()]
        parts += [f"{_label(key, note)}:{_set_text(items)}" for key, items in self.sets.items()]
        return "; ".join(parts) if parts else "{}"

    def to_json(self, allocated_to: str | None = None, *, style: str = PLAIN) -> list[Json]:
        """The amount as a list of Mesos v1 ``Resource`` messages."""
        result: list[Json] = []
        for key, milli in self.scalars.items():
            value: Json = {"type": "SCALAR", "scalar": {"value": milli / MILLI}}
            result.append(_resource(key, value, allocated_to, style))
        for key, pieces in self.ranges.items():
            span = [{"begin": begin, "end": end} for begin, end in pieces]
            value = {"type": "RANGES", "ranges": {"range": span}}
            result.append(_resource(key, value, allocated_to, style))
        for key, items in self.sets.items():
            value = {"type": "SET", "set": {"item": sorted(items)}}
            result.append(_resource(key, value, allocated_to, style))
        return result

    def summary(self) -> Json:
        """The amount in the short form of Mesos' state endpoints."""
        scalars = self.quantities
        result: Json = {n: scalars.get(n, 0) / MILLI for n in ("disk", "mem", "gpus", "cpus")}
        result.update((n, milli / MILLI) for n, milli in scalars.items() if n not in result)
        ranges: dict[str, tuple[Range, ...]] = {}
        for key, pieces in self.ranges.items():
            name = special(key).name
            ranges[name] = coalesced((*ranges.get(name, ()), *pieces))
        result.update((n, ranges_text(pieces)) for n, pieces in ranges.items())
        sets: dict[str, frozenset[str]] = {}
        for key, items in self.sets.items():
            name = special(key).name
            sets[name] = sets.get(name, frozenset()) | items
        result.update((n, _set_text(items)) for n, items in sets.items())
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

    Raises ``ResourceError`` with Mesos' own sentence where Mesos refuses the message.
    """
    return _read(orjson.dumps(resources))


# A job's tasks ask for the same, again and again, and each is looked at several times.
@functools.lru_cache(maxsize=4096)
def _read(text: bytes) -> Resources:
    resources: list[Json] = orjson.loads(text)
    result = NOTHING
    for resource in resources:
        result = result + _one(resource)
    return result


def _one(resource: Json) -> Resources:
    problem = _value_error(resource)
    if problem is None:
        resource, problem = post_format(resource)
    key = key_of(resource)
    if problem is not None:
        role = resource.get("allocation_info", {}).get("role")
        note = "" if role is None else f"(allocated: {role})"
        raise ResourceError(
            f"Resource '{_label(key, note)}:{_value_text(resource)}' is invalid: {problem}"
        )
    match resource["type"]:
        case "SCALAR":
            return _tidy({key: to_milli(resource["scalar"]["value"])}, {}, {})
        case "RANGES":
            pieces = [(r["begin"], r["end"]) for r in resource["ranges"].get("range", [])]
            return _tidy({}, {key: coalesced(pieces)}, {})
        case _:
            return _tidy({}, {}, {key: frozenset(resource["set"].get("item", []))})


_VALUE_FIELDS = {"SCALAR": "scalar", "RANGES": "ranges", "SET": "set"}


def _value_error(resource: Json) -> str | None:
    kind = resource["type"]
    wanted = _VALUE_FIELDS.get(kind)
    if not resource["name"]:
        return "Empty resource name"
    if wanted is None:
        return "Unsupported resource type"
    if {f for f in _VALUE_FIELDS.values() if f in resource} != {wanted}:
        return f"Invalid {wanted} resource"
    match kind:
        case "SCALAR":
            value = resource["scalar"]["value"]
            milli = to_milli(value)
            # Exactly 0 passes and counts for nothing; what rounds to 0 is refused (observed).
            is_wrong = milli < 0 or (milli == 0 and value != 0)
            return "Invalid scalar resource: value <= 0" if is_wrong else None
        case "RANGES":
            return _ranges_error(resource["ranges"].get("range", []))
        case _:
            items = resource["set"].get("item", [])
            is_wrong = len(set(items)) != len(items)
            return "Invalid set resource: duplicated elements" if is_wrong else None


def _ranges_error(pieces: list[Json]) -> str | None:
    if any(piece["begin"] > piece["end"] for piece in pieces):
        return "Invalid ranges resource: begin > end"
    spans = sorted((piece["begin"], piece["end"]) for piece in pieces)
    if any(left[1] >= right[0] for left, right in itertools.pairwise(spans)):
        return "Invalid ranges resource: overlapping ranges"
    return None


def _value_text(resource: Json) -> str:
    match resource["type"]:
        case "SCALAR":
            return scalar_text(to_milli(resource.get("scalar", {}).get("value", 0.0)))
        case "RANGES":
            pieces = resource.get("ranges", {}).get("range", [])
            return ranges_text(tuple((r["begin"], r["end"]) for r in pieces))
        case "SET":
            return _set_text(resource.get("set", {}).get("item", []))
        case _:
            return ""


def _is_reserved_to(role: str) -> Callable[[str], bool]:
    return lambda key: special(key).role == role


def _holds(own: int, key: str, amount: int) -> bool:
    if own == amount or MARK not in key:
        return own >= amount
    # A volume is used whole or not at all.
    return own >= amount and not special(key).is_volume


def _label(key: str, note: str) -> str:
    found = special(key)
    return f"{found.name}{note}{found.text}"


def _set_text(items: Iterable[str]) -> str:
    return f"{{{', '.join(sorted(items))}}}"


def _resource(key: str, value: Json, allocated_to: str | None, style: str) -> Json:
    found = special(key)
    result: Json = {"name": found.name, **value}
    if style != REFINED:
        result["role"] = found.role
    if allocated_to is not None:
        result["allocation_info"] = {"role": allocated_to}
    if style != REFINED and found.is_dynamic and (style == PLAIN or len(found.reservations) == 1):
        last = found.reservations[-1]
        result["reservation"] = {k: last[k] for k in ("principal", "labels") if k in last}
    if style != PLAIN and found.reservations:
        result["reservations"] = [dict(r) for r in found.reservations]
    for field_name in ("disk", "revocable", "shared"):
        if field_name in found.facts:
            result[field_name] = found.facts[field_name]
    return result


TEXT_CHARACTERS_MAX = 64 * 1024
_ITEM = re.compile(r"^\s*([A-Za-z_][\w.-]*)(?:\(([\w./-]+)\))?\s*:\s*(.+?)\s*$", re.DOTALL)
_RANGE = re.compile(r"^\s*(\d{1,19})\s*-\s*(\d{1,19})\s*$")


def parse_resources(text: str) -> Resources:
    """The amount written as ``cpus:4;mem:8192;ports:[31000-31999]``; ``cpus(role):1`` reserves."""
    result = NOTHING
    for name, role, value in _items(text, "resources"):
        reservations = [] if role in (None, "*") else [{"type": "STATIC", "role": role}]
        key = key_of({"name": name, "reservations": reservations})
        if value.startswith("["):
            result = result + _tidy({}, {key: coalesced(_parse_ranges(value))}, {})
        elif value.startswith("{"):
            items = frozenset(i.strip() for i in value.strip("{}").split(",") if i.strip())
            result = result + _tidy({}, {}, {key: items})
        else:
            result = result + _tidy({key: _parse_scalar(name, value)}, {}, {})
    return result


def parse_attributes(text: str) -> list[Json]:
    """The attributes written as ``zone:z1;rack:7`` as Mesos v1 ``Attribute`` messages."""
    result: list[Json] = []
    for name, _role, value in _items(text, "attributes"):
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


def _items(text: str, what: str) -> list[tuple[str, str | None, str]]:
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ResourceError(f"the {what} have more than {TEXT_CHARACTERS_MAX} characters")
    result: list[tuple[str, str | None, str]] = []
    for item in filter(str.strip, re.split(r"[;\n]", text)):
        match = _ITEM.match(item)
        if match is None or (match[2] and what == "attributes"):
            raise ResourceError(
                f"the {what} contain {item.strip()!r}, which is not of the form name:value; "
                "write for example cpus:4;mem:8192;ports:[31000-31999] or zone:z1;rack:7"
            )
        result.append((match[1], match[2], match[3]))
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
