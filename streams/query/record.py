"""A record that queries read, wherever it is kept.

The one thing to know: Kafka and the archive have the same records, byte for byte.
"""

from typing import NamedTuple


class Record(NamedTuple):
    """A record as Kafka has it, or the archive."""

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes


class Unreadable(ValueError):
    """A record that is none of its topic's."""
