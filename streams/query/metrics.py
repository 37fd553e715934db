"""The query process' metrics, read from what serves when somebody asks.

The one thing to know: readers have no label, for anybody may name one; drops are counted in all.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.web.query.pass_through import PassThrough
from streams.query.serving import Serving

PREFIX: Final = "flumina_query_"


class QueryMetrics(Collector):
    """Readers, hubs, rows, drops, and what was passed through to the api."""

    def __init__(self, serving: Serving, api: PassThrough) -> None:
        self._serving, self._api = serving, api

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        serving = self._serving
        sessions = list(serving.sessions.values())
        readers = GaugeMetricFamily(
            PREFIX + "readers", "Connections with a query.", labels=["state"]
        )
        for state in ("live", "behind", "catching-up"):
            readers.add_metric([state], sum(each.state == state for each in sessions))
        yield readers
        yield CounterMetricFamily(PREFIX + "begun", "Streams that began.", value=serving.begun)
        yield CounterMetricFamily(
            PREFIX + "refused", "Streams refused for want of room.", value=serving.refused
        )
        sent = serving.sent + sum(each.sent for each in sessions)
        yield CounterMetricFamily(PREFIX + "rows", "Rows sent.", value=sent)
        dropped = serving.dropped + sum(each.inbox.dropped for each in sessions)
        yield CounterMetricFamily(
            PREFIX + "dropped_events", "Events that slow readers had no room for.", value=dropped
        )
        yield GaugeMetricFamily(
            PREFIX + "held_events", "Events in windows and joins.", value=serving.budget.total
        )
        records = CounterMetricFamily(
            PREFIX + "records", "Records read by shared readers.", labels=["topic"]
        )
        unreadable = CounterMetricFamily(
            PREFIX + "unreadable_records", "Records that were no events.", labels=["topic"]
        )
        for topic, hub in serving.hubs.items():
            records.add_metric([topic], hub.records)
            unreadable.add_metric([topic], hub.matcher.unreadable)
        yield records
        yield unreadable
        passed = CounterMetricFamily(
            PREFIX + "passed_requests", "Requests passed on to the api.", labels=["result"]
        )
        passed.add_metric(["answered"], self._api.passed)
        passed.add_metric(["failed"], self._api.failed)
        yield passed
