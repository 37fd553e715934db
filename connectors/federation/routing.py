"""Which cell a job goes to: one pure function of the configuration and the descriptor.

The one thing to know, the order. A cell that the job asks for by name; else, for jobs with GPUs,
the cell for those; else the first route whose pattern fits, capacity groups before applications;
else the default. Cells that the job avoids, and closed ones, are passed over at each step.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from connectors.federation.configuration import Configuration, Route, compiled

ASKED: Final = "flumina.cell.request"
AVOIDED: Final = "flumina.cell.avoid"
STACK: Final = "titus.stack"
DEFAULT_GROUP: Final = "DEFAULT"


class Routed(msgspec.Struct, frozen=True):
    """The cell, and by what."""

    cell: str
    why: str
    is_default: bool = False
    """No rule spoke of the job."""


class NoRoute(Exception):
    """No cell may have the job; ``field`` is what of the job says so."""

    def __init__(self, field: str, text: str, hint: str) -> None:
        super().__init__(f"{field} {text}")
        self.field, self.text, self.hint = field, text, hint


def routed(given: Configuration, descriptor: Mapping[str, Any], asked: str = "") -> Routed:
    """The cell for the job of this descriptor; raises `NoRoute`.

    ``asked`` is a cell named beside the descriptor. What is of a wrong type in it counts as left
    out: the cell that gets it says what is wrong.
    """
    attributes = _object(descriptor.get("attributes"))
    asked = asked or _text(attributes.get(ASKED))
    if asked:
        if given.cell(asked) is None:
            known = ", ".join(given.names)
            raise NoRoute(ASKED, f"is {asked!r}, which is no cell", f"the cells are {known}")
        return Routed(asked, "asked for")
    avoided = {each.strip() for each in _text(attributes.get(AVOIDED)).split(",")} - {""}
    open_cells = [each.name for each in given.cells if not each.is_closed]
    able = [name for name in open_cells if name not in avoided]
    if not able:
        hint = "leave one cell in, or name one" if avoided else "open a cell"
        raise NoRoute(AVOIDED, "leaves no cell that takes new jobs", hint)
    if _gpus(descriptor) > 0 and given.gpu_cell in able:
        return Routed(given.gpu_cell, "GPUs")
    group = _text(descriptor.get("capacityGroup")) or DEFAULT_GROUP
    application = _text(descriptor.get("applicationName"))
    for route, subject in _in_order(given, group, application):
        if route.cell in able and _fits(route.capacity_group or route.application_name, subject):
            kind = "capacity group" if route.capacity_group else "application"
            return Routed(route.cell, f"{kind} {subject}")
    if given.default in able:
        return Routed(given.default, "default", is_default=True)
    why = "first open cell, for the default is closed or avoided"
    return Routed(able[0], why, is_default=True)


def hashed(cells: tuple[str, ...], key: str) -> str:
    """One of the cells for this key: the same wherever it is asked.

    Each cell draws a number for the key and the highest has it, so that a cell more or less moves
    only the keys that it gets or had.
    """
    return max(cells, key=lambda name: (_drawn(name, key), name))


def stamped(given: Configuration, descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """The descriptor with the stack that it came through; a caller's own word for it is dropped."""
    attributes = {k: v for k, v in _object(descriptor.get("attributes")).items() if k != STACK}
    if given.stack:
        attributes[STACK] = given.stack
    found = {**descriptor}
    if attributes or isinstance(descriptor.get("attributes"), dict):
        found["attributes"] = attributes
    return found


def _in_order(given: Configuration, group: str, application: str) -> list[tuple[Route, str]]:
    return [
        *((each, group) for each in given.routes if each.capacity_group),
        *((each, application) for each in given.routes if each.application_name),
    ]


@lru_cache(maxsize=2_048)
def _fits(pattern: str, subject: str) -> bool:
    return compiled(pattern).fullmatch(subject) is not None


def _drawn(name: str, key: str) -> int:
    return int.from_bytes(blake2b(f"{name}\n{key}".encode(), digest_size=8).digest(), "big")


def _gpus(descriptor: Mapping[str, Any]) -> float:
    resources = _object(_object(descriptor.get("container")).get("resources"))
    gpus = resources.get("gpu")
    return gpus if isinstance(gpus, int | float) and not isinstance(gpus, bool) else 0


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
