"""A dashboard as a value: panels on a grid, each over a query or a path of the API.

The one thing to know: a dashboard holds no data and no program. Each panel names one question, and
`options` say which fields of the answers are drawn; ``{job}`` and the like stand for what whoever
opens it asks about.
"""

from typing import Any, Final, Literal

import msgspec

Kind = Literal["series", "histogram", "top", "heatmap", "table", "log", "text", "stat"]
VariableKind = Literal["id", "instant"]

COLUMNS: Final = 12
"""Of the grid."""
VARIABLES: Final[dict[str, VariableKind]] = {
    "job": "id",
    "task": "id",
    "host": "id",
    "from": "instant",
    "to": "instant",
}
"""What dashboards may ask for; the same words as in the console's address."""


class Variable(msgspec.Struct, frozen=True):
    """What a dashboard is about, and has to be told."""

    name: str
    title: str
    kind: VariableKind


class Panel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One picture: a question and how its answers are drawn."""

    id: str
    title: str
    kind: Kind
    x: int
    y: int
    width: int
    height: int
    options: dict[str, Any] = {}
    query: str = ""
    path: str = ""


class Dashboard(msgspec.Struct, frozen=True):
    """A file's content."""

    name: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]
