"""What the health process has read and told, counted as it goes.

The one thing to know: these are bare numbers, so that a process without a port for metrics does
not pay for a library; `streams.health.metrics` shows them.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class HealthCounts:
    """Since the start of the process."""

    records: int = 0
    lines: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    """By standing."""
    dead_letters: int = 0
    lost: int = 0
    """Records that Kafka deleted before they were read."""
    lag: dict[int, int] = field(default_factory=dict)
    """Records that wait, by partition."""
    kept_at_ms: int = 0
    """When what is known was written down last."""
