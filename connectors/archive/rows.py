"""The rows that an archive keeps: records of a cell log, changes that follow from it, messages.

The one thing to know: `ArchivedRecord.value` and `ArchivedMessage.value` are the bytes as Kafka had
them; everything beside them is there so that a filter finds them without reading them.
"""

import msgspec

NO_TIME_MS = -1
"""The time of a record that tells none, because it cannot be decoded."""


class ArchivedRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of a cell log."""

    offset: int
    at_ms: int
    """Its leader's clock; `NO_TIME_MS` where the record cannot be read."""
    at_ms_max: int
    """The largest ``at_ms`` of this record and all before it, which never runs backwards."""
    epoch: int
    kinds: tuple[str, ...]
    """The names of its events, in order; empty where the record cannot be read."""
    value: bytes


class ArchivedChange(msgspec.Struct, frozen=True, gc=False):
    """One change that the fold reported at an event of the cell log."""

    offset: int
    index: int
    at_ms: int
    """The fold's clock at that record."""
    kind: str
    job_id: str | None
    task_id: str | None
    host_id: str | None
    state: str | None
    reason: str | None
    body: bytes
    """The change as `scheduler.model.codec.encode_change` writes it."""
    place: int = 0
    """Its number among the changes of the same event: two may say the same."""


class ArchivedMessage(msgspec.Struct, frozen=True, gc=False):
    """One record of any other topic."""

    offset: int
    at_ms: int
    """Kafka's stamp: when its producer made it."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


Row = ArchivedRecord | ArchivedChange | ArchivedMessage
