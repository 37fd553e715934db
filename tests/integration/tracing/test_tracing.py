"""One trace from a POST to the running task, across Kafka: all parts real, the collector as well.

What is shown: each step is a span of its process, its parent is what led to it, and times go
forward; a record that was written past the API is traced by its header; and what nobody asked to
see, or what came when the collector was away, costs the cell nothing.
"""

import json
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId
from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.collector import Collector, Told, collecting
from tests.support.metric_page import unnamed
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

JOBS: Final = "/api/v3/jobs"
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER: Final = "00f067aa0ba902b7"
OTHER: Final = "5bf92f3577b34da6a3ce929d0e0e4736"
WAY: Final = (
    ("flumina-api", "POST jobs"),
    ("flumina-api", "jobs publish"),
    ("flumina-cell", "ingest copy"),
    ("flumina-cell", "fold"),
    ("flumina-cell", "queued"),
    ("flumina-cell", "placement round"),
    ("flumina-cell", "proposal accepted"),
    ("flumina-cell", "EffectStarted"),
    ("flumina-cell", "ACCEPT"),
    ("flumina-cell", "TASK_STARTING"),
    ("flumina-cell", "TASK_RUNNING"),
)
"""Each is the parent of the next."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Where the processes of the test send their spans."""
    with collecting() as server:
        yield server


@pytest.fixture
def world(
    kafka: str,
    topic_prefix: str,
    tmp_path: Path,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A cell of real parts that traces what its callers trace, and nothing else."""
    for name, value in {"FLUMINA_TRACES": "0", **collector.environment}.items():
        monkeypatch.setitem(os.environ, name, value)
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3))
        there.start_cell("cell-0")
        yield there
    finally:
        there.close()


def _of(spans: list[Told], trace_id: str) -> list[Told]:
    return [each for each in spans if each.trace_id == trace_id]


def _is_seen_running(trace_id: str, tasks: int) -> Callable[[list[Told]], bool]:
    def holds(spans: list[Told]) -> bool:
        seen = [each for each in _of(spans, trace_id) if each.name == "api fold"]
        states = [each.attributes.get("flumina.state") for each in seen]
        return states.count("Started") >= tasks

    return holds


def _the_way(spans: list[Told], leaf: Told) -> list[Told]:
    """The span and all that it is part of, from the outermost on."""
    by_id = {each.span_id: each for each in spans}
    way = [leaf]
    while way[0].parent_id in by_id:
        way.insert(0, by_id[way[0].parent_id])
    return way


def test_a_trace_goes_from_a_request_across_kafka_to_its_running_task(
    world: World, collector: Collector, api: ApiProcess
) -> None:
    api.until("/health", lambda each: each.json["leader"] == "cell-0", "the leader is known")
    quiet = api.ask("POST", f"{JOBS}?jobId=quiet", batch_of(1, "true"))
    assert quiet.status == 201
    parent = f"00-{TRACE}-{CALLER}-01"
    made = api.ask(
        "POST", f"{JOBS}?jobId=traced", service_of(2, "sleep 1000"), {"traceparent": parent}
    )
    assert made.status == 201
    spans = collector.until(_is_seen_running(TRACE, 2), "both tasks were seen to run")
    collector.until(
        lambda told: {name for _, name in WAY} <= {each.name for each in _of(told, TRACE)},
        "all spans arrived",
    )
    spans = _of(collector.spans, TRACE)

    running = [each for each in spans if each.name == "TASK_RUNNING"]
    assert len(running) == 2
    assert len({each.span_id for each in spans}) == len(spans)
    for leaf in running:
        way = _the_way(spans, leaf)
        assert tuple((each.service, each.name) for each in way) == WAY
        assert way[0].parent_id == CALLER
        assert all(each.begun_ns <= each.ended_ns for each in way)
        # Times of the log are in milliseconds, those of a process finer.
        ends = [each.ended_ns for each in way[1:]]
        assert all(after + 2_000_000 > before for before, after in pairwise(ends))
        assert leaf.attributes["flumina.job"] == "traced"
        assert leaf.attributes["flumina.state"] == "Started"
        assert leaf.attributes["flumina.address"].startswith("main/")
    # What the api's own fold saw stands behind what the cell's did, and after it was stamped.
    by_id = {each.span_id: each for each in spans}
    seen = [each for each in spans if each.name == "api fold"]
    assert {by_id[each.parent_id].name for each in seen} == {"fold", "TASK_RUNNING"}
    assert {by_id[each.parent_id].service for each in seen} == {"flumina-cell"}
    # Nobody asked to see the other one.
    assert {each.trace_id for each in collector.spans} == {TRACE}

    _traced_past_the_api(world, collector)
    metrics = api.ask("GET", "/metrics").body.decode()
    assert 'flumina_trace_spans_total{outcome="dropped"} 0.0' in metrics
    assert unnamed(metrics) == []
    _lines_have_their_place(world, api)
    _nobody_waits_for_a_collector_that_is_away(collector, api)


def _traced_past_the_api(world: World, collector: Collector) -> None:
    """A producer of its own puts the header beside its record; the trace begins with the copy."""
    header = ("traceparent", f"00-{OTHER}-{CALLER}-01".encode())
    value = encode_submit(JobId("direct"), batch_of(1, "true"), "test")
    world.publish("jobs", "direct", value, headers=[header])
    spans = collector.until(
        lambda told: any(each.name == "TASK_RUNNING" for each in _of(told, OTHER)),
        "the job of the producer runs",
    )
    (copy,) = [each for each in _of(spans, OTHER) if each.name == "ingest copy"]
    assert copy.parent_id == CALLER


def _lines_have_their_place(world: World, api: ApiProcess) -> None:
    """Log lines of both processes: JSON, whose they are, and how far the fold was."""
    (path,) = world.home.glob("cell-0-*.log")
    of_cell = [json.loads(each) for each in path.read_text("utf-8").splitlines()]
    of_api = [json.loads(each) for each in api.log.read_text("utf-8").splitlines()]
    assert of_cell
    assert {each["process"] for each in of_cell} == {"cell-0"}
    assert {each["process"] for each in of_api} <= {"api"}
    (leads,) = [each for each in of_cell if each["event"] == "leads the cell"]
    assert leads["cell"] == "main"
    assert leads["offset"] >= leads["epoch"] > 0
    begins = [each for each in of_api if each["event"] == "the fold begins"]
    assert all({"cell", "epoch", "offset"} <= each.keys() for each in begins)
    assert begins


def _nobody_waits_for_a_collector_that_is_away(collector: Collector, api: ApiProcess) -> None:
    collector.status = 400
    parent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    assert api.ask("POST", f"{JOBS}?jobId=late", batch_of(1, "true"), parent).status == 201
    api.until(
        "/metrics",
        lambda answer: 'spans_total{outcome="failed"} 0.0' not in answer.body.decode(),
        "the api counts what was not taken",
    )
