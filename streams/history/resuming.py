"""Where archiving goes on: behind what is archived, or where something is missing that Kafka has.

The one thing to know: it goes by what the store lists, never by a note of its own. So a range that
was removed because it was damaged is archived anew, and nothing that is there is archived again.
"""

import msgspec

from connectors.archive.archive import Archive
from connectors.archive.ranges import Series, covering
from scheduler.chain import Chain

NO_CHAIN = ""


class Resume(msgspec.Struct, frozen=True):
    """The next offset to archive, and what is known of all records before it."""

    next_offset: int
    at_ms_max: int
    chain: str
    """Empty where a record before it is missing."""


def resume_at(archive: Archive, series: Series, begin: int, end: int) -> Resume:
    """Where to go on with a series of which Kafka has ``begin`` up to, and without, ``end``."""
    at_ms_max, chain = 0, Chain().hex
    position = 0
    for piece in covering(archive.spans(series), 0, 2**62):
        if piece.first_offset > position and piece.first_offset > begin and end > position:
            # A gap of which Kafka has at least a part.
            break
        manifest = archive.manifest(series, piece.span)
        at_ms_max = max(at_ms_max, manifest.at_ms_max)
        chain = manifest.chain_after
        position = piece.end_offset
    if position < begin:
        return Resume(begin, at_ms_max, NO_CHAIN)
    return Resume(position, at_ms_max, chain)
