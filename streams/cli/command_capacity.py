"""`capacity`: what each tier must have for what it guarantees, and how many instances that takes.

The one thing to know: the cell says what must be there (its policy has guarantees and buffers);
which instances can be bought, and for how much, is a file. Tiers take from it in their order.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from msgspec.structs import replace
from rich.console import Console

from scheduler.capacity.demand import Vector
from scheduler.capacity.mix import InstanceType, Mix, cheapest_mix
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.faults import Faults, shown, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.rules_document.quantities import (
    BANDWIDTH,
    MEMORY,
    QUANTITY_MAX,
    read_quantity,
)
from streams.cli.client import decoded
from streams.cli.common import ApiOption, DataDirOption, JsonOption
from streams.cli.each_cell import apis_here
from streams.cli.render import cell_text, out, print_json, show, table
from streams.errors import OperatorError
from streams.policy_file.reading import read_yaml

PATH: Final = "/api/flumina/capacity"
TYPES_MAX: Final = 50
INSTANCES_MAX: Final = 100_000
PRICE_MAX: Final = 10**12
_NAME: Final = name_check(255)


class _Dimension(msgspec.Struct, frozen=True):
    cpu: float
    memory_mib: int = msgspec.field(name="memoryMB")
    disk_mib: int = msgspec.field(name="diskMB")
    network_mbps: int = msgspec.field(name="networkMbs")
    gpu: int

    @property
    def vector(self) -> Vector:
        milli = round(self.cpu * 1_000)
        return milli, self.memory_mib, self.disk_mib, self.network_mbps, self.gpu


class _Tier(msgspec.Struct, frozen=True, rename="camel"):
    tier: str
    groups: list[str]
    guarantee: _Dimension
    buffer: _Dimension
    buffer_by: dict[str, str]
    total: _Dimension
    held: _Dimension


class _Capacity(msgspec.Struct, frozen=True, rename="camel"):
    policy_version: int
    tiers: list[_Tier]
    left_alone: list[str]


Tier = tuple[str, str]
"""A cell's name, empty where there is only one, and a tier of it."""


class OfferedType(msgspec.Struct, frozen=True):
    """A type of the file; ``tiers`` may have it, all of them where none is named."""

    type: InstanceType
    tiers: tuple[str, ...] = ()


def capacity(
    types: Annotated[
        Path | None,
        typer.Option("--types", metavar="FILE", help="Types of instances, in YAML."),
    ] = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what each tier must have: guarantees, buffer, and the cheapest instances for both.

    Example: flumina capacity --types docs/examples/instance-types.yaml
    """
    offered = read_types(types) if types is not None else []
    bodies = {cell: there.connection.get(PATH) for cell, there in apis_here(api, data_dir)}
    founds = {cell: decoded(body, _Capacity) for cell, body in bodies.items()}
    # What one cell takes of a type, the others cannot have.
    mixes = mixes_of(
        [
            ((cell, each.tier), each.total.vector)
            for cell, found in founds.items()
            for each in found.tiers
        ],
        offered,
    )
    if as_json:
        told = {cell: _told(body, cell, mixes if types else {}) for cell, body in bodies.items()}
        print_json(told.get("") or {"cells": told})
        return
    for cell, found in founds.items():
        if cell:
            out().print(cell_text(f"cell {cell}", "bold"))
        shown = {tier: mix for (name, tier), mix in mixes.items() if name == cell and types}
        print_capacity(found, shown, out())


def _told(body: bytes, cell: str, mixes: Mapping[Tier, Mix]) -> dict[str, Any]:
    """What the cell's API says, with the instances of each tier where there are types."""
    told: dict[str, Any] = orjson.loads(body)
    for tier in told["tiers"] if mixes else ():
        tier["instances"] = _mix_json(mixes[cell, tier["tier"]])
    return told


def mixes_of(totals: list[tuple[Tier, Vector]], offered: list[OfferedType]) -> dict[Tier, Mix]:
    """The instances of each tier, in order; what one takes, the next ones cannot have."""
    left = {each.type.name: each.type.most for each in offered}
    found: dict[Tier, Mix] = {}
    for tier, total in totals:
        able = [
            replace(each.type, most=left[each.type.name])
            for each in offered
            if not each.tiers or tier[1] in each.tiers
        ]
        found[tier] = cheapest_mix(total, able)
        for name, count in found[tier].counts:
            left[name] -= count
    return found


def _mix_json(mix: Mix) -> dict[str, Any]:
    return {
        "counts": dict(mix.counts),
        "shortage": dict(zip(_WORDS, mix.shortage, strict=True)),
        "price": mix.price,
        "priceLeast": mix.price_least,
    }


_WORDS: Final = ("cpuMilli", "memoryMB", "diskMB", "networkMbs", "gpu")


def print_capacity(found: _Capacity, mixes: dict[str, Mix], console: Console) -> None:
    """Print a block for each tier."""
    for tier in found.tiers:
        console.print(cell_text(f"tier {tier.tier}: {', '.join(tier.groups)}", "bold"))
        rows = [
            (name, *_cells(each, tier.buffer_by if name == "buffer" else {}))
            for name, each in (
                ("guaranteed", tier.guarantee),
                ("buffer", tier.buffer),
                ("must be there", tier.total),
                ("held now", tier.held),
            )
        ]
        show(console, table("", ("", "cpus #", "GiB #", "disk GiB #", "Mbit/s #", "gpus #"), rows))
        if tier.tier in mixes:
            _print_mix(mixes[tier.tier], console)
        console.print()
    if found.left_alone:
        names = ", ".join(found.left_alone)
        console.print(cell_text(f"left alone, for nothing is guaranteed there: {names}"))


def _cells(each: _Dimension, reasons: dict[str, str]) -> tuple[str, ...]:
    values = (
        ("cpu", f"{each.cpu:g}"),
        ("memoryMB", f"{each.memory_mib / 1_024:.1f}"),
        ("diskMB", f"{each.disk_mib / 1_024:.1f}"),
        ("networkMbs", str(each.network_mbps)),
        ("gpu", str(each.gpu)),
    )
    return tuple(f"{text} ({reasons[name]})" if name in reasons else text for name, text in values)


def _print_mix(mix: Mix, console: Console) -> None:
    counts = ", ".join(f"{count} x {name}" for name, count in mix.counts) or "none"
    least = "" if mix.is_proven else f", and no mix costs less than {mix.price_least}"
    console.print(cell_text(f"instances: {counts}; price {mix.price}{least}"))
    if any(mix.shortage):
        lacks = ", ".join(
            f"{amount} {name}" for name, amount in zip(_WORDS, mix.shortage, strict=True) if amount
        )
        console.print(cell_text(f"SHORTAGE: all that may be had leaves {lacks} missing", "red"))


def read_types(path: Path) -> list[OfferedType]:
    """The types in a file; raises `OperatorError`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}.", "It is not there, or no text.", "Name another."
        ) from error
    faults = Faults()
    document = read_yaml(text, faults).document
    found = [] if faults else _types(document, faults)
    if faults:
        lines = "; ".join(f"{each.field} {each.text} ({each.hint})" for each in faults.all())
        raise OperatorError(
            f"The types in {path} are not taken: {lines}.",
            "docs/capacity.md has the form of the file.",
            "Correct what is named.",
        )
    return found


def _types(document: object, faults: Faults) -> list[OfferedType]:
    fields = Fields(document, "", faults)
    raw = fields.raw("types")
    fields.close()
    if not isinstance(raw, list) or not 0 < len(raw) <= TYPES_MAX:
        fields.fault("types", f"is {shown(raw)}; 1 to {TYPES_MAX} types are needed", "list them")
        return []
    found = [_type(Fields(each, f"types[{at}]", faults)) for at, each in enumerate(raw)]
    names = [each.type.name for each in found]
    for at, name in enumerate(names):
        if name in names[:at]:
            faults.add(f"types[{at}].name", f"is {shown_text(name)} again", "keep one of them")
    return found


def _type(fields: Fields) -> OfferedType:
    amount = (
        fields.thousandths("cpu", 1, QUANTITY_MAX),
        read_quantity(fields, "memory", MEMORY),
        read_quantity(fields, "disk", MEMORY, 0),
        read_quantity(fields, "network", BANDWIDTH, 0),
        fields.whole("gpus", 0, QUANTITY_MAX, default=0),
    )
    kind = InstanceType(
        fields.text("name", _NAME),
        amount,
        fields.whole("price", 1, PRICE_MAX),
        fields.whole("most", 0, INSTANCES_MAX),
    )
    tiers = fields.texts("tiers", _NAME, TYPES_MAX, 10_000)
    fields.close()
    return OfferedType(kind, tiers)
