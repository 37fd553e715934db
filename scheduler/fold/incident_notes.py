"""Operators' notes in the log.

The one thing to know: the newest are kept, by a number that counts up, and the oldest is forgotten
for a new one. Nothing else of the cell changes.
"""

from typing import Final

from scheduler.fold.context import Fold
from scheduler.model.address import Address, Source
from scheduler.model.changes import RequestAccepted
from scheduler.model.incident_notes import NOTES_MAX, IncidentNote, IncidentNoted

SAME_MS: Final = 60_000
"""The same words of times so near are one note: an order says a time as ago of when it is read."""


def incident_noted(fold: Fold, source: Source, body: IncidentNoted) -> None:
    """Keep the note, and forget the oldest where they are too many."""
    state = fold.state
    notes, now_ms = state.incident_notes, state.clock.now_ms
    from_ms = body.from_ms or body.to_ms or now_ms
    fold.report(RequestAccepted(source=source, what="note incident"))
    if any(_is_same(each, body, from_ms) for each in notes.values()):
        return
    number = next(reversed(notes), 0) + 1
    notes[number] = IncidentNote(
        address=str(Address(state.cell, state.generation, fold.offset, fold.index)),
        at_ms=now_ms,
        from_ms=from_ms,
        to_ms=max(from_ms, body.to_ms),
        text=body.text,
        actor=body.actor,
        about=body.about,
    )
    fold.touch("incident note", number)
    while len(notes) > NOTES_MAX:
        oldest = next(iter(notes))
        del notes[oldest]
        fold.touch("incident note", oldest)


def _is_same(note: IncidentNote, body: IncidentNoted, from_ms: int) -> bool:
    """Whether it was written already: commands send again what was not answered in time."""
    is_near = abs(note.from_ms - from_ms) <= SAME_MS
    return is_near and (note.text, note.actor, note.about) == (body.text, body.actor, body.about)
