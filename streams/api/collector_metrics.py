"""The metrics of Python's garbage collector in the api process: what it costs, and its worst pause.

The one thing to know: nothing is folded or answered while it looks. Each look is at what came since
the one before (`streams.garbage`), so a pause that grows with the cell is a mistake of ours.
"""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.garbage import LOOKS, Looks


class CollectorMetrics(Collector):
    """The collector's looks, asked when somebody scrapes."""

    def __init__(self, looks: Looks = LOOKS) -> None:
        self._looks = looks

    def collect(self) -> list[Metric]:
        """The numbers as they are now."""
        looks = self._looks
        return [
            CounterMetricFamily(
                "flumina_api_collector_looks",
                "Looks of the garbage collector since the start.",
                looks.count,
            ),
            CounterMetricFamily(
                "flumina_api_collector_seconds", "What they took in all.", looks.total_s
            ),
            GaugeMetricFamily(
                "flumina_api_collector_longest_seconds",
                "The longest of them, in which nothing was folded or answered.",
                looks.longest_s,
            ),
        ]
