"""The metrics of streams of events: how many there are, what they are sent, and how they end.

The one thing to know: they are counted where the streams are, and asked for when somebody scrapes.
"""

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.web.observing import ENDS, Observing
from projections.observe.names import STREAMS


class ObserveMetrics(Collector):
    """The streams of one api process."""

    def __init__(self, observing: Observing) -> None:
        self._observing = observing

    def collect(self) -> list[Metric]:
        """The numbers as they are now."""
        observing = self._observing
        opened = GaugeMetricFamily(
            "flumina_api_streams_open", "Streams of events that are read now.", labels=("stream",)
        )
        sent = CounterMetricFamily(
            "flumina_api_stream_events",
            "Events that were sent to readers of streams.",
            labels=("stream",),
        )
        kept = GaugeMetricFamily(
            "flumina_api_stream_events_kept",
            "Events that are kept for readers who come again.",
            labels=("stream",),
        )
        for stream in STREAMS:
            opened.add_metric((stream,), observing.open[stream])
            sent.add_metric((stream,), observing.sent[stream])
            kept.add_metric((stream,), len(observing.ring(stream)))
        ended = CounterMetricFamily(
            "flumina_api_streams_ended",
            "Streams of events that have ended, by why.",
            labels=("reason",),
        )
        for reason in ENDS:
            ended.add_metric((reason,), observing.ended[reason])
        refused = CounterMetricFamily(
            "flumina_api_streams_refused",
            "Streams that were not opened: too many are, of the address or in all.",
            observing.refused,
        )
        failed = CounterMetricFamily(
            "flumina_api_stream_records_failed",
            "Records that could not be streamed: a mistake of ours, see the log.",
            observing.failed,
        )
        return [opened, sent, kept, ended, refused, failed]
