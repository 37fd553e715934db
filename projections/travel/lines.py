"""Lines of a timeline, each event its own, made from notes.

The one thing to know: nothing is counted together here and nothing is dropped, however long ago it
was; whoever shows lines pages through them.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from projections.cell_view import CellView
from projections.entries import RefusalRun
from projections.history import Line, line_of, refusal_line
from projections.notes import (
    HostEntered,
    JobEntered,
    JobRefused,
    OrphanNoted,
    TaskBegan,
    TaskEntered,
)
from projections.travel.notes import Note, decoded_note


def lines_of_notes(view: CellView, notes: Iterable[Note]) -> Iterator[Line]:
    """A line for each note that says that something happened; ``view`` knows hosts' names."""
    decided: dict[str, str] = {}
    for row in notes:
        line = line_of_note(view, row)
        if line is None:
            continue
        if line.what in {"kill asked", "deadline"} or line.state == "Finished":
            decided[line.task_id] = line.address
        if line.what == "kill proposed":
            # Whoever began to fold behind the decision did not know where it stands.
            cause = decided.get(line.task_id, line.cause)
            line = replace(line, cause=cause)
        yield line


def line_of_note(view: CellView, row: Note) -> Line | None:
    """The note as a line; None where it only keeps what a line says."""
    note = decoded_note(row)
    match note:
        case JobEntered():
            return line_of(view, note.entry, note.job_id)
        case TaskEntered():
            return line_of(view, note.entry, note.job_id, note.task_id)
        case JobRefused():
            run = RefusalRun(note.refusal)
            run.add(row.place, note.refusal)
            return refusal_line(view, run, (0, 1), note.job_id)
        case HostEntered():
            return Line(
                address=view.address(row.place.spot),
                at_ms=row.at_ms,
                what=note.what,
                job_id="",
                message=note.text,
                host_id=note.host_id,
                hostname=view.hostname(note.host_id),
                actor=note.actor,
                source=note.source,
            )
        case OrphanNoted():
            return Line(
                address=view.address(row.place.spot),
                at_ms=row.at_ms,
                what="orphan seen" if note.is_seen else "orphan gone",
                job_id="",
                task_id=note.task_id,
                message=note.text,
                host_id=note.host_id or "",
                hostname=view.hostname(note.host_id),
            )
        case _:
            return None


def with_refusals(task_notes: Iterable[Note], job_notes: Iterable[Note]) -> list[Note]:
    """A task's notes, and between them those of rounds that refused its job while it waited.

    A round that placed the task stands before its launch in the same record, and did not refuse it.
    """
    merged: list[Note] = []
    refusals = [each for each in job_notes if isinstance(decoded_note(each), JobRefused)]
    waits_since, ready_at_ms, next_refusal = -1, 0, 0
    for row in task_notes:
        note = decoded_note(row)
        has_ended = isinstance(note, TaskEntered) and bool(note.state) and waits_since >= 0
        if has_ended and isinstance(note, TaskEntered) and note.entry.what != "queued":
            while next_refusal < len(refusals) and refusals[next_refusal].offset < row.offset:
                refusal = refusals[next_refusal]
                next_refusal += 1
                if refusal.offset > waits_since and refusal.at_ms >= ready_at_ms:
                    merged.append(refusal)
            waits_since = -1
        if isinstance(note, TaskBegan):
            waits_since, ready_at_ms = row.offset, note.ready_at_ms
        elif isinstance(note, TaskEntered) and note.entry.what == "requeued":
            waits_since, ready_at_ms = row.offset, 0
        merged.append(row)
    if waits_since >= 0:
        merged += [
            each
            for each in refusals[next_refusal:]
            if each.offset > waits_since and each.at_ms >= ready_at_ms
        ]
    return merged
