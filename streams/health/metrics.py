"""The metrics of the health process: their names and labels, all of them here.

The one thing to know: they are made of the process' own counts whenever somebody scrapes.
"""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.model.health import HostStanding
from streams.health.counts import HealthCounts

STANDINGS: tuple[HostStanding, ...] = ("sick", "suspect", "well")


class HealthCollector(Collector):
    """What the process has counted."""

    def __init__(self, counts: HealthCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """The numbers as they are now."""
        counts = self._counts
        verdicts = CounterMetricFamily(
            "flumina_health_verdicts", "Verdicts that were told.", labels=("standing",)
        )
        for standing in STANDINGS:
            verdicts.add_metric((standing,), counts.verdicts[standing])
        lag = GaugeMetricFamily(
            "flumina_health_lag_records", "Records that wait.", labels=("partition",)
        )
        for partition, waiting in sorted(counts.lag.items()):
            lag.add_metric((str(partition),), waiting)
        return [
            CounterMetricFamily("flumina_health_records", "Records read.", counts.records),
            CounterMetricFamily("flumina_health_lines", "Lines judged.", counts.lines),
            CounterMetricFamily(
                "flumina_health_dead_letters", "Records that cannot be read.", counts.dead_letters
            ),
            CounterMetricFamily(
                "flumina_health_lost_records", "Records that were deleted unread.", counts.lost
            ),
            GaugeMetricFamily(
                "flumina_health_kept_at_seconds",
                "When what is known was written down last, in seconds since 1970.",
                counts.kept_at_ms / 1_000,
            ),
            verdicts,
            lag,
        ]
