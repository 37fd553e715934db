"""What the fleet process has asked and told, counted as it goes.

The one thing to know: these are bare numbers, so that a process without a port for metrics does
not pay for a library; `streams.fleet.metrics` shows them.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class FleetCounts:
    """Since the start of the process."""

    looks: int = 0
    failures: int = 0
    """Questions that the cloud did not answer, looks and notices alike."""
    reports: int = 0
    """Of groups and instances, as the cell was told of them."""
    notices: int = 0
    looked_at_ms: int = 0
    """When the cloud answered last."""
    instances: dict[str, int] = field(default_factory=dict)
    """By group, as the cloud said last."""
