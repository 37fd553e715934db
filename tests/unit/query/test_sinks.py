"""Where rows of perpetual queries go: metrics that cannot grow without end, pages sent once.

How: the sinks with a registry and a desk of their own; what goes to a topic is tested on a Kafka.
"""

import asyncio
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from connectors.pager.translate import Page
from projections.query.kept import Kept, ToAlert, ToMetric
from streams.pages.desk import Desk
from streams.pages.metrics import PageMetrics
from streams.query.derived_places import group_of
from streams.query.derived_sinks import SERIES_MAX, AlertSink, MetricSink, SinkFailed, label_of
from streams.query.running import Said


def said(*rows: dict[str, Any]) -> list[Said]:
    return [
        Said(f"metrics:0:{number};{number}", orjson.dumps(row)) for number, row in enumerate(rows)
    ]


def test_a_counter_counts_rows_or_adds_a_field() -> None:
    registry = CollectorRegistry()
    rows = MetricSink(registry, ToMetric("rows", labels=("host",)), "")
    total = MetricSink(registry, ToMetric("lines", value="n"), "lines of all hosts")

    async def story() -> None:
        await rows.open()
        await total.open()
        found = said({"host": "a", "n": 2}, {"host": "b", "n": 3.5}, {"host": "a"}, {"n": True})
        await rows.take(found)
        await total.take([*found, *said({"n": -1}, {"n": "5"}, {"n": None})])

    asyncio.run(story())
    assert registry.get_sample_value("flumina_stream_rows_total", {"host": "a"}) == 2
    assert registry.get_sample_value("flumina_stream_rows_total", {"host": ""}) == 1
    assert registry.get_sample_value("flumina_stream_lines_total") == 5.5
    assert total.passed_over == 5  # No number, or it would make a counter smaller.


def test_a_gauge_shows_the_last_value_and_is_gone_with_its_stream() -> None:
    registry = CollectorRegistry()
    sink = MetricSink(registry, ToMetric("load", "gauge", "v", ("host",)), "")

    async def story() -> None:
        await sink.open()
        await sink.take(said({"host": "a", "v": 5}, {"host": "a", "v": -2}))
        assert registry.get_sample_value("flumina_stream_load", {"host": "a"}) == -2
        with pytest.raises(SinkFailed, match="cannot be shown"):
            await MetricSink(registry, ToMetric("load"), "").open()
        await sink.close()
        await sink.close()

    asyncio.run(story())
    assert registry.get_sample_value("flumina_stream_load", {"host": "a"}) is None


def test_labels_of_strangers_do_not_grow_without_end() -> None:
    registry = CollectorRegistry()
    sink = MetricSink(registry, ToMetric("rows", labels=("id",)), "")

    async def story() -> None:
        await sink.open()
        await sink.take(said(*({"id": number} for number in range(SERIES_MAX + 50))))

    asyncio.run(story())
    assert registry.get_sample_value("flumina_stream_rows_total", {"id": "other"}) == 50
    assert [label_of(each) for each in (None, True, 5, [1], "x" * 999)] == [
        *("", "true", "5", "[1]", "x" * 200),
    ]


class Heard(Desk):
    """A desk that remembers what was put there."""

    def __init__(self) -> None:
        super().__init__("main", None, None, PageMetrics(CollectorRegistry()))
        self.pages: list[Page] = []

    def put(self, page: Page) -> None:
        self.pages.append(page)
        super().put(page)


@pytest.mark.parametrize(("severity", "pages"), [("page", 3), ("warning", 0)])
def test_an_alert_is_one_page_for_each_key_and_day(severity: Any, pages: int) -> None:
    desk = Heard()
    alert = ToAlert(severity, "a host melts", ("host_id",))
    kept = Kept(sort="stream", name="melting", actor="ann", at_ms=1, mql="select *", sink=alert)
    sink = AlertSink(desk, "main", kept, alert)
    try:
        asyncio.run(
            sink.take(said({"host_id": "h1"}, {"host_id": "h2"}, {"host_id": "h1", "n": 2}))
        )
    finally:
        desk.close()
    assert sink.raised == 3
    assert len(desk.pages) == pages
    if pages:
        assert len({each.id for each in desk.pages}) == 2  # The desk sends each once.
        assert desk.pages[0].what == "a host melts: h1"


def test_a_stream_that_is_written_anew_has_a_group_of_its_own() -> None:
    assert group_of("p.", "lost", 7) != group_of("p.", "lost", 8)
