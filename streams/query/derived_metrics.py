"""The metrics of perpetual queries, read from those that run when somebody asks.

The one thing to know: streams have names, for each was started by somebody and there are few; what
a stream's own sink shows stands beside these, under its own name.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.query.derived import DerivedStreams

PREFIX: Final = "flumina_query_"


class StreamMetrics(Collector):
    """States, rows and restarts."""

    def __init__(self, streams: DerivedStreams) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        running = self._streams.running
        states = GaugeMetricFamily(
            PREFIX + "streams", "Perpetual queries that this process runs.", labels=["state"]
        )
        for state, count in sorted(Counter(each.state for each in running).items()):
            states.add_metric([state], count)
        yield states
        rows = CounterMetricFamily(
            PREFIX + "stream_rows", "Rows of perpetual queries.", labels=["stream"]
        )
        restarts = CounterMetricFamily(
            PREFIX + "stream_restarts", "How often one had to begin again.", labels=["stream"]
        )
        for each in running:
            rows.add_metric([each.name], each.rows)
            restarts.add_metric([each.name], each.restarts)
        yield rows
        yield restarts
