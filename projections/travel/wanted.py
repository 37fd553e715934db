"""Which rows of a table of notes somebody wants.

The one thing to know: whoever keeps the rows, in memory, folded or archived, asks the same value.
Where the newest rows of many entities are wanted, their keepers are asked one after another, from
the end of the log backwards, until nothing is lacking.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from projections.entries import Spot

if TYPE_CHECKING:
    from projections.travel.notes import Note


class Wanted(msgspec.Struct, frozen=True):
    """Rows that agree with all that is given; empty texts ask for nothing."""

    job_id: str = ""
    task_id: str = ""
    host_id: str = ""
    kind: str = ""

    def given(self) -> dict[str, str]:
        """What must agree, by the name of the column."""
        named = zip(self.__struct_fields__, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in named if value}

    def has(self, row: "Note") -> bool:
        """Whether the row is wanted."""
        return (
            (not self.job_id or row.job_id == self.job_id)
            and (not self.task_id or row.task_id == self.task_id)
            and (not self.host_id or row.host_id == self.host_id)
            and (not self.kind or row.kind == self.kind)
        )


EVERYTHING: Final = Wanted()


Entity = tuple[str, str]
"""The kind and the id of what a note is about: a ``job``, ``task``, ``orphan`` or ``host``."""
ENTITY_KINDS: Final = ("job", "task", "orphan", "host")


class NewestSpots:
    """Where the newest events about some entities stand, as far as they were looked for."""

    def __init__(self, entities: Iterable[Entity], count: int) -> None:
        """``count``: how many are wanted of each."""
        self.count = count
        self._found: dict[Entity, list[Spot]] = {each: [] for each in entities}

    def lacking(self, kind: str) -> list[str]:
        """The entities of a kind of which more events are wanted, sorted."""
        return sorted(
            name
            for (of_kind, name), spots in self._found.items()
            if of_kind == kind and len(spots) < self.count
        )

    def take(self, entity: Entity, spots: Sequence[Spot]) -> None:
        """Take in places before all that were found, in the order of the log."""
        kept = self._found[entity]
        assert not kept or spots[-1] < kept[0], "looked for from the end backwards"
        self._found[entity] = [*spots, *kept][-self.count :]

    def take_notes(self, notes: Iterable["Note"]) -> None:
        """Take in the places of notes that are before all that were found, in log order."""
        places: dict[Entity, dict[Spot, None]] = {}
        for note in notes:
            for entity in entities_of(note):
                if entity in self._found:
                    places.setdefault(entity, {})[note.offset, note.index] = None
        for entity, spots in places.items():
            self.take(entity, list(spots))

    def of(self, entity: Entity) -> list[Spot]:
        """What was found of an entity, the newest last."""
        return self._found[entity]


def entities_of(note: "Note") -> set[Entity]:
    """What a note is about; a host also where it is a note of what is there."""
    ids = {"job": note.job_id, "task": note.task_id, "orphan": note.task_id}
    found = {("host", note.host_id), (note.kind, ids.get(note.kind, ""))}
    return {each for each in found if each[1]}
