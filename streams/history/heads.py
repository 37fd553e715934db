"""What an archive says beside a record's bytes: when, by which epoch, and which kinds of events.

The one thing to know: this reads records of any version, and of none. It is for finding records,
never for folding them; what cannot be read has no time and no kinds.
"""

from typing import Annotated, Final

import msgspec

from connectors.archive.rows import NO_TIME_MS, ArchivedRecord
from scheduler.model.reading.bad_bytes import BAD_BYTES

UNREADABLE_EPOCH: Final = -2


AT_MS_MAX: Final = 2**53
"""A record of a time beyond it is no record of ours; a column of the archive holds 63 bits."""
_At = Annotated[int, msgspec.Meta(ge=0, le=AT_MS_MAX)]
_Epoch = Annotated[int, msgspec.Meta(ge=-1, le=2**62)]


class _Body(msgspec.Struct, gc=False):
    type: str = ""


class _Event(msgspec.Struct, gc=False):
    type: str
    body: _Body | None = None


class _Time(msgspec.Struct, gc=False):
    at_ms: _At


class _Head(msgspec.Struct, gc=False):
    epoch: _Epoch
    at_ms: _At
    events: tuple[_Event, ...]


_HEADS: Final = msgspec.json.Decoder(_Head)
_TIMES: Final = msgspec.json.Decoder(_Time)


def at_ms_of(value: bytes) -> int:
    """The time that a record of the cell log tells, or `NO_TIME_MS`."""
    try:
        return _TIMES.decode(value).at_ms
    except BAD_BYTES:
        return NO_TIME_MS


def archived_record(offset: int, value: bytes, at_ms_max_before: int) -> ArchivedRecord:
    """The row of a record: its bytes, and what they say of themselves."""
    try:
        head = _HEADS.decode(value)
    except BAD_BYTES:
        return ArchivedRecord(
            offset, NO_TIME_MS, at_ms_max_before, UNREADABLE_EPOCH, kinds=(), value=value
        )
    # A copy is named after what was copied: that is what people look for.
    kinds = tuple(
        f"{each.type}:{each.body.type}" if each.body and each.body.type else each.type
        for each in head.events
    )
    at_ms_max = max(at_ms_max_before, head.at_ms)
    return ArchivedRecord(offset, head.at_ms, at_ms_max, head.epoch, kinds=kinds, value=value)
