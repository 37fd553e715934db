"""Which ranges of which series are archived: their names, their manifests, and what covers what.

The one thing to know: a name says which offsets a range has, so that a listing is enough to find
one. Ranges may overlap or be there twice, as two historians leave them; `covering` picks some that
have each offset once.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

MANIFEST_VERSION: Final = 1
ROOT: Final = "archive"
_NAME: Final = re.compile(r"(?P<first>\d{20})-(?P<last>\d{20})\.json")

Kind = Literal["records", "changes", "notes", "messages"]
"""Notes are what a timeline is made of; they follow from the log, as changes do."""

_OF_CELLS: Final[dict[str, Kind]] = {
    "records": "records",
    "changes": "changes",
    "notes": "notes",
}


class Series(msgspec.Struct, frozen=True, order=True):
    """A sequence of offsets that is archived range by range: one generation of one partition."""

    kind: Kind
    name: str
    """The cell's name, or the topic's without prefix."""
    generation: str
    partition: int = 0

    @property
    def prefix(self) -> str:
        """What the keys of its objects begin with."""
        if self.kind == "messages":
            return f"{ROOT}/topics/{self.name}/{self.partition:05d}/{self.generation}/"
        return f"{ROOT}/cells/{self.name}/{self.generation}/{self.kind}/"

    def __str__(self) -> str:
        """The series as people write it."""
        if self.kind == "messages":
            return f"{self.name}/{self.generation}:{self.partition}"
        return f"{self.name}/{self.generation} {self.kind}"


class Span(msgspec.Struct, frozen=True, order=True):
    """The offsets of one archived range, the last one included."""

    first_offset: int
    last_offset: int

    @property
    def name(self) -> str:
        """What its objects' names begin with."""
        return f"{self.first_offset:020d}-{self.last_offset:020d}"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes a file a range: which offsets it has, and how to know that it is whole."""

    version: int = MANIFEST_VERSION
    kind: Kind
    name: str
    generation: str
    partition: int
    first_offset: int
    last_offset: int
    rows: int
    at_ms_min: int
    """The least time of a row; 0 where there is no row."""
    at_ms_max: int
    """The largest time of all rows up to the range's end, earlier ranges included."""
    raw_bytes: int
    file: str
    """The file's key; empty where the range has no row."""
    file_bytes: int
    file_sha256: str
    content: str
    """A digest of the rows, whatever file they are in."""
    chain_before: str = ""
    """Of records: the chain over all records before the first; empty where the log's own
    beginning was not archived."""
    chain_after: str = ""
    made_at_ms: int
    build: str

    @property
    def span(self) -> Span:
        """Its offsets."""
        return Span(self.first_offset, self.last_offset)


class Piece(msgspec.Struct, frozen=True):
    """What a reader takes of a span: from ``first_offset`` up to, and without, ``end_offset``."""

    span: Span
    first_offset: int
    end_offset: int


def span_of(key: str) -> Span | None:
    """The span that a manifest's key names; None for the key of anything else."""
    found = _NAME.fullmatch(key.rpartition("/")[2])
    return Span(int(found["first"]), int(found["last"])) if found else None


def series_of(key: str) -> Series | None:
    """The series that a manifest's key belongs to; None for the key of anything else."""
    if span_of(key) is None:
        return None
    match key.split("/"):
        case [root, "cells", name, generation, kind, _] if root == ROOT and kind in _OF_CELLS:
            return Series(_OF_CELLS[kind], name, generation)
        case [root, "topics", name, partition, generation, _] if root == ROOT:
            return Series("messages", name, generation, int(partition))
    return None


def covering(spans: Iterable[Span], first_offset: int, end_offset: int) -> list[Piece]:
    """Pieces, in order, that have each offset of these bounds at most once; gaps are left out.

    Where several spans have an offset, the one that reaches farthest is taken.
    """
    waiting = sorted((each for each in spans if each.last_offset >= first_offset), reverse=True)
    pieces: list[Piece] = []
    position = first_offset
    while position < end_offset:
        best: Span | None = None
        while waiting and waiting[-1].first_offset <= position:
            span = waiting.pop()
            if best is None or span.last_offset > best.last_offset:
                best = span
        if best is not None and best.last_offset >= position:
            end = min(best.last_offset + 1, end_offset)
            pieces.append(Piece(best, position, end))
            position = end
        elif waiting:
            position = waiting[-1].first_offset  # Behind a gap.
        else:
            break
    return pieces


def gaps(spans: Iterable[Span], first_offset: int, end_offset: int) -> list[Span]:
    """What of these bounds no span has."""
    missing: list[Span] = []
    position = first_offset
    for piece in covering(spans, first_offset, end_offset):
        if piece.first_offset > position:
            missing.append(Span(position, piece.first_offset - 1))
        position = piece.end_offset
    if position < end_offset:
        missing.append(Span(position, end_offset - 1))
    return missing
