"""The metrics of the health and the fleet process: counted, served where asked for, documented."""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from streams.errors import OperatorError
from streams.fleet.counts import FleetCounts
from streams.fleet.metrics import FleetCollector
from streams.health.counts import HealthCounts
from streams.health.metrics import HealthCollector
from streams.metrics_server import metrics_served

METRICS = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")


def health() -> HealthCollector:
    counts = HealthCounts(records=2, lines=2_000, lag={3: 7})
    counts.verdicts["sick"] += 1
    return HealthCollector(counts)


def fleet() -> FleetCollector:
    return FleetCollector(FleetCounts(looks=5, failures=1, instances={"workers": 12}))


@pytest.mark.parametrize("collector", [health(), fleet()])
def test_every_name_is_documented(collector: Collector) -> None:
    names = [each.name for each in collector.collect()]
    assert len(names) > 5
    assert not [each for each in names if f"`{each}`" not in METRICS]


def test_counts_are_shown() -> None:
    registry = CollectorRegistry()
    registry.register(health())
    registry.register(fleet())
    value = registry.get_sample_value
    assert value("flumina_health_lines_total") == 2_000
    assert value("flumina_health_verdicts_total", {"standing": "sick"}) == 1
    assert value("flumina_health_verdicts_total", {"standing": "well"}) == 0
    assert value("flumina_health_lag_records", {"partition": "3"}) == 7
    assert value("flumina_fleet_instances", {"group": "workers"}) == 12


@pytest.mark.slow
def test_they_are_served_only_where_a_port_is_given() -> None:
    with metrics_served(None, health) as nowhere:
        assert not nowhere
    with metrics_served(0, health) as address:
        place = urlsplit(address)
        connection = http.client.HTTPConnection(place.netloc, timeout=20)
        connection.request("GET", place.path)
        text = connection.getresponse().read().decode()
        connection.close()
        assert "flumina_health_lines_total 2000.0" in text
        taken = place.port
        with pytest.raises(OperatorError, match="cannot be served"), metrics_served(taken, health):
            pytest.fail("two cannot listen on one port")
