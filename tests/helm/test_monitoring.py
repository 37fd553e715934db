"""Rules and dashboards speak of metrics that exist, and are there only where they are wanted.

How: every name in an expression is looked for in the tables of docs/metrics.md, which other tests
hold against the code.
"""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.chart import CHART, ROOT, component, lasting, manifests, of_kind

NAME = re.compile(r"\bflumina_[a-z0-9_]+\b")
SUFFIXES = ("_total", "_bucket", "_count", "_sum")
KINDS = ("ServiceMonitor", "PrometheusRule")


def documented() -> set[str]:
    rows = (ROOT / "docs" / "metrics.md").read_text("utf-8").splitlines()
    return {name for row in rows if row.startswith("|") for name in NAME.findall(row)}


def unknown_in(text: str) -> list[str]:
    known = documented()
    return sorted(
        name
        for name in set(NAME.findall(text))
        if name not in known
        and not any(name.endswith(each) and name.removesuffix(each) in known for each in SUFFIXES)
    )


def test_every_metric_of_a_rule_exists_and_each_rule_says_what_to_do() -> None:
    rules = YAML(typ="safe").load((CHART / "rules.yaml").read_text("utf-8"))
    alerts = [each for group in rules["groups"] for each in group["rules"]]
    assert len(alerts) >= 12
    assert len({each["alert"] for each in alerts}) == len(alerts)
    for each in alerts:
        assert NAME.search(each["expr"])
        assert each["labels"]["severity"] in {"page", "ticket"}
        place = each["annotations"]["what_to_do"].rpartition(" ")[2]
        assert (ROOT / place).is_file(), place
    assert unknown_in(" ".join(each["expr"] for each in alerts)) == []


@pytest.mark.parametrize(
    "path", sorted((CHART / "dashboards").glob("*.json")), ids=lambda p: p.stem
)
def test_every_metric_of_a_dashboard_exists(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(asked) >= 8
    assert all(NAME.search(each) for each in asked)
    assert unknown_in(" ".join(asked)) == []
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_a_metric_that_is_not_there_would_be_found() -> None:
    assert unknown_in("sum(flumina_api_fold_ofset)") == ["flumina_api_fold_ofset"]


def test_they_stand_behind_switches() -> None:
    assert of_kind(manifests("small"), *KINDS) == []
    wanted = of_kind(manifests("production"), *KINDS)
    assert sorted(each["kind"] for each in wanted) == ["PrometheusRule", *["ServiceMonitor"] * 3]
    assert all(each["apiVersion"] == "monitoring.coreos.com/v1" for each in wanted)
    boards = [
        each
        for each in of_kind(manifests("production"), "ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    assert len(boards) == len(list((CHART / "dashboards").glob("*.json")))


def test_each_monitor_finds_a_port_of_a_service() -> None:
    found = manifests("production")
    services = of_kind(found, "Service")
    for monitor in of_kind(found, "ServiceMonitor"):
        (parts,) = [each["values"] for each in monitor["spec"]["selector"]["matchExpressions"]]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["scheme"] == "https"
        assert endpoint["authorization"]["credentials"]["name"] == "flumina-metrics"
        for part in parts:
            ports = [
                port["name"]
                for each in services
                if component(each) == part
                for port in each["spec"]["ports"]
            ]
            assert endpoint["port"] in ports, part
    for owner, spec in lasting(found):
        names = [each["name"] for each in spec["containers"][0]["ports"]]
        assert len(set(names)) == len(names), component(owner)
