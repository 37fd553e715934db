"""The keys under which snapshots lie in a store.

The one thing to know: a key says everything that a listing is read for: cell, generation, offset,
time and digest. So the index of all snapshots is one listing, and no file of its own that could
disagree with what is there.
"""

import re
from typing import Final

import msgspec

from connectors.ports import ObjectFacts
from projections.snapshot.format import Header

FOLDER: Final = "snapshots"
_NAME: Final = re.compile(
    r"snapshots/(?P<cell>[a-z0-9-]+)/(?P<generation>[A-Za-z0-9._-]+)/"
    r"(?P<offset>\d{15})-(?P<at_ms>\d{14})-(?P<digest>[0-9a-f]{32})\.snapshot\Z"
)


class SnapshotName(msgspec.Struct, frozen=True):
    """A snapshot as a listing shows it; whether it is a good one is seen when it is read."""

    key: str
    cell: str
    generation: str
    next_offset: int
    """The first record that is not in it."""
    at_ms: int
    """The clock of the log there."""
    digest: str
    bytes_total: int
    written_at_ms: int
    """By the clock of the store."""


def key_of(header: Header) -> str:
    """The key of the snapshot with this header."""
    return (
        f"{prefix_of(header.cell, header.generation)}"
        f"{header.next_offset:015d}-{header.at_ms:014d}-{header.digest}.snapshot"
    )


def prefix_of(cell: str, generation: str = "") -> str:
    """What the keys of a cell's snapshots begin with; of one generation, where it is named."""
    return f"{FOLDER}/{cell}/{generation}/" if generation else f"{FOLDER}/{cell}/"


def name_of(facts: ObjectFacts) -> SnapshotName | None:
    """The snapshot that an object is by its key; None where it is something else."""
    found = _NAME.match(facts.key)
    if found is None:
        return None
    return SnapshotName(
        key=facts.key,
        cell=found["cell"],
        generation=found["generation"],
        next_offset=int(found["offset"]),
        at_ms=int(found["at_ms"]),
        digest=found["digest"],
        bytes_total=facts.bytes_total,
        written_at_ms=facts.written_at_ms,
    )
