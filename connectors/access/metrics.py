"""How many requests a door has refused, by why, for Prometheus.

The one thing to know: every code is there from the start, at 0, so that an alert on one that never
came has something to look at.
"""

from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.access.refusals import Refusals

CODES: Final = (
    *("none", "token", "certificate", "keys", "delegate"),
    *("role", "cell", "scope", "unlisted", "origin"),
)
"""As `docs/access.md` explains them."""


class DoorMetrics(Collector):
    """The books of one door, looked at when somebody scrapes."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def collect(self) -> list[Metric]:
        """The numbers as they are now."""
        refused = CounterMetricFamily(
            "flumina_access_refused",
            "Requests that were refused for who asked, or for what he was not granted.",
            labels=("code",),
        )
        for code in CODES:
            refused.add_metric((code,), self._refusals.counted[code])
        return [refused]
