"""Notes of operators on what happened in a cell: the record that writes one, and how it is kept.

The one thing to know: a note is about a stretch of time, and is mostly written after it. Nothing
is decided by notes; they stand in the log so that an incident is told with what people knew of it.
"""

from typing import Final

from scheduler.model.base import Ours

NOTES_MAX: Final = 500
"""Kept in the state, the newest: as many as hundred incidents of five. All others are in the log.
"""
NOTE_BYTES_MAX: Final = 2_000
ABOUT_BYTES_MAX: Final = 255


class IncidentNoted(Ours, frozen=True):
    """An operator says something of a stretch of time."""

    text: str
    actor: str
    from_ms: int = 0
    """0: of the instant at which the note is written."""
    to_ms: int = 0
    about: str = ""
    """A job, task, host or address, or empty for the cell."""


class IncidentNote(Ours, frozen=True, tag=False):
    """A note as it is kept."""

    address: str
    """Of the event that wrote it."""
    at_ms: int
    from_ms: int
    to_ms: int
    text: str
    actor: str
    about: str = ""
