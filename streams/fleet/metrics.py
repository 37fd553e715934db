"""The metrics of the fleet process: their names and labels, all of them here.

The one thing to know: they are made of the process' own counts whenever somebody scrapes.
"""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.fleet.counts import FleetCounts


class FleetCollector(Collector):
    """What the process has counted."""

    def __init__(self, counts: FleetCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """The numbers as they are now."""
        counts = self._counts
        instances = GaugeMetricFamily(
            "flumina_fleet_instances", "Instances as the cloud said last.", labels=("group",)
        )
        for group, count in sorted(counts.instances.items()):
            instances.add_metric((group,), count)
        return [
            CounterMetricFamily("flumina_fleet_looks", "Looks at all groups.", counts.looks),
            CounterMetricFamily(
                "flumina_fleet_failures", "Questions without an answer.", counts.failures
            ),
            CounterMetricFamily("flumina_fleet_reports", "Reports written.", counts.reports),
            CounterMetricFamily("flumina_fleet_notices", "Notices heard.", counts.notices),
            GaugeMetricFamily(
                "flumina_fleet_looked_at_seconds",
                "When the cloud answered last, in seconds since 1970.",
                counts.looked_at_ms / 1_000,
            ),
            instances,
        ]
