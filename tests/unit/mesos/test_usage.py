"""Samples of Mesos' agents as records of `metrics`: tags, rates, and what was not told."""

from typing import Any

import pytest

from connectors.mesos.usage import (
    CellUsage,
    Host,
    HostUsage,
    TaskUsage,
    Usage,
    cell_usage,
    host_usage,
    hosts_of,
    sample_of,
    tags_of,
    task_usages,
)
from tests.architecture.tree import ROOT

HOST = Host("S0", "agent1", "http://127.0.0.1:5051")
LABELS = {
    "flumina.cell": "main",
    "flumina.job": "web",
    "flumina.index": "3",
    "flumina.image": "team/x:1",
}
TASK = {
    "id": "web-3",
    "labels": [{"key": key, "value": value} for key, value in LABELS.items()],
    "resources": {"disk": 10},
}
STATE = {"frameworks": [{"id": "f", "executors": [{"id": "web-3", "tasks": [TASK]}]}]}


def container(at_s: float = 100.0, **statistics: Any) -> dict[str, Any]:
    """A container as ``/containers`` tells of it."""
    said = {"timestamp": at_s, **statistics}
    return {"framework_id": "f", "executor_id": "web-3", "container_id": "c", "statistics": said}


def test_only_connected_agents_and_only_where_they_registered_from() -> None:
    slaves = [
        {"id": "S0", "hostname": "one", "pid": "slave(1)@10.0.0.5:5051", "active": True},
        {"id": "S1", "hostname": "two", "pid": "slave(1)@10.0.0.6:5051", "active": False},
        {"id": "S2", "hostname": "odd", "pid": "slave(1)@evil/path?:1", "active": True},
        {"id": "S3", "hostname": "none", "pid": "", "active": True},
    ]
    assert hosts_of({"slaves": slaves}) == [Host("S0", "one", "http://10.0.0.5:5051")]


def test_tags_come_from_the_labels_of_the_launch() -> None:
    (tags,) = tags_of(STATE).values()
    assert (tags.cell, tags.job_id, tags.task_id, tags.index) == ("main", "web", "web-3", 3)
    assert (tags.image, tags.disk_limit_bytes) == ("team/x:1", 10 << 20)


def test_tasks_of_others_are_not_ours() -> None:
    foreign = {"id": "f", "executors": [{"id": "e", "tasks": [{"id": "t", "labels": None}]}]}
    assert tags_of({"frameworks": [foreign]}) == {}
    assert list(task_usages(HOST, [container()], {}, {})) == []


def test_a_rate_needs_two_samples() -> None:
    first = container(100.0, cpus_user_time_secs=1.0, cpus_system_time_secs=0.5)
    then = container(102.0, cpus_user_time_secs=1.9, cpus_system_time_secs=0.6)
    tags = tags_of(STATE)
    (before,) = task_usages(HOST, [first], tags, {})
    assert before.cpu_milli is None
    assert (before.cpu_user_ms_total, before.cpu_system_ms_total) == (1000, 500)
    sample = sample_of(first)
    assert sample is not None
    (after,) = task_usages(HOST, [then], tags, dict([sample]))
    assert (after.cpu_milli, after.interval_ms) == (500, 2000)


@pytest.mark.parametrize("at_s", [100.0, 99.0])
def test_a_sample_that_is_not_newer_has_no_rate(at_s: float) -> None:
    times = {"cpus_user_time_secs": 1.0, "cpus_system_time_secs": 0.5}
    sample = sample_of(container(100.0, **times))
    assert sample is not None
    (usage,) = task_usages(HOST, [container(at_s, **times)], tags_of(STATE), dict([sample]))
    assert usage.cpu_milli is None


def test_what_was_not_told_is_absent() -> None:
    (usage,) = task_usages(HOST, [container(mem_rss_bytes=5.0)], tags_of(STATE), {})
    assert usage.memory_rss_bytes == 5
    assert usage.cpu_user_ms_total is None
    assert usage.network_sent_bytes_total is None
    without = {**container(), "statistics": None}
    assert list(task_usages(HOST, [without], tags_of(STATE), {})) == []
    assert sample_of(without) is None


def test_a_host() -> None:
    told = {"system/load_1min": 1.25, "slave/cpus_used": 0.5, "system/mem_free_bytes": 7.0}
    assert host_usage(HOST, "main", told, 1).noise_milli is None
    told["flumina/noise_milli"] = 250.0
    usage = host_usage(HOST, "main", told, 1)
    assert (usage.load_1min_milli, usage.allocated_cpus_milli) == (1250, 500)
    assert (usage.memory_free_bytes, usage.memory_total_bytes) == (7, None)
    assert usage.noise_milli == 250


@pytest.mark.parametrize("record", [TaskUsage, HostUsage, CellUsage])
def test_every_field_stands_in_the_documentation(record: type[Usage]) -> None:
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    section = text.partition(f"### `{record.__name__}`")[2].partition("###")[0]
    assert [name for name in record.__struct_fields__ if f"`{name}`" not in section] == []


def test_the_cell_sums_what_is_known_of_both() -> None:
    whole: dict[str, Any] = dict.fromkeys(("cell", "job_id", "host_id", "host"), "x")
    whole |= {"version": 1, "at_ms": 1}
    tasks = [
        TaskUsage(
            task_id="a",
            cpu_milli=200,
            cpu_limit_milli=1_000,
            memory_rss_bytes=10,
            memory_limit_bytes=100,
            **whole,
        ),
        TaskUsage(task_id="first sample", cpu_limit_milli=500, memory_rss_bytes=7, **whole),
    ]
    told = cell_usage("c", [*tasks, HostUsage(1, 1, "c", "h", "h")], 9)
    assert (told.tasks, told.cpu_tasks, told.memory_tasks, told.at_ms) == (2, 1, 1, 9)
    assert (told.cpu_allocated_milli, told.cpu_used_milli) == (1_000, 200)
    assert (told.memory_allocated_bytes, told.memory_used_bytes) == (100, 10)
