"""Marks for the lane under the bar of time: what an operator would want to jump to.

The one thing to know: they are told from notes of hosts, jobs and the cell, so a day is read
without folding it. Of too many the gravest and newest stay, and the others are counted.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from projections.notes import CellEntered, HostEntered, JobEntered, OrphanNoted, TaskEntered
from projections.travel.notes import Note, decoded_note
from scheduler.model.address import Address
from scheduler.state import State

MARKS_MAX: Final = 1_000
TEXT_CHARACTERS_MAX: Final = 300
Grade = Literal["grave", "notable", "change"]
GRADES: Final[tuple[Grade, ...]] = ("grave", "notable", "change")
"""``grave``: something is ill or went; ``notable``: look at it; ``change``: somebody ordered it."""
KINDS: Final = ("cell", "host", "orphan", "job", "task")
_TASK_ENDS: Final = frozenset(("lost", "stuckInState", "crashed", "localSystemError"))
_TASK_WORDS: Final = tuple(f'"{each}"'.encode() for each in sorted(_TASK_ENDS))
_CELL_GRADES: Final[dict[str, Grade]] = {
    "safe": "grave",
    "paged": "grave",
    "time gap": "notable",
    "leader": "notable",
}


class Mark(msgspec.Struct, frozen=True, rename="camel"):
    """One thing to jump to."""

    at_ms: int
    address: str
    grade: Grade
    kind: str
    what: str
    subject: str
    """The host, job or task that it is about; empty of the cell itself."""
    text: str


class MarksGlance(msgspec.Struct, frozen=True, rename="camel"):
    """The marks of a range, oldest first."""

    from_ms: int
    to_ms: int
    marks: tuple[Mark, ...]
    dropped: int
    counts: dict[str, int]
    """By grade, of all."""


class Marks:
    """Gathers marks while notes of a range go by."""

    def __init__(self, state: State) -> None:
        """``state`` knows the cell's name and its hosts'."""
        self._state = state
        self._found: list[Mark] = []

    def take(self, notes: Iterable[Note]) -> None:
        """Take notes in the order of the log."""
        for row in notes:
            is_task = row.kind == "task"
            if row.kind not in KINDS or (
                is_task and not any(word in row.body for word in _TASK_WORDS)
            ):
                continue
            mark = self._mark(row)
            if mark is not None:
                self._found.append(mark)

    def halt(self, offset: int, why: str) -> None:
        """Mark where the fold stands: at a record that it cannot take, behind all that it took."""
        state = self._state
        address = str(Address(state.cell, state.generation, offset))
        mark = Mark(state.clock.now_ms, address, "grave", "cell", "halt", "", why)
        self._found.append(mark)

    def glance(self, from_ms: int, to_ms: int) -> MarksGlance:
        """What was gathered."""
        counts: dict[str, int] = dict.fromkeys(GRADES, 0)
        for each in self._found:
            counts[each.grade] += 1
        kept = self._found
        if len(kept) > MARKS_MAX:
            newest_first = sorted(
                enumerate(kept), key=lambda pair: (GRADES.index(pair[1].grade), -pair[0])
            )
            kept = [mark for _, mark in sorted(newest_first[:MARKS_MAX], key=lambda pair: pair[0])]
        dropped = len(self._found) - len(kept)
        return MarksGlance(from_ms, to_ms, tuple(kept), dropped, counts)

    def _mark(self, row: Note) -> Mark | None:
        match note := decoded_note(row):
            case CellEntered():
                grade = _CELL_GRADES.get(note.what, "change")
                who = f"{note.actor}: " if note.actor else ""
                return self._made(row, grade, note.what, "", who + note.text)
            case HostEntered() if note.what not in {"offered first", "facts changed"}:
                name = self._state.hostname(note.host_id)
                text = f"{name}: {note.what}" + (f", {note.text}" if note.text else "")
                return self._made(row, _host_grade(note), note.what, note.host_id, text)
            case OrphanNoted() if note.is_seen:
                text = f"{note.task_id} runs without history in the log"
                return self._made(row, "grave", "orphan seen", note.task_id, text)
            case JobEntered() if note.entry.what == "job health":
                text = f"{note.job_id}: {note.entry.message}"
                return self._made(row, "notable", "job health", note.job_id, text)
            case TaskEntered() if note.state == "Finished" and note.entry.reason in _TASK_ENDS:
                text = f"{note.task_id} ended: {note.entry.reason}. {note.entry.message}"
                return self._made(row, "notable", note.entry.reason, note.task_id, text)
            case _:
                return None

    def _made(self, row: Note, grade: Grade, what: str, subject: str, text: str) -> Mark:
        place = Address(self._state.cell, self._state.generation, row.offset, row.index)
        words = " ".join(text.split())
        if len(words) > TEXT_CHARACTERS_MAX:
            words = f"{words[: TEXT_CHARACTERS_MAX - 1]}…"
        return Mark(row.at_ms, str(place), grade, row.kind, what, subject, words)


def _host_grade(note: HostEntered) -> Grade:
    if note.what == "removed by Mesos":
        return "grave"
    if note.what.startswith(("health:", "verdict:")):
        return "notable" if note.what.endswith(("back", "suspect")) else "grave"
    return "notable" if note.what == "healing" else "change"
