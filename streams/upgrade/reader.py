"""What a process that folds a cell's log can read, as it announces it; and what all of them can.

The one thing to know: nothing is decided by it in the fold. It only says how a leader may write, so
that a log holds nothing new while somebody lives who would halt at it.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

import msgspec

from scheduler.machine import FOLD_VERSION
from scheduler.model.codec import RECORD_VERSION
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.schemas import published_types
from streams.clock import elapsed_s

ANNOUNCE_S: Final = 10.0
LIVE_S: Final = 45.0
"""Who was silent for longer has ended; four announcements may be lost, or late."""


class Reader(msgspec.Struct, frozen=True):
    """One process that reads the log of one cell; a record of topic ``readers``.

    Fields are only ever added, with defaults: builds of all ages read this.
    """

    name: str
    """Of the process, the same for as long as it lives."""
    role: str
    build: str
    records: int
    """The highest version of records that it reads, and it reads all below."""
    folds: int
    """The highest version of the fold's rules that it knows."""
    kinds: tuple[str, ...]
    """The names of all events that it knows."""
    is_gone: bool = False
    """It ends now, in order."""


@cache
def own_kinds() -> frozenset[str]:
    """The names of all events that this build reads."""
    return frozenset(published_types())


def reader_here(name: str, role: str, build: str) -> Reader:
    """What this build reads."""
    return Reader(name, role, build, RECORD_VERSION, FOLD_VERSION, tuple(sorted(own_kinds())))


def encode_reader(reader: Reader) -> bytes:
    """The bytes of a record of topic ``readers``."""
    return msgspec.json.encode(reader)


def decode_reader(value: bytes | None) -> Reader | None:
    """What a record of topic ``readers`` says; None where it says nothing that we understand."""
    try:
        return msgspec.json.decode(value or b"", type=Reader)
    except BAD_BYTES:
        return None  # Of a build that words it otherwise; its next one comes in seconds.


class Common(msgspec.Struct, frozen=True):
    """What every live reader can read."""

    records: int
    unknown: frozenset[str]
    """Events that this build may write and some reader does not know."""
    holding: tuple[str, ...]
    """The readers for which something is held back, in words."""


class Roll:
    """The readers that live, by what they said last."""

    def __init__(self, clock: Callable[[], float] = elapsed_s) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, Reader]] = {}

    def note(self, reader: Reader, age_s: float = 0.0) -> None:
        """Take an announcement that was made so many seconds ago."""
        if reader.is_gone:
            self._heard.pop(reader.name, None)
        elif age_s < LIVE_S:
            self._heard[reader.name] = self._clock() - age_s, reader

    def live(self) -> list[Reader]:
        """Who was heard lately, by name."""
        oldest_s = self._clock() - LIVE_S
        self._heard = {name: each for name, each in self._heard.items() if each[0] > oldest_s}
        return [self._heard[name][1] for name in sorted(self._heard)]

    def common(self) -> Common:
        """What may be written for all who live."""
        return common_of(self.live())


def common_of(readers: Iterable[Reader]) -> Common:
    """What all of these and this build can read."""
    records, unknown = RECORD_VERSION, frozenset[str]()
    holding = []
    for each in readers:
        missing = own_kinds() - set(each.kinds)
        if missing or each.records < RECORD_VERSION:
            what = f"records up to version {each.records}"
            what += f", not {', '.join(sorted(missing)[:5])}" if missing else ""
            holding.append(f"{each.role} {each.name} (build {each.build}) reads {what}")
        records = min(records, each.records)
        unknown |= missing
    return Common(records, unknown, tuple(holding))
