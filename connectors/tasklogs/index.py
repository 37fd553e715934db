"""What the store has of a task's output, made of one listing: which bytes, in which objects.

The one thing to know: a dropped range counts for more than a part inside it. When bytes are
dropped the range is written first and the parts are deleted after it, so between the two both are
there, and a reader is told the same as later.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Protocol

import msgspec

from connectors.tasklogs.layout import COMPLETE, Part, decoded, part_of


class Listed(Protocol):
    """What an index needs to know of an object: `connectors.ports.ObjectFacts` is one."""

    @property
    def key(self) -> str:
        """The object's key."""
        ...

    @property
    def written_at_ms(self) -> int:
        """When it was written."""
        ...


class FileIndex(msgspec.Struct, frozen=True):
    """What the store knows of one file, in the order of its bytes and without overlap."""

    prefix: str
    """What the keys of its parts begin with."""
    parts: tuple[Part, ...] = ()

    @property
    def begin(self) -> int:
        """The first byte that the store knows of."""
        return self.parts[0].begin if self.parts else 0

    @property
    def end(self) -> int:
        """The byte behind the last one that the store knows of."""
        return self.parts[-1].end if self.parts else 0

    @property
    def bytes_dropped(self) -> int:
        """How many bytes were dropped for good."""
        return sum(each.end - each.begin for each in self.parts if each.kind == "dropped")

    def holding(self, offset: int) -> Part | None:
        """The part with this byte, or None."""
        place = bisect_right(self.parts, offset, key=lambda part: part.begin) - 1
        if place < 0 or self.parts[place].end <= offset:
            return None
        return self.parts[place]

    def next_begin(self, offset: int) -> int | None:
        """Where the store's first part above this byte begins, if there is one."""
        place = bisect_right(self.parts, offset, key=lambda part: part.begin)
        return self.parts[place].begin if place < len(self.parts) else None

    def offset_at(self, at_ms: int) -> int:
        """The beginning of the last part that was begun by then: not later than that instant."""
        begun = [each.begin for each in self.parts if each.at_ms <= at_ms]
        return max(begun, default=self.begin)


class RunIndex(msgspec.Struct, frozen=True):
    """What the store has of one run of a task."""

    prefix: str
    files: dict[str, FileIndex]
    is_complete: bool = False
    """The task has ended and its last bytes are here."""


def without_overlap(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts in order, each byte in one of them at most; one that begins inside another goes."""

    def disjoint(some: Iterable[Part]) -> list[Part]:
        kept: list[Part] = []
        for each in sorted(some, key=lambda part: (part.begin, -part.end)):
            if not kept or each.begin >= kept[-1].end:
                kept.append(each)
        return kept

    found = list(parts)
    drops = disjoint(each for each in found if each.kind == "dropped")
    whole = [
        each
        for each in found
        if each.kind == "gz" and not any(drop.begin <= each.begin < drop.end for drop in drops)
    ]
    return tuple(disjoint([*drops, *whole]))


def run_of(prefix: str, listed: Iterable[Listed]) -> RunIndex | None:
    """The newest run among the objects of a task whose keys begin with ``prefix``; None of none."""
    runs: dict[str, dict[str, list[Part]]] = {}
    complete: set[str] = set()
    newest_ms: dict[str, int] = {}
    for each in listed:
        words = each.key.removeprefix(prefix).split("/")
        newest_ms[words[0]] = max(newest_ms.get(words[0], 0), each.written_at_ms)
        match words:
            case [run, word] if word == COMPLETE:
                complete.add(run)
                runs.setdefault(run, {})
            case [run, file, word] if (part := part_of(word)) is not None:
                runs.setdefault(run, {}).setdefault(file, []).append(part)
            case _:
                continue  # Not ours: somebody else's object below our prefix.
    if not runs:
        return None
    run = max(runs, key=lambda name: (newest_ms[name], name))
    files = {
        decoded(word): FileIndex(f"{prefix}{run}/{word}/", without_overlap(parts))
        for word, parts in sorted(runs[run].items())
    }
    return RunIndex(f"{prefix}{run}/", files, run in complete)
