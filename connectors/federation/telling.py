"""How the front tells of cells that failed or are stale: by headers and the field ``federation``.

The one thing to know: both say the same, so that a program may read either.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from connectors.federation.cells import Silent
from connectors.web.problems import Problem, unavailable

FAILED: Final = "X-Flumina-Cells-Failed"
STALE: Final = "X-Flumina-Stale"

Json = dict[str, Any]


class Told:
    """What is to be told of the cells beside their answers."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.stale: list[tuple[str, str]] = []

    def document(self, answered: set[str]) -> Json:
        """The field ``federation``."""
        return {
            "answered": sorted(answered),
            "failed": [{"cell": name, "why": why} for name, why in self.failed],
            "stale": [{"cell": name, "why": why} for name, why in self.stale],
        }

    def headers(self) -> dict[str, str]:
        """The headers that say the same."""
        found = {}
        if self.failed:
            found[FAILED] = ", ".join(name for name, _ in self.failed)
        if self.stale:
            found[STALE] = "; ".join(f"{name}: {why}" for name, why in self.stale)
        return found


def silence(silent: Sequence[Silent], what: str = "") -> Problem:
    """The 503 that names the cells that did not answer, and how."""
    told = "; ".join(f"cell {each.cell} {each.why}" for each in silent)
    names = ", ".join(each.cell for each in silent)
    problem = unavailable(
        f"{what}, and {told}" if what else told[:1].upper() + told[1:],
        "Other cells answer; ask again when this one is back.",
        {"federation": {"failed": [{"cell": each.cell, "why": each.why} for each in silent]}},
    )
    problem.headers[FAILED] = names
    return problem


def object_of(body: bytes) -> Json:
    """The JSON object that these bytes are; an empty one where they are none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
