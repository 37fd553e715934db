"""Where an event stands: ``cell/generation:offset[index]``.

The one thing to know: an address names an event for ever. The generation is part of it, so it
stays true after the cell has moved to another Kafka, where offsets begin again at 0.
"""

import re
from typing import Final

import msgspec

from scheduler.model.ids import CellName, Generation

_ADDRESS: Final = re.compile(
    r"(?P<cell>[a-z0-9][a-z0-9-]*)/(?P<generation>[0-9a-f]{8}):(?P<offset>\d{1,19})"
    r"(?:\[(?P<index>\d{1,4})\](?:\.\d{1,7})?)?"
)


class Address(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """The place of one event in a cell's log; ``index`` counts the events of one record."""

    cell: CellName
    generation: Generation
    offset: int
    index: int = 0

    def __str__(self) -> str:
        """The address as people and links write it."""
        return f"{self.cell}/{self.generation}:{self.offset}[{self.index}]"


def parse_address(text: str) -> Address:
    """The address that ``text`` names; without ``[index]`` it is the record's first event.

    The id of a change (`change_id`) names its event. Raises ValueError with a hint when the text
    is no address.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no address; an address looks like main/1a2b3c4d:1042[0] "
            "(cell/generation:offset[index])"
        )
    return Address(
        CellName(found["cell"]),
        Generation(found["generation"]),
        int(found["offset"]),
        int(found["index"] or 0),
    )


def change_id(address: Address, number: int) -> str:
    """The id of the ``number``-th change (from 0) that the event at ``address`` made.

    One event may make many changes, each with an id of its own: ``main/1a2b3c4d:1042[0]``, then
    ``main/1a2b3c4d:1042[0].1``. They follow from the fold, so they are the same whoever tells them.
    """
    return f"{address}.{number}" if number else str(address)


class Source(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Which inbound record a copy in the cell log was made from.

    ``previous_offset`` is the offset of the copy before it in the same topic and partition (-1
    for the first). The fold takes the copy only where that equals its watermark: this is the gap
    rule, and it is what lets ingest crash, repeat and overtake itself without harm.
    """

    topic: str
    generation: Generation
    partition: int
    offset: int
    previous_offset: int

    @property
    def lane(self) -> tuple[str, int]:
        """The watermark's key: topic and partition."""
        return (self.topic, self.partition)

    def __str__(self) -> str:
        """The source as people write it: ``topic/generation:partition:offset``."""
        return f"{self.topic}/{self.generation}:{self.partition}:{self.offset}"
