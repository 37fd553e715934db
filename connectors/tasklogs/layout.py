"""Where a task's output lies in the store: the keys, and what each says of the bytes it holds.

The one thing to know: the keys are the index. A part's key names the first byte it holds, the one
behind its last, and when the first was seen, all by the file's own byte offsets; so one listing
tells what there is, nothing is ever rewritten, and a crash between two calls leaves no index that
disagrees with the bytes.

    task-logs/CELL/JOB/TASK/RUN/FILE/BEGIN-END-AT_MS.gz        bytes BEGIN to END of FILE
    task-logs/CELL/JOB/TASK/RUN/FILE/BEGIN-END-AT_MS.dropped   bytes that are kept nowhere, and why
    task-logs/CELL/JOB/TASK/RUN/complete.json                  the task has ended; nothing follows
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ROOT: Final = "task-logs"
COMPLETE: Final = "complete.json"
WORD_CHARACTERS_MAX: Final = 180
"""Of a name as it stands in a key, where a word has 200 at most."""
OUTPUTS: Final = ("stdout", "stderr")

PartKind = Literal["gz", "dropped"]

_PART: Final = re.compile(r"([0-9]{16})-([0-9]{16})-([0-9]{1,16})\.(gz|dropped)")
_ESCAPE: Final = re.compile(rb"=([0-9A-F]{2})")
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class NameRefused(ValueError):
    """A name that cannot be one of a task's files; says why."""


class Part(msgspec.Struct, frozen=True, order=True):
    """A range of one file's bytes: kept in the store, or dropped for good."""

    begin: int
    end: int
    at_ms: int
    """When the first of these bytes was seen on the host, in milliseconds since 1970."""
    kind: PartKind = "gz"

    @property
    def word(self) -> str:
        """The last word of the part's key."""
        return f"{self.begin:016d}-{self.end:016d}-{self.at_ms}.{self.kind}"


class FileTotals(msgspec.Struct, frozen=True):
    """What became of one file."""

    bytes_total: int
    """All bytes that were seen of it: its last offset."""
    bytes_dropped: int = 0


class Completed(msgspec.Struct, frozen=True):
    """What `complete.json` holds: a task's run is over, and all that is kept of it is here."""

    task_id: str
    host: str
    ended_at_ms: int
    files: Mapping[str, FileTotals]
    """By the name of the file."""
    files_refused: int = 0
    """Files of the log folder that were not taken: too many, or no plain files."""
    version: int = 1


def part_of(word: str) -> Part | None:
    """The part whose key ends with this word, or None if it is no part's."""
    found = _PART.fullmatch(word)
    if found is None:
        return None
    kind: PartKind = "gz" if found[4] == "gz" else "dropped"
    part = Part(int(found[1]), int(found[2]), int(found[3]), kind)
    return part if part.begin < part.end else None


def encoded(name: str) -> str:
    """The name as one word of a key; raises `NameRefused` where it is too long for one.

    Bytes outside of ``[A-Za-z0-9._-]`` and a dot in front are written as ``=XX``.
    """
    raw = name.encode("utf-8", "surrogateescape")
    word = "".join(chr(each) if each in _PLAIN else f"={each:02X}" for each in raw)
    if word.startswith("."):
        word = f"=2E{word[1:]}"
    if not word or len(word) > WORD_CHARACTERS_MAX:
        raise NameRefused(
            f"the name has {len(word)} characters as a key, {WORD_CHARACTERS_MAX} fit"
        )
    return word


def decoded(word: str) -> str:
    """The name that `encoded` wrote as this word."""
    # A store may hold keys that nobody of us wrote: those are names of some kind as well.
    written = word.encode("utf-8", "surrogatepass")
    raw = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), written)
    return raw.decode("utf-8", "surrogateescape")


def checked_name(name: str) -> str:
    """The name, if a task's file may be asked for by it; raises `NameRefused` else.

    It is stdout, stderr, or a path below the log folder. It never becomes a path of ours: it is
    looked up among the files that were found. It is refused all the same where it tries.
    """
    if not name or len(name) > WORD_CHARACTERS_MAX:
        raise NameRefused(f"a name has 1 to {WORD_CHARACTERS_MAX} characters")
    if any(not each.isprintable() for each in name):
        raise NameRefused("a name holds no control characters")
    if any(each in {"", ".", ".."} for each in name.split("/")):
        raise NameRefused("a name has no empty part, no '.' and no '..'")
    return name


def cell_prefix(cell: str) -> str:
    """What the keys of a cell's task logs begin with."""
    return f"{ROOT}/{encoded(cell)}/"


def job_prefix(cell: str, job_id: str) -> str:
    """What the keys of a job's task logs begin with."""
    return f"{cell_prefix(cell)}{encoded(job_id)}/"


def task_prefix(cell: str, job_id: str, task_id: str) -> str:
    """What the keys of a task's logs begin with."""
    return f"{job_prefix(cell, job_id)}{encoded(task_id)}/"


def run_prefix(cell: str, job_id: str, task_id: str, run: str) -> str:
    """The same of one run of the task: its container on a host."""
    return f"{task_prefix(cell, job_id, task_id)}{encoded(run)}/"


def dropped_text(begin: int, end: int, why: str) -> bytes:
    """The line that stands in a log for bytes that are kept nowhere."""
    return f"\n[flumina: {end - begin} bytes ({begin} to {end}) are missing here: {why}]\n".encode()


OVER_QUOTA: Final = "the file is larger than what is kept of one"
CUT_BY_TASK: Final = "the task cut or removed the file before they were shipped"
NOT_FOUND: Final = "neither the host nor the store has them (the host died, or they expired)"
