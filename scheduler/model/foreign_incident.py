"""The record of topic ``commands`` by which an operator writes a note, read and written.

The one thing to know: `scheduler.model.foreign` hooks the reader in; the encoder stands beside it.
Times are milliseconds since 1970, for a log knows no other; REST and commands read what people
write.
"""

from typing import Any, Final

import msgspec

from scheduler.model.incident_notes import ABOUT_BYTES_MAX, NOTE_BYTES_MAX, IncidentNoted
from scheduler.model.reading.checks import name_check, words_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import ACTOR_BYTES_MAX

AT_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999, behind which times have no four digits."""
_TEXT: Final = name_check(NOTE_BYTES_MAX)
_ABOUT: Final = words_check(ABOUT_BYTES_MAX)
_ACTOR: Final = name_check(ACTOR_BYTES_MAX)


def read_note_incident(fields: Fields) -> IncidentNoted:
    """The record ``NoteIncident``."""
    from_ms = fields.whole("fromMs", 0, AT_MS_MAX, default=0)
    to_ms = fields.whole("toMs", 0, AT_MS_MAX, default=0)
    if to_ms and from_ms > to_ms:
        fields.fault("toMs", "is before fromMs", "swap them")
    return IncidentNoted(
        text=fields.text("text", _TEXT),
        actor=fields.text("actor", _ACTOR),
        from_ms=from_ms,
        to_ms=to_ms,
        about=fields.text("about", _ABOUT, default=""),
    )


def encode_note_incident(
    text: str, actor: str, *, from_ms: int = 0, to_ms: int = 0, about: str = ""
) -> bytes:
    """The value that writes a note of a stretch of time."""
    record: dict[str, Any] = {"type": "NoteIncident", "text": text, "actor": actor}
    given = {"fromMs": from_ms, "toMs": to_ms, "about": about}
    return msgspec.json.encode(record | {name: value for name, value in given.items() if value})
