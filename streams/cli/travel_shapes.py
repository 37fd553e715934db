"""What commands read of answers about other instants: the fields that they show, and no more.

The one thing to know: as in `connectors.client.shapes`, a missing field has a default, and one
that is new is left out.
"""

from connectors.client.shapes import Line, Shape


class Side(Shape, frozen=True):
    """One of two states."""

    address: str = ""
    at_ms: int = 0


class Field(Shape, frozen=True):
    """One field of an entity: what it was, and what it is."""

    field: str
    before: str = ""
    after: str = ""


class Entity(Shape, frozen=True):
    """One entity that is not as it was."""

    kind: str
    id: str
    change: str
    before: str = ""
    after: str = ""
    fields: tuple[Field, ...] = ()
    addresses: tuple[str, ...] = ()
    has_older: bool = False


class Diff(Shape, frozen=True):
    """What is different between two states."""

    before: Side = Side()
    after: Side = Side()
    counts: dict[str, dict[str, int]] = {}  # noqa: RUF012 - msgspec makes one for each
    entities: tuple[Entity, ...] = ()
    dropped: int = 0


class Timeline(Shape, frozen=True):
    """One page of what happened to a job, task or host."""

    kind: str
    id: str
    lines: tuple[Line, ...] = ()
    total: int = 0
    next_skip: int = 0
    lacking: str = ""


class Step(Shape, frozen=True):
    """One event of a chain."""

    address: str
    at_ms: int = 0
    distance: int = 0
    texts: tuple[str, ...] = ()
    led_to_by: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class Trace(Shape, frozen=True):
    """Causes or effects of an event."""

    address: str
    direction: str = "causes"
    event: str = ""
    steps: tuple[Step, ...] = ()
    dropped: int = 0
    tasks_dropped: int = 0
