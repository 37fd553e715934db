"""When a range is closed, and when somebody is told that the archive is behind.

The one thing to know: what has not been archived is lost with Kafka, so the age is what a
disaster costs. Small ranges of quiet times are put together later (`merging.py`).
"""

import msgspec

MINUTE_MS = 60_000


class HistoryLimits(msgspec.Struct, frozen=True):
    """Numbers of the archiving process; tests make them small."""

    range_records_max: int = 50_000
    range_bytes_max: int = 16 * 1024 * 1024
    """Raw bytes: one range is held in memory until it is closed, so this bounds the process."""
    range_age_ms: int = MINUTE_MS
    """A range is closed so long after its first record was read, however small it is."""
    merge_ranges: int = 60
    """So many ranges of less than a quarter of the largest size are put together."""
    removed_after_ms: int = 15 * MINUTE_MS
    """A range that a larger one has replaced is kept for those who have just listed it."""
    page_age_ms: int = 15 * MINUTE_MS
    """A record that is not archived for so long is an operator's matter."""
    watch_ms: int = 5_000
    """Between two looks at how far behind the archive is."""
    guard_interval_ms: int = 60 * MINUTE_MS
    retry_ms: int = 1_000
    """Between two tries of a store that fails; it doubles up to the next."""
    retry_ms_max: int = MINUTE_MS
