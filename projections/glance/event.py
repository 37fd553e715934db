"""One event of the cell log as it was written, and where it stands.

The one thing to know: values of environment variables are masked before it is told.
"""

from typing import Any

import msgspec

from projections.travel.masking import masked_record
from scheduler.model.address import Address
from scheduler.model.events import CellRecord


class EventWhole(msgspec.Struct, frozen=True, rename="camel"):
    """One event, whole."""

    address: str
    topic: str
    offset: int
    index: int
    at_ms: int
    epoch: int
    events: int
    """In its record."""
    kind: str
    event: dict[str, Any]
    """All of it but the values of environment variables."""


def event_whole(address: Address, record: CellRecord) -> EventWhole | None:
    """The event at an address of this record; None where the record holds fewer."""
    if address.index >= len(record.events):
        return None
    event = masked_record(record).events[address.index]
    return EventWhole(
        address=str(address),
        topic="cell",
        offset=address.offset,
        index=address.index,
        at_ms=record.at_ms,
        epoch=record.epoch,
        events=len(record.events),
        kind=type(event).__name__,
        event=msgspec.to_builtins(event),
    )
