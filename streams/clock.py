"""The one clock: wall time for records, monotonic time for waiting.

The one thing to know: no other module asks the operating system for the time of day, and nothing
pure asks at all.
"""

import time


def now_ms() -> int:
    """Wall time in milliseconds since 1970, as it is stamped into records."""
    return time.time_ns() // 1_000_000


def elapsed_s() -> float:
    """Monotonic seconds; only differences mean anything. It runs on while a process is stopped."""
    return time.monotonic()
