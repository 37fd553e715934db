"""Metrics of traces: what became of spans."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from streams.tracing.spans import SpanQueue

NAMES: Final = ("flumina_trace_spans",)


class SpanMetrics(Collector):
    """Reads the counts of a queue of spans."""

    def __init__(self, spans: SpanQueue) -> None:
        self._spans = spans

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The one family."""
        family = CounterMetricFamily(NAMES[0], "What became of spans.", labels=("outcome",))
        spans = self._spans
        for outcome, count in (
            ("sent", spans.sent),
            ("dropped", spans.dropped),
            ("failed", spans.failed),
        ):
            family.add_metric((outcome,), count)
        yield family
