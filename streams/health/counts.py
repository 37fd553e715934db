"""What the health process has read and told, counted as it goes.

The one thing to know: these are bare numbers, so that a process without a port for metrics does
not pay for a library; `streams.health.metrics` shows them.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

BEHIND_RECORDS_MAX: Final = 50_000
"""More waiting records than this, and the process has not caught up."""


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

    def why_behind(self) -> str:
        """How many records wait, where that is more than a moment's; empty else."""
        waiting = sum(self.lag.values())
        return f"{waiting} records wait to be judged" if waiting > BEHIND_RECORDS_MAX else ""
