"""The documents name every path, method, parameter, status and metric, and no others."""

import re
from http import HTTPStatus
from pathlib import Path

from connectors.web import api, edge, logs, requests, standing, submitting, writing
from connectors.web.admission import Admission, AdmissionLimits
from connectors.web.metrics import Metrics
from connectors.web.observe_metrics import ObserveMetrics
from connectors.web.resource import Operation
from connectors.web.routes import ROUTES
from projections.v3_query import CRITERIA
from scheduler.model.v3.limits import DESCRIPTOR_BYTES_MAX
from streams.api.collector_metrics import CollectorMetrics
from tests.support.asgi import call
from tests.support.web_cell import WebCell, descriptor

DOCS = Path(__file__).parents[3] / "docs"
REST = "".join((DOCS / name).read_text("utf-8") for name in ("rest.md", "api-v2.md"))
METRICS = (DOCS / "metrics.md").read_text("utf-8")
_ROW = re.compile(r"^\| `(/[^`]*)` \| ([A-Z]+) \| ([^|]*)\|", re.MULTILINE)


def _documented() -> dict[tuple[str, str], set[str]]:
    return {
        (path, method): set(CRITERIA) if "criteria" in said else set(re.findall("`([^`]+)`", said))
        for path, method, said in _ROW.findall(REST)
    }


def _built() -> dict[tuple[str, str], Operation]:
    return {(path, method): each for path in ROUTES for method, each in ROUTES[path].items()}


def test_each_path_and_method_has_its_row_with_its_parameters() -> None:
    built = {place: set(each.parameters) for place, each in _built().items()}
    assert _documented() == built


def test_each_criterion_is_described() -> None:
    for name in CRITERIA:
        assert name in REST


def test_reads_take_at_least_as_described() -> None:
    gets = {place for place in _built() if place[1] == "GET"}
    takes = {place for place, each in _built().items() if each.is_read}
    assert gets - takes == {("/health", "GET"), ("/metrics", "GET")}


def test_headers_and_limits_are_described() -> None:
    for name in (
        requests.ACTOR,
        requests.AT_LEAST,
        requests.IDEMPOTENCY_KEY,
        edge.OFFSET,
        edge.STALE,
        writing.TOKEN,
        submitting.REPEATED,
        logs.LOG_OFFSET,
        logs.LOG_NEXT_OFFSET,
        logs.LOG_SIZE,
        f"{DESCRIPTOR_BYTES_MAX // 1024} KiB",
        f"{requests.SMALL_BODY_BYTES_MAX // 1024} KiB",
        f"{requests.QUERY_BYTES_MAX // 1024} KiB",
        f"{logs.PIECE_BYTES_MAX:,}",
        f"{standing.LAG_RECORDS_MAX:,} records",
        f"{standing.LEADER_SILENT_MS_MAX // 1_000} s",
        f"{standing.KAFKA_SILENT_MS_MAX // 1_000} s",
        f"{api.WAIT_S_MAX:.0f} s",
        f"{edge.REQUEST_S_MAX:.0f} s",
        f"{requests.BODY_S_MAX:.0f} s",
    ):
        assert name in REST, name


def test_each_status_that_the_code_names_is_described() -> None:
    named = {
        int(HTTPStatus[name])
        for path in Path(edge.__file__).parent.glob("*.py")
        for name in re.findall(r"HTTPStatus\.([A-Z_]+)", path.read_text("utf-8"))
    }
    described = {int(each) for each in re.findall(r"\b([2-5]\d\d)\b", REST)}
    assert named <= described


def test_each_metric_has_its_row() -> None:
    documented = re.findall(r"^\| `(flumina_(?:api|cell)_\w+)` \|", METRICS, re.MULTILINE)
    cell = WebCell()
    metrics = Metrics(cell, Admission(cell, AdmissionLimits()))
    metrics.add(ObserveMetrics(cell.observing))
    metrics.add(CollectorMetrics())
    assert sorted(documented) == metrics.names()


def test_metrics_count_by_route_and_not_by_what_callers_write() -> None:
    web = WebCell()
    call(web.app, "POST", "/api/v3/jobs?jobId=a", descriptor())
    for name in ("a", "b", "c"):
        call(web.app, "GET", f"/api/v3/jobs/{name}")
        call(web.app, "GET", f"/no/such/{name}")
    call(web.app, "BREW", "/health")
    answer = call(web.app, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.body.decode().splitlines()
    counted = [each for each in lines if each.startswith("flumina_api_requests_total{")]
    assert sorted(counted) == [
        'flumina_api_requests_total{method="GET",path="/api/v3/jobs/{id}",status="200"} 1.0',
        'flumina_api_requests_total{method="GET",path="/api/v3/jobs/{id}",status="404"} 2.0',
        'flumina_api_requests_total{method="GET",path="other",status="404"} 3.0',
        'flumina_api_requests_total{method="POST",path="/api/v3/jobs",status="201"} 1.0',
        'flumina_api_requests_total{method="other",path="/health",status="405"} 1.0',
    ]
    assert 'flumina_api_records_published_total{topic="jobs"} 1.0' in lines
    assert "flumina_cell_jobs_active 1.0" in lines
    assert f"flumina_api_fold_offset {float(len(web.cell.log) - 1)}" in lines
